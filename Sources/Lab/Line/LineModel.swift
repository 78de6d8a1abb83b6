internal import Metering

/// What happens on an RS-485 line, byte by byte: who hears what, who answers when, and what goes wrong by plan and seed.
///
/// A decision without threads, clock or meters: bytes of the master and time go in, bytes for the master and records for
/// the truth log come out. A byte is never handed over before it would be through on a real wire: the start of its frame
/// plus as many characters. Units take the end of a frame for what it is after 3.5 characters of silence, and answer
/// their turnaround later; a frame that begins earlier than 3.5 characters after the last byte of anybody, they do not
/// hear. Whoever sends at the same time as another destroys both.
struct LineModel {
    /// What a unit puts into an answer.
    struct Answer {
        var pdu: [UInt8]
        var span: RegisterSpan?
        var values: [LineRecord.Value] = []
    }

    /// What is to be done.
    enum Action: Hashable {
        /// The master gets these bytes.
        case deliver([UInt8])
        /// Another meter is in this unit's place.
        case swap(UInt8)
        case unplug
        case plugIn
    }

    /// What the unit with this id answers to this PDU at that moment.
    typealias Answering = (UInt8, [UInt8], Instant) -> Answer

    let line: SerialLine
    /// One character on the wire.
    let character: Duration
    /// 3.5 characters of this line.
    let silence: Duration
    /// The silence that units want before a request.
    private let wanted: Duration
    private let turnarounds: [UInt8: Duration]
    private let start: Instant
    private(set) var faults: [LineFault] = []
    private var random: SplitMix
    /// What the plan lets happen at a certain moment, soonest first.
    private var edges: [(instant: Instant, action: Action)] = []
    private(set) var isPlugged = true
    /// When the last byte was through, of whomever.
    private var lastEnd: Instant?
    /// Frames of the master that are not judged yet; at most the last one still grows.
    private var requests: [MasterFrame] = []
    private var transmissions: [Transmission] = []
    /// When each unit is done with all that it has to send.
    private var free: [UInt8: Instant] = [:]
    private var stuckFrames: [UInt8: [UInt8]] = [:]
    private var nextForeign: Instant?
    private var records: [LineRecord] = []

    /// A line with units of these turnarounds; the times of `faults` count from `start`. Where `isPatient`, units answer
    /// requests that come too early as well.
    init(
        _ line: SerialLine, turnarounds: [UInt8: Duration], faults: [LineFault] = [], isPatient: Bool = false,
        seed: UInt64, start: Instant
    ) {
        self.line = line
        character = line.duration(ofCharacters: 1)
        silence = line.duration(ofCharacters: 7) / 2
        wanted = isPatient ? .zero : silence
        self.turnarounds = turnarounds
        self.start = start
        random = SplitMix(seed: seed)
        setFaults(faults, at: start)
    }

    /// Replaces the plan.
    mutating func setFaults(_ faults: [LineFault], at now: Instant) {
        self.faults = faults
        edges = []
        nextForeign = nil
        for fault in faults {
            let (from, until) = (start + fault.from, fault.until.map { start + $0 })
            switch fault.kind {
            case .swap:
                let units = fault.unit.map { [$0] } ?? turnarounds.keys.sorted()
                edges += units.map { (max(from, now), .swap($0)) }
            case .unplug:
                edges.append((max(from, now), .unplug))
                if let until { edges.append((max(until, now), .plugIn)) }
            case .foreign(let interval): nextForeign = max(from, now) + interval * (0.5 + random.unit())
            default: break
            }
        }
        edges.sort { $0.instant < $1.instant }
    }

    /// What was recorded since the last call.
    mutating func takeRecords() -> [LineRecord] {
        defer { records.removeAll(keepingCapacity: true) }
        return records
    }

    /// When `advance` has something to do next; nil when only the master can make something happen.
    var deadline: Instant? { nextEvent()?.instant }

    // MARK: - The master

