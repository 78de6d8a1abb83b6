extension CounterGuard.Limits {
    /// What a counter of a meter can do, as far as its definition says: from the width of its registers and the meter's
    /// rated power, in W.
    public init(_ point: PointDefinition, ratedPower: ExactDecimal?) {
        self.init(
            ratePerHour: point.maximumRate?.approximate ?? Self.rate(of: point, ratedPower),
            modulus: point.rollover ?? Self.modulus(of: point), step: Self.step(of: point))
    }

    /// Rated power is apparent power, so it limits energies of each kind.
    private static func rate(of point: PointDefinition, _ ratedPower: ExactDecimal?) -> Double? {
        guard let ratedPower else { return nil }
        let exponent: Int8
        switch point.unit.ucum {
        case "W.h", "V.A.h", "V.A.h{reactive}": exponent = 0
        case "kW.h", "kV.A.h", "kV.A.h{reactive}": exponent = -3
        case "MW.h": exponent = -6
        default: return nil
        }
        return ratedPower.multiplied(by: ExactDecimal(1, exponent: exponent))?.approximate
    }

    /// One above the greatest value that the registers hold; nil for floats and scales that change.
    private static func modulus(of point: PointDefinition) -> ExactDecimal? {
        let conversion = point.conversion
        guard conversion.scaleRegister == nil, conversion.line == nil, conversion.offset == .zero,
            !conversion.scale.isNegative
        else { return nil }
        let width = 16 * point.type.wordCount
        let end: ExactDecimal
        switch point.type {
        case .u16, .u32, .u48: end = ExactDecimal(magnitude: 1 << UInt64(conversion.bits?.count ?? width))
        // Meters that say their counters are signed still count no further than the largest positive number.
        case .s16, .s32, .s48: end = ExactDecimal(magnitude: 1 << UInt64(width - 1))
        case .bcd16, .bcd32, .bcd48, .bcd64: end = ExactDecimal(1, exponent: Int8(width / 4))
        case .u64, .s64, .f16, .f32, .f64, .t5, .t6, .t7, .bit, .text: return nil
        }
        return end.multiplied(by: conversion.scale)
    }

    private static func step(of point: PointDefinition) -> Double {
        switch point.type {
        case .f16, .f32, .f64, .t5, .t6, .t7: 0
        default: abs(point.conversion.scale.approximate)
        }
    }
}
