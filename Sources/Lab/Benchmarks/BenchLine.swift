/// One line of a benchmark's result: JSON for scripts, in the order in which it was written.
struct BenchLine {
    private var fields: [String]

    init(bench: String, case name: String) {
        fields = ["\"bench\":\"\(bench)\"", "\"case\":\"\(name)\""]
    }

    /// Adds a figure with about four significant digits; null where it could not be measured.
    mutating func add(_ name: String, _ value: Double?) {
        guard let value, value.isFinite else {
            fields.append("\"\(name)\":null")
            return
        }
        let scale = abs(value) >= 1000 ? 1.0 : abs(value) >= 10 ? 100.0 : 1000.0
        let rounded = (value * scale).rounded() / scale
        fields.append("\"\(name)\":" + (rounded == rounded.rounded() ? "\(Int64(rounded))" : "\(rounded)"))
    }

    /// Adds words.
    mutating func add(_ name: String, words: [String]) {
        fields.append("\"\(name)\":[" + words.map { "\"\($0)\"" }.joined(separator: ",") + "]")
    }

    var text: String { "{" + fields.joined(separator: ",") + "}" }
}
