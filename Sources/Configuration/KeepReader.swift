internal import Metering

// Which readings are kept: `keep: all`, `keep: {change: 0.5, heartbeat: 15m}`, `keep: {every: 15m, value: mean}`; and
// whether they may be thinned when the spool is full: `thin: allowed`, `forbidden`, `preferred`.

private enum KeepKey: String, SectionKey {
    case change, heartbeat, every, value

    var example: String {
        switch self {
        case .change: "change: 0.5"
        case .heartbeat: "heartbeat: 15m"
        case .every: "every: 15m"
        case .value: "value: mean"
        }
    }
}

extension Field {
    /// Whether readings that wait may be thinned: `thin: forbidden`.
    func thinningPolicy() -> ThinningPolicy? { choice(ThinningPolicy.self, "rule for thinning") }
}

extension KeepPolicy {
    /// A reading that says nothing new is kept so often, unless it is said otherwise.
    private static let heartbeat = Duration.seconds(3600)

    static func read(_ field: Field) -> KeepPolicy? {
        if case .scalar(let text, _) = field.node.content {
            if text == "all" { return .all }
            return field.expected(
                "which readings are kept", hint: "all, {change: 0.5, heartbeat: 15m} or {every: 15m, value: mean}")
        }
        guard let section = Section<KeepKey>(field) else { return nil }
        switch (section.optional(.every), section.optional(.change)) {
        case (nil, nil):
            field.error(
                "neither every nor change",
                hint: "{every: 15m} for one value each 15 minutes, {change: 0} for changes only, or keep: all")
            return nil
        case (_?, let change?):
            change.error("every and change exclude each other", hint: "remove one")
            return nil
        case (let every?, nil):
            section.optional(.heartbeat)?.error("every has no heartbeat", hint: "remove heartbeat")
            let aggregate = section.value(.value, or: .mean) { $0.choice(Aggregate.self, "value") }
            guard let interval = every.keepInterval(), let aggregate, !section.has(.heartbeat) else { return nil }
            return .interval(interval, aggregate)
        case (nil, let change?):
            section.optional(.value)?.error("change has no value", hint: "remove value; it is for every")
            let heartbeat = section.value(.heartbeat, or: Self.heartbeat) {
                $0.duration(in: .seconds(1) ... .seconds(7 * 86_400))
            }
            guard let number = change.decimal(), let heartbeat, !section.has(.value) else { return nil }
            guard !number.isNegative else {
                change.error("a change of \(number) is less than none", hint: "0 keeps every change")
                return nil
            }
            return .changes(deadband: number.approximate, heartbeat: heartbeat)
        }
    }
}
