internal import Configuration
internal import Delivery
internal import DigitalInputs
internal import Fieldbus
internal import FoundationEssentials
internal import Glibc
internal import Metering
internal import Posix
internal import Spooling

extension StatusReport {
    /// The report at `now`, from what each part publishes, asked in the order of a reading's way: what goes from one to
    /// the next meanwhile is seen twice rather than not at all.
    init(
        configuration: AgentConfiguration, buses: [BusStatus], inputs: [InputStatus],
        intake fill: (waiting: Int, skippedPolls: UInt64), spool: Spooling.Spool.Status, uplinks: [UplinkStatus],
        refusal: Refusal?, written: Int64?, started: Instant, now: Instant, clock: WallClock
    ) {
        func age(_ instant: Instant?) -> Int64? { instant.map { (now - $0).wholeMilliseconds } }
        let statistics = spool.statistics
        version = PartheVersion.text
        gateway = configuration.gateway.id
        process = getpid()
        let wall = clock.last?.offset ?? ClockOffset(nanoseconds: 0)
        let offset = clock.known.history.best?.offset ?? wall
        time = wall.timestamp(of: now).description
        let uptime = (now - started).wholeMilliseconds
        uptimeMilliseconds = uptime
        self.clock = Clock(clock, waiting: statistics.waitingForClock, now: now)
        self.buses = buses.map(Bus.init)
        meters = buses.flatMap { bus in bus.meters.map { Meter($0, bus: bus.id, now: now) } }
        self.inputs = configuration.inputs.compactMap { settings in
            inputs.first { $0.id == settings.id }.map { Input($0, settings, now: now) }
        }
        self.spool = Spool(
            state: spool.error == nil ? "working" : spool.error?.code == .full ? "full" : "degraded",
            error: spool.error?.description, hint: spool.error?.hint, waiting: fill.waiting,
            isKnown: !statistics.spoolID.isEmpty, committed: statistics.committed, held: statistics.held,
            undelivered: statistics.undelivered.values.max() ?? 0, oldest: statistics.oldest?.description,
            newest: statistics.newest?.description, bytes: statistics.fileBytes,
            limitBytes: configuration.spool.maximumBytes,
            commitIntervalMilliseconds: spool.commitInterval.wholeMilliseconds,
            lastCommitAgeMilliseconds: age(statistics.lastCommit), quarantined: statistics.quarantined,
            damaged: statistics.damaged,
            newlyDamaged: max(0, statistics.damaged - (spool.damagedBefore ?? statistics.damaged)),
            dropped: statistics.dropped,
            newlyDropped: max(0, statistics.dropped - (spool.droppedBefore ?? statistics.dropped)),
            step: "\(spool.step)",
            mended: spool.mending?.text,
            writtenBytesPerDay: written.flatMap { Self.perDay($0, over: uptime) })
        self.uplinks = zip(configuration.uplinks, uplinks).map { settings, status in
            let undelivered = statistics.undelivered[settings.id] ?? 0
            // Between two looks into the spool an uplink is idle, and the newest commit may just have brought readings.
            var state = status.words
            if status.condition == .idle, undelivered > 0 {
                let isHeld = statistics.waitingForClock >= undelivered
                state = isHeld ? "readings wait for the clock" : "readings are being delivered"
            }
            // Nothing is sent before its mark is on disk.
            if spool.error != nil, status.condition == .delivering { state = "waits for the spool" }
            return Uplink(
                id: settings.id, url: settings.url, state: state,
                nextTryMilliseconds: status.until.map { max(0, ($0 - now).wholeMilliseconds) },
                healthy: status.trouble == nil, undelivered: undelivered, delivered: UInt64(status.counts.delivered),
                rejected: UInt64(status.counts.rejected), copiesAvoided: UInt64(status.counts.copiesAvoided),
                conflicts: UInt64(status.counts.conflicts),
                clockAheadMilliseconds: status.platformTime.map { time in
                    let lead = time.lead(over: offset)
                    return ((lead.lowerBound + lead.upperBound) / 2).wholeMilliseconds
                },
                lastSuccessAgeMilliseconds: age(status.lastSuccess), error: status.trouble?.summary,
                hint: status.trouble?.hint)
        }
        events = spool.events.map {
            Event(time: $0.time(offset).description, subject: $0.subject, kind: $0.kind, text: $0.text)
        }
        problems = []
        problems = findProblems() + self.clock.problems(latestGiven: statistics.latestGiven, now: now)
        for (settings, status) in zip(configuration.uplinks, uplinks) {
            guard let ahead = status.platformTime?.discrepancy(from: offset) else { continue }
            let words = ahead < .zero ? "\((.zero - ahead).rounded) behind" : "\(ahead.rounded) ahead of"
            problems.append(
                Problem(
                    what: "uplink \(settings.id): the platform's clock is \(words) the gateway's",
                    hint: self.clock.isKept == true
                        ? "the gateway's is synchronised: tell the platform's operator"
                        : "set the gateway's right: time comes from the network (timedatectl status), or date -s"))
        }
        if let refusal {
            problems.append(
                Problem(
                    what: "configuration: refused \((now - refusal.time).rounded) ago, the one before goes on: "
                        + refusal.reason, hint: refusal.hint))
        }
    }

