internal import Metering
internal import Posix

// RTU on a line, over a serial port or a converter: one request at a time, and nothing but lengths and checksums to tell
// one frame from another.

extension ModbusLink {
    /// The longest silence within an answer, unless stated or learnt: 20 characters, and as long as adapters and
    /// converters take between two packets (USB: 16 ms).
    private static let packetGap = Duration.milliseconds(50)
    /// After a wrong checksum the line counts as quiet when nothing came for its silence and as long as a USB adapter
    /// may hold bytes back.
    private static let quietMargin = Duration.milliseconds(20)
    /// A line that is not quiet after so long is busy; nobody is waited for longer who answers late.
    private static let patience = Duration.seconds(1)

    /// One request on its way.
    private struct Exchange {
        let asked: ReadRequest
        let place: Int
        /// How long the first byte may take from the end of the request.
        let timeout: Duration
        let byteTimeout: Duration
        /// When the request, or its echo, ended.
        var sent: Instant
        /// When the first byte came from which nothing is made yet.
        var firstByte: Instant
        var lastByte: Instant
        /// The longest silence between bytes that belong together.
        var longestGap = Duration.zero
        var evidence = LinkEvidence()
        /// In which way a frame of this unit that it did not owe from an earlier request does not fit this one.
        var misfit: String?
        /// Until when an answer may begin.
        var deadline: Instant { sent + timeout }
    }

    /// Asks the unit at `place`; its answer's PDU is in `answer` then. Returns when its last byte came.
    mutating func askOnLine(_ asked: ReadRequest, _ place: Int, _ timing: Timing) throws(ModbusError) -> Instant {
        if let span = asked.span { try makeSure(of: span, place, timing) }
        return try exchange(asked, place, timing)
    }

    /// Sees to it that no late answer can be taken for the one to `span`: see `UnansweredRequests`.
    private mutating func makeSure(of span: RegisterSpan, _ place: Int, _ timing: Timing) throws(ModbusError) {
        guard !units[place].unanswered.isEmpty else { return }
        // The late answer may have come meanwhile.
        try awaitSilence(.registers(span), place, timing)
        while let probe = units[place].unanswered.probe(before: span, at: BootClock.now) {
            do throws(ModbusError) {
                _ = try exchange(.registers(probe), place, timing)
            } catch {
                if case .exception = error.code { continue }
                var error = error
                error.span = span
                throw error
            }
        }
    }

    private mutating func exchange(
        _ asked: ReadRequest, _ place: Int, _ timing: Timing
    ) throws(ModbusError) -> Instant {
        try awaitSilence(asked, place, timing)
        guard hasTime(for: asked, place, at: BootClock.now) else { throw failure(.outOfTime, units[place].unit, asked) }
        var exchange = try send(asked, place, timing)
        while true {
            let limit = limit(of: exchange)
            let count = wire.isReadable(within: min(limit, end) - BootClock.now) ? try receive(&exchange) : 0
            let now = BootClock.now
            let burstIsOver = sorter.isPending && count == 0 && now >= limit
            if try sort(&exchange, at: now, burstIsOver: burstIsOver) { return exchange.lastByte }
            if burstIsOver { try finishBurst(&exchange, at: now) }
            guard now >= exchange.deadline else {
                if now >= end { throw expired(exchange, at: now) }
                continue
            }
            // An answer that began in time may end later; not so what others send without a pause.
            if !sorter.isPending { throw silence(exchange, at: now) }
            if now - exchange.deadline > Self.patience + line.duration(ofCharacters: RTUFrame.longest) {
                throw garbled(.lineBusy, exchange, at: now, isAnswer: false)
            }
            if now >= end { throw expired(exchange, at: now) }
        }
    }

    /// Until when the next byte is waited for.
    private func limit(of exchange: Exchange) -> Instant {
        guard sorter.isPending else { return exchange.deadline }
        return exchange.lastByte + (sorter.isGarbled ? line.silence + Self.quietMargin : exchange.byteTimeout)
    }

    // MARK: - Before the request

