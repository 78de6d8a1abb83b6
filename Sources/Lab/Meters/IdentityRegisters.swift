internal import Metering

/// The registers by which a meter tells its model and its serial number, as its definition says.
///
/// They may stand where a point stands as well: such a register tells the model to whoever asks for it alone, and is
/// part of the point to everybody else.
struct IdentityRegisters {
    private struct Entry {
        var span: RegisterSpan
        var words: [UInt16]
        /// Whether one of its registers is part of a point that goes beyond it.
        var isShared: Bool
    }

    private var entries: [Entry] = []

    init(_ definition: MeterDefinition, serialNumber: UInt64) {
        add(definition.identity?.serial, String(serialNumber), definition)
        add(definition.identity?.model, definition.identity?.model?.values.first ?? "1", definition)
    }

    private mutating func add(_ register: MeterIdentity.Register?, _ text: String, _ definition: MeterDefinition) {
        guard let register else { return }
        let isShared = definition.points.contains { point in
            let own = register.span.addresses
            let addresses = point.span.addresses
            return point.function == register.function && addresses.overlaps(own)
                && !(own.lowerBound <= addresses.lowerBound && addresses.upperBound <= own.upperBound)
        }
        entries.append(Entry(span: register.span, words: Self.words(text, in: register), isShared: isShared))
    }

    private static func words(_ text: String, in register: MeterIdentity.Register) -> [UInt16] {
        if register.type == .text {
            let isSwapped = register.order.swapsBytes
            let bytes = Array(text.utf8) + Array(repeating: 0x20, count: 2 * register.count)
            return (0..<register.count).map { place in
                let word = UInt16(bytes[2 * place]) << 8 | UInt16(bytes[2 * place + 1])
                return isSwapped ? word.byteSwapped : word
            }
        }
        let point = PointDefinition(
            name: "identity", quantity: .count, unit: Unit.known[0], kind: .state, function: register.function,
            address: register.address, type: register.type, order: register.order)
        return RegisterEncoder(point).words(Double(text) ?? 0)
    }

    /// Whether a request for `addresses` asks for any of them.
    func isAsked(_ function: RegisterFunction, _ addresses: Range<Int>) -> Bool {
        entries.contains { $0.span.function == function && $0.span.addresses.overlaps(addresses) }
    }

    /// What a request for `addresses` gets, where the points' registers alone would answer `words` (nil where it goes
    /// beyond them); nil for a refusal.
    func answer(_ function: RegisterFunction, _ addresses: Range<Int>, words: [UInt16]?) -> [UInt16]? {
        let own = entries.filter { $0.span.function == function && $0.span.addresses.overlaps(addresses) }
        if let alone = own.first(where: { $0.span.addresses == addresses }) { return alone.words }
        var known: [Int: UInt16] = [:]
        if let words { known = Dictionary(uniqueKeysWithValues: zip(addresses, words)) }
        for entry in own where !entry.isShared {
            for (address, word) in zip(entry.span.addresses, entry.words) { known[address] = word }
        }
        let all = addresses.compactMap { known[$0] }
        return all.count == addresses.count ? all : nil
    }
}
