internal import Metering

/// An address as a technician types it, and how it was understood: off-by-one is the field's commonest mistake.
struct RawAddress: Hashable, Sendable {
    /// The function code that reads it.
    var function: RegisterFunction
    /// Zero-based, as the request carries it.
    var address: UInt16
    /// How the word was understood, where it could have meant something else.
    var note: String?

    /// What is said of a word that is none.
    static let forms =
        "840 or 0x348 (zero-based), h:840 or i:840 (zero-based holding or input register; c: coil, d: discrete "
        + "input), 40841 or 30841 (a manual's number)"

    /// Understands `text`; nil when it is no address. `function` is what was asked for beside it.
    ///
    /// - `h:840`: zero-based, of the table that the letter names.
    /// - `0x348`: zero-based, of `function`, else holding.
    /// - `40841`, `30841`, `10841`, `440841` …: a manual's number, unless a function is given beside it: then it is
    ///   zero-based like every other number.
    /// - `840`: zero-based, of `function`, else holding.
    init?(_ text: String, function asked: RegisterFunction?) {
        if let colon = text.firstIndex(of: ":") {
            guard let function = Self.tables[text[..<colon].lowercased()],
                let address = Self.number(text[text.index(after: colon)...]), asked == nil || asked == function
            else { return nil }
            self.init(function: function, address: address)
            return
        }
        if asked == nil, let manual = Self.manual(text) {
            self = manual
            let other = UInt16(text).map { "; for the zero-based address \($0) write h:\($0) or i:\($0)" } ?? ""
            note = "\(text) is taken for a manual's number\(other)"
            return
        }
        guard let address = Self.number(text[...]) else { return nil }
        self.init(function: asked ?? .holding, address: address)
        let table = asked == nil ? " of a holding register; for input registers write i:\(text)" : ""
        note = "\(text) is taken for a zero-based address" + table
    }

    private init(function: RegisterFunction, address: UInt16) {
        self.function = function
        self.address = address
    }

    private static let tables: [String: RegisterFunction] = [
        "h": .holding, "holding": .holding, "i": .input, "input": .input, "c": .coil, "coil": .coil,
        "d": .discrete, "discrete": .discrete,
    ]

    private static func number(_ text: Substring) -> UInt16? {
        if text.lowercased().hasPrefix("0x") { return UInt16(text.dropFirst(2), radix: 16) }
        return text.first == "+" ? nil : UInt16(text)
    }

    /// 1xxxx, 3xxxx and 4xxxx with five or six digits. A coil's number looks like an address and is taken for one.
    private static func manual(_ text: String) -> RawAddress? {
        guard text.count == 5 || text.count == 6, let number = Int(text), let first = text.first,
            let function = ["1": RegisterFunction.discrete, "3": .input, "4": .holding][first]
        else { return nil }
        let place = number % (text.count == 5 ? 10_000 : 100_000) - 1
        guard let address = UInt16(exactly: place) else { return nil }
        return RawAddress(function: function, address: address)
    }
}