    /// Waits until the line has been quiet for 3.5 characters, nobody is suspected of a late answer any more, and the
    /// unit has had its rest. What comes meanwhile is thrown away.
    private mutating func awaitSilence(_ asked: ReadRequest, _ place: Int, _ timing: Timing) throws(ModbusError) {
        let rest = restEnd(place, timing)
        // Whoever lent the link has more use of the time.
        guard silenceEnd(rest) < end else { throw failure(.outOfTime, units[place].unit, asked) }
        var now = BootClock.now
        // Somebody else's frame may be on the line, and no frame is longer.
        let longest = max(units[place].timeout(wire.transport), line.duration(ofCharacters: RTUFrame.longest))
        let patience = max(now, silenceEnd(rest)) + min(Self.patience, longest)
        // What came behind the last answer was not asked for either.
        counters.drainedBytes += UInt64(sorter.listen())
        var isNoisy = false
        while true {
            while let finding = sorter.next() { heardUnasked(finding, at: now) }
            let silenceEnd = silenceEnd(rest)
            let count = wire.isReadable(within: min(silenceEnd, end) - now) ? try drain(asked, place) : 0
            now = BootClock.now
            if count > 0 {
                quietSince = now
                isNoisy = true
            } else if now >= silenceEnd {
                break
            }
            if isNoisy, now > min(patience, end) { throw busy(asked, place, at: now) }
            if now >= end { throw failure(.outOfTime, units[place].unit, asked) }
        }
        suspicion = nil
        if let noise = sorter.finishBurst().range { note(.noise, noise, now) }
    }

    private func silenceEnd(_ rest: Instant?) -> Instant {
        var end = quietSince + line.silence
        if let rest { end = max(end, rest) }
        if let suspicion { end = max(end, suspicion.until) }
        return end
    }

    private mutating func drain(_ asked: ReadRequest, _ place: Int) throws(ModbusError) -> Int {
        do throws(ModbusError.Code) {
            let count = try wire.receive(into: &chunk)
            sorter.append(chunk, count: count)
            counters.drainedBytes += UInt64(count)
            if count > 0 { silences = 0 }
            return count
        } catch {
            throw lost(error, asked, place)
        }
    }

    /// A frame that came while nothing was asked: the late answer to a request that was given up, or others' traffic.
    private mutating func heardUnasked(_ finding: RTUSorter.Finding, at now: Instant) {
        let isLate = bookLate(finding.range)
        if isLate { counters.lateAnswers += 1 } else { counters.foreignFrames += 1 }
        note(isLate ? .late : .foreign, finding.range, now)
    }

    /// Takes a frame off what its unit still owes; returns whether it owed it.
    private mutating func bookLate(_ frame: Range<Int>) -> Bool {
        let bytes = sorter.bytes
        guard let owner = units.firstIndex(where: { $0.unit == bytes[frame.lowerBound] }) else { return false }
        let isException = bytes[frame.lowerBound + 1] & 0x80 != 0
        let isLate = units[owner].unanswered.cameLate(.init(bytes, frame), isException: isException)
        if suspicion?.unit == units[owner].unit, units[owner].unanswered.isEmpty { suspicion = nil }
        return isLate
    }

    // MARK: - The request

    private mutating func send(
        _ asked: ReadRequest, _ place: Int, _ timing: Timing
    ) throws(ModbusError) -> Exchange {
        sorter.expect(asked, of: units[place].unit)
        let begin = BootClock.now
        counters.requests += 1
        trace?(FrameTrace(verdict: .request, bytes: sorter.request, instant: begin))
        do throws(ModbusError.Code) {
            try wire.send(sorter.request)
        } catch {
            throw lost(error, asked, place)
        }
        // A port takes all bytes at once; on the wire they end when they have been sent one by one.
        let sent = wire.switchesDirection ? BootClock.now : begin + line.duration(ofCharacters: sorter.request.count)
        quietSince = sent
        var timeout = units[place].timeout(wire.transport)
        // A converter may gather a whole answer before it passes the first byte on.
        if wire.transport == .rtuOverTCP {
            timeout += line.duration(ofCharacters: asked.longestAnswer + RTUFrame.overhead)
        }
        return Exchange(
            asked: asked, place: place, timeout: timeout,
            byteTimeout: timing.byteTimeout ?? units[place].gaps.limit(usualGap), sent: sent, firstByte: sent,
            lastByte: sent)
    }

