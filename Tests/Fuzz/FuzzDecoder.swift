import Metering

/// Any registers, any type, any conversion: the decoder gives a value, "not available" or "no number", never anything
/// else.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDecoder(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = Input(start, count)
    let point = input.point()
    let words = input.words()
    let needed = point.neededSpan
    guard words.count >= needed.count else { return 0 }
    let place = Int(point.address) - Int(needed.address)
    let result = words.withUnsafeBufferPointer { RegisterDecoder(point).decode($0, at: place) }
    guard case .value(let value) = result else { return 0 }
    if case .text(let text) = value {
        precondition(point.isText && ExactText(text.description) == text, "\(point) gave \(value)")
        return 0
    }
    precondition(value.approximate.isFinite, "\(point) gave \(value)")
    // What is delivered is text: it must say the same number.
    if case .decimal(let decimal) = value {
        precondition(ExactDecimal(decimal.description)?.normalized == decimal.normalized, "\(decimal)")
    }
    return 0
}

/// Bytes, taken one after the other; zeros when they are used up.
struct Input {
    private var bytes: UnsafeBufferPointer<UInt8>.SubSequence

    init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        bytes = UnsafeBufferPointer(start: start, count: count)[...]
    }

    mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

    mutating func number(below limit: Int) -> Int { Int(byte()) % limit }

    mutating func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    mutating func decimal() -> ExactDecimal {
        let mantissa = Int64(bitPattern: (0..<byte() % 9).reduce(UInt64(0)) { sum, _ in sum << 8 | UInt64(byte()) })
        return ExactDecimal(mantissa, exponent: Int8(bitPattern: byte()))
    }

    mutating func words() -> [UInt16] {
        var words: [UInt16] = []
        while !bytes.isEmpty, words.count < RegisterSpan.maximumCount { words.append(word()) }
        return words
    }

    mutating func point() -> PointDefinition {
        let type = RegisterType.allCases[number(below: RegisterType.allCases.count)]
        let order = WordOrder.allCases[number(below: WordOrder.allCases.count)]
        var conversion = Conversion(scale: decimal(), offset: decimal())
        switch byte() % 4 {
        case 1:
            let first = number(below: 64)
            conversion.bits = first...min(63, first + number(below: 64))
        case 2:
            let role: Conversion.ScaleRegister.Role = byte() % 2 == 0 ? .exponent : .factor
            let types: [RegisterType] = [.u16, .s16, .u32, .s32]
            conversion.scaleRegister = .init(address: UInt16(byte() % 8), type: types[number(below: 4)], role: role)
        case 3:
            let raw = [decimal(), decimal()]
            if raw[0].normalized != raw[1].normalized {
                conversion.line = .init(raw: raw, value: [decimal(), decimal()])
            }
        default: break
        }
        return PointDefinition(
            name: "p", quantity: .voltage, unit: Unit.known[0], kind: byte() % 2 == 0 ? .gauge : .state,
            function: .holding,
            address: 4,
            type: type,
            count: type == .text ? 1 + number(below: 8) : nil, order: order, conversion: conversion,
            notAvailable: [UInt64(word())])
    }
}
