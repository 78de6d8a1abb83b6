import Glibc
import Metering
import Posix
import Testing

@testable import Fieldbus
@testable import Lab

/// Ports that are missing, taken, unplugged and plugged in again.
@Suite struct SerialPortTests {
    private let span = RegisterSpan(function: .holding, address: 0, count: 2)

    private func peer() throws -> LinePeer {
        try .port { number, request in [.send(Frames.answer(to: request, value: UInt16(number)))] }
    }

    private func path(_ peer: LinePeer) -> String {
        if case .serial(let path) = peer.endpoint { path } else { "" }
    }

    private func link(_ path: String, direction: SerialLine.Direction? = nil) -> ModbusLink {
        ModbusLink(
            BusSettings(
                id: "b", endpoint: .serial(path: path), line: SerialLine(baud: 19_200, direction: direction),
                timing: Timing(responseTimeout: .seconds(10))))
    }

    /// edgex device-modbus-go #636, nymea #491, modbus-relay #7, nuttx #3430, home-assistant #59744: an adapter that was
    /// unplugged comes back under another number; the old descriptor is dead, the stable name leads to the new one.
    @Test func aPortThatComesBackUnderAnotherNumber() throws {
        let folder = try LabFile.temporaryFolder("parthe-test")
        defer { LabFile.remove(folder: folder) }
        let name = folder + "/by-path"
        let first = try peer()
        #expect(symlink(path(first), name) == 0)
        var link = link(name)
        try link.read(span, unit: 1)
        let opened = link.portReport
        let report = try #require(opened)
        #expect(report.path == name && report.device == path(first) && report.direction == .automatic)

        // Kept until the end, so that the second cannot have the same number.
        let second = try peer()
        defer { second.stop() }
        first.stop()
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        guard case .portGone = error.code else {
            Issue.record("\(error)")
            return
        }
        #expect(error.disposition == .reconnect && error.hint.contains("plug"))
        let isConnected = link.isConnected
        #expect(!isConnected)

        unlink(name)
        let missing = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        guard case .noPort = missing.code else {
            Issue.record("\(missing)")
            return
        }
        #expect(missing.description == "\(name): there is no such port")

        #expect(symlink(path(second), name) == 0)
        try link.read(span, unit: 1)
        let (words, connects, device) = (link.words, link.counters.connects, link.portReport?.device)
        #expect(words == [0, 1])
        #expect(connects == 2 && device == path(second) && device != report.device)
    }

    /// modbus-relay #7, nuttx #3430: the dead descriptor is let go of before the next request, which may be long after.
    @Test func anUnpluggedAdapterIsNoticedWithoutARequest() throws {
        let peer = try peer()
        var link = link(path(peer))
        let early = link.noticeHangUp()
        try link.read(span, unit: 1)
        let healthy = link.noticeHangUp()
        let isOpen = link.isConnected
        #expect(!early && !healthy && isOpen)
        peer.stop()
        let isNoticed = link.noticeHangUp()
        let isStillOpen = link.isConnected
        #expect(isNoticed && !isStillOpen)
        let again = link.noticeHangUp()
        #expect(!again)
    }

