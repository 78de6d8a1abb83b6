internal import Metering

extension IntervalClass: SectionKey {
    var example: String { "\(rawValue): \(self == .slow ? "1m" : "10s")" }
}

/// How often a meter is read: `interval: 10s` for all of its points, or `interval: {fast: 1s, slow: 1m}` by class.
struct PollIntervals {
    private var byClass: [IntervalClass: Duration] = [:]

    /// The interval where nothing is said.
    static let standard = Duration.seconds(10)

    init() {}

    /// After a mistake, which is told, the standard stands in.
    init(_ field: Field) {
        if case .mapping = field.node.content {
            guard let section = Section<IntervalClass>(field) else { return }
            for key in IntervalClass.allCases { byClass[key] = section.optional(key)?.pollInterval() }
        } else if let interval = field.pollInterval() {
            for key in IntervalClass.allCases { byClass[key] = interval }
        }
    }

    subscript(_ point: PointDefinition) -> Duration { byClass[point.intervalClass] ?? Self.standard }
}
