internal import Metering

/// What a configuration means, in plain text of at most 80 columns, for `parthe check`.
public func summary(of configuration: AgentConfiguration) -> String {
    var text = SummaryText()
    text.gateway(configuration.gateway)
    text.buses(configuration)
    text.meters(configuration)
    text.inputs(configuration)
    text.bounds(configuration.meters)
    text.readings(configuration)
    text.uplinks(configuration.uplinks)
    text.spool(configuration)
    return text.lines.joined(separator: "\n") + "\n"
}

private struct SummaryText {
    /// Columns of a terminal that every installation has.
    static let width = 80

    var lines: [String] = []

    mutating func gateway(_ gateway: GatewaySettings) {
        add("gateway", [gateway.id, place(gateway.location)] + (gateway.board.map { [$0.product] } ?? []))
    }

    mutating func buses(_ configuration: AgentConfiguration) {
        for bus in configuration.buses {
            let meters = configuration.meters.filter { $0.bus == bus.id }
            add(
                "bus",
                [
                    bus.id, address(bus), "timeout " + (bus.timing.responseTimeout.map(Span.text) ?? "learnt"),
                    count(meters.count, "meter"),
                ] + need(of: meters, on: bus))
        }
    }

    mutating func meters(_ configuration: AgentConfiguration) {
        for meter in configuration.meters {
            let definition = meter.definition
            let kind =
                definition.status == .own && definition.sources.isEmpty && definition.manufacturer == "unknown"
                ? "points of its own" : "\(definition.model) (\(definition.status.rawValue))"
            var parts =
                [meter.id, "bus \(meter.bus) unit \(meter.unit)", kind, points(of: meter)] + kept(of: meter)
                + thinned(of: meter)
            if meter.location != configuration.gateway.location { parts.append(place(meter.location)) }
            add("meter", parts)
            // A choice is worth seeing; a whole definition would fill the screen.
            if meter.points.count < definition.points.count || definition.points.count <= 8 {
                wrap(meter.points.map(\.definition.name), indent: 12)
            }
        }
    }

    mutating func inputs(_ configuration: AgentConfiguration) {
        for input in configuration.inputs {
            var parts = [input.id] + (input.terminal.map { [$0] } ?? []) + ["line \(input.line)"]
            switch input.use {
            case .pulses(let pulses):
                let unit = input.meter.points.first?.definition.unit.symbol ?? ""
                parts += [
                    "\(pulses.perUnit) pulses per \(unit)", width(pulses.rule),
                    "read every \(Span.text(pulses.interval))",
                ]
                parts += kept(of: input.meter) + thinned(of: input.meter)
            case .contact(let contact):
                parts += [
                    "\(contact.active) when active, else \(contact.inactive)",
                    "told on change and every \(Span.text(contact.heartbeat))",
                ]
                parts += thinned(of: input.meter)
            }
            if input.isInverted { parts.append("active when low") }
            if input.debounce > .zero { parts.append("debounce \(Span.text(input.debounce))") }
            add("input", parts)
        }
    }

    /// Meters of which nothing says how fast their counters can rise.
    mutating func bounds(_ meters: [Meter]) {
        let open = meters.filter { meter in
            meter.points.contains { point in
                point.definition.kind == .counter
                    && CounterGuard.Limits(point.definition, ratedPower: meter.definition.ratedPower).ratePerHour == nil
            }
        }.map(\.id)
        guard !open.isEmpty else { return }
        add(
            "doubts",
            ["only jumps that no meter makes", "without rated_power or max_rate of \(open[0])"]
                + open.dropFirst().prefix(4) + (open.count > 5 ? ["\(open.count - 5) more"] : []))
    }

    mutating func readings(_ configuration: AgentConfiguration) {
        let points = configuration.things.flatMap(\.points)
        let daily = Int64((perSecond(points) * 86_400).rounded())
        let isLimit = points.contains(where: \.keepsChanges)
        add("in all", [count(points.count, "point"), (isLimit ? "at most " : "") + "\(grouped(daily)) readings a day"])
    }

    private func perSecond(_ points: [Point]) -> Double {
        points.reduce(0.0) { $0 + 1000 / Double(max(1, $1.leastDelivery.wholeMilliseconds)) }
    }

    mutating func uplinks(_ uplinks: [UplinkSettings]) {
        if uplinks.isEmpty { add("uplink", ["none: readings stay on the gateway"]) }
        for uplink in uplinks {
            let credentials =
                switch uplink.credentials {
                case .none: "without sign-in"
                case .basic(let user, _): "as user \(user)"
                case .bearer: "with a token"
                }
            let batch = "at most \(count(uplink.readingsPerRequest, "reading")) a request"
            add("uplink", [uplink.id, uplink.url, credentials, batch, "timeout \(Span.text(uplink.responseTimeout))"])
        }
    }

    mutating func spool(_ configuration: AgentConfiguration) {
        let spool = configuration.spool
        let rate = perSecond(configuration.things.flatMap(\.points))
        let byRate = "\(Span.text(CommitPacing.interval(atRate: rate))) (by rate)"
        add(
            "spool",
            [
                "limit \(Span.text(bytes: spool.maximumBytes))", "leaves \(Span.text(bytes: spool.freeBytes)) free",
                "commit every " + (spool.commitInterval.map { Span.text($0) } ?? byRate),
                "history \(Span.text(spool.history))",
            ] + (spool.clockWait == WallClock.patience ? [] : ["clock wait \(Span.text(spool.clockWait))"]))
    }

    // MARK: Words