    /// home-assistant #59744: a port that goes dead in place, without an error, is opened anew, but not again and again.
    @Test func aPortThatGoesDeadInPlace() throws {
        let peer = try LinePeer.port { number, request in
            number == 0 ? [.send(Frames.answer(to: request, value: 0))] : []
        }
        defer { peer.stop() }
        var link = link(path(peer))
        try link.read(span, unit: 1)
        func fail(_ count: Int) {
            for number in 0..<count {
                let error = #expect(throws: ModbusError.self) {
                    let unit = UInt8(number % 2 + 1)
                    try link.read(span, unit: unit, timing: Timing(responseTimeout: .milliseconds(10)))
                }
                #expect(error?.code == .timeout)
            }
        }
        fail(ModbusLink.silencesBeforeReopening - 1)
        let early = link.isConnected
        #expect(early)
        fail(1)
        let late = link.isConnected
        #expect(!late)
        fail(3 * ModbusLink.silencesBeforeReopening)
        let (again, connects) = (link.isConnected, link.counters.connects)
        #expect(again && connects == 2, "a minute is not over")
        link.reopenedAt = BootClock.now - ModbusLink.reopeningInterval
        fail(1)
        let atLast = link.isConnected
        #expect(!atLast)
    }

    /// Dead units beside one that lives say nothing against the port, though it was not asked for long; nor do requests
    /// that nobody answers but that are heard back.
    @Test(arguments: [false, true]) func aPortIsNotDeadForDeadUnits(isEcho: Bool) throws {
        let peer = try LinePeer.port { _, request in
            let answer = PeerStep.send(Frames.answer(to: request, value: 0))
            return isEcho ? [.send(request)] : request[0] == 1 ? [answer] : []
        }
        defer { peer.stop() }
        var link = link(path(peer))
        if isEcho { try link.connect() } else { try link.read(span, unit: 1) }
        for number in 0..<3 * ModbusLink.silencesBeforeReopening {
            #expect(throws: ModbusError.self) {
                let unit = UInt8(2 + number % 3)
                try link.read(span, unit: unit, timing: Timing(responseTimeout: .milliseconds(isEcho ? 100 : 10)))
            }
            // What is heard back after its time counts as well, once it is there.
            if isEcho { #expect(AgentHarness.wait(60) { peer.sent > number }) }
        }
        if !isEcho { try link.read(span, unit: 1) }
        let connects = link.counters.connects
        #expect(connects == 1)
    }

    @Test func anotherProgramsPort() throws {
        let peer = try peer()
        defer { peer.stop() }
        var first = link(path(peer))
        var second = link(path(peer))
        try first.connect()
        let error = try #require(throws: ModbusError.self) { try second.connect() }
        #expect(error.code == .portBusy && error.hint.contains("fuser"))
        try first.read(span, unit: 1)
        first.close()
        try second.read(span, unit: 1)
    }

    @Test func whatIsNoPort() throws {
        let folder = try LabFile.temporaryFolder("parthe-test")
        defer { LabFile.remove(folder: folder) }
        for path in [folder, "/dev/null"] {
            var link = link(path)
            let error = try #require(throws: ModbusError.self) { try link.connect() }
            #expect(error.code == .portRefused("it is no serial port"), "\(error)")
        }
    }

    /// Root may open everything, so this is of use where tests run without it.
    @Test(.enabled(if: geteuid() != 0)) func aPortOfAnotherGroup() throws {
        let folder = try LabFile.temporaryFolder("parthe-test")
        defer { LabFile.remove(folder: folder) }
        let file = folder + "/port"
        #expect(creat(file, 0) >= 0)
        var link = link(file)
        let error = try #require(throws: ModbusError.self) { try link.connect() }
        #expect(error.code == .noPermission(group: SerialPort.group(of: file)))
    }

    @Test func theGroupOfAPortHasAName() {
        #expect(SerialPort.group(of: "/dev/null") == "root")
        #expect(SerialPort.group(of: "/dev/does-not-exist") == nil)
        let error = ModbusError(
            code: .noPermission(group: "dialout"), endpoint: "/dev/ttyUSB0", transport: .serial, unit: 0)
        #expect(error.hint.contains("usermod -aG dialout"))
    }

    /// What the kernel is asked for (linux/serial.h, struct serial_rs485): flags, delay before, delay after, 20 bytes of
    /// padding. Delays that are no whole milliseconds are rounded up.
    @Test(
        arguments: [
            (true, 0, 0, 0b011, 0, 0), (false, 0, 0, 0b101, 0, 0), (true, 2000, 5000, 0b011, 2, 5),
            (false, 1001, 1, 0b101, 2, 1),
        ] as [(Bool, Int64, Int64, UInt32, UInt32, UInt32)])
    func whatTheKernelIsAskedFor(
        isHigh: Bool, before: Int64, after: Int64, flags: UInt32, first: UInt32, second: UInt32
    ) {
        let mode = SerialPort.kernelMode(
            SerialLine.Direction(
                rtsIsHighToSend: isHigh, delayBefore: .microseconds(before), delayAfter: .microseconds(after)))
        #expect(mode.count == 32)
        let words = mode.withUnsafeBytes { bytes in
            (0..<8).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
        }
        #expect(words == [flags, first, second, 0, 0, 0, 0, 0])
    }

    /// Where neither the kernel nor RTS can switch the direction, that is reported, and reading goes on.
    @Test func aDirectionThatNobodyCanSwitch() throws {
        let peer = try peer()
        defer { peer.stop() }
        var link = link(path(peer), direction: SerialLine.Direction(delayBefore: .milliseconds(1)))
        try link.read(span, unit: 1)
        let opened = link.portReport
        let report = try #require(opened)
        guard case .none(let refusal, let rts) = report.direction else {
            Issue.record("\(report)")
            return
        }
        #expect(refusal != 0 && rts != 0)
    }
}
