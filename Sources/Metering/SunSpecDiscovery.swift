/// Finds out which SunSpec models a device has: looks for the marker "SunS", then walks the chain of models.
///
/// Each model begins with its id and its length, and the next stands right behind it (SunSpec Device Information Model;
/// bases, order and the read of a lone ID at the end as in SunSpec's own client, pysunspec2). The walk goes by the
/// length that the device states, so that unknown models are passed over.
///
/// - marker: "SunS" begins the chain at this base; anything else, an exception or silence leads to the next base.
/// - header: an id and a length; then the texts of the first model 1, the plate of the first model 120, or the next
///   header. Some devices answer no length behind the end marker, so that a failure leads to the lone id.
/// - lone id: the end marker ends the chain; anything else breaks it.
/// - done: every base was tried, or a chain was walked. A chain without models is none: the next base is tried.
///
/// Every header stands at a higher address than the one before it, so that no answer leads in a circle: a chain ends at
/// `longestChain` models or at address 65535. Pure: no clock, no I/O.
public struct SunSpecDiscovery: Hashable, Sendable {
    /// What to do next.
    public enum Step: Hashable, Sendable {
        /// Read these registers, then call `answered` or `failed`.
        case read(RegisterSpan)
        /// Nothing more: this is the device, or there is none.
        case done(SunSpecDevice?)
    }

    /// Zero-based PDU addresses where the marker may stand, in this order.
    public static let bases: [UInt16] = [40_000, 0, 50_000]
    /// Most models of a chain.
    public static let longestChain = 64

    private enum State: Hashable {
        case marker
        case header(at: Int)
        case loneID(at: Int)
        case texts(of: SunSpecDevice.Model)
        case plate(of: SunSpecDevice.Model)
        case done
    }

    private static let marker: [UInt16] = [0x5375, 0x6E53]
    private static let endMarker: UInt16 = 0xFFFF
    private static let commonModel: UInt16 = 1
    private static let plateModel: UInt16 = 120

    private var state = State.marker
    /// The place in `bases` of the one that is tried.
    private var base = 0
    private var device: SunSpecDevice?

    /// Nothing is known yet.
    public init() {}

    /// What to do next.
    public var next: Step {
        switch state {
        case .marker: .read(Self.registers(at: Int(Self.bases[base]), count: 2))
        case .header(let address): .read(Self.registers(at: address, count: 2))
        case .loneID(let address): .read(Self.registers(at: address, count: 1))
        case .texts(let model):
            .read(Self.registers(at: Int(model.address) + 2, count: min(model.length, CommonText.registers)))
        case .plate(let model): .read(Self.registers(at: Int(model.address) + 2, count: Plate.registers))
        case .done: .done(device)
        }
    }

    /// The registers that `next` asked for.
    ///
    /// Precondition: as many words as were asked for.
    public mutating func answered(_ words: [UInt16]) {
        guard case .read(let span) = next else { return }
        precondition(words.count == span.count, "\(words.count) registers in answer to \(span)")
        switch state {
        case .marker:
            guard words == Self.marker else { return tryNextBase() }
            device = SunSpecDevice(base: Self.bases[base])
            goOn(to: Int(Self.bases[base]) + 2)
        case .header(let address): take(id: words[0], length: Int(words[1]), at: UInt16(address))
        case .loneID(let address): end(words[0] == Self.endMarker ? .marker : .unanswered(UInt16(address)))
        case .texts(let model):
            device?.manufacturer = CommonText.manufacturer(in: words)
            device?.product = CommonText.product(in: words)
            device?.version = CommonText.version(in: words)
            device?.serial = CommonText.serial(in: words)
            goOn(after: model)
        case .plate(let model):
            device?.ratedPower = Plate.ratedPower(in: words)
            goOn(after: model)
        case .done: break
        }
    }

    /// The device has answered with an exception, or not at all.
    public mutating func failed() {
        switch state {
        case .marker: tryNextBase()
        case .header(let address): state = .loneID(at: address)
        case .loneID(let address): end(.unanswered(UInt16(address)))
        case .texts(let model), .plate(let model): goOn(after: model)
        case .done: break
        }
    }

    private mutating func take(id: UInt16, length: Int, at address: UInt16) {
        guard id != Self.endMarker else { return end(.marker) }
        guard id != 0 else { return end(.noModel(address)) }
        let models = device?.models ?? []
        guard models.count < Self.longestChain else { return end(.tooLong(address)) }
        guard Int(address) + 2 + length <= 65_536 else { return end(.tooFar(address)) }
        let occurrence = 1 + models.count { $0.id == id }
        let model = SunSpecDevice.Model(id: id, address: address, length: length, occurrence: occurrence)
        device?.models.append(model)
        // A second model 1 describes what is connected to the device, such as its meter.
        if id == Self.commonModel, occurrence == 1, length > 0 {
            state = .texts(of: model)
        } else if id == Self.plateModel, occurrence == 1, length >= Plate.registers {
            state = .plate(of: model)
        } else {
            goOn(after: model)
        }
    }

    private mutating func goOn(after model: SunSpecDevice.Model) {
        let following = Int(model.address) + 2 + model.length
        following < 65_536 ? goOn(to: following) : end(.tooFar(model.address))
    }

    private mutating func goOn(to address: Int) {
        state = address < 65_535 ? .header(at: address) : .loneID(at: address)
    }

    private mutating func end(_ ending: SunSpecDevice.Ending) {
        guard device?.models.isEmpty == false else { return tryNextBase() }
        device?.ending = ending
        state = .done
    }

    private mutating func tryNextBase() {
        device = nil
        base += 1
        state = base < Self.bases.count ? .marker : .done
    }

    private static func registers(at address: Int, count: Int) -> RegisterSpan {
        RegisterSpan(function: .holding, address: UInt16(address), count: count)
    }
}

/// The start of model 120, in the registers that follow its length (sunspec/models, model_120.json): the device's kind,
/// its rated power `WRtg` and the power of ten that scales it.
private enum Plate {
    static let registers = 3

    /// In W; nil where the power (0xFFFF) or its scale (0x8000) is not implemented, where the scale is beyond SunSpec's
    /// -10…10, and for 0, which no device is made for.
    static func ratedPower(in words: [UInt16]) -> ExactDecimal? {
        let exponent = Int16(bitPattern: words[2])
        guard words[1] != 0xFFFF, words[1] > 0, (-10...10).contains(exponent) else { return nil }
        return ExactDecimal(Int64(words[1]), exponent: Int8(exponent)).normalized
    }
}

/// The texts of model 1, in the registers that follow its length (sunspec/models, model_1.json).
private enum CommonText {
    /// From the maker's name to the serial number's end.
    static let registers = 64

    static func manufacturer(in words: [UInt16]) -> String { text(words.prefix(16)) }
    static func product(in words: [UInt16]) -> String { text(words.dropFirst(16).prefix(16)) }
    static func version(in words: [UInt16]) -> String { text(words.dropFirst(40).prefix(8)) }
    static func serial(in words: [UInt16]) -> String { text(words.dropFirst(48).prefix(16)) }

    /// Two characters a register, the first in the high byte, up to the first 0. What cannot be printed is left out, so
    /// that no device writes to a terminal; spaces around the text are left out, too.
    private static func text(_ words: some Sequence<UInt16>) -> String {
        let bytes = words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }.prefix { $0 != 0 }
        let printable = bytes.filter { (0x20...0x7E).contains($0) }
        let backwards = printable.drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }
        return String(decoding: backwards.reversed(), as: UTF8.self)
    }
}
