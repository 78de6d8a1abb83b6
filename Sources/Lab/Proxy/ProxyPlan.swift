/// What the proxy does to one connection. Up is from the client to the target, down the way back.
public enum ProxyFault: Hashable, Sendable {
    /// Resets the connection when it is made; the target never sees it.
    case refuse
    /// Resets both sides once this many bytes have gone up.
    case cutUp(after: Int)
    /// Resets both sides once this many bytes have come down.
    case cutDown(after: Int)
    /// Resets both sides at a random byte below this, up or down.
    case cutSomewhere(within: Int)
    /// Lets nothing up any more after this many bytes; the connection stays open.
    case stallUp(after: Int)
    /// Lets nothing down any more after this many bytes; the connection stays open.
    case stallDown(after: Int)
    /// Holds each piece back for this long, both ways.
    case delay(Duration)

    /// The fault's name without its parameters.
    public var name: String {
        switch self {
        case .refuse: "refuse"
        case .cutUp: "cutUp"
        case .cutDown: "cutDown"
        case .cutSomewhere: "cutSomewhere"
        case .stallUp: "stallUp"
        case .stallDown: "stallDown"
        case .delay: "delay"
        }
    }
}

/// Which connections go wrong, and how: first a script, one entry a connection; after its end by chance.
///
/// The same plan and the same order of connections give the same faults.
public struct ProxyPlan: Hashable, Sendable {
    /// A fault with its probability.
    public struct Chance: Hashable, Sendable {
        /// The fault.
        public var fault: ProxyFault
        /// How likely it is for one connection, 0…1.
        public var probability: Double

        /// A fault with its probability.
        public init(_ fault: ProxyFault, _ probability: Double) {
            self.fault = fault
            self.probability = probability
        }
    }

    /// What happens to the first connections; nil lets one pass.
    public var script: [ProxyFault?]
    /// What happens to the others; what is missing to 1 passes.
    public var chances: [Chance]
    /// Chooses among the chances, and the places of random cuts.
    public var seed: UInt64

    /// A plan with every property given; by default everything passes.
    public init(script: [ProxyFault?] = [], chances: [Chance] = [], seed: UInt64 = 1) {
        self.script = script
        self.chances = chances
        self.seed = seed
    }
}

/// A plan at work: hands out what happens to one connection.
struct ProxyFaultSource {
    private let plan: ProxyPlan
    private(set) var counts: [String: Int] = [:]
    private var position = 0
    private var random: SplitMix

    init(_ plan: ProxyPlan) {
        self.plan = plan
        random = SplitMix(seed: plan.seed)
    }

    /// What happens to the next connection. A random cut has got its place.
    mutating func next() -> ProxyFault? {
        guard let fault = draw() else { return nil }
        counts[fault.name, default: 0] += 1
        guard case .cutSomewhere(let limit) = fault else { return fault }
        let place = 1 + Int(random.next() % UInt64(max(1, limit)))
        return random.unit() < 0.5 ? .cutUp(after: place) : .cutDown(after: place)
    }

    private mutating func draw() -> ProxyFault? {
        if position < plan.script.count {
            position += 1
            return plan.script[position - 1]
        }
        var rest = random.unit()
        for chance in plan.chances {
            if rest < chance.probability { return chance.fault }
            rest -= chance.probability
        }
        return nil
    }
}

extension ProxyPlan {
    /// Reads a plan: `{"script": ["none", {"fault": "cutDown", "bytes": 40}], "chances": [{"fault": "refuse",
    /// "probability": 0.1}], "seed": 7}`. `bytes` belongs to cuts and stalls, `seconds` to delay.
    public init(json text: String) throws(LabError) {
        let value: JSON
        do { value = try JSONParser.parse(Array(text.utf8)) } catch { throw Self.failure(error.description) }
        guard let members = value.members else { throw Self.failure("an object is expected") }
        self.init()
        for member in members {
            switch member.name {
            case "seed":
                guard let seed = member.value.integer else { throw Self.failure("seed is an integer") }
                self.seed = UInt64(bitPattern: seed)
            case "script":
                for element in member.value.elements ?? [] { script.append(try ProxyFault(json: element)) }
            case "chances":
                for element in member.value.elements ?? [] {
                    guard let probability = element["probability"]?.double, (0...1).contains(probability),
                        let fault = try ProxyFault(json: element)
                    else { throw Self.failure("a chance has a fault and a probability from 0 to 1") }
                    chances.append(Chance(fault, probability))
                }
            default: throw Self.failure("unknown member '\(member.name)'")
            }
        }
    }

    fileprivate static func failure(_ reason: String) -> LabError {
        LabError(
            .format, "proxy plan: \(reason)",
            hint: #"such as {"script": ["none", {"fault": "cutDown", "bytes": 40}]}"#)
    }
}

extension ProxyFault {
    /// Reads a fault's name or an object with it and its parameters; `none` and null are nil.
    fileprivate init?(json value: JSON) throws(LabError) {
        guard value != .null else { return nil }
        let bytes = value["bytes"]?.integer.flatMap { Int(exactly: $0) } ?? 0
        guard bytes >= 0 else { throw ProxyPlan.failure("bytes is a number from 0") }
        switch value.text ?? value["fault"]?.text ?? "" {
        case "none": return nil
        case "refuse": self = .refuse
        case "cutUp": self = .cutUp(after: bytes)
        case "cutDown": self = .cutDown(after: bytes)
        case "cutSomewhere": self = .cutSomewhere(within: bytes)
        case "stallUp": self = .stallUp(after: bytes)
        case "stallDown": self = .stallDown(after: bytes)
        case "delay":
            guard let seconds = value["seconds"]?.double, (0...3600).contains(seconds) else {
                throw ProxyPlan.failure("seconds of delay is a number from 0 to 3600")
            }
            self = .delay(.seconds(seconds))
        case let name: throw ProxyPlan.failure("unknown fault '\(name)'")
        }
    }
}
