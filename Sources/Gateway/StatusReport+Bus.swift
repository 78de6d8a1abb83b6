internal import Fieldbus
internal import Metering

extension StatusReport.Bus {
    /// What is said of `status`.
    init(_ status: BusStatus) {
        self.init(
            id: status.id, endpoint: status.endpoint, connected: status.isConnected,
            line: status.line?.description, device: status.port?.device, direction: status.port?.directionText,
            load: status.load, needed: status.needed, pace: status.pace.rawValue, requests: status.counters.requests,
            timeouts: status.counters.timeouts, crcErrors: status.counters.crcErrors,
            lateAnswers: status.counters.lateAnswers, foreignFrames: status.counters.foreignFrames,
            connects: status.counters.connects, loans: status.loans,
            lentMilliseconds: status.lentTime.wholeMilliseconds, loanDelays: status.loanDelays,
            loanMisses: status.loanMisses)
    }
}

extension StatusReport.Meter {
    /// What is said at `now` of `status`, a meter on `bus`.
    init(_ status: MeterStatus, bus: String, now: Instant) {
        func age(_ instant: Instant?) -> Int64? { instant.map { (now - $0).wholeMilliseconds } }
        self.init(
            id: status.id, bus: bus, unit: status.unit, points: status.points,
            intervals: status.intervals.map {
                .init(
                    milliseconds: $0.interval.wholeMilliseconds, skewMilliseconds: $0.skew?.wholeMilliseconds,
                    worstSkewMilliseconds: $0.worstSkew?.wholeMilliseconds)
            },
            lastReadingAgeMilliseconds: age(status.lastReading),
            lastPollMilliseconds: status.lastDuration?.wholeMilliseconds,
            turnaroundMilliseconds: status.turnaround.map { Double($0.wholeNanoseconds / 10_000) / 100 },
            polls: status.polls, failedPolls: status.failedPolls, overruns: status.overruns,
            omittedPolls: status.omittedPolls, skippedPolls: status.skippedPolls, readings: status.readings,
            withheld: status.withheld,
            glitches: status.glitches, serial: status.serial,
            notAvailable: status.notAvailable, error: status.error?.what, asked: status.error?.span?.inFull,
            hint: status.error?.hint,
            failingForMilliseconds: age(status.failingSince),
            nextTryMilliseconds: status.nextTry.map { max(0, ($0 - now).wholeMilliseconds) },
            droppedPoints: status.droppedPoints,
            learntHoles: status.learntHoles.map {
                "\($0.function) \($0.addresses.lowerBound)…\($0.addresses.upperBound - 1)"
            })
    }
}

extension PortReport {
    /// Who switches between sending and receiving, in a word.
    var directionText: String {
        switch direction {
        case .automatic: "adapter"
        case .kernel: "kernel"
        case .program: "program"
        case .none: "nobody"
        }
    }
}
