/// What comes of a spool from which nothing is delivered any more, if readings go on coming as they do: when it slows
/// producers down, when it thins and how far that takes it, and when it has to drop.
///
/// ```
/// now ─70 %→ slow ─80 %→ thinned to 1 min ─→ to 15 min ─→ to 1 h ─95 %→ dropped
/// ```
/// The watermarks are those of `SpoolAdmission`. Once it thins, what matters is how much time of readings fits when all
/// of them are thinned so far: each level lasts until that time has passed, counted from the oldest reading that waits.
///
/// Pure: measurements come in. It is an estimate: readings may change their pace, and thinned ones pack a little better or
/// worse than raw ones.
public struct SpoolForecast: Hashable, Sendable {
    /// What comes from one point.
    public struct Source: Hashable, Sendable {
        /// What is known of it; nil where nothing is: such a point is not thinned.
        public var rule: ThinningRules.Rule?
        /// Readings per second.
        public var readings: Double
        /// Changes of value per second: what stays of a state.
        public var changes: Double

        /// A source with every property given.
        public init(rule: ThinningRules.Rule?, readings: Double, changes: Double) {
            self.rule = rule
            self.readings = readings
            self.changes = changes
        }
    }

    /// How full it is, and how fast that grows.
    public struct Growth: Hashable, Sendable {
        /// What readings that wait, and everything that stays with them, take.
        public var used: Int64
        /// What of that is no readings: the log and what is kept back.
        public var overhead: Int64
        /// What it may take in all.
        public var room: Int64
        /// Bytes of the file per second.
        public var bytesPerSecond: Double
        /// From the oldest reading that waits to the newest, in seconds of running time.
        public var waitingSeconds: Double

        /// A growth with every property given.
        public init(used: Int64, overhead: Int64, room: Int64, bytesPerSecond: Double, waitingSeconds: Double) {
            self.used = used
            self.overhead = overhead
            self.room = room
            self.bytesPerSecond = bytesPerSecond
            self.waitingSeconds = waitingSeconds
        }
    }

    /// For how long a level of thinning is enough.
    public struct Stage: Hashable, Sendable {
        /// How far everything is thinned then.
        public var level: ThinningLevel
        /// Bytes per second of what is left of the readings.
        public var bytesPerSecond: Double
        /// Seconds from now until it is not enough any more; 0 where it is not now.
        public var until: Double
    }

    /// Seconds from now until it would be full if nothing were done.
    public var full: Double
    /// Seconds from now until producers are asked to slow down; 0 where they are.
    public var slow: Double
    /// Seconds from now until the oldest readings are thinned.
    public var thin: Double
    /// To 1 min, 15 min and 1 h.
    public var stages: [Stage]
    /// Seconds from now until the oldest are dropped.
    public var drop: Double
    /// Seconds of readings that stay from then on.
    public var keeps: Double

    /// A mean says its bounds, its time and its number beside its value: see Spooling.AggregateCodec.
    static let bytesOfAggregate = 15.0
    /// What is further away is as good as never: 100 years, in seconds.
    public static let never = 100 * 365.25 * 86_400

    /// What comes of `growth`; nil where nothing comes, or nothing is known of it.
    ///
    /// - Parameter step: what is done for room now: its measurements hold for the pace that goes with it.
    public init?(_ growth: Growth, sources: [Source], step: SpoolAdmission.Step) {
        let readings = sources.reduce(0) { $0 + $1.readings }
        guard growth.bytesPerSecond > 0, growth.room > 0, readings > 0 else { return nil }
        let raw = growth.bytesPerSecond
        func until(_ share: Double) -> Double {
            (Double(growth.room) * share - Double(growth.used)) / raw
        }
        full = Self.limited(until(1))
        slow = step >= .slow ? 0 : Self.limited(until(SpoolAdmission.slow.high))
        let slowed = step >= .slow ? raw : raw * Self.shareWhenSlow(sources, of: readings)
        let between = Double(growth.room) * (SpoolAdmission.thin.high - SpoolAdmission.slow.high)
        let left = min(between, Double(growth.room) * SpoolAdmission.thin.high - Double(growth.used))
        let start = step >= .thin ? 0 : Self.limited(slow + left / max(slowed, .leastNormalMagnitude))
        thin = start

        // What is thinned takes less from level to level, and lasts longer.
        var before = (rate: raw, until: start)
        stages = []
        for level in [ThinningLevel.minute, .quarter, .hour] {
            let share = Self.share(at: level, sources, of: readings, bytes: raw / readings)
            let rate = min(before.rate, raw * share)
            let end = Self.time(that: SpoolAdmission.thin.high, holds: rate, growth) - growth.waitingSeconds
            before = (rate, max(before.until, Self.limited(end)))
            stages.append(Stage(level: level, bytesPerSecond: rate, until: before.until))
        }
        keeps = Self.limited(Self.time(that: SpoolAdmission.drop.high, holds: before.rate, growth))
        drop = step >= .drop ? 0 : max(before.until, Self.limited(keeps - growth.waitingSeconds))
    }

    private static func limited(_ seconds: Double) -> Double { min(max(seconds, 0), never) }

    /// Seconds of readings that fit below a watermark.
    private static func time(that watermark: Double, holds rate: Double, _ growth: Growth) -> Double {
        max(0, Double(growth.room) * watermark - Double(growth.overhead)) / max(rate, .leastNormalMagnitude)
    }

    /// What comes when gauges are read every fourth time, of what comes otherwise.
    private static func shareWhenSlow(_ sources: [Source], of readings: Double) -> Double {
        sources.reduce(0) { sum, source in
            sum + source.readings / (source.rule?.kind == .gauge ? Double(Pace.stride) : 1)
        } / readings
    }

    /// What thinning leaves of the bytes, of which a raw reading has `bytes`.
    private static func share(
        at level: ThinningLevel, _ sources: [Source], of readings: Double, bytes: Double
    ) -> Double {
        sources.reduce(0) { sum, source in
            guard let rule = source.rule, let interval = level.interval(for: rule.policy) else {
                return sum + source.readings
            }
            let slots = 1000 / Double(max(1, interval.wholeMilliseconds))
            switch rule.kind {
            case .counter: return sum + min(source.readings, slots)
            case .gauge:
                // A reading that is alone in its interval stays as it is.
                return sum + (source.readings <= slots ? source.readings : slots * (1 + bytesOfAggregate / bytes))
            case .state: return sum + min(source.readings, source.changes)
            }
        } / readings
    }
}
