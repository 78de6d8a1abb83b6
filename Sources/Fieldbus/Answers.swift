internal import Metering

/// The values of one poll, judged together once it is over: what one of them shows may mean another device for all.
struct Answers {
    private var values: [(point: Int, value: Value, instant: Instant, words: Range<Int>)] = []
    private var words: [UInt16] = []

    /// Whether nothing was answered.
    var isEmpty: Bool { values.isEmpty }

    /// Adds the value of a point, when it arrived, and its registers.
    mutating func add(_ point: Int, _ value: Value, at instant: Instant, _ registers: some Collection<UInt16>) {
        let begin = words.count
        words.append(contentsOf: registers)
        values.append((point, value, instant, begin..<words.count))
    }

    /// Whether one of the values, with its point and when it arrived, is such.
    func contains(_ test: (Int, Value, Instant) -> Bool) -> Bool {
        values.contains { test($0.point, $0.value, $0.instant) }
    }

    /// Gives each value with its point, when it arrived, and its registers.
    func forEach(_ body: (Int, Value, Instant, ArraySlice<UInt16>) -> Void) {
        for value in values { body(value.point, value.value, value.instant, words[value.words]) }
    }
}
