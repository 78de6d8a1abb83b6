/// Collects the problems of one run over all files.
///
/// A class, because every field that is read carries it; one run uses it from one thread only.
final class Findings {
    /// More problems than this help nobody; the rest is counted.
    static let limit = 500

    private var found: [Problem] = []
    private var dropped = 0
    private var files: [String: Int] = [:]

    /// Whether anything found forbids the start.
    private(set) var hasErrors = false

    /// Whether another problem would only be counted.
    var isFull: Bool { found.count >= Self.limit }

    /// Problems are listed in the order in which their files were announced.
    func announce(file: String) {
        if files[file] == nil { files[file] = files.count }
    }

    func error(at place: Place, path: String, _ message: String, hint: String? = nil) {
        hasErrors = true
        add(.error, place, path, message, hint)
    }

    func warning(at place: Place, path: String, _ message: String, hint: String? = nil) {
        add(.warning, place, path, message, hint)
    }

    private func add(_ severity: Problem.Severity, _ place: Place, _ path: String, _ message: String, _ hint: String?) {
        guard found.count < Self.limit else {
            dropped += 1
            return
        }
        announce(file: place.file)
        found.append(
            Problem(
                severity: severity, file: place.file, line: place.line, column: place.column, path: path,
                message: message, hint: hint))
    }

    /// Takes over what another run found, such as a definition's problems.
    func add(_ problems: [Problem]) {
        for problem in problems {
            let place = Place(file: problem.file, line: problem.line, column: problem.column)
            if problem.severity == .error { hasErrors = true }
            add(problem.severity, place, problem.path, problem.message, problem.hint)
        }
    }

    /// Everything found, in file and line order.
    var problems: [Problem] {
        let order = found.enumerated().sorted { a, b in
            let left = (files[a.element.file] ?? 0, a.element.line, a.element.column, a.offset)
            let right = (files[b.element.file] ?? 0, b.element.line, b.element.column, b.offset)
            return left < right
        }
        var problems = order.map(\.element)
        if dropped > 0, let last = problems.last {
            problems.append(
                Problem(
                    severity: hasErrors ? .error : .warning, file: last.file, line: last.line, column: last.column,
                    path: "", message: "\(dropped) more problems are not shown", hint: "mend those above first"))
        }
        return problems
    }
}
