import Metering
import Testing

/// Every state × every event: what belongs together leads on, everything else changes nothing.
@Suite struct DeliveryTableTests {
    typealias Script = DeliveryScript

    /// A machine in each of its states.
    static let states: [(name: String, machine: DeliveryMachine)] = {
        var table: [(String, DeliveryMachine)] = []
        var script = Script()
        func keep(_ name: String) { table.append((name, script.machine)) }
        func step(_ event: DeliveryMachine.Event) { _ = script.machine.event(event, at: script.now, jitter: 1) }
        keep("idle")
        step(.wake)
        keep("leasing")
        step(.leased(Script.lease(1, 2)))
        keep("provisioning")
        step(.provisioned(missing: []))
        keep("posting")
        let posting = script
        step(.posted(failed: []))
        keep("settling")
        script = posting
        step(.failed(Script.failure(.unclear)))
        keep("resting")
        script.now = script.now + .seconds(3)
        step(.wake)
        keep("asking")
        script = posting
        step(.posted(failed: [.init(index: 0, reason: "error")]))
        step(.asked([], isComplete: true))
        keep("trying")
        step(.failed(Script.failure(.badRequest)))
        keep("checking")
        step(.stop)
        keep("stopped")
        return table
    }()

    static let events: [(name: String, event: DeliveryMachine.Event)] = [
        ("wake", .wake), ("leased", .leased(nil)), ("clockUnset", .clockUnset),
        ("provisioned", .provisioned(missing: [])),
        ("posted", .posted(failed: [])), ("stored", .stored), ("asked", .asked([], isComplete: true)),
        ("present", .present), ("settled", .settled), ("failed", .failed(Script.failure(.notSent))), ("stop", .stop),
    ]

    static let belongs: [String: Set<String>] = [
        "idle": ["wake"], "leasing": ["leased", "clockUnset", "failed"], "provisioning": ["provisioned", "failed"],
        "posting": ["posted", "failed"], "settling": ["settled", "failed"], "resting": ["wake"],
        "asking": ["asked", "failed"], "trying": ["stored", "failed"], "checking": ["present", "failed"], "stopped": [],
    ]

    @Test func theStatesAreWhatTheyAreCalled() {
        #expect(Set(Self.states.map(\.name)) == Set(Self.belongs.keys))
        for (name, machine) in Self.states {
            #expect("\(machine.state)".hasPrefix(name), "\(name): \(machine.state)")
        }
    }

    @Test func everyEventInEveryState() {
        let late = Instant(nanoseconds: 3_600_000_000_000)
        for (name, machine) in Self.states {
            for (event, value) in Self.events {
                var after = machine
                let action = after.event(value, at: late, jitter: 1)
                if event == "stop" {
                    #expect(action == (name == "stopped" ? .none : .finish), "\(name) × stop")
                    #expect(after.state == .stopped)
                } else if Self.belongs[name]?.contains(event) == true {
                    #expect(action != .none, "\(name) × \(event)")
                    #expect(after != machine, "\(name) × \(event)")
                } else {
                    #expect(action == .none, "\(name) × \(event)")
                    #expect(after == machine, "\(name) × \(event)")
                }
            }
        }
    }

    /// Every failure in every state that can fail leads to a wait, a request or a settlement: never to a standstill.
    @Test(arguments: DeliveryFailure.Code.allCases)
    func everyFailureLeadsOn(code: DeliveryFailure.Code) {
        let now = Instant(nanoseconds: 3_600_000_000_000)
        for (name, machine) in Self.states where Self.belongs[name]?.contains("failed") == true {
            var after = machine
            switch after.event(.failed(Script.failure(code)), at: now, jitter: 1) {
            case .none, .finish: Issue.record("\(name) × \(code)")
            case .wait(let until): #expect(until > now, "\(name) × \(code)")
            default: break
            }
        }
    }

    /// Random ends of requests, thousands of them: no state is a dead end, each reading is settled once, and with a
    /// platform that stores what it says, nothing is lost and nothing is there twice.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func randomWeather(seed: UInt64) {
        var world = RandomWeather(seed: seed)
        world.run()
        #expect(world.copies == 0)
        #expect(world.lost == 0)
        #expect(world.settlements == RandomWeather.leases)
        #expect(world.wrongRejections == 0)
    }
}