    /// The master begins to send `bytes` at `now`, or goes on behind what it still has to send.
    mutating func hear(_ bytes: [UInt8], at now: Instant, isAtSpeed: Bool = true) {
        guard isPlugged, !bytes.isEmpty else { return }
        let begin = max(now, requests.last?.end ?? now)
        let end = begin + character * bytes.count
        if let last = requests.last, begin - last.end < silence {
            requests[requests.count - 1].end = end
        } else {
            // Bytes that are through but not handed over yet, because this machine was busy, count as well.
            let passed = transmissions.compactMap { $0.lastByte(before: begin) }
            let before = ([lastEnd, requests.last?.end].compactMap { $0 } + passed).max()
            requests.append(
                MasterFrame(begin: begin, end: end, silence: before.map { begin - $0 }, isAtSpeed: isAtSpeed))
        }
        let place = requests.count - 1
        requests[place].bytes += bytes
        for index in transmissions.indices
        where transmissions[index].garble(from: begin, to: end, character, &random) {
            requests[place].isCollided = true
        }
        guard isOn(.echo, at: begin) else { return }
        var echo = Transmission(bytes, from: begin, character, record: nil)
        if requests[place].isCollided { _ = echo.garble(from: begin, to: end, character, &random) }
        transmissions.append(echo)
    }

    // MARK: - Time

    /// Lets everything happen that is due at `now`. What is to be delivered is handed over at once by the caller.
    mutating func advance(to now: Instant, answer: Answering) -> [Action] {
        var actions: [Action] = []
        while let event = nextEvent(), event.instant <= now {
            switch event.what {
            case .edge:
                let action = edges.removeFirst().action
                apply(action, at: event.instant)
                actions.append(action)
            case .request: judge(requests.removeFirst(), answer: answer)
            case .byte(let index):
                let byte = transmissions[index].take(at: now)
                if !transmissions[index].isEcho { lastEnd = now }
                if transmissions[index].isOver { finish(transmissions.remove(at: index)) }
                guard isPlugged else { continue }
                if case .deliver(let bytes)? = actions.last {
                    actions[actions.count - 1] = .deliver(bytes + [byte])
                } else {
                    actions.append(.deliver([byte]))
                }
            case .foreign: talkOfOthers(at: event.instant)
            }
        }
        return actions
    }

    /// Unplugs the master's adapter, or plugs it in again.
    mutating func plug(_ isPlugged: Bool, at now: Instant) {
        guard isPlugged != self.isPlugged else { return }
        apply(isPlugged ? .plugIn : .unplug, at: now)
    }

    /// Notes that another meter is in the place of `unit`.
    mutating func swapped(_ unit: UInt8, at now: Instant) {
        apply(.swap(unit), at: now)
    }

    private enum Event {
        case edge, request, byte(Int), foreign
    }

    private func nextEvent() -> (instant: Instant, what: Event)? {
        var next: (instant: Instant, what: Event)?
        func offer(_ instant: Instant, _ what: Event) {
            if next.map({ instant < $0.instant }) ?? true { next = (instant, what) }
        }
        if let edge = edges.first { offer(edge.instant, .edge) }
        if let request = requests.first { offer(request.end + silence, .request) }
        for index in transmissions.indices { offer(transmissions[index].due, .byte(index)) }
        if let nextForeign { offer(nextForeign, .foreign) }
        return next
    }

    private mutating func apply(_ action: Action, at now: Instant) {
        var record = LineRecord(begin: now, end: now, what: .event, verdict: .happened)
        switch action {
        case .unplug:
            isPlugged = false
            requests = []
            for index in transmissions.indices { transmissions[index].isLost = true }
            record.faults = ["unplug"]
        case .plugIn:
            isPlugged = true
            record.faults = ["plug in"]
        case .swap(let unit):
            record.unit = unit
            record.faults = ["swap"]
        case .deliver: return
        }
        records.append(record)
    }

    // MARK: - Units

    private func isOn(_ kind: LineFault.Kind, at instant: Instant) -> Bool {
        faults.contains { $0.kind == kind && $0.isOn(at: instant - start) }
    }

