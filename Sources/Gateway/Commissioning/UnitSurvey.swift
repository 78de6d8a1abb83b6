internal import Configuration
internal import Fieldbus
internal import Metering

/// Finds out what a unit is that answers: what it says of itself, its SunSpec models, the likeliest model of the
/// catalogue.
struct UnitSurvey {
    let choice: BusChoice
    let unit: UInt8
    let line: BusStep.Line?
    let timeoutMilliseconds: Int64
    private var known: [RegisterSpan: [UInt16]?] = [:]
    private var silences = 0
    private(set) var obstacle: AgentError?
    private(set) var turnaround: Double?

    /// A unit that says nothing so many times in a row does not answer to what it does not have: it is left in peace.
    private static let patience = 4

    init(_ choice: BusChoice, unit: UInt8, line: BusStep.Line?, timeoutMilliseconds: Int64) {
        self.choice = choice
        self.unit = unit
        self.line = line
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// Completes `found` by way of `access`.
    mutating func run(
        _ access: inout BusAccess, catalogue: [MeterDefinition], isStopped: () -> Bool,
        _ found: inout ScanReport.FoundUnit
    ) {
        let answer = take(.identification, &access)
        let identification = answer?.identification ?? [:]
        if !identification.isEmpty, let answer { tell(answer.sent(on: choice.settings), &found) }
        for (object, text) in identification where !text.isEmpty {
            found.identification[Self.objects[object] ?? "object \(object)"] = printable(text)
        }
        if identification.isEmpty, let answer = take(.serverID, &access), let data = answer.words, !data.isEmpty {
            found.serverID = Self.text(of: data)
            tell(answer.sent(on: choice.settings), &found)
        }
        silences = 0
        if let device = sunSpec(&access, isStopped) {
            found.sunSpec = ScanReport.SunSpec(device, catalogue)
            tell(RegisterSpan(function: .holding, address: device.base, count: 2).pdu, &found)
            readSerials(of: device, &found, &access, isStopped)
        } else {
            guess(&access, identification, catalogue, isStopped, &found)
        }
        found.turnaroundMilliseconds = turnaround
    }

    /// The objects of the standard (Modbus Application Protocol V1.1b3, section 6.21).
    private static let objects: [UInt8: String] = [
        0: "vendor", 1: "product code", 2: "revision", 3: "vendor's address", 4: "product", 5: "model",
        6: "application",
    ]

    /// Notes a PDU that was answered.
    private func tell(_ sent: String?, _ found: inout ScanReport.FoundUnit) {
        if let sent, !found.sent.contains(sent) { found.sent.append(sent) }
    }

    private mutating func take(_ question: BusStep.Question, _ access: inout BusAccess) -> BusAnswer? {
        guard obstacle == nil, silences < Self.patience else { return nil }
        let step = BusStep(unit: unit, question: question, line: line, timeoutMilliseconds: timeoutMilliseconds)
        do throws(AgentError) {
            let answer = try access.take(step)
            turnaround = answer.turnaroundMilliseconds ?? turnaround
            silences = answer.isAnswered ? 0 : silences + 1
            return answer.error == nil ? answer : nil
        } catch {
            obstacle = error
            return nil
        }
    }

    private mutating func ask(_ span: RegisterSpan, _ access: inout BusAccess) -> [UInt16]? {
        if let words = known[span] { return words }
        let words = take(.registers(function: span.function, address: span.address, count: span.count), &access)?.words
        known[span] = .some(words?.count == span.count ? words : nil)
        return known[span] ?? nil
    }

    private mutating func sunSpec(_ access: inout BusAccess, _ isStopped: () -> Bool) -> SunSpecDevice? {
        var discovery = SunSpecDiscovery()
        while true {
            switch discovery.next {
            case .done(let device): return device
            case .read(let span):
                guard !isStopped() else { return nil }
                if let words = ask(span, &access) { discovery.answered(words) } else { discovery.failed() }
            }
        }
    }

    /// Whose numbers the models are: only a number that was read is worth watching.
    private mutating func readSerials(
        of device: SunSpecDevice, _ found: inout ScanReport.FoundUnit, _ access: inout BusAccess,
        _ isStopped: () -> Bool
    ) {
        for (index, model) in device.models.enumerated() where found.sunSpec?.models[index].model != nil {
            guard !isStopped(), let register = device.serialRegister(of: model),
                let text = ask(register.span, &access).flatMap(register.text).map(printable),
                text.contains(where: { $0 != "0" && $0 != " " })
            else { continue }
            found.sunSpec?.models[index].serial = text
            found.sunSpec?.models[index].serialRegister = register.address
            tell(register.span.pdu, &found)
        }
    }

    private mutating func guess(
        _ access: inout BusAccess, _ identification: [UInt8: String], _ catalogue: [MeterDefinition],
        _ isStopped: () -> Bool, _ found: inout ScanReport.FoundUnit
    ) {
        var guesses = ModelGuess.all(of: catalogue, identification: identification) { _ in nil }
        if guesses.isEmpty {
            guesses = ModelGuess.all(of: catalogue, identification: identification) { span in
                isStopped() ? nil : ask(span, &access)
            }
        }
        found.guesses = guesses.prefix(5).map {
            ScanReport.Guess(model: $0.model, product: $0.product, confidence: $0.confidence, evidence: $0.evidence)
        }
        // What the likeliest rests on: the same once more, from what is known.
        let best = guesses.first?.model
        _ = ModelGuess.all(of: catalogue.filter { $0.model == best }, identification: identification) { span in
            guard let words = known[span] ?? nil else { return nil }
            tell(span.pdu, &found)
            return words
        }
        if silences >= Self.patience {
            found.doubts.append("it says nothing to registers that it does not have: more models may fit")
        }
        guard let best = guesses.first, best.confidence >= MeterOffer.leastConfidence,
            let register = catalogue.first(where: { $0.model == best.model })?.identity?.serial,
            let words = ask(register.span, &access)
        else { return }
        found.serial = register.text(words).map(printable)
        tell(register.span.pdu, &found)
    }

    /// A server id is a maker's own: text is shown as such.
    private static func text(of data: [UInt16]) -> String {
        let bytes = data.map { UInt8(truncatingIfNeeded: $0) }
        let letters = bytes.filter { (0x20...0x7E).contains($0) }
        return letters.count >= 4 && letters.count * 3 >= bytes.count * 2
            ? String(decoding: letters, as: UTF8.self) : hexadecimal(bytes)
    }
}

/// `text` without what would act on a terminal.
func printable(_ text: String) -> String {
    String(text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }.map(Character.init))
}