    /// What `bytes` in a time come to in a day; nil where the time is too short to tell.
    static func perDay(_ bytes: Int64, over milliseconds: Int64) -> Int64? {
        guard milliseconds >= 60_000 else { return nil }
        return Int64(clamping: Int((Double(bytes) * 86_400_000 / Double(milliseconds)).rounded()))
    }

    /// A new configuration that was not taken.
    struct Refusal {
        var time: Instant
        var reason: String
        var hint: String?
    }

    /// What is wrong, the gravest first.
    private func findProblems() -> [Problem] {
        var found: [Problem] = []
        func add(_ what: String, _ hint: String?) { found.append(Problem(what: what, hint: hint)) }
        if let error = spool.error { add("spool: \(error)", spool.hint) }
        let lastCommit = spool.lastCommitAgeMilliseconds ?? uptimeMilliseconds
        if spool.error == nil, lastCommit > 3 * spool.commitIntervalMilliseconds + 5000 {
            add(
                "spool: no commit for \(Duration.milliseconds(lastCommit).rounded): the disk does not answer",
                "look at dmesg for disk errors")
        }
        if let mended = spool.mended {
            add(
                "spool: \(mended)",
                "look at dmesg, and think of replacing the disk or card; `parthe spool` lists the gaps")
        } else if spool.newlyDamaged > 0 {
            add(
                "spool: \(spool.newlyDamaged) readings could not be read back since the agent's start",
                "the disk or card has damaged its file: look at dmesg, and think of replacing it; `parthe spool` lists the "
                    + "gaps")
        }
        if let step = SpoolAdmission.Step.allCases.first(where: { "\($0)" == spool.step }), step != .normal {
            add(
                "spool: \(step.text)",
                "readings wait for delivery: look at the uplink; `spool: limit` gives them more room")
        }
        if spool.newlyDropped > 0 {
            add(
                "spool: \(spool.newlyDropped) readings were dropped for want of room since the agent's start",
                "`parthe spool` lists the gaps; `spool: limit` gives more room. What one uplink has is not thinned for others"
            )
        }
        for uplink in uplinks {
            if !uplink.healthy { add("uplink \(uplink.id): \(uplink.error ?? uplink.state)", uplink.hint) }
            if uplink.conflicts > 0 {
                add(
                    "uplink \(uplink.id): the platform has another value for \(uplink.conflicts) readings",
                    "something else writes to these Datastreams: does another gateway have this one's id?")
            }
        }
        for bus in buses where bus.needed > 1 {
            let need = (bus.needed * 10).rounded(.up) / 10
            add(
                "bus \(bus.id): its polls need \(need) s per second, so some come late or not at all",
                "longer intervals, fewer points, or a higher baud rate")
        }
        for bus in buses where bus.direction == "nobody" {
            add(
                "bus \(bus.id): nobody switches \(bus.device ?? bus.endpoint) between sending and receiving",
                "its driver has no RS-485 mode and no RTS: use an adapter that switches by itself, and remove rs485")
        }
        for meter in meters {
            // A meter that has just been started or set right has not been polled yet.
            let silence = meter.lastReadingAgeMilliseconds ?? uptimeMilliseconds
            if !meter.droppedPoints.isEmpty {
                add(
                    "meter \(meter.id): refuses \(meter.droppedPoints.joined(separator: ", "))",
                    "is it this model? Look at it with `parthe bus scan \(meter.bus) --unit \(meter.unit)`")
            }
            if let error = meter.error {
                add("meter \(meter.id): \(error)" + (meter.asked.map { ": \($0)" } ?? ""), meter.hint)
            } else if silence > 3 * (meter.intervals.first?.milliseconds ?? 0) + 5000 {
                add(
                    "meter \(meter.id): no value for \(Duration.milliseconds(silence).rounded)",
                    meter.skippedPolls > 0
                        ? "its polls are skipped: the intake is full" : "look at it with `parthe read \(meter.id)`")
            }
        }
        for input in inputs {
            if let error = input.error { add("input \(input.id): line \(input.line): \(error)", input.hint) }
            if input.waiting > 0 || input.skipped > 0 {
                add(
                    "input \(input.id): \(input.waiting) readings wait for room in the intake, \(input.skipped) found none",
                    "the intake is full: look at the spool. Pulses are counted all the same")
            }
        }
        if !inputs.isEmpty, let limits = GPIOChips.limits { add("inputs: " + limits.what, limits.hint) }
        if spool.quarantined > 0 {
            add(
                "spool: \(spool.quarantined) readings were refused by a platform and are set aside",
                "`parthe spool quarantine` lists them with the reasons")
        }
        return found
    }

    /// The report as JSON.
    public var json: [UInt8] { jsonBytes(self) }

    /// Reads a report from its JSON; nil when it is none.
    public init?(json: [UInt8]) {
        guard let report = try? JSONDecoder().decode(StatusReport.self, from: Data(json)) else { return nil }
        self = report
    }
}
