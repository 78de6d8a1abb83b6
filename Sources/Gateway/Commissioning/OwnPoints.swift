internal import Fieldbus
internal import Metering

/// Points that somebody has written from a manual, and whether their registers stand where they say.
///
/// The registers of some of them are compared with those one below and one above, and with the same registers in the
/// other order of words, which looks much the same. Without I/O: whoever has the bus asks.
struct OwnPoints: Sendable {
    /// What came of a question.
    enum Answer: Sendable {
        case words([UInt16])
        case refused
        case unanswered
    }

    let points: [PointDefinition]
    private var present: [PointTestimony] = []
    private var words: [[UInt16]] = []
    private(set) var witnesses: [Int] = []
    private var suspects: Set<Int> = []

    /// So many points are asked for at other places.
    static let mostWitnesses = 8

    init(_ points: [PointDefinition]) {
        self.points = points
    }

    /// The point to ask for first: the one whose value tells the most.
    static func telling(_ points: [PointDefinition]) -> PointDefinition? {
        points.max { Self.worth($0) < Self.worth($1) }
    }

    /// Whether `words` can be the point's value; nil where nothing can be said.
    static func isPlausible(_ point: PointDefinition, _ words: [UInt16]) -> Bool? {
        switch PointTestimony.together([PointTestimony(of: point, needed: words)])[0].verdict {
        case .likely, .credible: true
        case .impossible: false
        default: nil
        }
    }

    private static func worth(_ point: PointDefinition) -> Int {
        if point.isText || point.kind == .state { return 0 }
        switch point.quantity {
        case .voltage, .frequency: return 5
        case .temperature, .humidity, .powerFactor, .carbonDioxide: return 4
        default: break
        }
        switch point.type {
        case .f32, .f64: return 3
        case .u32, .s32, .u48, .s48, .u64, .s64: return 2
        default: return 1
        }
    }

    /// The points that are asked for where everything else is refused.
    var probes: [PointDefinition] { ranked(points.indices).map { points[$0] } }

    private func ranked(_ indices: some Sequence<Int>) -> [Int] {
        let ordered = indices.sorted { (Self.worth(points[$0]), $1) > (Self.worth(points[$1]), $0) }
        // The first and the last reach beyond the unit's registers where the others do not.
        let edges = [
            points.indices.min { points[$0].address < points[$1].address },
            points.indices.max { points[$0].span.addresses.upperBound < points[$1].span.addresses.upperBound },
        ].compactMap { $0 }.filter { ordered.contains($0) }
        var chosen: [Int] = []
        for index in [ordered.prefix(Self.mostWitnesses - 2), edges[...], ordered.dropFirst(Self.mostWitnesses - 2)]
            .joined()
        where chosen.count < Self.mostWitnesses && !chosen.contains(index) {
            chosen.append(index)
        }
        return chosen
    }

    /// Takes what the registers of all points hold; whether they can be right, where that can be said.
    mutating func take(_ results: [MeterPoll.PointResult]) -> Bool? {
        precondition(results.count == points.count)
        words = results.map { result in
            switch result {
            case .value(_, _, let words), .notAvailable(let words): words
            case .failed: []
            }
        }
        present = PointTestimony.together(
            zip(points, results).map { point, result in
                switch result {
                case .value(let value, _, let words): PointTestimony(of: point, value, words)
                case .notAvailable: PointTestimony(verdict: .nothing)
                case .failed(let error): PointTestimony(verdict: error.isAnswer ? .refused : .unanswered)
                }
            })
        // Silence says nothing about registers: after one the others are not even asked for.
        suspects = Set(present.indices.filter { present[$0].isDoubted && present[$0].verdict != .unanswered })
        let isWell = present.contains { $0.verdict == .likely }
        if suspects.isEmpty, !isWell { suspects = Set(present.indices.filter { present[$0].verdict == .unlikely }) }
        let first = ranked(suspects).prefix(Self.mostWitnesses - 2)
        witnesses = Array((first + ranked(points.indices).filter { !first.contains($0) }).prefix(Self.mostWitnesses))
        if present.contains(where: { if case .impossible = $0.verdict { true } else { false } }) { return false }
        return isWell ? true : nil
    }

    /// Whether other places are worth a look: something cannot be right, or what lies outermost is refused, or there is
    /// something unlikely and nothing that is to be expected.
    var isDoubted: Bool {
        suspects.contains { index in
            if case .impossible = present[index].verdict { return true }
            return isOutermost(index)
        } || !suspects.isEmpty && !present.contains { $0.verdict == .likely }
    }

    private func isOutermost(_ index: Int) -> Bool {
        let addresses = points[index].neededSpan.addresses
        let others = points.filter { $0.function == points[index].function }.map(\.neededSpan.addresses)
        return others.allSatisfy { $0.lowerBound >= addresses.lowerBound }
            || others.allSatisfy { $0.upperBound <= addresses.upperBound }
    }

    /// Points that cannot be right, with what they hold: `voltage 4.6e-41 V`.
    var impossible: [String] {
        present.indices.compactMap { index in
            guard case .impossible = present[index].verdict else { return nil }
            return "\(points[index].name) \(present[index].text)"
        }
    }