    /// The longest silence within the answers of a unit of which nothing else is known.
    private var usualGap: Duration { max(Self.packetGap, line.duration(ofCharacters: 20)) }

    // MARK: - The answer

    private mutating func receive(_ exchange: inout Exchange) throws(ModbusError) -> Int {
        let wasPending = sorter.isPending
        let count: Int
        do throws(ModbusError.Code) {
            count = try wire.receive(into: &chunk)
        } catch {
            keep(exchange)
            throw lost(error, exchange.asked, exchange.place)
        }
        guard count > 0 else { return 0 }
        let now = BootClock.now
        sorter.append(chunk, count: count)
        if wasPending {
            exchange.longestGap = max(exchange.longestGap, now - exchange.lastByte)
        } else {
            exchange.firstByte = now
        }
        exchange.lastByte = now
        // What brings bytes is not dead.
        silences = 0
        exchange.evidence.firstByte = exchange.evidence.firstByte ?? now
        quietSince = max(quietSince, now)
        return count
    }

    /// Sorts what came; returns whether the answer was among it.
    private mutating func sort(
        _ exchange: inout Exchange, at now: Instant, burstIsOver: Bool
    ) throws(ModbusError) -> Bool {
        while let finding = sorter.next(burstIsOver: burstIsOver) {
            switch finding {
            case .answer(let frame):
                note(.answer, frame, now)
                answer.removeAll(keepingCapacity: true)
                answer.append(contentsOf: sorter.bytes[RTUSorter.pdu(frame)])
                units[exchange.place].unanswered.answered(.init(exchange.asked), at: now)
                units[exchange.place].gaps.whole(usualGap, gap: exchange.longestGap)
                bookAnswer(exchange.place, after: exchange.firstByte - exchange.sent, at: exchange.lastByte)
                return true
            case .exception(let code, let frame):
                note(.exception(code), frame, now)
                units[exchange.place].unanswered.refused(.init(exchange.asked), at: now)
                bookAnswer(exchange.place, after: exchange.firstByte - exchange.sent, at: exchange.lastByte)
                throw failure(.exception(code), units[exchange.place].unit, exchange.asked)
            case .echo(let frame):
                note(.echo, frame, now)
                counters.echoes += 1
                exchange.evidence.isEcho = true
                exchange.sent = max(exchange.sent, exchange.lastByte)
                exchange.firstByte = exchange.lastByte
            case .late(let frame):
                note(.late, frame, now)
                counters.lateAnswers += 1
                guard !bookLate(frame) else { break }
                exchange.misfit = AnswerPDU.misfit(exchange.asked, sorter.bytes, from: frame.lowerBound + 1)
            case .foreign(let frame):
                note(.foreign, frame, now)
                counters.foreignFrames += 1
                _ = bookLate(frame)
            case .noise(let bytes): note(.noise, bytes, now)
            }
        }
        return false
    }

