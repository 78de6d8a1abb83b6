import Metering

/// A point for planning: only its place matters.
func planned(
    _ address: UInt16, _ type: RegisterType = .f32, _ function: RegisterFunction = .input, scale: UInt16? = nil
) -> PointDefinition {
    PointDefinition(
        name: "p\(address)", quantity: .ratio, unit: Unit(ucum: "1")!, kind: .gauge, function: function,
        address: address, type: type, conversion: Conversion(scaleRegister: scale.map { .init(address: $0) }))
}

extension RegisterSpan {
    /// Whether all of `other` is in it.
    func holds(_ other: RegisterSpan) -> Bool {
        function == other.function && Set(other.addresses).isSubset(of: addresses)
    }
}