    private mutating func judge(_ request: MasterFrame, answer: Answering) {
        let unit = request.bytes[0]
        let turnaround = turnarounds[unit]
        let verdict = request.verdict(isKnown: turnaround != nil || unit == 0, silence: wanted)
        lastEnd = max(request.end, lastEnd ?? request.end)
        records.append(
            LineRecord(
                begin: request.begin, end: request.end, what: .request, unit: unit, bytes: request.bytes,
                verdict: verdict, silence: request.silence))
        // A broadcast is heard by all and answered by nobody.
        guard verdict == .heard, let turnaround else { return }
        let heard = request.end + silence
        var plan = AnswerPlan(asked: request.begin, start: heard + turnaround)
        plan.take(faults(of: unit, at: heard))
        plan.start = max(plan.start, free[unit].map { $0 + silence } ?? plan.start)
        send(plan, unit: unit, pdu: Array(request.bytes[1..<request.bytes.count - 2]), answer: answer, at: heard)
    }

    /// The faults that concern one answer of `unit`; chance is asked for each in its order.
    private mutating func faults(of unit: UInt8, at instant: Instant) -> [LineFault.Kind] {
        var found: [LineFault.Kind] = []
        for fault in faults where !fault.isOfLine && fault.unit.map({ $0 == unit }) ?? true {
            guard fault.isOn(at: instant - start) else { continue }
            if fault.share >= 1 || random.unit() < fault.share { found.append(fault.kind) }
        }
        return found
    }

    private mutating func send(
        _ plan: AnswerPlan, unit: UInt8, pdu: [UInt8], answer: Answering, at heard: Instant
    ) {
        guard !plan.isSilent else { return }
        var record = LineRecord(begin: plan.start, end: plan.start, what: .answer, unit: unit, verdict: .sent)
        record.faults = plan.words
        record.asked = plan.asked
        var bytes: [UInt8]
        if let time = plan.babble {
            bytes = (0..<max(1, Int(time / character))).map { _ in UInt8.random(in: 0...255, using: &random) }
        } else if plan.isStuck, let old = stuckFrames[unit] {
            bytes = old
        } else if let code = plan.exception {
            bytes = Frame.make(unit, [pdu[0] | 0x80, code])
        } else {
            let answered = answer(unit, pdu, heard)
            (record.span, record.values) = (answered.span, answered.values)
            bytes = Frame.make(unit, answered.pdu)
        }
        stuckFrames[unit] = plan.isStuck ? stuckFrames[unit] ?? bytes : nil
        let transmission = plan.transmission(of: bytes, character, record: record, &random)
        free[unit] = transmission.end
        schedule(transmission)
    }

    private mutating func schedule(_ transmission: Transmission) {
        var new = transmission
        let (begin, end) = (new.begin, new.end)
        for index in requests.indices
        where new.garble(from: requests[index].begin, to: requests[index].end, character, &random) {
            requests[index].isCollided = true
        }
        for index in transmissions.indices where !transmissions[index].isEcho {
            let (otherBegin, otherEnd) = (transmissions[index].begin, transmissions[index].end)
            guard transmissions[index].garble(from: begin, to: end, character, &random) else { continue }
            _ = new.garble(from: otherBegin, to: otherEnd, character, &random)
        }
        transmissions.append(new)
    }

    private mutating func finish(_ transmission: Transmission) {
        if let record = transmission.finished { records.append(record) }
    }

    // MARK: - Others

    /// Another master asks a unit of its own, or tells all units something, as soon as the line is quiet.
    private mutating func talkOfOthers(at now: Instant) {
        let fault = faults.first {
            if case .foreign = $0.kind { $0.isOn(at: now - start) } else { false }
        }
        guard let fault, case .foreign(let interval) = fault.kind else {
            nextForeign = nil
            return
        }
        let quiet = lastEnd.map { $0 + silence } ?? now
        let isBusy = !requests.isEmpty || transmissions.contains { $0.begin <= now } || quiet > now
        guard !isBusy else {
            nextForeign = max(now, quiet) + .milliseconds(1) + character * Int.random(in: 0..<8, using: &random)
            return
        }
        nextForeign = now + interval * (0.5 + random.unit())
        for one in Strangers(character: character, silence: silence, own: Set(turnarounds.keys)).talk(
            from: now, &random)
        {
            schedule(one)
        }
    }
}
