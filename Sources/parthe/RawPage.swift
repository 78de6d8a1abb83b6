import Gateway

/// One register range in every type and word order, in 80 columns.
struct RawPage {
    private let readout: RawReadout

    init(_ readout: RawReadout) {
        self.readout = readout
    }

    var text: String {
        var lines = head
        if let error = readout.error {
            lines.append(Terminal.paint(error, .red))
            if let hint = readout.hint {
                lines += Terminal.wrapped(hint, Terminal.width, first: "  → ", rest: "    ", most: 4)
            }
            return lines.joined(separator: "\n")
        }
        lines += words
        if readout.readings.contains(where: { $0.type == "u32" }) {
            lines += ["", table("32 BIT", ["ABCD", "CDAB", "BADC", "DCBA"].map { Terminal.right($0, 15) })]
            for reading in readout.readings
            where reading.type.hasSuffix("32") && !reading.values.isEmpty { lines.append(row(reading)) }
        }
        if readout.readings.contains(where: { $0.type == "u64" }) { lines += wide }
        if let text = readout.text { lines += ["", "text  \"\(text)\""] }
        return lines.joined(separator: "\n")
    }

    private var head: [String] {
        let through = readout.isLent ? " through the agent" : ""
        let noun = readout.function < 3 ? "bit" : "register"
        var lines = [
            "\(Terminal.paint(readout.bus, .bold)) unit \(readout.unit): \(counted(readout.count, noun)) from "
                + Terminal.paint(readout.register, .bold)
        ]
        if let understood = readout.understood {
            lines += Terminal.wrapped(understood, Terminal.width, first: "", rest: "", most: 3)
        }
        if let request = readout.request { lines.append("sent      \(request)  (function, address, count)") }
        if let answer = readout.answer {
            lines += Terminal.wrapped(answer, Terminal.width, first: "received  ", rest: "          ", most: 12)
        }
        return lines + ["\(readout.milliseconds) ms\(through)", ""]
    }

    private var words: [String] {
        let place = max(8, readout.words.map(\.register.count).max() ?? 0)
        guard readout.function > 2 else {
            return readout.words.map { "\(Terminal.left($0.register, place))  \($0.u16)" }
        }
        let title =
            Terminal.left("REGISTER", place) + "   u16    s16 HEX  BITS                TX BCD"
        return [Terminal.paint(title, .dim)]
            + readout.words.map { word in
                Terminal.left(word.register, place) + " " + Terminal.right("\(word.u16)", 5) + " "
                    + Terminal.right("\(word.s16)", 6) + " \(word.hex) \(word.bits) \(word.text) " + (word.bcd ?? "–")
            }
    }

    private static let orders = ["ABCD", "CDAB", "BADC", "DCBA"]

    private func table(_ title: String, _ columns: [String]) -> String {
        Terminal.paint(Terminal.left(title, 12) + " " + columns.joined(separator: " "), .dim)
    }

    private func row(_ reading: RawReadout.Reading) -> String {
        Terminal.left("\(reading.address) \(reading.type)", 12) + " "
            + Self.orders.map { Terminal.right(reading.values[$0] ?? "–", 15) }.joined(separator: " ")
    }

    /// Numbers of four registers have up to 20 digits: one line an order.
    private var wide: [String] {
        let types = ["u64", "s64", "f64", "bcd64"]
        let widths = [20, 20, 24]
        var lines = ["", table("64 BIT", zip(types, widths).map { Terminal.right($0, $1) })]
        let starts = readout.readings.filter { $0.type == "u64" }.map(\.address)
        for start in starts {
            let readings = types.map { type in
                readout.readings.first { $0.address == start && $0.type == type }?.values ?? [:]
            }
            for order in Self.orders {
                lines.append(
                    Terminal.left("\(start) \(order)", 12) + " "
                        + zip(readings, widths).map { Terminal.right($0[order] ?? "–", $1) }.joined(separator: " "))
            }
            let digits = Self.orders.compactMap { order in readings[3][order].map { "\(order) \($0)" } }
            if !digits.isEmpty {
                lines += Terminal.wrapped(
                    digits.joined(separator: ", "), Terminal.width, first: Terminal.left("\(start) bcd64", 13),
                    rest: String(repeating: " ", count: 13), most: 4)
            }
        }
        return lines
    }
}
