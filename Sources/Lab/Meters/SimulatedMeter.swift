internal import CModbus
internal import Metering

/// One meter: its registers and the building behind them. Touched by the meters' thread only.
final class SimulatedMeter {
    let name: String
    private let points: [Served]
    private let phases: Int
    private var building: Building
    private var last: Instant?
    /// The registers as libmodbus answers from them.
    let mapping: UnsafeMutablePointer<modbus_mapping_t>
    /// What its texts say, by point.
    var texts: [String: String] = [:]
    /// Whether it has points that are texts.
    let hasTexts: Bool
    private let identity: IdentityRegisters

    /// A point with its way from the building to the registers.
    private struct Served {
        var definition: PointDefinition
        var source: PointSource
        var encoder: RegisterEncoder
        var decoder: RegisterDecoder
        var addresses: Range<Int>
    }

    /// A meter of a model, in the building that `seed` gives, with a number on its plate.
    init(
        name: String, definition: MeterDefinition, seed: UInt64, serialNumber: UInt64 = 10_000_000
    ) throws(LabError) {
        self.name = name
        identity = IdentityRegisters(definition, serialNumber: serialNumber)
        phases = PointSource.phases(of: definition)
        building = Building(phases: phases, seed: seed)
        points = definition.points.map {
            Served(
                definition: $0, source: PointSource($0), encoder: RegisterEncoder($0), decoder: RegisterDecoder($0),
                addresses: $0.span.addresses)
        }
        hasTexts = definition.points.contains(where: \.isText)
        let holding = Self.bounds(of: points, .holding)
        let input = Self.bounds(of: points, .input)
        let mapping = modbus_mapping_new_start_address(
            0, 0, 0, 0, UInt32(holding.lowerBound), UInt32(holding.count), UInt32(input.lowerBound), UInt32(input.count)
        )
        guard let mapping else { throw LabError(.system, "no memory for the registers of \(name)") }
        self.mapping = mapping
    }

    deinit {
        modbus_mapping_free(mapping)
    }

    /// From the first register of any point to the last; those between answer 0, those outside exception 2. Registers
    /// that scale points are among those that answer 0: a power of ten that changes nothing.
    private static func bounds(of points: [Served], _ function: RegisterFunction) -> Range<Int> {
        let own = points.map(\.definition).filter { $0.function == function }.map(\.neededSpan.addresses)
        guard let first = own.map(\.lowerBound).min(), let last = own.map(\.upperBound).max() else { return 0..<0 }
        return first..<last
    }

    /// Lets time pass and renews the registers that a request asks for.
    func renew(_ function: RegisterFunction, _ addresses: Range<Int>, at now: Instant, _ offset: ClockOffset) {
        let elapsed = last.map { Double((now - $0).wholeNanoseconds) * 1e-9 } ?? 0
        last = now
        let ofDay = offset.timestamp(of: now).milliseconds % 86_400_000
        building.advance(by: elapsed, hour: Double(ofDay) / 3_600_000)
        for point in points where point.definition.function == function && point.addresses.overlaps(addresses) {
            let text = hasTexts && point.definition.isText ? texts[point.definition.name] : nil
            let words =
                text.map { point.encoder.words($0) }
                ?? point.encoder.words(point.source.value(in: building, phases: phases))
            let table = registers(of: function)
            for (place, word) in words.enumerated() {
                table.words[point.addresses.lowerBound - table.start + place] = word
            }
        }
    }

    /// The registers of an answer as they were.
    struct Answer {
        var meter: SimulatedMeter
        var function: RegisterFunction
        var addresses: Range<Int>
        var words: [UInt16]
        var time: Timestamp
    }

    /// What the meter answers now; nil for registers that it does not have.
    func answer(_ function: RegisterFunction, _ addresses: Range<Int>, at time: Timestamp) -> Answer? {
        let table = registers(of: function)
        var words: [UInt16]?
        if (table.start..<table.start + table.words.count).contains(addresses) {
            let first = addresses.lowerBound - table.start
            words = Array(table.words[first..<first + addresses.count])
        }
        if tellsIdentity(function, addresses) { words = identity.answer(function, addresses, words: words) }
        return words.map { Answer(meter: self, function: function, addresses: addresses, words: $0, time: time) }
    }

    /// Whether a request is for registers that tell which meter it is: they are not in `mapping`.
    func tellsIdentity(_ function: RegisterFunction, _ addresses: Range<Int>) -> Bool {
        identity.isAsked(function, addresses)
    }

    /// A point that an answer carried whole.
    struct Truth {
        var point: String
        var words: [UInt16]
        var value: RegisterDecoder.Result
    }

    /// What an answer told.
    func truth(of answer: Answer) -> [Truth] {
        points.compactMap { point in
            let definition = point.definition
            guard definition.function == answer.function, answer.addresses.contains(definition.neededSpan.addresses)
            else {
                return nil
            }
            let start = point.addresses.lowerBound - answer.addresses.lowerBound
            let words = Array(answer.words[start..<start + point.addresses.count])
            return Truth(point: definition.name, words: words, value: point.decoder.decode(answer.words, at: start))
        }
    }

    private func registers(
        of function: RegisterFunction
    ) -> (words: UnsafeMutableBufferPointer<UInt16>, start: Int) {
        // A table without registers is a null pointer.
        let all = mapping.pointee
        return switch function {
        case .holding:
            (.init(start: all.tab_registers, count: Int(all.nb_registers)), Int(all.start_registers))
        case .coil, .discrete: (.init(start: nil, count: 0), 0)
        case .input:
            (.init(start: all.tab_input_registers, count: Int(all.nb_input_registers)), Int(all.start_input_registers))
        }
    }
}

extension Range<Int> {
    fileprivate func contains(_ other: Range<Int>) -> Bool {
        lowerBound <= other.lowerBound && other.upperBound <= upperBound
    }
}
