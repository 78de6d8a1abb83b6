internal import Metering

/// All that can be asked of a unit. Frames are formed from this alone, so there is no way to a request that writes:
/// the function codes on the wire are 1 to 4, 17 and 43 (Modbus Application Protocol V1.1b3, section 6).
enum ReadRequest: Hashable {
    /// Registers or bits: functions 1 to 4 (sections 6.1 to 6.4).
    case registers(RegisterSpan)
    /// Report Server ID: function 17 (section 6.13).
    case serverID
    /// Read Device Identification: function 43 with MEI type 14 (section 6.21), objects of a category from `object` on.
    case identification(Category, from: UInt8)

    /// The categories of Read Device Identification that are asked for.
    enum Category: UInt8, CaseIterable {
        /// Vendor name, product code and revision: objects 0 to 2, mandatory.
        case basic = 1
        /// Vendor's address, product and model name, application: objects 3 to 6, and those reserved up to 0x7F.
        case regular = 2
    }

    /// The MEI type of Read Device Identification.
    static let identificationType: UInt8 = 14

    /// The function code.
    var function: UInt8 {
        switch self {
        case .registers(let span): span.function.rawValue
        case .serverID: 17
        case .identification: 43
        }
    }

    /// The registers, where it asks for some.
    var span: RegisterSpan? {
        if case .registers(let span) = self { span } else { nil }
    }

    /// Appends the PDU.
    func append(to frame: inout [UInt8]) {
        frame.append(function)
        switch self {
        case .registers(let span):
            frame.append(UInt8(span.address >> 8))
            frame.append(UInt8(truncatingIfNeeded: span.address))
            frame.append(UInt8(truncatingIfNeeded: span.count >> 8))
            frame.append(UInt8(truncatingIfNeeded: span.count))
        case .serverID: break
        case .identification(let category, let object):
            frame.append(Self.identificationType)
            frame.append(category.rawValue)
            frame.append(object)
        }
    }

    /// Bytes of data in the answer; nil where the answer alone tells.
    var dataLength: Int? { span?.dataLength }

    /// Bytes of the answer's PDU; of an answer that alone tells its length the most there can be.
    var longestAnswer: Int { dataLength.map { 2 + $0 } ?? AnswerPDU.longest }
}

extension RegisterSpan {
    /// Bytes of data in the answer: two a register, eight bits a byte.
    var dataLength: Int { function.readsBits ? (count + 7) / 8 : 2 * count }
}

/// The PDU of an answer: how long it is, and whether it fits.
enum AnswerPDU {
    /// Most bytes of a PDU (section 4.1).
    static let longest = 253
    /// Bytes of an exception's PDU: the function with its high bit, the code.
    static let exceptionLength = 2

    /// What the bytes so far say about the length.
    enum Length: Hashable {
        /// This many bytes, function code included.
        case known(Int)
        /// At least one byte more is needed to say it.
        case undecided
        /// No answer begins like this, as far as is known here.
        case unknown
    }

    /// The length of the answer whose function code stands at `start` of `bytes`, of which `end` bytes are there.
    static func length(_ bytes: [UInt8], from start: Int, to end: Int) -> Length {
        guard start < end else { return .undecided }
        let function = bytes[start]
        if function & 0x80 != 0 { return .known(exceptionLength) }
        switch function {
        case 1...4, 17: return start + 1 < end ? .known(2 + Int(bytes[start + 1])) : .undecided
        // Answers to writes of another master (sections 6.5, 6.6, 6.11, 6.12).
        case 5, 6, 15, 16: return .known(5)
        case 43: return identificationLength(bytes, from: start, to: end)
        default: return .unknown
        }
    }

    /// Function, MEI type, category, conformity, more follows, next object, number of objects; then id, length and value
    /// of each.
    private static func identificationLength(_ bytes: [UInt8], from start: Int, to end: Int) -> Length {
        if start + 1 < end, bytes[start + 1] != ReadRequest.identificationType { return .unknown }
        guard start + 6 < end else { return .undecided }
        var position = start + 7
        for _ in 0..<bytes[start + 6] {
            guard position + 1 < end else { return .undecided }
            position += 2 + Int(bytes[position + 1])
            guard position - start <= longest else { return .unknown }
        }
        return .known(position - start)
    }

    /// Whether the answer at `start`, known to be whole, can be the one to `request`: as far as it tells itself.
    static func fits(_ request: ReadRequest, _ bytes: [UInt8], from start: Int) -> Bool {
        guard bytes[start] == request.function else { return false }
        switch request {
        case .registers(let span): return Int(bytes[start + 1]) == span.dataLength
        case .serverID: return true
        case .identification(let category, _): return bytes[start + 2] == category.rawValue
        }
    }

    /// In which way the answer at `start` does not fit `request`.
    static func misfit(_ request: ReadRequest, _ bytes: [UInt8], from start: Int) -> String {
        guard bytes[start] & 0x7F == request.function else {
            return "function \(bytes[start]) in place of \(request.function)"
        }
        guard let span = request.span else { return "no answer to function \(request.function)" }
        let what = span.function.readsBits ? "bits" : "registers"
        return "\(bytes[start + 1]) bytes of data for \(span.count) \(what)"
    }
}
