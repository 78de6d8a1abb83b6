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
        let numbers = readout.readings.filter { $0.type != "text" }
        for width in Set(numbers.map(\.registers)).sorted() {
            lines += table(of: numbers.filter { $0.registers == width })
        }
        if let text = readout.readings.first(where: { $0.type == "text" }) { lines += [""] + quoted(text) }
        return lines.joined(separator: "\n")
    }

    private var head: [String] {
        let through = readout.isLent ? " through the agent" : ""
        let noun = readout.function < 3 ? "bit" : "register"
        let asked = " unit \(readout.unit): \(counted(readout.count, noun)) from"
        let fits = readout.bus.count + asked.count + 1 + readout.register.count <= Terminal.width
        var lines = [
            Terminal.paint(readout.bus, .bold) + asked + (fits ? " " : "\n  ") + Terminal.paint(readout.register, .bold)
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

    private static let orders = ["ABCD", "CDAB", "BADC", "DCBA", "EFGHABCD", "CDABGHEF", "FEHGBADC", "DCBAHGFE"]

    /// The readings of one width. Where their types fit beside each other a line is an order of all, else a line is one
    /// type in all orders.
    private func table(of readings: [RawReadout.Reading]) -> [String] {
        guard let width = readings.first?.registers else { return [] }
        switch width {
        case 1: return byOrder(readings, [7, 7, 12, 7])
        case 4: return byOrder(readings, [20, 20, 23])
        default: return byType(readings)
        }
    }

    private func title(_ readings: [RawReadout.Reading], _ label: Int, _ columns: [String]) -> String {
        let width = "\(16 * (readings.first?.registers ?? 0)) BIT"
        return Terminal.paint(Terminal.left(width, label) + " " + columns.joined(separator: " "), .dim)
    }

    private func byType(_ readings: [RawReadout.Reading]) -> [String] {
        let orders = Self.orders.prefix(4)
        return ["", title(readings, 12, orders.map { Terminal.right($0, 16) })]
            + readings.filter { !$0.values.isEmpty }.map { reading in
                Terminal.left("\(reading.address) \(reading.type)", 12) + " "
                    + orders.map { Self.cell(reading.values[$0], 16) }.joined(separator: " ")
            }
    }

    /// Types beyond the columns of `widths` are listed below, where they have values.
    private func byOrder(_ readings: [RawReadout.Reading], _ widths: [Int]) -> [String] {
        let types = readings.filter { $0.address == readings[0].address }.map(\.type)
        var lines = ["", title(readings, 14, zip(types, widths).map { Terminal.right($0, $1) })]
        for first in stride(from: 0, to: readings.count, by: types.count) {
            let own = readings[first..<first + types.count]
            for order in Self.orders where own.contains(where: { $0.values[order] != nil }) {
                lines.append(
                    Terminal.left("\(own[first].address) \(order)", 14) + " "
                        + zip(own, widths).map { Self.cell($0.values[order], $1) }.joined(separator: " "))
            }
            for reading in own.dropFirst(widths.count) where !reading.values.isEmpty {
                let values = Self.orders.compactMap { order in reading.values[order].map { "\(order) \($0)" } }
                lines += Terminal.wrapped(
                    values.joined(separator: ", "), 80,
                    first: Terminal.left("\(reading.address) \(reading.type)", 15),
                    rest: String(repeating: " ", count: 15), most: 8)
            }
        }
        return lines
    }

    /// A value that is too long for its column is rounded; one that is still too long makes no sense.
    private static func cell(_ value: String?, _ width: Int) -> String {
        guard let value else { return Terminal.right("–", width) }
        if value.count <= width { return Terminal.right(value, width) }
        let short = Double(value)?.description ?? value
        return Terminal.right(short.count <= width ? short : "–", width)
    }

    /// All registers as text, 64 characters a line.
    private func quoted(_ reading: RawReadout.Reading) -> [String] {
        ["ABCD", "BADC"].flatMap { order in
            let characters = Array(reading.values[order] ?? "")
            return stride(from: 0, to: characters.count, by: 64).map { start in
                let label = Terminal.left(start == 0 ? "text \(order)" : "", 11)
                return label + "\"" + String(characters[start..<min(start + 64, characters.count)]) + "\""
            }
        }
    }
}
