internal import Metering
internal import Spooling

/// Writes readings as text that other programs read.
struct ReadingText {
    let format: SpoolExportRun.Format
    /// Whether what only the spool needs is told as well.
    let isRaw: Bool
    let spoolID: String

    /// What stands above all readings.
    var head: [UInt8] {
        guard format == .csv else { return [] }
        let names = ["sequence", "point", "time", "time_state", "value", "quality", "parameters", "spool"]
        return Array(
            ((names + (isRaw ? ["type", "boot", "instant_ns", "thinned"] : [])).joined(separator: ",") + "\r\n").utf8)
    }

    /// Appends a reading, one line.
    func append(_ reading: ExportedReading, to bytes: inout [UInt8]) {
        switch format {
        case .csv: appendCSV(reading, to: &bytes)
        case .jsonLines: appendJSON(reading, to: &bytes)
        }
    }

    // MARK: - CSV (RFC 4180)

    private func appendCSV(_ reading: ExportedReading, to bytes: inout [UInt8]) {
        func comma() { bytes.append(UInt8(ascii: ",")) }
        bytes.append(contentsOf: String(reading.sequence).utf8)
        comma()
        Self.appendField(reading.key, to: &bytes)
        comma()
        reading.time?.append(to: &bytes)
        comma()
        bytes.append(contentsOf: Self.state(of: reading).utf8)
        comma()
        // A text is always in quotes, a number never is: so the one can be told from the other.
        if case .text(let text) = reading.value {
            Self.appendQuoted(text.description, to: &bytes)
        } else {
            reading.value.append(to: &bytes)
        }
        comma()
        bytes.append(contentsOf: Self.word(for: reading.quality).utf8)
        comma()
        if let parameters = reading.parameters { Self.appendQuoted(Self.object(parameters), to: &bytes) }
        comma()
        bytes.append(contentsOf: spoolID.utf8)
        if isRaw {
            let more = [
                Self.type(of: reading.value), String(reading.boot), String(reading.instant.nanoseconds),
                Self.level(of: reading),
            ]
            for field in more {
                comma()
                bytes.append(contentsOf: field.utf8)
            }
        }
        bytes.append(contentsOf: "\r\n".utf8)
    }

    private static func appendField(_ text: String, to bytes: inout [UInt8]) {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "\"") }
        if isPlain { bytes.append(contentsOf: text.utf8) } else { appendQuoted(text, to: &bytes) }
    }

    private static func appendQuoted(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    // MARK: - JSON lines

    private func appendJSON(_ reading: ExportedReading, to bytes: inout [UInt8]) {
        func member(_ name: String, _ value: String) { bytes.append(contentsOf: ",\"\(name)\":\(value)".utf8) }
        bytes.append(contentsOf: "{\"sequence\":\(reading.sequence),\"point\":".utf8)
        JSONString(reading.key).append(to: &bytes)
        if let time = reading.time { member("time", "\"\(time)\"") }
        member("time_state", "\"\(Self.state(of: reading))\"")
        bytes.append(contentsOf: ",\"value\":".utf8)
        reading.value.append(to: &bytes)
        member("quality", "\"\(Self.word(for: reading.quality))\"")
        if let parameters = reading.parameters { member("parameters", Self.object(parameters)) }
        member("spool", "\"\(spoolID)\"")
        if isRaw {
            member("type", "\"\(Self.type(of: reading.value))\"")
            member("boot", "\(reading.boot)")
            member("instant_ns", "\(reading.instant.nanoseconds)")
            member("thinned", "\"\(Self.level(of: reading))\"")
        }
        bytes.append(contentsOf: "}\n".utf8)
    }

    // MARK: - Words

    /// `frozen`: for ever; `open`: as well as the clock was known; `unknown`: there is no time.
    private static func state(of reading: ExportedReading) -> String {
        reading.isFrozen ? "frozen" : reading.time == nil ? "unknown" : "open"
    }

    private static func word(for quality: Quality) -> String {
        switch quality {
        case .good: "good"
        case .uncertain: "uncertain"
        case .bad: "bad"
        }
    }

    private static func type(of value: Value) -> String {
        switch value {
        case .decimal: "decimal"
        case .float: "float"
        case .double: "double"
        case .text: "text"
        }
    }

    private static func level(of reading: ExportedReading) -> String {
        reading.level == .raw ? "no" : "\(reading.level)"
    }

    /// As it is delivered.
    private static func object(_ parameters: ReadingParameters) -> String {
        switch parameters {
        case .members(let members, let from?, let to?): #"{"from":"\#(from)","to":"\#(to)",\#(members)}"#
        case .members(let members, _, _): "{\(members)}"
        }
    }
}