extension ScanReport.SunSpec {
    fileprivate init(_ device: SunSpecDevice, _ catalogue: [MeterDefinition]) {
        let proposals = device.proposals(from: catalogue)
        base = device.base
        manufacturer = device.manufacturer
        product = device.product
        version = device.version
        serial = device.serial
        ratedPower = device.ratedPower.map { "\($0)W" }
        models = device.models.map { model in
            ScanReport.Model(
                id: model.id, address: model.address, register: RegisterFunction.holding.notation(of: model.address),
                length: model.length, model: proposals.first { $0.at == model.address }?.model,
                note: Self.note(on: model, proposals.first { $0.at == model.address }?.model, catalogue))
        }
        ending =
            switch device.ending {
            case .marker: nil
            case .unanswered(let address): "the chain breaks off at \(address): no answer there"
            case .noModel(let address): "the chain breaks off at \(address): id 0"
            case .tooFar(let address): "the model at \(address) states a length beyond register 65535"
            case .tooLong(let address): "the chain has too many models; looked at up to \(address)"
            }
    }

    /// Model 160 has as many DC inputs as its length says, and may have more than a definition reads.
    private static func note(
        on model: SunSpecDevice.Model, _ name: String?, _ catalogue: [MeterDefinition]
    ) -> String? {
        guard model.id == 160, let definition = catalogue.first(where: { $0.model == name }) else { return nil }
        let inputs = (model.length - 8) / 20
        let read = definition.points.count { $0.name.hasPrefix("active-energy-dc-") }
        return read > 0 && inputs > read ? "\(inputs) DC inputs, of which the first \(read) are read" : nil
    }
}
