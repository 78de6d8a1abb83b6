import Metering
import Posix
import Testing

@testable import Fieldbus

/// Names of hosts are looked up without ever holding the one who asks.
struct NameQueryTests {
    @Test func addressesInDigitsNeedNobody() {
        #expect(NameQuery.digits("192.168.1.20") == ["192.168.1.20"])
        #expect(NameQuery.digits("fd00::1") == ["fd00::1"])
        #expect(NameQuery.digits("localhost") == nil && NameQuery.digits("") == nil)
    }

    @Test func aNameIsAskedForAndTheAnswerStays() throws {
        let query = try NameQuery("localhost")
        for _ in 0..<2 {
            guard case .addresses(let addresses) = query.answer(within: .seconds(30)) else {
                Issue.record("no address of localhost")
                return
            }
            #expect(addresses.contains("127.0.0.1") || addresses.contains("::1"), "\(addresses)")
        }
    }

    /// Whoever has no time left gets no answer, and harms nobody.
    @Test func whoeverDoesNotWaitHasNoAnswer() throws {
        let begin = BootClock.now
        for _ in 0..<20 { _ = try NameQuery("no-such-meter.invalid").answer(within: .zero) }
        #expect(BootClock.now - begin < .seconds(30))
        var link = ModbusLink(BusSettings(id: "b", endpoint: .tcp(host: "no-such-meter.invalid", port: 502)))
        link.deadline = BootClock.now
        let error = try #require(throws: ModbusError.self) { try link.connect() }
        guard case .unknownHost = error.code else {
            Issue.record("\(error)")
            return
        }
    }
}
