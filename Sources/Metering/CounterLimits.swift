extension CounterGuard.Limits {
    /// The power that no meter in a city's buildings and cabinets measures, in W: the bound where nothing says a lower one.
    public static let greatestPower = ExactDecimal(100_000_000)
    /// The same for water, gas and heat carriers, in m³/h.
    public static let greatestFlow = ExactDecimal(10_000)

    /// What a counter of a meter can do, as far as its definition says: from the width of its registers and the meter's
    /// rated power, in W.
    public init(_ point: PointDefinition, ratedPower: ExactDecimal?) {
        self.init(
            ratePerHour: point.maximumRate?.approximate ?? ratedPower.flatMap { Self.rate(of: point, $0) },
            ceilingPerHour: Self.rate(of: point, Self.greatestPower) ?? Self.greatestFlow(of: point),
            modulus: point.rollover ?? Self.modulus(of: point),
            isScaled: point.rollover == nil && point.conversion.scaleRegister != nil, step: Self.step(of: point))
    }

    /// Rated power is apparent power, so it limits energies of each kind.
    private static func rate(of point: PointDefinition, _ ratedPower: ExactDecimal) -> Double? {
        let unit: ExactDecimal
        switch point.unit.ucum {
        case "W.h", "V.A.h", "V.A.h{reactive}": unit = .one
        case "kW.h", "kV.A.h", "kV.A.h{reactive}": unit = ExactDecimal(1, exponent: -3)
        case "MW.h": unit = ExactDecimal(1, exponent: -6)
        // An hour of 1 W is 3600 J.
        case "GJ": unit = ExactDecimal(36, exponent: -7)
        default: return nil
        }
        return ratedPower.multiplied(by: unit)?.approximate
    }

    private static func greatestFlow(of point: PointDefinition) -> Double? {
        switch point.unit.ucum {
        case "m3": greatestFlow.approximate
        case "l": greatestFlow.approximate * 1000
        default: nil
        }
    }

    /// One above the greatest value that the registers hold, in counts where a register says the power of ten; nil for
    /// floats and for factors that change.
    private static func modulus(of point: PointDefinition) -> ExactDecimal? {
        let conversion = point.conversion
        guard conversion.scaleRegister?.role != .factor, conversion.line == nil, conversion.offset == .zero,
            !conversion.scale.isNegative
        else { return nil }
        // The exponent of a value is then that of the scale and the register together.
        if conversion.scaleRegister != nil, conversion.scale != .one { return nil }
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
