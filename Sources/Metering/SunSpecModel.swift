/// A model of the SunSpec Device Information Model: a block of registers that a device announces by id and length.
public struct SunSpecModel: Hashable, Sendable {
    /// The model's id: 103 for a three-phase inverter, 203 for a three-phase meter.
    public var id: UInt16
    /// The lengths that devices announce for it: registers after the ID and the length itself.
    public var lengths: [Int]

    /// Where a device has it: the zero-based PDU address of its ID register; nil in the catalogue.
    public var address: UInt16?

    /// A model with every property given.
    public init(id: UInt16, lengths: [Int], address: UInt16? = nil) {
        self.id = id
        self.lengths = lengths
        self.address = address
    }
}

extension MeterDefinition {
    /// The definition of a SunSpec model whose ID register is at `address`; nil where registers would pass 65535.
    public func placed(at address: Int) -> MeterDefinition? {
        func moved(_ own: UInt16) -> UInt16? { UInt16(exactly: Int(own) + address) }
        var placed = self
        placed.sunSpec?.address = UInt16(exactly: address)
        for index in points.indices {
            guard let first = moved(points[index].address), Int(first) + points[index].count <= 65_536 else {
                return nil
            }
            placed.points[index].address = first
            guard let scale = points[index].conversion.scaleRegister else { continue }
            guard let scaleAddress = moved(scale.address),
                Int(scaleAddress) + scale.type.wordCount <= 65_536
            else { return nil }
            placed.points[index].conversion.scaleRegister?.address = scaleAddress
        }
        return placed
    }
}
