internal import Glibc

/// Shows a page again and again in the same place of a terminal; elsewhere only what is said once.
struct Screen {
    private var height = 0
    private let isTerminal =
        isatty(STDOUT_FILENO) == 1 && getenv("TERM").map { String(cString: $0) != "dumb" } ?? false

    /// Replaces the page that stands by `lines`; nothing where there is no terminal.
    mutating func show(_ lines: [String]) {
        guard isTerminal else { return }
        var text = height > 0 ? "\u{1B}[\(height)A" : ""
        for line in lines { text += "\u{1B}[2K" + line.prefix(100) + "\n" }
        text += "\u{1B}[J"
        write(text)
        height = lines.count
    }

    /// Says something that stays: above the page where there is one.
    mutating func say(_ line: String) {
        let clear = height > 0 ? "\u{1B}[\(height)A\u{1B}[J" : ""
        write(clear + line + "\n")
        height = 0
    }

    private func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
