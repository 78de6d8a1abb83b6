internal import Metering
internal import Posix

// Modbus TCP: one request at a time; the transaction id tells a late answer.

extension ModbusLink {
    /// After bytes that look like the beginning of an RTU frame, so long is waited for the rest of it.
    private static let rtuQuiet = Duration.milliseconds(100)

    /// Asks the unit at `place`; its answer's PDU is in `answer` then.
    mutating func askOverTCP(
        _ asked: ReadRequest, _ place: Int, _ timing: Timing, at begin: Instant
    ) throws(ModbusError) -> Instant {
        let unit = units[place].unit
        let restEnd = restEnd(place, timing)
        // Whoever lent the link has more use of the time.
        if let restEnd, restEnd >= end { throw failure(.outOfTime, unit, asked) }
        let begin = rest(until: restEnd, from: begin)
        guard hasTime(for: asked, place, at: begin) else { throw failure(.outOfTime, unit, asked) }
        transaction &+= 1
        TCPFrame.encode(asked, unit: unit, transaction: transaction, into: &request)
        counters.requests += 1
        trace?(FrameTrace(verdict: .request, bytes: request, instant: begin))
        do throws(ModbusError.Code) {
            try wire.send(request)
        } catch {
            throw lostConnection(error, unit, asked)
        }
        let deadline = min(begin + units[place].timeout(wire.transport), end)
        var now = begin
        var firstByte: Instant?
        while true {
            let isReadable = wire.isReadable(within: deadline - now)
            guard isReadable || BootClock.now < deadline else {
                throw silence(asked, place, begin: begin, firstByte: firstByte)
            }
            try receive(unit, asked)
            now = BootClock.now
            if firstByte == nil, !stream.isEmpty { firstByte = now }
            if try judge(asked, place, begin: begin, now: now) { return now }
            guard now < deadline else { throw silence(asked, place, begin: begin, firstByte: firstByte) }
        }
    }

    /// Waits for what the unit needs before its request; returns the time then.
    private func rest(until end: Instant?, from now: Instant) -> Instant {
        guard let end, end > now else { return now }
        var now = now
        // Bytes that come meanwhile belong to late answers and wait in the socket, so nothing can be waited for with it.
        while now < end {
            BootClock.sleep(until: end)
            now = BootClock.now
        }
        return now
    }

    private mutating func receive(_ unit: UInt8, _ asked: ReadRequest) throws(ModbusError) {
        do throws(ModbusError.Code) {
            let count = try wire.receive(into: &chunk)
            stream.append(contentsOf: chunk[..<count])
        } catch {
            if seemsRTU(unit, asked) { throw speaksRTU(unit, asked) }
            throw lostConnection(error, unit, asked)
        }
    }

    /// Judges what came; returns whether it was the answer.
    private mutating func judge(
        _ asked: ReadRequest, _ place: Int, begin: Instant, now: Instant
    ) throws(ModbusError) -> Bool {
        let unit = units[place].unit
        while !stream.isEmpty {
            switch TCPFrame.judge(stream, for: asked, unit: unit, transaction: transaction) {
            case .incomplete: return false
            case .late(let frame):
                counters.lateAnswers += 1
                take(frame, .late, now)
            case .answer(let frame):
                answer.removeAll(keepingCapacity: true)
                answer.append(contentsOf: stream[TCPFrame.pdu(frame)])
                take(frame, .answer, now)
                bookAnswer(place, after: now - begin, at: now)
                quietSince = now
                return true
            case .exception(let code, let frame):
                take(frame, .exception(code), now)
                bookAnswer(place, after: now - begin, at: now)
                quietSince = now
                throw failure(.exception(code), unit, asked)
            case .malformed(let how): throw malformed(how, unit, asked)
            }
        }
        return false
    }

    private mutating func take(_ frame: Range<Int>, _ verdict: FrameTrace.Verdict, _ now: Instant) {
        trace?(FrameTrace(verdict: verdict, bytes: Array(stream[frame]), instant: now))
        stream.removeSubrange(frame)
    }

    // MARK: - Failures

    /// Nothing, or too little, came in time.
    private mutating func silence(
        _ asked: ReadRequest, _ place: Int, begin: Instant, firstByte: Instant?
    ) -> ModbusError {
        let unit = units[place].unit
        if seemsRTU(unit, asked) { return speaksRTU(unit, asked) }
        keepEvidence(firstByte: firstByte)
        quietSince = BootClock.now
        let isSilent = isWaitedFor(place, quietSince - begin)
        if isSilent { bookSilence(place) }
        guard TCPFrame.begins(stream, transaction: transaction) else {
            return failure(isSilent ? .timeout : .outOfTime, unit, asked)
        }
        // What comes next could not be told from the rest of this one.
        let cut = ModbusError.Code.cut(received: stream.count, expected: TCPFrame.announcedLength(stream))
        trace?(FrameTrace(verdict: .cut, bytes: stream, instant: quietSince))
        close()
        return failure(cut, unit, asked)
    }

    private mutating func malformed(_ how: String, _ unit: UInt8, _ asked: ReadRequest) -> ModbusError {
        // A converter's packets may end within a frame: an RTU frame is only known by its end.
        let limit = min(BootClock.now + Self.rtuQuiet, end)
        while stream[0] == unit, !seemsRTU(unit, asked), BootClock.now < limit {
            guard wire.isReadable(within: limit - BootClock.now), let count = try? wire.receive(into: &chunk) else {
                break
            }
            stream.append(contentsOf: chunk[..<count])
        }
        if seemsRTU(unit, asked) { return speaksRTU(unit, asked) }
        let now = BootClock.now
        keepEvidence(firstByte: now)
        trace?(FrameTrace(verdict: .malformed(how), bytes: stream, instant: now))
        close()
        return failure(.malformed(how), unit, asked)
    }

    private func seemsRTU(_ unit: UInt8, _ asked: ReadRequest) -> Bool {
        RTUFrame.isAnswer(stream, from: 0, unit: unit, function: asked.function)
    }

    private mutating func speaksRTU(_ unit: UInt8, _ asked: ReadRequest) -> ModbusError {
        let now = BootClock.now
        keepEvidence(firstByte: now)
        trace?(FrameTrace(verdict: .malformed("RTU"), bytes: stream, instant: now))
        close()
        return failure(.speaksRTU, unit, asked)
    }

    private mutating func lostConnection(
        _ code: ModbusError.Code, _ unit: UInt8, _ asked: ReadRequest
    ) -> ModbusError {
        keepEvidence(firstByte: BootClock.now)
        close()
        return failure(code, unit, asked)
    }

    private mutating func keepEvidence(firstByte: Instant?) {
        let bytes = stream.prefix(RTUSorter.evidenceLength)
        lastEvidence = LinkEvidence(bytes: Array(bytes), firstByte: bytes.isEmpty ? nil : firstByte)
    }
}