    /// The line fell silent, and there are bytes from which nothing could be made.
    private mutating func finishBurst(_ exchange: inout Exchange, at now: Instant) throws(ModbusError) {
        let unit = units[exchange.place].unit
        switch sorter.finishBurst() {
        case .nothing: break
        case .noise(let bytes): note(.noise, bytes, now)
        case .cut(let bytes, let expected):
            note(.cut, bytes, now)
            units[exchange.place].gaps.cut(usualGap)
            // A stall in between is no end: the rest may still come, and would collide with the next request.
            let gap = max(exchange.byteTimeout, units[exchange.place].gaps.limit(usualGap))
            let rest = gap + line.duration(ofCharacters: expected - bytes.count)
            suspicion = (unit, now + min(rest, Self.patience))
            throw garbled(.cut(received: bytes.count, expected: expected), exchange, at: now, isAnswer: true)
        case .garbled(let bytes, _)
        where TCPFrame.isAnswer(sorter.bytes, from: bytes.lowerBound, unit: unit, function: exchange.asked.function):
            note(.malformed("Modbus TCP"), bytes, now)
            throw garbled(.speaksTCP, exchange, at: now, isAnswer: true)
        case .garbled(let bytes, let isAnswer):
            note(.crcError, bytes, now)
            counters.crcErrors += 1
            exchange.evidence.crcErrors += 1
            throw garbled(.crc, exchange, at: now, isAnswer: isAnswer)
        }
    }

    private func note(_ verdict: FrameTrace.Verdict, _ bytes: Range<Int>, _ now: Instant) {
        trace?(FrameTrace(verdict: verdict, bytes: Array(sorter.bytes[bytes]), instant: now))
    }

    // MARK: - Failures

    /// Nobody answered in time.
    private mutating func silence(_ exchange: Exchange, at now: Instant) -> ModbusError {
        let place = exchange.place
        if let misfit = exchange.misfit { return garbled(.malformed(misfit), exchange, at: now, isAnswer: true) }
        keep(exchange)
        units[place].unanswered.gaveUp(.init(exchange.asked), at: now)
        // Its answer would collide with the next request on the wire. A unit that never answered is waited for no more.
        if let slowest = units[place].estimator.slowest {
            suspicion = (units[place].unit, now + min(slowest, Self.patience))
        }
        bookSilence(place)
        return failure(exchange.evidence.isEcho ? .echoOnly : .timeout, units[place].unit, exchange.asked)
    }

    /// The link's own time is over.
    private mutating func expired(_ exchange: Exchange, at now: Instant) -> ModbusError {
        let place = exchange.place
        if !sorter.isPending, isWaitedFor(place, now - exchange.sent) { return silence(exchange, at: now) }
        keep(exchange)
        // What is on its way, or may be, would collide with the next request.
        let rest = line.duration(ofCharacters: exchange.asked.longestAnswer + RTUFrame.overhead)
        let late = sorter.isPending ? rest : max(rest, units[place].estimator.slowest ?? rest)
        suspicion = (units[place].unit, now + min(late, Self.patience))
        if let bytes = sorter.finishBurst().range { note(.cut, bytes, now) }
        units[place].unanswered.gaveUp(.init(exchange.asked), at: now)
        return failure(.outOfTime, units[place].unit, exchange.asked)
    }

    /// Something came, but not the answer; `isAnswer` when it was meant to be.
    private mutating func garbled(
        _ code: ModbusError.Code, _ exchange: Exchange, at now: Instant, isAnswer: Bool
    ) -> ModbusError {
        let key = UnansweredRequests.Key(exchange.asked)
        keep(exchange)
        silences = 0
        if isAnswer {
            units[exchange.place].unanswered.refused(key, at: now)
        } else {
            units[exchange.place].unanswered.gaveUp(key, at: now)
        }
        return failure(code, units[exchange.place].unit, exchange.asked)
    }

    /// Others sent without a pause, so that nothing was asked.
    private mutating func busy(_ asked: ReadRequest, _ place: Int, at now: Instant) -> ModbusError {
        if let noise = sorter.finishBurst().range { note(.noise, noise, now) }
        lastEvidence = LinkEvidence(bytes: sorter.evidence, firstByte: now)
        return failure(.lineBusy, units[place].unit, asked)
    }

    private mutating func lost(_ code: ModbusError.Code, _ asked: ReadRequest, _ place: Int) -> ModbusError {
        close()
        return failure(code, units[place].unit, asked)
    }

    private mutating func keep(_ exchange: Exchange) {
        // In one go: Swift 6.2.3 of Debian fails on a change within the optional.
        var evidence = exchange.evidence
        evidence.bytes = sorter.evidence
        lastEvidence = evidence
    }
}
