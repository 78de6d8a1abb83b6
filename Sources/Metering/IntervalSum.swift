/// The readings of a gauge within one interval, on their way to one: shared by the choice of what is kept (`KeepFilter`)
/// and the thinning of what is spooled (`Thinning`).
///
/// A reading that is an aggregate itself counts for as many as it stands for, with their least and greatest value. So
/// adding up in steps gives what adding up at once gives, but for the rounding of the values between.
struct IntervalSum: Hashable {
    /// What becomes of them.
    let aggregate: Aggregate
    /// The newest reading, as it came.
    private(set) var last: Reading
    /// Whether that is the only one.
    private(set) var isSingle = true
    private var from: Instant
    private var to: Instant
    private var minimum: Value
    private var maximum: Value
    /// The sum of all values.
    private var total: Double
    private var count: Int
    /// Digits behind the point of the finest value.
    private var exponent: Int8
    private var quality: Quality

    /// The first reading: a raw one, or an aggregate of the same kind.
    init(_ reading: Reading, _ aggregate: Aggregate) {
        self.aggregate = aggregate
        last = reading
        quality = reading.quality
        let part = Part(reading)
        (from, to, minimum, maximum) = (part.from, part.to, part.minimum, part.maximum)
        (total, count, exponent) = (part.total, part.count, part.exponent)
    }

    /// The next reading.
    mutating func add(_ reading: Reading) {
        let part = Part(reading)
        last = reading
        isSingle = false
        to = part.to
        total += part.total
        let (sum, overflow) = count.addingReportingOverflow(part.count)
        count = overflow ? .max : sum
        exponent = min(exponent, part.exponent)
        if part.minimum.approximate < minimum.approximate { minimum = part.minimum }
        if part.maximum.approximate > maximum.approximate { maximum = part.maximum }
        if reading.quality.rawValue > quality.rawValue { quality = reading.quality }
    }

    /// All of them as one, at the time of the newest, of the worst quality among them.
    var reading: Reading {
        var reading = last
        switch aggregate {
        case .last: break
        case .min: reading.value = minimum
        case .max: reading.value = maximum
        case .mean: reading.value = mean
        }
        reading.quality = quality
        reading.remark = .aggregate(aggregate, from: from, to: to, minimum: minimum, maximum: maximum, count: count)
        return reading
    }

    /// The mean, with two digits more than its readings have.
    private var mean: Value {
        // One value stays what it is; so does the mean of equal ones.
        if minimum == maximum { return minimum }
        let (least, most) = (minimum.approximate, maximum.approximate)
        // Doubles may add up to more than there are.
        let mean = total.isFinite ? min(max(total / Double(count), least), most) : least / 2 + most / 2
        switch last.value {
        case .text: return last.value
        case .float: return Float(mean).isFinite ? .float(Float(mean)) : .double(mean)
        case .double: return .double(mean)
        case .decimal:
            let power = max(-20, Int(exponent) - 2)
            let digits = (mean / ExactDecimal(1, exponent: Int8(power)).approximate).rounded()
            guard let whole = Int64(exactly: digits) else { return .double(mean) }
            return .decimal(ExactDecimal(whole, exponent: Int8(power)))
        }
    }

    /// What one reading adds.
    private struct Part {
        var from: Instant
        var to: Instant
        var minimum: Value
        var maximum: Value
        var total: Double
        var count = 1
        var exponent: Int8

        init(_ reading: Reading) {
            (from, to) = (reading.instant, reading.instant)
            (minimum, maximum) = (reading.value, reading.value)
            total = reading.value.approximate
            exponent = reading.value.exponent
            guard case .aggregate(_, let begin, let end, let least, let most, let number) = reading.remark else {
                return
            }
            (from, to, minimum, maximum, count) = (begin, end, least, most, number)
            total *= Double(number)
            // The digits that a mean has more than its readings do not grow from one step to the next. In a spool's file
            // zeros of a power of ten are digits like others.
            exponent = min(least.exponent, most.exponent, 0)
        }
    }
}

extension Value {
    fileprivate var exponent: Int8 {
        if case .decimal(let number) = self { number.exponent } else { 0 }
    }
}

extension ClockOffset {
    /// Which interval since 1970 in UTC `instant` is in.
    func slot(of instant: Instant, every interval: Duration) -> Int64 {
        let time = timestamp(of: instant).milliseconds
        let length = max(1, interval.wholeMilliseconds)
        return time >= 0 ? time / length : (time - length + 1) / length
    }
}
