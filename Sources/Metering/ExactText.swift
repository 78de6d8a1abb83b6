/// A text that a meter holds, such as its firmware's version or its mode: never empty, without control characters, of at
/// most 240 bytes of UTF-8.
///
/// Compared byte for byte, while Swift's strings count `é` in one character and in two as equal: what the gateway sent
/// and what the platform holds must be the same bytes. One word in size, so that values which are numbers stay small.
public struct ExactText: Hashable, Sendable {
    /// Most bytes: those of 60 registers of Latin-1, of whose characters half need two bytes in UTF-8.
    public static let maximumBytes = 240

    /// The text in UTF-8.
    public let utf8: [UInt8]

    /// The text in `bytes`; nil when they are none, too many, no UTF-8, or have control characters among them.
    public init?(utf8 bytes: some Collection<UInt8>) {
        guard (1...Self.maximumBytes).contains(bytes.count) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        guard !text.unicodeScalars.contains(where: \.isControl) else { return nil }
        utf8 = Array(bytes)
    }

    /// The same of a string.
    public init?(_ text: String) {
        self.init(utf8: text.utf8)
    }

    /// What the characters in a meter's registers say; nil when they say nothing.
    ///
    /// A 0 ends the text. They are UTF-8, or else Latin-1, in which every byte is a character. Control characters become
    /// spaces; spaces around the text do not count, nor the bytes 0xFF behind it, with which some meters fill what they
    /// do not use.
    public init?(characters: some Collection<UInt8>) {
        var bytes = Array(characters.prefix { $0 != 0 })
        while bytes.last == 0xFF { bytes.removeLast() }
        var scalars = String.UnicodeScalarView()
        if let text = String(validating: bytes, as: UTF8.self) {
            scalars.append(contentsOf: text.unicodeScalars)
        } else {
            scalars.append(contentsOf: bytes.lazy.map { Unicode.Scalar($0) })
        }
        let printable = String(String.UnicodeScalarView(scalars.map { $0.isControl ? " " : $0 }))
        let space = UInt8(ascii: " ")
        let rest = printable.utf8.drop { $0 == space }
        guard let last = rest.lastIndex(where: { $0 != space }) else { return nil }
        self.init(utf8: rest[...last])
    }
}

extension ExactText: CustomStringConvertible {
    /// The text itself.
    public var description: String { String(decoding: utf8, as: UTF8.self) }
}

extension Unicode.Scalar {
    /// Whether it is a control character: U+0000…U+001F and U+007F…U+009F (Unicode's general category Cc).
    fileprivate var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}

extension WordOrder {
    /// The characters in `count` registers from `index` on, two in each: the first in the high byte, or in the low byte
    /// where bytes are swapped. Words always follow each other.
    func characters(in words: UnsafeBufferPointer<UInt16>, at index: Int, count: Int) -> [UInt8] {
        precondition(index >= 0 && index + count <= words.count, "registers of a text are missing in the answer")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(2 * count)
        for place in index..<index + count {
            let word = swapsBytes ? words[place].byteSwapped : words[place]
            bytes.append(UInt8(word >> 8))
            bytes.append(UInt8(truncatingIfNeeded: word))
        }
        return bytes
    }
}
