internal import Glibc
internal import Metering
internal import Posix

/// The thread of an emulated line: carries bytes between the master and the model, keeps the port and its stable name.
final class LineLoop: @unchecked Sendable {
    // SAFETY: made by one thread, then handed to the thread that runs `run` and touched by no other.
    private var model: LineModel
    private let units: [UInt8: LineUnit]
    private let name: String
    private let listener: Descriptor?
    private let shared: SharedLine
    private let wake: WakeUp
    private let truth: LineTruth?
    private let keepsRecords: Bool
    private var port: (descriptor: Int32, path: String)?
    /// Whether anybody has the port open, as far as is known.
    private var isAttended = false
    private var connection: Int32 = -1
    private var isEnding = false
    private var lastDevice: String?

    /// While nobody has the port open it is looked at so often.
    private static let attendance = Duration.milliseconds(1)

    init(
        _ model: LineModel, units: [LineUnit], name: String, listener: Descriptor?, shared: SharedLine, wake: WakeUp,
        truth: LineTruth?, keepsRecords: Bool
    ) {
        self.model = model
        self.units = Dictionary(uniqueKeysWithValues: units.map { ($0.id, $0) })
        self.name = name
        self.listener = listener
        self.shared = shared
        self.wake = wake
        self.truth = truth
        self.keepsRecords = keepsRecords
    }

    deinit {
        unplug()
    }

    // MARK: - The loop

    func run() {
        while !isEnding {
            grantWishes()
            advance()
            let now = BootClock.now
            var wait = model.deadline.map { $0 - now } ?? .seconds(3600)
            let isWatched = port != nil && isAttended
            if port != nil, !isAttended { wait = min(wait, Self.attendance) }
            let descriptors: [Int32] = [
                wake.descriptor, isWatched ? port?.descriptor ?? -1 : -1, connection, listener?.raw ?? -1,
            ]
            let ready = Poller.readable(descriptors, within: max(.zero, wait))
            if ready.contains(0) { wake.take() }
            // Also when the wait has ended for another reason: what the master sent while this machine was busy with
            // others came before the bytes that are due now.
            if port != nil { readPort() }
            if connection >= 0 { readConnection() }
            if ready.contains(3) { accept() }
        }
        unplug()
        publish()
        truth?.stop()
    }

    private func grantWishes() {
        let wishes = shared.withLock { shared in
            defer { shared.wishes = [] }
            return shared.wishes
        }
        let now = BootClock.now
        for wish in wishes {
            switch wish {
            case .setFaults(let faults): model.setFaults(faults, at: now)
            case .plug(let isPlugged):
                guard isPlugged != model.isPlugged else { continue }
                model.plug(isPlugged, at: now)
                perform(isPlugged ? .plugIn : .unplug)
            case .swap(let unit):
                model.swapped(unit, at: now)
                perform(.swap(unit))
            case .end: isEnding = true
            }
        }
    }

    private func advance() {
        let actions = model.advance(to: BootClock.now) { unit, pdu, instant in
            guard let unit = units[unit] else { preconditionFailure("unit \(unit) is not on the line") }
            return unit.answer(pdu, at: instant)
        }
        for action in actions { perform(action) }
        publish()
    }

    private func perform(_ action: LineModel.Action) {
        switch action {
        case .deliver(let bytes): deliver(bytes)
        case .unplug: unplug()
        case .plugIn: replug()
        case .swap(let unit):
            do throws(LabError) { try units[unit]?.swap() } catch { Output.error("unit \(unit): \(error)") }
        }
    }

    private func publish() {
        let records = model.takeRecords()
        guard !records.isEmpty else { return }
        shared.withLock { shared in
            for record in records { shared.counts.add(record) }
            if keepsRecords { shared.records += records }
        }
        for record in records { truth?.add(record) }
    }

    // MARK: - The port

    /// Makes the port and its stable name.
    func plugIn() throws {
        let new = try PseudoTerminal.open()
        var spare: Int32 = -1
        defer { if spare >= 0 { close(spare) } }
        var made = new
        if made.path == lastDevice {
            // The number is free again; an adapter that comes back has another one.
            spare = new.descriptor
            made = try PseudoTerminal.open()
        }
        unlink(name)
        guard symlink(made.path, name) == 0 else {
            let code = errno
            close(made.descriptor)
            throw PosixError("link", name, code: code)
        }
        port = made
        lastDevice = made.path
        isAttended = false
        shared.withLock { $0.device = made.path }
    }

    private func replug() {
        do { try plugIn() } catch { Output.error("the port does not come back: \(error)") }
    }

    private func unplug() {
        hangUp()
        guard let port else { return }
        unlink(name)
        close(port.descriptor)
        self.port = nil
        shared.withLock { $0.device = nil }
    }

    private func readPort() {
        guard let port else { return }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = read(port.descriptor, &buffer, buffer.count)
        let now = BootClock.now
        isAttended = count > 0 || errno == EAGAIN || errno == EINTR
        guard count > 0 else { return }
        // A pseudo-terminal carries whatever is set on it; a wire does not.
        let speed = SerialPort.speed(of: port.descriptor) ?? model.line.baud
        let isAtSpeed = abs(speed - model.line.baud) * 100 <= model.line.baud * 3
        model.hear(Array(buffer[..<count]), at: now, isAtSpeed: isAtSpeed)
    }

    private func deliver(_ bytes: [UInt8]) {
        // What nobody takes is lost, as on a wire.
        if let port, isAttended { _ = write(port.descriptor, bytes, bytes.count) }
        if connection >= 0 { _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)) }
    }

    // MARK: - The converter

    private func accept() {
        guard let listener else { return }
        let new = Loopback.accept(on: listener.raw)
        guard new >= 0 else { return }
        Loopback.sendAtOnce(new)
        // Cheap converters serve one at a time: the newest.
        hangUp()
        connection = model.isPlugged ? new : -1
        if connection < 0 { close(new) }
    }

    private func readConnection() {
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = recv(connection, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { return model.hear(Array(buffer[..<count]), at: BootClock.now) }
        if count == 0 || errno != EAGAIN && errno != EINTR { hangUp() }
    }

    private func hangUp() {
        if connection >= 0 { close(connection) }
        connection = -1
    }
}
