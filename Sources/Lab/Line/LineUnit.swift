internal import Metering
internal import Posix

/// A unit on an emulated line: a simulated meter, what its identity registers hold, and what it refuses.
final class LineUnit {
    let id: UInt8
    let definition: MeterDefinition
    private let seed: UInt64
    private var swaps: UInt64 = 0
    private var meter: SimulatedMeter

    init(id: UInt8, definition: MeterDefinition, seed: UInt64) throws(LabError) {
        self.id = id
        self.definition = definition
        self.seed = seed
        meter = try SimulatedMeter(
            name: "unit-\(id)", definition: definition, seed: seed, serialNumber: Self.serialNumber(seed, swaps: 0))
    }

    /// Puts another meter of the same model in its place: other serial number, other counters.
    func swap() throws(LabError) {
        swaps += 1
        meter = try SimulatedMeter(
            name: "unit-\(id)", definition: definition, seed: seed &+ swaps &* 104_729, serialNumber: serialNumber)
    }

    /// The number on its plate.
    var serialNumber: UInt64 { Self.serialNumber(seed, swaps: swaps) }

    private static func serialNumber(_ seed: UInt64, swaps: UInt64) -> UInt64 {
        10_000_000 + (seed &* 31 &+ swaps &* 1009) % 9_000_000
    }

    // MARK: - Answers

    /// What it answers to `pdu` at `now`.
    func answer(_ pdu: [UInt8], at now: Instant) -> LineModel.Answer {
        if let function = RegisterFunction(rawValue: pdu[0]), pdu.count == 5 { return registers(function, pdu, now) }
        switch (pdu[0], pdu.count) {
        case (17, 1): return LineModel.Answer(pdu: serverID)
        case (43, 4) where definition.identity?.vendorName != nil && pdu[1] == 14:
            return LineModel.Answer(pdu: identification(pdu))
        // Illegal function: these meters can be read, and nothing else.
        default: return refusal(pdu, 1)
        }
    }

    private func refusal(_ pdu: [UInt8], _ code: UInt8) -> LineModel.Answer {
        LineModel.Answer(pdu: [pdu[0] | 0x80, code])
    }

    private func registers(_ function: RegisterFunction, _ pdu: [UInt8], _ now: Instant) -> LineModel.Answer {
        let (first, count) = (Int(pdu[1]) << 8 | Int(pdu[2]), Int(pdu[3]) << 8 | Int(pdu[4]))
        // Illegal data value: more than it can answer at once. Illegal data address: what it does not have.
        guard (1...min(definition.limits.registers, RegisterSpan.maximumCount)).contains(count) else {
            return refusal(pdu, 3)
        }
        guard first + count <= 65_536, !function.readsBits else { return refusal(pdu, function.readsBits ? 1 : 2) }
        let addresses = first..<first + count
        guard !addresses.contains(where: { isHole(function, $0) }) else { return refusal(pdu, 2) }
        let offset = BootClock.offset
        meter.renew(function, addresses, at: now, offset)
        let span = RegisterSpan(function: function, address: UInt16(first), count: count)
        guard let answer = meter.answer(function, addresses, at: offset.timestamp(of: now)) else {
            return refusal(pdu, 2)
        }
        let values = meter.truth(of: answer).map { LineRecord.Value(point: $0.point, value: $0.value) }
        return LineModel.Answer(pdu: Self.pdu(pdu[0], answer.words), span: span, values: values)
    }

    /// Whether a register must not be read along.
    private func isHole(_ function: RegisterFunction, _ address: Int) -> Bool {
        definition.limits.holes.contains { $0.function == function && $0.addresses.contains(address) }
            && !definition.points.contains { $0.function == function && $0.neededSpan.addresses.contains(address) }
    }

    private static func pdu(_ function: UInt8, _ words: [UInt16]) -> [UInt8] {
        [function, UInt8(2 * words.count)] + words.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }

    /// Report Server ID (section 6.13): what it says is the maker's own; it runs.
    private var serverID: [UInt8] {
        let text = Array(definition.product.utf8.prefix(60))
        return [17, UInt8(text.count + 2), id, 0xFF] + text
    }

    /// Read Device Identification (section 6.21), the basic objects only.
    private func identification(_ pdu: [UInt8]) -> [UInt8] {
        let texts = [
            definition.identity?.vendorName ?? definition.manufacturer,
            definition.identity?.productCodes.first ?? definition.product, "1.0",
        ]
        let objects = texts.enumerated().flatMap { index, text in
            [UInt8(index), UInt8(min(60, text.utf8.count))] + Array(text.utf8.prefix(60))
        }
        return [43, 14, pdu[2], 1, 0, 0, UInt8(texts.count)] + objects
    }
}
