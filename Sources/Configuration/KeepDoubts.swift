internal import Metering

/// Intervals of which one reading is kept that do not go with how often a meter is read.
struct KeepDoubts {
    /// A point whose readings are chosen by what stands in the configuration.
    fileprivate struct Choice {
        var name: String
        var poll: Duration
        var keep: Duration
        var every: Field
    }

    private var choices: [Choice] = []

    /// The doubts about `meter`, to whose points the field `keep` applies where the list `points` says nothing else.
    init(_ meter: Meter, keep: Field?, points: Field? = nil) {
        var own: [String: Field] = [:]
        if let points, case .sequence(let nodes) = points.node.content {
            for (index, node) in nodes.enumerated() {
                let field = Field(node: node, path: "\(points.path)[\(index)]", findings: points.findings)
                guard case .scalar(let name, _) = field.member("name")?.node.content else { continue }
                own[name] = field
            }
        }
        for point in meter.points {
            guard case .interval(let interval, _) = point.keep else { continue }
            let definition = point.definition
            let field = own[definition.name]
            let ownKeep = field?.member("keep")
            // How seldom a model's point is read by itself is nobody's mistake here.
            let isModels = definition.interval != nil && field?.member("interval") == nil
            guard let every = (ownKeep ?? (definition.keep == nil ? keep : nil))?.member("every"),
                ownKeep != nil || !isModels
            else { continue }
            choices.append(Choice(name: definition.name, poll: point.interval, keep: interval, every: every))
        }
    }

    /// Tells them, each where its interval is written.
    func warn() {
        let written = Dictionary(grouping: choices) { $0.every.node.place }
        for choices in written.values {
            tell(choices.filter { $0.poll >= $0.keep }) { choice, which in
                choice.every.warning(
                    "\(which) every \(Span.text(choice.poll)): \(Span.text(choice.keep)) has no more than one reading, "
                        + "which is kept as it is",
                    hint: "keep: all says the same; else a shorter poll interval, or a longer one here")
            }
            tell(choices.filter { $0.poll < $0.keep && !$0.isWhole }) { choice, which in
                let (poll, keep) = (choice.poll.wholeMilliseconds, choice.keep.wholeMilliseconds)
                let fitting = [keep / poll * poll, (keep / poll + 1) * poll].filter { $0 > poll }
                let words = fitting.map { Span.text(.milliseconds($0)) }.joined(separator: " and ")
                choice.every.warning(
                    "\(which) every \(Span.text(choice.poll)): \(Span.text(choice.keep)) is no multiple of that, its "
                        + "readings differ in number and come late after its edge",
                    hint: words + (fitting.count > 1 ? " are multiples" : " is one"))
            }
        }
    }

    /// Tells of all points with one poll interval at once.
    private func tell(_ choices: [Choice], _ say: (Choice, String) -> Void) {
        let intervals = Dictionary(grouping: choices, by: \.poll).sorted { $0.key < $1.key }
        for (_, choices) in intervals {
            let more = choices.count > 1 ? " and \(choices.count - 1) more are read" : " is read"
            say(choices[0], quoted(choices[0].name) + more)
        }
    }
}

extension KeepDoubts.Choice {
    /// Whether polls fit a whole number of times into the interval.
    fileprivate var isWhole: Bool { keep.wholeMilliseconds % max(1, poll.wholeMilliseconds) == 0 }
}