    private func place(_ location: Location) -> String {
        let degrees = "\(location.latitude), \(location.longitude)"
        return location.name.map { "\($0) (\(degrees))" } ?? degrees
    }

    private func address(_ bus: BusSettings) -> String {
        func place(_ host: String, _ port: UInt16) -> String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }
        let line = bus.line.map { ", \($0)" } ?? ""
        return switch bus.endpoint {
        case .tcp(let host, let port): "tcp " + place(host, port)
        case .rtuOverTCP(let host, let port): "RTU over tcp " + place(host, port) + line
        case .serial(let path): "serial " + path + line
        }
    }

    /// How busy the polls keep a line.
    private func need(of meters: [Meter], on bus: BusSettings) -> [String] {
        guard !meters.isEmpty, let share = BusNeed.share(of: meters, on: bus) else { return [] }
        return ["busy \(max(1, Int((share * 100).rounded()))) %"]
    }

    /// `62 points every 10s`, or `3 points: 2 every 10s, 1 every 1m`.
    private func points(of meter: Meter) -> String {
        let intervals = Dictionary(grouping: meter.points, by: \.interval).mapValues(\.count)
        let total = count(meter.points.count, "point")
        let parts = intervals.sorted { $0.key < $1.key }.map { "\($0.value) every \(Span.text($0.key))" }
        guard parts.count > 1 else { return "\(total) every \(intervals.keys.first.map(Span.text) ?? "")" }
        return "\(total): " + parts.joined(separator: ", ")
    }

    /// `each at least 30ms`.
    private func width(_ rule: PulseCounter.Rule) -> String {
        switch (rule.minimumWidth, rule.maximumWidth) {
        case (.zero, nil): "of any width"
        case (let least, nil): "each at least \(Span.text(least))"
        case (let least, let most?): "each \(Span.text(least))…\(Span.text(most))"
        }
    }

    /// What is kept of points of one kind.
    private struct Kept: Hashable {
        var policy: KeepPolicy
        /// Of a policy that is the same for all kinds nil.
        var kind: PointKind?

        init(_ point: Point) {
            policy = point.keep
            if case .interval = policy { kind = point.definition.kind }
            // What would be made of a gauge is nothing to others.
            if case .interval(let interval, _) = policy, kind != .gauge { policy = .interval(interval, .last) }
        }
    }

    /// `keeps the mean of each 15m of 6 points`.
    private func kept(of meter: Meter) -> [String] {
        let kinds = Dictionary(grouping: meter.points.filter { $0.keep != .all }.map(Kept.init)) { $0 }
        return kinds.map { kept, points in
            let which = points.count == meter.points.count ? "" : " of \(count(points.count, "point"))"
            switch (kept.policy, kept.kind) {
            case (.all, _): return ""
            case (.changes(_, let heartbeat), _), (.interval(let heartbeat, _), .state):
                return "keeps changes\(which) and one reading each \(Span.text(heartbeat))"
            case (.interval(let interval, _), .counter):
                return "keeps the reading at the edge of each \(Span.text(interval))\(which)"
            case (.interval(let interval, let aggregate), _):
                return "keeps the \(aggregate.rawValue) of each \(Span.text(interval))\(which)"
            }
        }.sorted()
    }

    /// `2 points never thinned`, where something else holds than for others.
    private func thinned(of meter: Meter) -> [String] {
        let words = [(ThinningPolicy.forbidden, "never thinned"), (.preferred, "thinned first")]
        return words.compactMap { policy, words in
            let found = meter.points.count { $0.thin == policy }
            if found == 0 { return nil }
            return found == meter.points.count ? words : count(found, "point") + " " + words
        }
    }

    private func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

    /// 5356800 → `5 356 800`.
    private func grouped(_ number: Int64) -> String {
        var digits = String(number)
        var end = digits.endIndex
        while let index = digits.index(end, offsetBy: -3, limitedBy: digits.startIndex), index > digits.startIndex {
            digits.insert(" ", at: index)
            end = index
        }
        return digits
    }

    // MARK: Lines

    /// A line `label   parts, …`; what does not fit goes on below.
    private mutating func add(_ label: String, _ parts: [String]) {
        let start = lines.count
        wrap(parts, indent: 9)
        let padded = label + String(repeating: " ", count: max(1, 9 - label.count))
        lines[start] = padded + lines[start].dropFirst(9)
    }

    /// Parts with commas between them, in lines of at most 80 columns; a part that is longer is broken at the margin.
    private mutating func wrap(_ parts: [String], indent: Int) {
        let margin = String(repeating: " ", count: indent)
        var line = margin
        for (index, part) in parts.enumerated() {
            var piece = clean(part) + (index < parts.count - 1 ? "," : "")
            if line.count > indent, line.count + 1 + piece.count > Self.width {
                lines.append(line)
                line = margin
            } else if line.count > indent {
                line += " "
            }
            while line.count + piece.count > Self.width {
                let room = Self.width - line.count
                lines.append(line + piece.prefix(room))
                piece = String(piece.dropFirst(room))
                line = margin
            }
            line += piece
        }
        lines.append(line)
    }

    private func clean(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
    }
}

extension Point {
    /// How often a reading of it is kept, at most.
    fileprivate var leastDelivery: Duration {
        if !keepsChanges, case .interval(let interval, _) = keep { max(interval, self.interval) } else { interval }
    }

    /// Whether what is kept depends on what is read.
    fileprivate var keepsChanges: Bool {
        switch keep {
        case .all: false
        case .changes: true
        case .interval: definition.kind == .state
        }
    }
}
