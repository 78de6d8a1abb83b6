import Glibc
import Metering
import Posix
import Testing

@testable import Lab

/// `parthe-lab line` as scripts use it, asked by nothing but open, write and read.
@Suite struct LineCommandTests {
    private final class Server {
        let process: ChildProcess
        private let log: String

        init(_ arguments: [String], log: String) throws {
            self.log = log
            process = try ChildProcess(
                AgentHarness.siblingProgram("parthe-lab"), ["line"] + arguments, log: log)
            _ = eventually { output.contains("\n") }
        }

        var output: String { (try? File.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? "" }

        deinit {
            process.kill()
        }
    }

    /// Sends `request` to the port and returns the `count` bytes that come, and what comes within half a second after.
    private func ask(_ port: String, _ request: [UInt8], _ count: Int) throws -> [UInt8] {
        let descriptor = open(port, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        try #require(descriptor >= 0, "\(port)")
        defer { close(descriptor) }
        var settings = termios()
        tcgetattr(descriptor, &settings)
        cfmakeraw(&settings)
        cfsetspeed(&settings, speed_t(B9600))
        tcsetattr(descriptor, TCSANOW, &settings)
        #expect(write(descriptor, request, request.count) == request.count)
        var got: [UInt8] = []
        while Poller.isReadable(descriptor, within: got.count < count ? .seconds(20) : .milliseconds(500)) {
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 { got += buffer[..<count] }
            if count == 0 { break }
        }
        return got
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func aLineIsReadAndLeavesNothingBehind(signal: Int32) throws {
        let folder = try TemporaryFolder()
        let truth = folder.path + "/truth"
        let server = try Server(
            ["--count", "2", "--folder", folder.path, "--truth", truth, "--fault", "2:exception=6"],
            log: folder.path + "/log")
        let port = folder.path + "/by-id/usb-LAB"
        try #require(server.output == "line \(port)\n", "\(server.output)")
        let answer = try ask(port, Frame.make(1, [4, 0, 0, 0, 2]), 9)
        #expect(answer.count == 9 && Frame.isWhole(answer))
        #expect(try ask(port, Frame.make(2, [4, 0, 0, 0, 2]), 5) == Frame.make(2, [0x84, 6]))
        #expect(
            try ask(port, Frame.make(1, [6, 0, 0, 0, 2]), 5) == Frame.make(1, [0x86, 1]), "nothing can be written")
        #expect(try ask(port, Frame.make(1, [3, 0xFC, 0x00, 0, 2]), 9).count == 9, "the serial number")
        server.process.signal(signal)
        #expect(eventually { server.process.exitCode() == 0 })
        #expect(server.output.contains("4 requests heard, 0 too early, 0 not heard otherwise; 4 answers"))
        #expect(try File.names(in: folder.path).sorted() == ["log", "truth"])
        let lines = try File.read(truth).split(separator: UInt8(ascii: "\n")).map { try JSONParser.parse(Array($0)) }
        #expect(
            lines.map { $0["what"]?.text } == Array(repeating: ["request", "answer"], count: 4).joined().map { $0 })
        #expect(lines[1]["bytes"]?.text == Frame.text(answer) && lines[1]["values"]?["voltage-l1"] != nil)
        #expect(lines[3]["faults"] == ["exception"])
    }

    @Test func aConverterAndAnAdapterThatComesBack() throws {
        let folder = try TemporaryFolder()
        let server = try Server(
            [
                "--unit", "7=eastron-sdm120,1ms", "--baud", "19200", "--converter", "0", "--folder", folder.path,
                "--fault", "unplug@1s-2s", "--json",
            ], log: folder.path + "/log")
        let ready = try JSONParser.parse(Array(server.output.utf8.dropLast()))
        let port = try #require(ready["converter"]?.integer)
        // While the adapter is away the converter hangs up; whoever is not answered connects anew and asks once more.
        var got: [UInt8] = []
        let isAnswered = eventually {
            guard let connection = try? Loopback.connect(to: UInt16(port)) else { return false }
            defer { close(connection) }
            guard Loopback.send(Frame.make(7, [4, 0, 0, 0, 2]), to: connection) else { return false }
            got = []
            while Poller.isReadable(connection, within: .milliseconds(1000)) {
                var buffer = [UInt8](repeating: 0, count: 256)
                let count = recv(connection, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { break }
                got += buffer[..<count]
            }
            return got.count == 9
        }
        #expect(isAnswered && got[..<3] == [7, 4, 4])
        let device = ready["device"]?.text
        var name = [CChar](repeating: 0, count: 256)
        let isBack = eventually {
            let count = readlink(folder.path + "/by-id/usb-LAB", &name, name.count - 1)
            guard count > 0 else { return false }
            return String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) != device
        }
        #expect(isBack && device != nil)
    }

    @Test func mistakesAreSaid() {
        let program = AgentHarness.siblingProgram("parthe-lab")
        for (arguments, words) in [
            ("--model nothing", "eastron-sdm630"), ("--fault 3:sleep", "no fault 'sleep'"), ("--baud 5", "--baud"),
            ("--unit 7", "7=eastron-sdm630,20ms"), ("--unit 300=eastron-sdm630", "such as"),
            ("--unit 1=eastron-sdm630 --unit 1=eastron-sdm630", "its own"), ("--truth /nowhere/x", "/nowhere/x"),
            ("--parity both", "none, even or odd"), ("--turnaround soon", "5ms"), ("--folder /proc/nothing", "/proc"),
        ] {
            let (status, output) = shell("'\(program)' line \(arguments) 2>&1")
            #expect(status != 0 && output.contains(words), "\(arguments): \(output)")
        }
    }
}
