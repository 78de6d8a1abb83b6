extension FaultPlan {
    /// Reads a plan:
    ///
    ///     {"scope": "observations", "seed": 7, "clockOffset": 3600,
    ///      "script": ["none", "commitThenCut", {"fault": "lateCommit", "seconds": 0.5}],
    ///      "chances": [{"fault": "refuse", "probability": 0.1}, {"fault": "slow", "seconds": 2, "probability": 0.1}]}
    ///
    /// Parameters: `seconds` of lateCommit and slow, `bytes` of tooLarge, `retryAfter` of tooManyRequests and
    /// unavailable, `every` of rowErrors. Every member may be missing; `{}` is the plan in which nothing goes wrong.
    /// The word `chaos` instead of an object, or `{"preset": "chaos", "seed": 7}`, is the ready-made mix.
    public init(json text: String) throws(LabError) {
        try self.init(json: Array(text.utf8))
    }

    init(json bytes: [UInt8]) throws(LabError) {
        let value: JSON
        if String(decoding: bytes, as: UTF8.self) == "chaos" {
            value = ["preset": "chaos"]
        } else {
            do { value = try JSONParser.parse(bytes) } catch { throw Self.failure(error.description) }
        }
        guard let members = value.members else { throw Self.failure("an object is expected") }
        let seed = try Self.seed(value["seed"])
        if value["preset"] == "chaos" {
            self = .chaos(seed: seed)
        } else {
            self.init(seed: seed)
        }
        for member in members {
            switch member.name {
            case "preset":
                guard member.value == "chaos" else { throw Self.failure("the only preset is 'chaos'") }
            case "seed": break
            case "scope":
                guard let scope = member.value.text.flatMap(Scope.init(rawValue:)) else {
                    let known = Scope.allCases.map(\.rawValue).joined(separator: ", ")
                    throw Self.failure("scope is one of: \(known)")
                }
                self.scope = scope
            case "clockOffset":
                clockOffset = try Self.duration(member.value, of: "clockOffset")
            case "script":
                guard let elements = member.value.elements else { throw Self.failure("script is an array") }
                for element in elements { script.append(try Fault(json: element)) }
            case "chances":
                guard let elements = member.value.elements else { throw Self.failure("chances is an array") }
                for element in elements { chances.append(try Self.chance(element)) }
            default:
                throw Self.failure("unknown member '\(member.name)'")
            }
        }
        guard chances.reduce(0, { $0 + $1.probability }) <= 1.000_001 else {
            throw Self.failure("the probabilities add up to more than 1")
        }
    }

    static func failure(_ reason: String) -> LabError {
        LabError(
            .format, "fault plan: \(reason)",
            hint:
                #"such as {"script": ["none", "commitThenCut"], "chances": [{"fault": "refuse", "probability": 0.1}]}"#)
    }

    static func duration(_ value: JSON, of name: String) throws(LabError) -> Duration {
        guard let seconds = value.double, seconds.isFinite, abs(seconds) <= 1e9 else {
            throw failure("\(name) is a number of seconds")
        }
        return .seconds(seconds)
    }

    private static func seed(_ value: JSON?) throws(LabError) -> UInt64 {
        guard let value else { return 1 }
        guard let seed = value.integer else { throw failure("seed is an integer") }
        return UInt64(bitPattern: seed)
    }

    private static func chance(_ value: JSON) throws(LabError) -> Chance {
        guard let probability = value["probability"]?.double, (0...1).contains(probability) else {
            throw failure("a chance has a probability from 0 to 1")
        }
        guard let fault = try Fault(json: value) else { throw failure("a chance names a fault") }
        return Chance(fault, probability)
    }
}

extension Fault {
    /// Reads a fault's name or an object with it and its parameters; `none` and null are nil.
    init?(json value: JSON) throws(LabError) {
        guard value != .null else { return nil }
        guard let name = value.text ?? value["fault"]?.text else {
            throw FaultPlan.failure("a fault is a name or an object with 'fault'")
        }
        func number(_ parameter: String, else fallback: Int) throws(LabError) -> Int {
            guard let given = value[parameter] else { return fallback }
            guard let number = given.integer, (1...1_000_000_000).contains(number) else {
                throw FaultPlan.failure("\(parameter) of \(name) is a positive integer")
            }
            return Int(number)
        }
        func seconds(else fallback: Duration) throws(LabError) -> Duration {
            guard let given = value["seconds"] else { return fallback }
            return try FaultPlan.duration(given, of: "seconds of \(name)")
        }
        switch name {
        case "none": return nil
        case "refuse": self = .refuse
        case "cutRequest": self = .cutRequest
        case "commitThenCut": self = .commitThenCut
        case "halfAnswer": self = .halfAnswer
        case "lateCommit": self = .lateCommit(after: try seconds(else: .seconds(1)))
        case "blackHole": self = .blackHole
        case "slow": self = .slow(try seconds(else: .seconds(1)))
        case "unauthorized": self = .unauthorized
        case "tooLarge": self = .tooLarge(over: try number("bytes", else: 1 << 20))
        case "tooManyRequests": self = .tooManyRequests(retryAfter: try number("retryAfter", else: 1))
        case "unavailable": self = .unavailable(retryAfter: try number("retryAfter", else: 1))
        case "serverError": self = .serverError
        case "serverErrorAfterCommit": self = .serverErrorAfterCommit
        case "wrongLengthArray": self = .wrongLengthArray
        case "garbage201": self = .garbage201
        case "rowErrors": self = .rowErrors(every: try number("every", else: 2))
        default: throw FaultPlan.failure("unknown fault '\(name)'")
        }
    }
}
