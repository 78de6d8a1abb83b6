import Lab
import Metering
import Posix
import Testing

@testable import Fieldbus
@testable import Gateway

/// Steps: short, harmless, and honest about what came.
struct BusStepTests {
    private static func settings(_ device: LineDevice) -> BusSettings {
        BusSettings(id: "b", endpoint: .serial(path: device.place), timing: Timing(responseTimeout: .seconds(10)))
    }

    /// Whatever is asked for, the bus is lent for some 2 s at most.
    @Test func aStepIsShort() throws {
        let device = try LineDevice.port { _ in nil }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        for question in [
            .registers(function: .holding, address: 65_535, count: 1000), .identification, .serverID,
        ] as [BusStep.Question] {
            let step = BusStep(unit: 1, question: question, timeoutMilliseconds: .max, pauseMilliseconds: .max)
            let answer = step.take(on: &link, settings)
            #expect(answer.error?.code == .timeout)
            // The machine may be busy with other tests.
            #expect(answer.duration < .seconds(5), "\(question): \(answer.duration)")
        }
        #expect(device.functionCodes.isSubset(of: [3, 17, 43]))
    }

    /// The control socket takes questions from outside: none can write, none can break the agent.
    @Test func strangeQuestionsDoNoHarm() throws {
        let good = BusQuestion(bus: "hall", step: .read(.init(function: .input, address: 3, count: 2), of: 1))
        #expect(BusQuestion(text: good.text) == good)
        #expect(good.text.contains(#""function":4"#), "\(good.text)")
        for code in [0, 5, 6, 8, 15, 16, 22, 23, 255] {
            #expect(BusQuestion(text: good.text.replacing(#""function":4"#, with: "\"function\":\(code)")) == nil)
        }
        for text in ["", "bus ", "bus {}", "bus []", "bus " + String(repeating: "[", count: 100_000)] {
            #expect(BusQuestion(text: text) == nil)
        }
        let device = try LineDevice.port { (Frame.meter($0), 0) }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        for (baud, stopBits, parity) in [(0, 1, "none"), (-5, 1, "none"), (9600, 0, "x"), (.max, .max, "")] {
            var step = BusStep.read(.init(function: .input, address: 0, count: 2), of: 1)
            step.line = BusStep.Line(SerialLine(baud: 9600))
            step.line?.baud = baud
            step.line?.stopBits = stopBits
            step.line?.parity = parity
            #expect(step.take(on: &link, settings).words == [0x4366, 0])
        }
    }

    /// Other settings hold for their step alone, and the tracer of the link sees that step, too.
    @Test func otherSettingsAreForOneStep() throws {
        let device = try LineDevice.port { $0.baud == 19_200 ? (Frame.meter($0), 0) : nil }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        let seen = Seen()
        link.trace = { seen.frames.append($0) }
        var step = BusStep.read(.init(function: .input, address: 70, count: 2), of: 1)
        step.timeoutMilliseconds = 100
        #expect(step.take(on: &link, settings).error?.code == .timeout)
        step.line = BusStep.Line(SerialLine(baud: 19_200))
        step.timeoutMilliseconds = 1500
        let answer = step.take(on: &link, settings)
        #expect(answer.words == [0x4248, 0] && answer.frames.count == 2)
        #expect(seen.frames.count == 3, "\(seen.frames)")
        step.line = nil
        step.timeoutMilliseconds = 100
        #expect(step.take(on: &link, settings).error?.code == .timeout, "the other speed stayed")
    }

    private final class Seen {
        var frames: [FrameTrace] = []
    }
}