    /// What speaks for the registers so many addresses beside.
    func shifted(_ by: Int, ask: (RegisterSpan) -> Answer) -> PlaceWeight {
        weight(
            witnesses.map { index in
                var point = points[index]
                guard SilenceWords.canShift(point.neededSpan, by),
                    let address = UInt16(exactly: Int(point.address) + by)
                else { return PointTestimony(verdict: .refused) }
                point.address = address
                if let scale = point.conversion.scaleRegister {
                    point.conversion.scaleRegister?.address = UInt16(Int(scale.address) + by)
                }
                switch ask(point.neededSpan) {
                case .words(let words): return PointTestimony(of: point, needed: words)
                case .refused: return PointTestimony(verdict: .refused)
                case .unanswered: return PointTestimony(verdict: .unanswered)
                }
            })
    }

    /// What speaks for the same registers with their words in the other order; nil where no value has several.
    var swapped: PlaceWeight? {
        guard suspects.contains(where: { points[$0].type.hasWordOrder && words[$0].count == points[$0].count }) else {
            return nil
        }
        return weight(
            witnesses.map { index in
                var point = points[index]
                guard point.type.hasWordOrder, words[index].count == point.count else { return present[index] }
                guard point.conversion.scaleRegister == nil else { return PointTestimony(verdict: .nothing) }
                point.order = point.order.wordsSwapped
                return PointTestimony(of: point, needed: words[index])
            })
    }

    private func weight(_ testimonies: [PointTestimony]) -> PlaceWeight {
        var weight = PlaceWeight()
        var values: [String] = []
        for (index, testimony) in zip(witnesses, PointTestimony.together(testimonies)) {
            let before = present[index]
            if testimony.verdict == .likely { weight.likely += 1 }
            if !testimony.text.isEmpty { values.append("\(points[index].name) \(testimony.text)") }
            guard suspects.contains(index) else {
                if testimony.isDoubted { weight.restDoubted += 1 }
                if testimony.verdict == .likely { weight.restLikely += 1 }
                if before.verdict == .likely { weight.restLikelyBefore += 1 }
                weight.rest += 1
                continue
            }
            weight.suspects.append(points[index].name)
            if testimony.isDoubted { weight.doubted += 1 }
            let isRedeemed =
                switch (before.verdict, testimony.verdict) {
                case (.impossible(.slip), _): false
                case (_, .likely): true
                case (.unlikely, _): false
                case (_, .credible): true
                case (.impossible, .possible): testimony.halves != .small && testimony.halves != .zero
                default: false
                }
            if isRedeemed { weight.redeemed += 1 }
            switch before.verdict {
            case .impossible(.torn): weight.isProof = weight.isProof || isRedeemed
            case .impossible(.range):
                weight.isTorn = false
                weight.isProof = weight.isProof || isRedeemed
            default: weight.isTorn = false
            }
        }
        weight.isOfRefusals = suspects.allSatisfy { present[$0].verdict == .refused }
        // Nothing at all is answered where the configuration says, and beside it what is to be expected.
        if weight.rest == 0, weight.redeemed > 0, weight.isOfRefusals { weight.isProof = true }
        weight.values = values
        return weight
    }
}

/// What speaks for registers at another place than the configured one.
struct PlaceWeight: Equatable, Sendable {
    /// Points that cannot be right where they are configured.
    var suspects: [String] = []
    /// How many of them can be right here.
    var redeemed = 0
    /// How many of them cannot be right here either.
    var doubted = 0
    /// How many others were looked at; how many of them cannot be right here, hold here, or held before, what is to be
    /// expected.
    var rest = 0
    var restDoubted = 0
    var restLikely = 0
    var restLikelyBefore = 0
    /// How many hold here what is to be expected, suspects or not.
    var likely = 0
    /// Whether all suspects are such because they are refused.
    var isOfRefusals = false
    /// Whether something that cannot be where it is configured can be here.
    var isProof = false
    /// Whether all suspects are made of the halves of two values.
    var isTorn = true
    /// What the points hold here: `voltage 230.1 V`.
    var values: [String] = []

    /// Whether the suspects can be right here.
    var fits: Bool { redeemed > 0 && doubted == 0 }
    /// Whether nothing speaks against this place, be it that there is nothing but 0.
    var isOpen: Bool { doubted == 0 && isWhole }
    /// Whether all points may stand here, not just the suspects.
    var isWhole: Bool { restDoubted == 0 && restLikely >= restLikelyBefore }
    /// Whether it is worth more than "perhaps". Of some points among others only torn values are believed.
    var isProven: Bool { fits && isProof && (isWhole || isTorn) }
    /// Whether everything is answered here, and where it is configured something is refused.
    var isAnswered: Bool { isOfRefusals && isOpen }
}

extension RegisterType {
    /// Whether its value takes several words, whose order can be another.
    fileprivate var hasWordOrder: Bool { self != .text && wordCount > 1 }
}

extension WordOrder {
    /// The same with the words the other way round.
    var wordsSwapped: WordOrder {
        switch self {
        case .abcd: .cdab
        case .cdab: .abcd
        case .badc: .dcba
        case .dcba: .badc
        case .efghabcd: .cdabghef
        case .cdabghef: .efghabcd
        case .fehgbadc: .dcbahgfe
        case .dcbahgfe: .fehgbadc
        }
    }
}
