import Glibc

/// What is printed for people: colours only on a terminal that wants them, columns that line up.
enum Terminal {
    enum Colour: String {
        case red = "31"
        case green = "32"
        case yellow = "33"
        case bold = "1"
        case dim = "2"
    }

    /// NO_COLOR and TERM=dumb are obeyed (https://no-color.org).
    private static let hasColours =
        isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil
        && getenv("TERM").map { String(cString: $0) != "dumb" } ?? false

    /// Lines and columns that a page has to fit: those of the terminal, or what LINES and COLUMNS say; nil where the
    /// output goes into a file or a pipe, which take everything.
    static var size: (lines: Int, columns: Int)? {
        var window = winsize()
        let isTerminal = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0
        let lines = number("LINES") ?? (isTerminal ? Int(window.ws_row) : nil)
        let columns = number("COLUMNS") ?? (isTerminal ? Int(window.ws_col) : nil)
        guard isTerminal || lines != nil || columns != nil else { return nil }
        // A serial console does not know its size: every terminal has 80 × 24, and no page needs less.
        return (max(lines ?? 0, 24), max(columns ?? 0, 80))
    }

    /// Columns for text that is broken between words: those of the terminal, else 80.
    static var width: Int { size?.columns ?? 80 }

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }

    static func paint(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Writes bytes to standard output. Output that cannot be written must not look like success: it ends the program
    /// with exit code 74 (EX_IOERR).
    static func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 {
                let code = errno
                if code == EINTR { continue }
                // Whoever read it has seen enough, as with `| head`.
                if code == EPIPE { exit(74) }
                complain("cannot write to standard output: \(String(cString: strerror(code)))")
                exit(74)
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Writes a message to standard error.
    static func complain(_ message: String) {
        tell("parthe: " + message + "\n")
    }

    /// Whether standard error is a terminal that understands a line which renews itself.
    static var errorIsTerminal: Bool {
        isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) != "dumb" } ?? false
    }

    /// Writes to standard error as it is.
    static func tell(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// `text`, cut to `width` characters with an ellipsis where it is longer.
    static func cut(_ text: String, _ width: Int) -> String {
        text.count > width ? text.prefix(width - 1) + "…" : text
    }

    /// `text` with spaces on the right up to `width` characters; longer text is cut.
    static func left(_ text: String, _ width: Int) -> String {
        text.count > width ? cut(text, width) : text + String(repeating: " ", count: width - text.count)
    }

    /// `text` with spaces on the left up to `width` characters.
    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// `text` in lines of at most `width` characters, broken between words: the first begins with `first`, the others
    /// with `rest`. At most `most` lines; what is cut off there shows as an ellipsis. `colour` is for `first` alone.
    static func wrapped(
        _ text: String, _ width: Int, first: String, rest: String, most: Int = 2, colour: Colour? = nil
    ) -> [String] {
        var lines = broken(text, width, first, rest, most)
        // Colours are no characters, so they come when the lines stand.
        if let colour { lines[0] = paint(first, colour) + lines[0].dropFirst(first.count) }
        return lines
    }

    private static func broken(
        _ text: String, _ width: Int, _ first: String, _ rest: String, _ most: Int
    ) -> [String] {
        var lines = [first]
        var isFresh = true
        for word in text.split(separator: " ") {
            let line = lines[lines.count - 1]
            if !isFresh, line.count + 1 + word.count > width {
                guard lines.count < most else {
                    lines[lines.count - 1] = String((line + " ").prefix(width - 1)) + "…"
                    return lines
                }
                lines.append(rest)
                isFresh = true
            }
            lines[lines.count - 1] += (isFresh ? "" : " ") + word
            isFresh = false
        }
        return lines.map { cut($0, width) }
    }
}

/// Prints a line for people. Takes the place of the standard library's, which does not say when it fails.
func print(_ text: String = "") {
    Terminal.write(Array((text + "\n").utf8))
}
