/// Power or flow from the spacing of pulses.
///
/// Between two pulses it is what one pulse means, divided by their distance. When the next one keeps one waiting, it can
/// only be less: it decays as if that pulse came now, and is 0 after `silence`.
public struct PulseRate: Hashable, Sendable {
    /// What one pulse means, in the rate's unit times hours: 0.001 for 1000 pulses per kWh and kW.
    public let perPulse: Double
    /// After so long without a pulse nothing flows.
    public let silence: Duration

    /// A rate with every property given.
    public init(perPulse: Double, silence: Duration) {
        self.perPulse = perPulse
        self.silence = silence
    }

    /// The rate at `now` of a line that is watched since `since`; nil before two pulses were seen, or none for `silence`.
    /// What came before `since` says nothing: the line was not watched in between.
    public func value(last: Instant?, spacing: Duration?, since: Instant, at now: Instant) -> Double? {
        let waited = now - max(last ?? since, since)
        if waited >= silence { return 0 }
        guard let last, last >= since, let spacing, spacing > .zero else { return nil }
        let hours: Double = max(spacing, waited) / Duration.seconds(3600)
        return perPulse / hours
    }
}
