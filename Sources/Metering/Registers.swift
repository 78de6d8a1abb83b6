/// The function code with which registers are read (Modbus Application Protocol V1.1b3, sections 6.1 to 6.4).
///
/// There is no case for a code that writes: parthe cannot form such a request. Coils and discrete inputs are bits; each
/// counts as one register that holds 0 or 1.
public enum RegisterFunction: UInt8, Hashable, Codable, Sendable, CaseIterable {
    /// Read Coils (0x01).
    case coil = 1
    /// Read Discrete Inputs (0x02).
    case discrete = 2
    /// Read Holding Registers (0x03).
    case holding = 3
    /// Read Input Registers (0x04).
    case input = 4

    /// Whether it reads bits.
    public var readsBits: Bool { self == .coil || self == .discrete }

    /// Most registers or bits that one request may ask for (sections 6.1 to 6.4: 0x7D0 bits, 0x7D registers): 250 bytes
    /// of data each.
    public var maximumCount: Int { readsBits ? 2000 : RegisterSpan.maximumCount }

    /// The address as printed in most manuals: 40001 for holding register 0, 30001 for input register 0, 10001 for
    /// discrete input 0, 1 for coil 0; six digits above 9999.
    public func manualNumber(of address: UInt16) -> Int {
        let table =
            switch self {
            case .coil: 0
            case .discrete: 1
            case .input: 3
            case .holding: 4
            }
        let number = Int(address) + 1
        return number <= 9999 ? table * 10_000 + number : table * 100_000 + number
    }
}

/// What a point's registers hold.
public enum RegisterType: String, Hashable, Sendable, CaseIterable {
    /// A coil or a discrete input.
    case bit
    // Unsigned and signed integers and IEEE 754 floats, with their width in bits.
    case u16, s16, u32, s32, u48, s48, u64, s64, f16, f32, f64
    // Binary coded decimals, four bits a digit, with their width in bits.
    case bcd16, bcd32, bcd48, bcd64
    /// Iskra's unsigned measurement: bits 31…24 signed decimal exponent, bits 23…0 unsigned mantissa.
    case t5
    /// Iskra's signed measurement: as t5, the mantissa signed.
    case t6
    /// Iskra's power factor: bits 31…24 import (0) or export, bits 23…16 inductive (0) or capacitive, bits 15…0 the
    /// power factor × 10 000. Negative for export.
    case t7
    /// Two characters a register. As a state and as an identity it is the text itself, as a counter or gauge the number
    /// that it spells.
    case text

    /// How many 16-bit registers a value takes; of text at least one.
    public var wordCount: Int {
        switch self {
        case .bit, .u16, .s16, .f16, .bcd16, .text: 1
        case .u32, .s32, .f32, .bcd32, .t5, .t6, .t7: 2
        case .u48, .s48, .bcd48: 3
        case .u64, .s64, .f64, .bcd64: 4
        }
    }
}

/// In which order a value's bytes stand in its registers. Four letters name the bytes of a 32-bit value, A the most
/// significant; wider values follow the same rule over all their words. Eight letters name the bytes of a 64-bit value
/// whose double words and whose words do not follow one rule.
public enum WordOrder: String, Hashable, Sendable, CaseIterable {
    /// Most significant word first, high byte first: the order of the Modbus standard.
    case abcd = "ABCD"
    /// Least significant word first, high byte first.
    case cdab = "CDAB"
    /// Most significant word first, low byte first.
    case badc = "BADC"
    /// Least significant word first, low byte first.
    case dcba = "DCBA"
    /// Least significant double word first, of each the most significant word, high byte first.
    case efghabcd = "EFGHABCD"
    /// Most significant double word first, of each the least significant word, high byte first.
    case cdabghef = "CDABGHEF"
    /// As EFGHABCD, low byte first.
    case fehgbadc = "FEHGBADC"
    /// As CDABGHEF, low byte first.
    case dcbahgfe = "DCBAHGFE"

    /// Whether a register's low byte comes first.
    public var swapsBytes: Bool {
        switch self {
        case .badc, .dcba, .fehgbadc, .dcbahgfe: true
        case .abcd, .cdab, .efghabcd, .cdabghef: false
        }
    }

    /// Whether its name has eight letters: it says nothing new of a value that has less than four words.
    public var isOf64Bits: Bool { self != half }

    /// The order of 32 bits that each double word has in it: itself, unless it is of 64 bits.
    public var half: WordOrder {
        switch self {
        case .abcd, .efghabcd: .abcd
        case .cdab, .cdabghef: .cdab
        case .badc, .fehgbadc: .badc
        case .dcba, .dcbahgfe: .dcba
        }
    }

    /// Where among `count` registers that word of a value stands which `rank` words are more significant than.
    public func place(ofWord rank: Int, of count: Int) -> Int {
        if isOf64Bits, count == 4 {
            // Of the two swaps that reverse four words each of these does one.
            return half == .abcd || half == .badc ? rank ^ 2 : rank ^ 1
        }
        return half == .abcd || half == .badc ? rank : count - 1 - rank
    }
}

/// A run of registers that one request reads.
public struct RegisterSpan: Hashable, Codable, Sendable {
    /// The function code.
    public var function: RegisterFunction
    /// Zero-based PDU address of the first register.
    public var address: UInt16
    /// How many: 1…125 registers, or 1…2000 bits.
    public var count: Int

    /// Most registers one answer can carry (Modbus Application Protocol V1.1b3, section 6.3: 0x7D); of bits, see
    /// `RegisterFunction.maximumCount`.
    public static let maximumCount = 125

    /// A run of `count` registers from `address`.
    public init(function: RegisterFunction, address: UInt16, count: Int) {
        precondition((1...function.maximumCount).contains(count), "a request for \(count) registers")
        precondition(Int(address) + count <= 65_536, "registers beyond address 65535")
        self.function = function
        self.address = address
        self.count = count
    }

    /// The addresses from the first to one past the last.
    public var addresses: Range<Int> {
        Int(address)..<Int(address) + count
    }
}

extension RegisterSpan: CustomStringConvertible {
    /// `FC4 0…79`.
    public var description: String {
        "FC\(function.rawValue) \(address)…\(Int(address) + count - 1)"
    }
}
