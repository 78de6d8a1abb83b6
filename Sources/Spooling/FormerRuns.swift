internal import Metering

// What versions 1 and 2 of a chunk's body had otherwise; 2 has aggregates behind the runs. Spools of parthe 0.1 and 0.2 are
// full of them. There is no byte of fineness, and of a run:
//
//     varint    shape << 1 | hasQualities
//     zigzag    instant − instant of the run before, ns
//     values    column by column:
//       float     XOR with the prediction, 0, 2, 3 or 4 bytes; before every fourth float stands a byte with four 2-bit
//                 lengths
//       integer   zigzag varint of the difference

extension ChunkDecoder {
    static let formerVersion: UInt8 = 1
    static let formerVersionWithAggregates: UInt8 = 2

    /// Reads the values of a run.
    mutating func decodeFormerValues(
        _ reader: inout ByteReader, _ shape: Shape, _ place: Predictor.Place,
        into values: UnsafeMutableBufferPointer<Value>
    ) throws(ChunkFault) {
        var floats = 0
        var control: UInt8 = 0
        for (index, column) in shape.columns.enumerated() {
            let predicted = predictor.value(place, index)
            switch column.kind {
            case .float:
                if floats % 4 == 0 { control = try reader.byte() }
                let length = control & 3 == 0 ? 0 : Int(control & 3) + 1
                control >>= 2
                floats += 1
                let bits = UInt32(truncatingIfNeeded: try reader.little(length) ^ predicted)
                predictor.set(place, index, UInt64(bits))
                values[index] = .float(Float(bitPattern: bits))
            case .integer:
                let mantissa = Int64(bitPattern: predicted) &+ (try reader.zigzag())
                predictor.set(place, index, UInt64(bitPattern: mantissa))
                values[index] = .decimal(ExactDecimal(mantissa, exponent: column.exponent))
            default:
                values[index] = try other(&reader, column, index, place)
            }
        }
    }
}
