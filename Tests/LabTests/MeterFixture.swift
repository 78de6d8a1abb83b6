import CModbus
import Glibc
import Metering

@testable import Lab

/// A small meter of every register type, with holding and input registers.
enum MeterFixture {
    static func point(
        _ name: String, _ quantity: Quantity, _ unit: String, _ kind: PointKind = .gauge, at address: UInt16,
        _ type: RegisterType, _ order: WordOrder = .abcd, scale: ExactDecimal = .one,
        function: RegisterFunction = .input
    ) -> PointDefinition {
        PointDefinition(
            name: name, quantity: quantity, unit: Unit(ucum: unit) ?? Unit.known[0], kind: kind, function: function,
            address: address, type: type, order: order, conversion: Conversion(scale: scale))
    }

    static let definition = MeterDefinition(
        model: "lab-meter", manufacturer: "Lab", product: "L1", status: .own, sources: [],
        points: [
            point("voltage-l1", .voltage, "V", at: 100, .f32),
            point("voltage-l2", .voltage, "V", at: 102, .f32, .cdab),
            point("voltage-l1-l2", .voltage, "V", at: 104, .u16, scale: ExactDecimal(1, exponent: -1)),
            point("active-power", .activePower, "kW", at: 105, .s32, .badc, scale: ExactDecimal(1, exponent: -3)),
            point("frequency", .frequency, "Hz", at: 107, .f64, .dcba),
            point(
                "active-energy-import", .activeEnergy, "kW.h", .counter, at: 111, .u64,
                scale: ExactDecimal(1, exponent: -6)),
            point("current-l1", .current, "A", at: 10, .f32, function: .holding),
        ])
}

/// A client on libmodbus.
final class ModbusClient {
    private let context: OpaquePointer

    init?(port: UInt16, unit: UInt8 = 1) {
        guard let context = modbus_new_tcp("127.0.0.1", Int32(port)) else { return nil }
        self.context = context
        modbus_set_slave(context, Int32(unit))
        modbus_set_response_timeout(context, 30, 0)
        modbus_set_byte_timeout(context, 30, 0)
        guard modbus_connect(context) == 0 else {
            modbus_free(context)
            return nil
        }
    }

    deinit {
        modbus_close(context)
        modbus_free(context)
    }

    var socket: Int32 { modbus_get_socket(context) }

    /// The registers, or the errno of the failure.
    func read(_ function: RegisterFunction, _ address: Int, _ count: Int) -> Result<[UInt16], Failure> {
        var words = [UInt16](repeating: 0, count: max(count, 125))
        let result =
            switch function {
            case .holding: modbus_read_registers(context, Int32(address), Int32(count), &words)
            case .coil, .discrete: Int32(-1)
            case .input: modbus_read_input_registers(context, Int32(address), Int32(count), &words)
            }
        let code = errno
        return result == Int32(count) ? .success(Array(words.prefix(count))) : .failure(Failure(code: code))
    }

    /// The values of a definition's points, by name.
    func values(of definition: MeterDefinition) -> [String: Value] {
        var values: [String: Value] = [:]
        for point in definition.points {
            let span = point.neededSpan
            guard case .success(let words) = read(span.function, Int(span.address), span.count),
                case .value(let value) = RegisterDecoder(point).decode(words, at: Int(point.address - span.address))
            else { continue }
            values[point.name] = value
        }
        return values
    }

    /// Tries to write one register; gives the errno.
    func write(_ address: Int, _ word: UInt16) -> Int32 {
        modbus_write_register(context, Int32(address), word) == 1 ? 0 : errno
    }

    /// Tries to write several registers; gives the errno.
    func write(_ address: Int, _ words: [UInt16]) -> Int32 {
        modbus_write_registers(context, Int32(address), Int32(words.count), words) == words.count ? 0 : errno
    }

    struct Failure: Error, Equatable {
        var code: Int32
        /// The meter's exception code, where it gave one (libmodbus adds 112345678).
        var exception: Int32? { (112_345_679...112_345_700).contains(code) ? code - 112_345_678 : nil }
    }
}
