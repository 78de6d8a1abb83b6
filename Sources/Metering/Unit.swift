/// A unit of measurement, named by its UCUM code (https://ucum.org); only units of the table below are known.
public struct Unit: Hashable, Sendable {
    /// The place in the table: every point of every meter has a unit, so it is one byte.
    private let index: UInt8

    /// The unit with this UCUM code, or nil when the table has none.
    public init?(ucum: String) {
        guard let index = Self.table.firstIndex(where: { $0.ucum == ucum }) else { return nil }
        self.index = UInt8(index)
    }

    private init(index: Int) {
        self.index = UInt8(index)
    }

    /// The UCUM code: `kW.h`.
    public var ucum: String { Self.table[Int(index)].ucum }
    /// The name people read: `kilowatt hour`.
    public var name: String { Self.table[Int(index)].name }
    /// The symbol people read: `kWh`.
    public var symbol: String { Self.table[Int(index)].symbol }
    /// The QUDT unit (http://qudt.org/vocab/unit/), where there is one.
    public var qudt: String? { Self.table[Int(index)].qudt.map { "http://qudt.org/vocab/unit/" + $0 } }

    /// Every unit that parthe knows.
    public static let known: [Unit] = table.indices.map(Unit.init(index:))

    private struct Entry {
        let ucum: String
        let name: String
        let symbol: String
        let qudt: String?

        init(_ ucum: String, _ name: String, _ symbol: String, _ qudt: String?) {
            self.ucum = ucum
            self.name = name
            self.symbol = symbol
            self.qudt = qudt
        }
    }

    /// UCUM has no var: 1 var is written `V.A{reactive}`.
    private static let table: [Entry] = [
        Entry("V", "volt", "V", "V"),
        Entry("mV", "millivolt", "mV", "MilliV"),
        Entry("kV", "kilovolt", "kV", "KiloV"),
        Entry("A", "ampere", "A", "A"),
        Entry("mA", "milliampere", "mA", "MilliA"),
        Entry("Hz", "hertz", "Hz", "HZ"),
        Entry("W", "watt", "W", "W"),
        Entry("kW", "kilowatt", "kW", "KiloW"),
        Entry("MW", "megawatt", "MW", "MegaW"),
        Entry("V.A", "volt ampere", "VA", "V-A"),
        Entry("kV.A", "kilovolt ampere", "kVA", "KiloV-A"),
        Entry("V.A{reactive}", "volt ampere reactive", "var", "V-A_Reactive"),
        Entry("kV.A{reactive}", "kilovolt ampere reactive", "kvar", "KiloV-A_Reactive"),
        Entry("W.h", "watt hour", "Wh", "W-HR"),
        Entry("kW.h", "kilowatt hour", "kWh", "KiloW-HR"),
        Entry("MW.h", "megawatt hour", "MWh", "MegaW-HR"),
        Entry("V.A.h", "volt ampere hour", "VAh", "V-A-HR"),
        Entry("kV.A.h", "kilovolt ampere hour", "kVAh", "KiloV-A-HR"),
        Entry("V.A.h{reactive}", "volt ampere reactive hour", "varh", "V-A_Reactive-HR"),
        Entry("kV.A.h{reactive}", "kilovolt ampere reactive hour", "kvarh", "KiloV-A_Reactive-HR"),
        Entry("deg", "degree (angle)", "°", "DEG"),
        Entry("%", "percent", "%", "PERCENT"),
        Entry("[ppm]", "parts per million", "ppm", "PPM"),
        Entry("1", "dimensionless", "1", "UNITLESS"),
        Entry("Cel", "degree Celsius", "°C", "DEG_C"),
        Entry("K", "kelvin", "K", "K"),
        Entry("bar", "bar", "bar", "BAR"),
        Entry("Pa", "pascal", "Pa", "PA"),
        Entry("m3", "cubic metre", "m³", "M3"),
        Entry("l", "litre", "l", "L"),
        Entry("m3/h", "cubic metre per hour", "m³/h", "M3-PER-HR"),
        Entry("l/h", "litre per hour", "l/h", "L-PER-HR"),
        Entry("J", "joule", "J", "J"),
        Entry("GJ", "gigajoule", "GJ", "GigaJ"),
        Entry("s", "second", "s", "SEC"),
        Entry("h", "hour", "h", "HR"),
        Entry("min", "minute", "min", "MIN"),
        Entry("d", "day", "d", "DAY"),
        Entry("kPa", "kilopascal", "kPa", "KiloPA"),
        Entry("hPa", "hectopascal", "hPa", "HectoPA"),
        Entry("mbar", "millibar", "mbar", "MilliBAR"),
        Entry("ml", "millilitre", "ml", "MilliL"),
        Entry("l/min", "litre per minute", "l/min", "L-PER-MIN"),
        Entry("kg", "kilogram", "kg", "KiloGM"),
        Entry("t", "tonne", "t", "TONNE"),
        Entry("kg/h", "kilogram per hour", "kg/h", "KiloGM-PER-HR"),
        Entry("t/h", "tonne per hour", "t/h", "TONNE-PER-HR"),
        Entry("m/s", "metre per second", "m/s", "M-PER-SEC"),
        Entry("dB", "decibel", "dB", "DeciB"),
        Entry("lx", "lux", "lx", "LUX"),
        Entry("[pH]", "pH", "pH", "PH"),
        Entry("uS/cm", "microsiemens per centimetre", "µS/cm", "MicroS-PER-CentiM"),
        Entry("mS/cm", "millisiemens per centimetre", "mS/cm", "MilliS-PER-CentiM"),
        Entry("[ppb]", "parts per billion", "ppb", "PPB"),
        Entry("ug/m3", "microgram per cubic metre", "µg/m³", "MicroGM-PER-M3"),
        Entry("mg/m3", "milligram per cubic metre", "mg/m³", "MilliGM-PER-M3"),
        Entry("g/m3", "gram per cubic metre", "g/m³", "GM-PER-M3"),
        Entry("mg/L", "milligram per litre", "mg/l", "MilliGM-PER-L"),
        Entry("mg/kg", "milligram per kilogram", "mg/kg", "MilliGM-PER-KiloGM"),
    ]
}
