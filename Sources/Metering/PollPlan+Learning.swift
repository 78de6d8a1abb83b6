extension PollPlan {
    /// Illegal data address (Modbus Application Protocol V1.1b3, section 7).
    private static let illegalAddress: UInt8 = 2
    /// Illegal data value: of a request to read, its number of registers.
    private static let illegalValue: UInt8 = 3

    /// Learns from the exception `code` that the request at index `request` was answered with.
    ///
    /// After a change the requests have other indices: go on with the new ones for what has not been read, or leave the
    /// rest to the next poll. Codes other than 2 and 3 say nothing about the request and change nothing.
    public mutating func record(exception code: UInt8, of request: Int) -> Change? {
        guard code == Self.illegalAddress || code == Self.illegalValue else { return nil }
        let request = requests[request]
        let spans = neededSpans(of: request)
        if spans.count == 1 { return recordRefusal(of: spans[0]) }
        if code == Self.illegalValue, let fewer = fewerRegisters(than: request.span.count) {
            lessons.append(Lesson(span: request.span, rule: .registers(fewer)))
            replan()
            return .lowered(registers: fewer)
        }
        let gaps = gaps(of: request)
        if !gaps.isEmpty {
            lessons.append(Lesson(span: request.span, rule: .holes(gaps)))
        } else if lessons.contains(where: { $0.rule == .whole && $0.span.contains(request.span) }) {
            // Each of these points has been answered by itself.
            learnRefusal(ofWhole: request.span)
        } else {
            for span in spans { trials[span] = .open }
            suspected.append(request.span)
        }
        replan()
        return .split
    }

    /// Learns that the request at index `request` was answered: its refusals count anew.
    ///
    /// A change means what it does after an exception.
    public mutating func recordAnswer(of request: Int) -> Change? {
        if trials.isEmpty { return nil }
        let spans = neededSpans(of: requests[request])
        guard spans.count == 1, trials[spans[0]] != nil else { return nil }
        trials[spans[0]] = .answered
        return endTrials() && replan() ? .joined : nil
    }

    /// Asks the dropped points once more, each by itself: a refusal drops it again, an answer takes it back.
    ///
    /// For rare use, as `RefusedPoints` says and after the meter was away: each point costs a request of its own.
    public mutating func reconsider() {
        if droppedSpans.isEmpty { return }
        for span in droppedSpans { trials[span] = .refused(times: Self.refusalsToDrop - 1) }
        droppedSpans = []
        replan()
    }

    private mutating func recordRefusal(of span: RegisterSpan) -> Change? {
        var times = 1
        if case .refused(let before) = trials[span] { times += before }
        if times < Self.refusalsToDrop {
            trials[span] = .refused(times: times)
            return endTrials() && replan() ? .joined : nil
        }
        trials[span] = nil
        droppedSpans.insert(span)
        lessons.removeAll { $0.span.contains(span) }
        _ = endTrials()
        replan()
        return .dropped(points: places.indices.filter { places[$0].needed == span })
    }

    /// Once every span under trial was heard: lets those go that were answered. Whether there were any.
    private mutating func endTrials() -> Bool {
        if trials.values.contains(.open) { return false }
        let answered = trials.filter { $0.value == .answered }.keys
        for span in answered { trials[span] = nil }
        for whole in suspected where !trials.keys.contains(where: whole.contains) {
            if !droppedSpans.contains(where: whole.contains) { learnRefusal(ofWhole: whole) }
        }
        suspected = []
        return !answered.isEmpty
    }

    /// Spans that contain `span` would be refused for the same reason.
    private mutating func learnRefusal(ofWhole span: RegisterSpan) {
        lessons.removeAll { $0.rule == .whole && $0.span.contains(span) }
        lessons.append(Lesson(span: span, rule: .whole))
    }

    /// Half of a refused `count`, but enough for every point that is not refused by itself; nil where that is no less.
    private func fewerRegisters(than count: Int) -> Int? {
        let widest =
            places.map(\.needed).filter { !droppedSpans.contains($0) && trials[$0]?.isRefused != true }
            .map(\.count).max() ?? 1
        let fewer = max(count / 2, widest)
        return fewer < count ? fewer : nil
    }

    /// The different spans that the points of `request` need, in order of address.
    private func neededSpans(of request: PlannedRequest) -> [RegisterSpan] {
        var spans: [RegisterSpan] = []
        for slot in request.slots where spans.last != places[slot.point].needed {
            spans.append(places[slot.point].needed)
        }
        return spans
    }

    /// The runs of registers that no point of `request` needs.
    private func gaps(of request: PlannedRequest) -> [RequestLimits.Range] {
        var gaps: [RequestLimits.Range] = []
        var end = request.span.addresses.lowerBound
        for span in neededSpans(of: request) {
            if span.addresses.lowerBound > end {
                gaps.append(.init(function: span.function, addresses: end..<span.addresses.lowerBound))
            }
            end = max(end, span.addresses.upperBound)
        }
        return gaps
    }
}
