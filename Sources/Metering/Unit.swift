/// A unit of measurement, named by its UCUM code (https://ucum.org); only units of the table below are known.
public struct Unit: Hashable, Sendable {
    /// The UCUM code: `kW.h`.
    public let ucum: String
    /// The name people read: `kilowatt hour`.
    public let name: String
    /// The symbol people read: `kWh`.
    public let symbol: String
    /// The QUDT unit (http://qudt.org/vocab/unit/), where there is one.
    public let qudt: String?

    /// The unit with this UCUM code, or nil when the table has none.
    public init?(ucum: String) {
        guard let unit = Self.known.first(where: { $0.ucum == ucum }) else { return nil }
        self = unit
    }

    /// Every unit that parthe knows. UCUM has no var: 1 var is written `V.A{reactive}`.
    public static let known: [Unit] = [
        Unit("V", "volt", "V", "V"),
        Unit("mV", "millivolt", "mV", "MilliV"),
        Unit("kV", "kilovolt", "kV", "KiloV"),
        Unit("A", "ampere", "A", "A"),
        Unit("mA", "milliampere", "mA", "MilliA"),
        Unit("Hz", "hertz", "Hz", "HZ"),
        Unit("W", "watt", "W", "W"),
        Unit("kW", "kilowatt", "kW", "KiloW"),
        Unit("MW", "megawatt", "MW", "MegaW"),
        Unit("V.A", "volt ampere", "VA", "V-A"),
        Unit("kV.A", "kilovolt ampere", "kVA", "KiloV-A"),
        Unit("V.A{reactive}", "volt ampere reactive", "var", "V-A_Reactive"),
        Unit("kV.A{reactive}", "kilovolt ampere reactive", "kvar", "KiloV-A_Reactive"),
        Unit("W.h", "watt hour", "Wh", "W-HR"),
        Unit("kW.h", "kilowatt hour", "kWh", "KiloW-HR"),
        Unit("MW.h", "megawatt hour", "MWh", "MegaW-HR"),
        Unit("V.A.h", "volt ampere hour", "VAh", "V-A-HR"),
        Unit("kV.A.h", "kilovolt ampere hour", "kVAh", "KiloV-A-HR"),
        Unit("V.A.h{reactive}", "volt ampere reactive hour", "varh", "V-A_Reactive-HR"),
        Unit("kV.A.h{reactive}", "kilovolt ampere reactive hour", "kvarh", "KiloV-A_Reactive-HR"),
        Unit("deg", "degree (angle)", "°", "DEG"),
        Unit("%", "percent", "%", "PERCENT"),
        Unit("[ppm]", "parts per million", "ppm", "PPM"),
        Unit("1", "dimensionless", "1", "UNITLESS"),
        Unit("Cel", "degree Celsius", "°C", "DEG_C"),
        Unit("K", "kelvin", "K", "K"),
        Unit("bar", "bar", "bar", "BAR"),
        Unit("Pa", "pascal", "Pa", "PA"),
        Unit("m3", "cubic metre", "m³", "M3"),
        Unit("l", "litre", "l", "L"),
        Unit("m3/h", "cubic metre per hour", "m³/h", "M3-PER-HR"),
        Unit("l/h", "litre per hour", "l/h", "L-PER-HR"),
        Unit("J", "joule", "J", "J"),
        Unit("GJ", "gigajoule", "GJ", "GigaJ"),
        Unit("s", "second", "s", "SEC"),
        Unit("h", "hour", "h", "HR"),
    ]

    private init(_ ucum: String, _ name: String, _ symbol: String, _ qudt: String?) {
        self.ucum = ucum
        self.name = name
        self.symbol = symbol
        self.qudt = qudt.map { "http://qudt.org/vocab/unit/" + $0 }
    }
}
