import Metering
import Testing

/// A remark that was written to a spool's file as text comes back from it.
@Suite struct StoredRemarkTests {
    private static let from = Instant(nanoseconds: 5)
    private static let to = Instant(nanoseconds: 70)

    private static let values: [Value] = [
        .decimal(ExactDecimal("12.30")!), .decimal(ExactDecimal("-0.00000005")!), .decimal(.zero),
        .decimal(ExactDecimal(magnitude: .max)), .decimal(ExactDecimal(magnitude: 1, exponent: -30)),
        .float(230.1), .float(-.leastNonzeroMagnitude), .float(.greatestFiniteMagnitude), .float(0.1), .double(0.1),
        .double(-1e300), .double(.leastNormalMagnitude), .double(.leastNonzeroMagnitude),
    ]

    @Test(arguments: Aggregate.allCases, values) func anAggregateComesBack(aggregate: Aggregate, value: Value) {
        let remark = Remark.aggregate(
            aggregate, from: Self.from, to: Self.to, minimum: value, maximum: value, count: 61)
        let back = Remark(members: remark.members, from: Self.from, to: Self.to, value: value)
        #expect(back == remark && back.event == nil && back.members == remark.members)
    }

    /// Zeros that a power of ten stood for are digits then: the same number, written the same.
    @Test func anAggregateOfTensComesBackAsTheSameNumber() {
        let value = Value.decimal(ExactDecimal(12, exponent: 2))
        let remark = Remark.aggregate(.mean, from: Self.from, to: Self.to, minimum: value, maximum: value, count: 2)
        let back = Remark(members: remark.members, from: Self.from, to: Self.to, value: value)
        guard case .aggregate(_, _, _, let least, _, _) = back else { return #expect(Bool(false), "\(back)") }
        #expect(least.isSame(as: value) && back.members == remark.members)
    }

    @Test func anEventKeepsItsTextAndItsWord() {
        let events: [Remark] = [
            .rollover(before: .float(1), modulus: ExactDecimal(100)), .reset(before: .float(1)),
            .swap(before: nil, oldSerial: "a\",\"b", newSerial: "ü"), .returned(before: .double(2)),
            .implausible(words: [1, 2]), .recovered(pulses: 1, lostEdges: 2), .preset(before: .float(1), by: "x"),
        ]
        for event in events {
            let back = Remark(members: event.members, from: nil, to: nil, value: .float(1))
            #expect(back == .stored(members: event.members))
            #expect(back.event == event.event && back.members == event.members && back.period == nil)
        }
    }

    @Test(arguments: [
        "", "x", #""aggregate":"mean""#, #""aggregate":"median","min":1,"max":2,"count":3"#,
        #""aggregate":"mean","min":1,"max":2,"count":0"#, #""aggregate":"mean","min":1,"max":2,"count":-1"#,
        #""aggregate":"mean","min":1,"max":2,"count":99999999999999999999"#,
        #""aggregate":"mean","min":,"max":2,"count":3"#,
        #""aggregate":"mean","max":1,"min":2,"count":3"#, #""aggregate":"mean","min":nan,"max":2,"count":3"#,
        #""aggregate":"mean","min":0x1,"max":2,"count":3"#, #""aggregate":"mean","min":1,"max":inf,"count":3"#,
        #""aggregate":"mean","min":1,"max":2,"count":3,"more":1"#, #""aggregate":mean,"min":1,"max":2,"count":3"#,
        #"{"aggregate":"mean","min":1,"max":2,"count":3}"#, #""event":"reset","before":1"#, #""event":,"#, "\",:",
    ])
    func whateverElseIsKeptAsItIs(members: String) {
        for value in [Value.float(1), .double(1), .decimal(.one), .text(ExactText("x")!)] {
            let back = Remark(members: members, from: Self.from, to: Self.to, value: value)
            #expect(back == .stored(members: members) && back.members == members)
        }
    }

    @Test func anAggregateWithoutItsTimesIsNone() {
        let members = #""aggregate":"mean","min":1,"max":2,"count":3"#
        #expect(Remark(members: members, from: nil, to: Self.to, value: .float(1)) == .stored(members: members))
        #expect(Remark(members: members, from: Self.to, to: Self.from, value: .float(1)) == .stored(members: members))
        #expect(Remark(members: members, from: Self.from, to: Self.to, value: .float(1)).event == nil)
    }
}
