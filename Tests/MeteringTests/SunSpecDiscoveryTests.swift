import Metering
import Testing

@Suite struct SunSpecDiscoveryTests {
    /// Holding registers in a row; a device has what its runs hold, and answers everything else with an exception.
    struct Registers {
        var runs: [Int: [UInt16]] = [:]

        func words(_ span: RegisterSpan) -> [UInt16]? {
            for (start, run) in runs where start <= span.addresses.lowerBound {
                let first = Int(span.address) - start
                if first + span.count <= run.count { return Array(run[first..<first + span.count]) }
            }
            return nil
        }
    }

    /// The discovery's result and what it read.
    private func discover(_ words: (RegisterSpan) -> [UInt16]?) -> (device: SunSpecDevice?, spans: [RegisterSpan]) {
        var discovery = SunSpecDiscovery()
        var spans: [RegisterSpan] = []
        while case .read(let span) = discovery.next {
            spans.append(span)
            guard spans.count < 1000 else {
                Issue.record("it never ends")
                break
            }
            if let words = words(span) { discovery.answered(words) } else { discovery.failed() }
        }
        guard case .done(let device) = discovery.next else { return (nil, spans) }
        return (device, spans)
    }

    private static func text(_ text: String, _ count: Int, padding: UInt8 = 0) -> [UInt16] {
        var bytes = Array(text.utf8)
        bytes += Array(repeating: padding, count: 2 * count - bytes.count)
        return (0..<count).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
    }

    private static let sunS: [UInt16] = [0x5375, 0x6E53]

    /// Model 1, with or without its pad.
    private static func common(length: Int = 66, serial: String = "SN-TEST-0001") -> [UInt16] {
        let texts = text("ACME SOLAR", 16) + text("MODEL ZX-3", 16) + text("", 8) + text("v0.0-test", 8)
        let all = [1, UInt16(length)] + texts + text(serial, 16) + [1, 0x8000]
        return Array(all.prefix(2 + length))
    }

    private static func model(_ id: UInt16, _ length: Int) -> [UInt16] {
        [id, UInt16(length)] + Array(repeating: 0xFFFF, count: length)
    }

    private static func device(
        _ base: Int, _ chain: [UInt16], end: [UInt16] = [0xFFFF, 0]
    ) -> Registers {
        Registers(runs: [base: sunS + chain + end])
    }

    private func summary(_ device: SunSpecDevice?) -> [String] {
        device?.models.map { "\($0.id)/\($0.occurrence) at \($0.address) length \($0.length)" } ?? []
    }

    // MARK: Whole chains

    @Test(arguments: [40_000, 0, 50_000])
    func aChainIsFoundAtEveryBase(base: Int) throws {
        let registers = Self.device(base, Self.common() + Self.model(203, 105))
        let (found, spans) = discover(registers.words)
        let device = try #require(found)
        #expect(device.base == UInt16(base) && device.ending == .marker)
        #expect(summary(device) == ["1/1 at \(base + 2) length 66", "203/1 at \(base + 70) length 105"])
        #expect(spans.allSatisfy { $0.function == .holding })
        #expect(spans.last?.address == UInt16(base + 177))
    }

    /// The identity as SunSpec's crate has it from a real inverter, with its maker's name taken out.
    @Test(arguments: [65, 66]) func theFirstModelTellsWhoItIs(length: Int) throws {
        let chain = Self.common(length: length) + Self.model(103, 50)
        let device = try #require(discover(Self.device(40_000, chain).words).device)
        #expect(device.manufacturer == "ACME SOLAR")
        #expect(device.product == "MODEL ZX-3")
        #expect(device.version == "v0.0-test")
        #expect(device.serial == "SN-TEST-0001")
        #expect(device.models.map(\.length) == [length, 50])
    }

    /// The headers of a KOSTAL PLENTICORE plus 10 (evcc-io/evcc issue 15726), which has two inverter models.
    @Test func unknownModelsArePassedOver() throws {
        let ids: [(UInt16, Int)] = [(103, 50), (113, 60), (120, 26), (123, 24), (160, 68), (203, 105), (802, 62)]
        let chain = ids.reduce(Self.common()) { $0 + Self.model($1.0, $1.1) }
        let device = try #require(discover(Self.device(40_000, chain).words).device)
        #expect(device.ending == .marker)
        #expect(device.models.map(\.id) == [1] + ids.map(\.0))
        #expect(
            device.models.map(\.address)
                == [40_002, 40_070, 40_122, 40_184, 40_212, 40_238, 40_308, 40_415])
    }

    /// A SolarEdge inverter has its meter behind a second model 1.
    @Test func theSameModelIsCounted() throws {
        let chain =
            Self.common(length: 65) + Self.model(101, 50) + Self.common(length: 65, serial: "METER")
            + Self.model(203, 105) + Self.model(203, 105)
        let device = try #require(discover(Self.device(40_000, chain).words).device)
        #expect(device.serial == "SN-TEST-0001")
        #expect(device.models.map(\.id) == [1, 101, 1, 203, 203])
        #expect(device.models.map(\.occurrence) == [1, 1, 2, 1, 2])
        #expect(device.models.map(\.address) == [40_002, 40_069, 40_121, 40_188, 40_295])
    }

    // MARK: The plate

    /// Model 120 of an inverter of 10 kW: 1000 × 10^1 W; then what its scale and its power may say instead.
    @Test(
        arguments: [
            (1000, 1, "10000"), (8250, 0, "8250"), (15_000, -1, "1500"), (1, 10, "10000000000"), (0xFFFF, 0, nil),
            (1000, 0x8000, nil), (1000, 11, nil), (1000, 0x7FFF, nil), (0, 0, nil),
        ] as [(UInt16, Int, String?)])
    func model120SaysTheRatedPower(power: UInt16, scale: Int, watts: String?) throws {
        let plate = [120, 26, 4, power, UInt16(truncatingIfNeeded: scale)] + Array(repeating: 0xFFFF, count: 23)
        let chain = Self.common() + Self.model(103, 50) + plate + Self.model(203, 105)
        let (found, spans) = discover(Self.device(40_000, chain).words)
        let device = try #require(found)
        #expect(device.ratedPower == watts.flatMap { ExactDecimal($0)?.normalized })
        #expect(device.models.map(\.id) == [1, 103, 120, 203] && device.ending == .marker)
        #expect(spans.contains(RegisterSpan(function: .holding, address: 40_124, count: 3)))
    }

    @Test func aPlateThatIsNotAnsweredOrTooShortStopsNothing() throws {
        let registers = Self.device(40_000, Self.common() + Self.model(120, 26) + Self.model(203, 105))
        let silent = try #require(discover { $0.count == 3 ? nil : registers.words($0) }.device)
        #expect(silent.ratedPower == nil && silent.models.map(\.id) == [1, 120, 203])
        let short = Self.device(40_000, Self.common() + Self.model(120, 2) + Self.model(203, 105))
        let (device, spans) = discover(short.words)
        #expect(device?.models.map(\.id) == [1, 120, 203] && !spans.contains { $0.count == 3 })
    }

    @Test func onlyTheFirstPlateCounts() throws {
        func plate(_ power: UInt16) -> [UInt16] { [120, 3, 4, power, 0] }
        let chain = Self.common() + plate(5000) + plate(7000)
        #expect(discover(Self.device(0, chain).words).device?.ratedPower == ExactDecimal(5, exponent: 3))
    }

    /// The register that is offered as a meter's identity holds what its model 1 says.
    @Test(arguments: [(65, [40_052, 40_171]), (66, [40_052, 40_172]), (32, [nil, nil])] as [(Int, [UInt16?])])
    func theSerialNumberCanBeReadAgain(length: Int, addresses: [UInt16?]) throws {
        let chain =
            Self.common(length: length) + Self.model(101, 50) + Self.common(length: length, serial: "METER")
            + Self.model(203, 105)
        let registers = Self.device(40_000, chain)
        let device = try #require(discover(registers.words).device)
        let models = device.models.filter { $0.id != 1 }
        #expect(models.map { device.serialRegister(of: $0)?.address } == addresses)
        for (model, serial) in zip(models, ["SN-TEST-0001", "METER"]) {
            guard let register = device.serialRegister(of: model) else { continue }
            #expect(register.type == .text && register.function == .holding)
            #expect(registers.words(register.span) == Self.text(serial, 16))
        }
    }

    // MARK: More chains

    @Test func aDeviceWithoutALengthBehindTheEndMarkerIsWhole() throws {
        let device = try #require(discover(Self.device(0, Self.common(), end: [0xFFFF]).words).device)
        #expect(device.ending == .marker && device.models.count == 1)
    }

    // MARK: No device

    @Test func silenceEverywhereIsNoDevice() {
        let (device, spans) = discover { _ in nil }
        #expect(device == nil)
        #expect(spans.map(\.description) == ["FC3 40000…40001", "FC3 0…1", "FC3 50000…50001"])
    }

    @Test func anotherMarkerIsNoDevice() {
        let (device, spans) = discover { Array(repeating: 0xE3DC, count: $0.count) }
        #expect(device == nil && spans.count == 3)
    }

    @Test func aMarkerWithoutModelsIsNoDevice() {
        for end in [[], [0xFFFF, 0], [0, 0]] as [[UInt16]] {
            #expect(discover(Self.device(40_000, [], end: end).words).device == nil)
        }
        // The next base is tried all the same.
        var registers = Self.device(0, Self.common())
        registers.runs[40_000] = Self.sunS
        #expect(discover(registers.words).device?.base == 0)
    }

    // MARK: Broken chains

    struct Broken: Sendable {
        var name: String
        var chain: [UInt16]
        var end: [UInt16]
        var models: [UInt16]
        var ending: SunSpecDevice.Ending
    }

    static let broken = [
        Broken(name: "no end marker", chain: common(), end: [], models: [1], ending: .unanswered(40_070)),
        Broken(
            name: "an id without length", chain: common(), end: [203], models: [1], ending: .unanswered(40_070)),
        Broken(name: "zeros", chain: common(), end: [0, 0], models: [1], ending: .noModel(40_070)),
        Broken(
            name: "a model of length 0", chain: common() + model(64_001, 0) + model(203, 105), end: [0xFFFF, 0],
            models: [1, 64_001, 203], ending: .marker),
        Broken(
            name: "a length beyond 65535", chain: common(), end: [203, 25_465], models: [1], ending: .tooFar(40_070)),
        Broken(
            name: "a length up to 65535", chain: common(), end: [203, 25_464], models: [1, 203],
            ending: .tooFar(40_070)),
        Broken(
            name: "a length up to 65534", chain: common(), end: [203, 25_463], models: [1, 203],
            ending: .unanswered(65_535)),
        Broken(
            name: "a chain that does not end", chain: (0..<100).flatMap { _ in model(203, 105) }, end: [0xFFFF, 0],
            models: Array(repeating: 203, count: 64), ending: .tooLong(UInt16(40_002 + 64 * 107))),
    ]

    @Test(arguments: broken) func aBrokenChainKeepsWhatItHas(_ broken: Broken) throws {
        let device = try #require(
            discover(Self.device(40_000, broken.chain, end: broken.end).words).device, "\(broken.name)")
        #expect(device.models.map(\.id) == broken.models, "\(broken.name)")
        #expect(device.ending == broken.ending, "\(broken.name)")
    }

    @Test func theEndMarkerMayBeTheLastRegister() throws {
        var registers = Self.device(40_000, Self.common(), end: [203, 25_463])
        registers.runs[65_535] = [0xFFFF]
        #expect(discover(registers.words).device?.ending == .marker)
    }

    @Test func textsThatAreNotAnsweredStopNothing() throws {
        let registers = Self.device(40_000, Self.common() + Self.model(103, 50))
        let device = try #require(discover { $0.count > 2 ? nil : registers.words($0) }.device)
        #expect(device.manufacturer.isEmpty && device.serial.isEmpty)
        #expect(device.models.map(\.id) == [1, 103])
    }

    @Test func aShortModelOneIsReadWithinItsLength() throws {
        let registers = Self.device(40_000, Self.common(length: 32) + Self.model(103, 50))
        let (found, spans) = discover(registers.words)
        let device = try #require(found)
        #expect(spans.map(\.count).max() == 32)
        #expect(device.manufacturer == "ACME SOLAR" && device.product == "MODEL ZX-3")
        #expect(device.version.isEmpty && device.serial.isEmpty)
    }

    @Test func textsAreTrimmedAndHarmless() throws {
        let texts =
            Self.text("  KOSTAL ", 16, padding: 0x20) + Self.text("a\u{1B}[31mb\u{7}", 16) + Self.text("", 8)
            + Array(repeating: 0xFFFF, count: 8) + Self.text("90 \u{0}XY", 16)
        let device = try #require(discover(Self.device(40_000, [1, 64] + texts).words).device)
        #expect(device.manufacturer == "KOSTAL" && device.product == "a[31mb")
        #expect(device.version.isEmpty && device.serial == "90")
    }

    /// Whatever a device answers: every base is tried once, headers only go up, no register beyond 65535 is asked for,
    /// and after a bounded number of requests there is a result.
    @Test(arguments: 0..<300 as Range<UInt64>) func noAnswerLeadsInACircle(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let (device, spans) = discover { span in
            if span.count == 2, [40_000, 0, 50_000].contains(span.address) {
                return Bool.random(using: &random) ? Self.sunS : nil
            }
            guard Int.random(in: 0..<40, using: &random) > 0 else { return nil }
            let ids: [UInt16] = [1, 1, 103, 120, 203, 64_001, UInt16.random(in: 1...0xFFFE, using: &random)]
            let lengths: [UInt16] = [0, 1, 66, UInt16.random(in: 0...2000, using: &random)]
            let header = [ids.randomElement(using: &random)!, lengths.randomElement(using: &random)!]
            return Array((header + Array(repeating: 0x4142, count: span.count)).prefix(span.count))
        }
        // At each base the marker, each model's header and perhaps its lone id, the texts and the plate.
        #expect(spans.count <= 3 * (1 + 2 * SunSpecDiscovery.longestChain + 4), "seed \(seed)")
        let addresses = (device?.models ?? []).map(\.address)
        #expect(zip(addresses, addresses.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed)")
        #expect(addresses.count <= SunSpecDiscovery.longestChain, "seed \(seed)")
        for model in device?.models ?? [] { #expect(Int(model.address) + 2 + model.length <= 65_536) }
    }

    @Test func afterTheEndNothingChanges() {
        var discovery = SunSpecDiscovery()
        for _ in 0..<3 { discovery.failed() }
        let ended = discovery
        discovery.failed()
        discovery.answered([])
        #expect(discovery == ended && discovery.next == .done(nil))
    }

    // MARK: Proposals

    @Test func proposalsNameWhatTheCatalogueHas() throws {
        func definition(_ name: String, _ id: UInt16?, _ lengths: [Int]) -> MeterDefinition {
            let point = PointDefinition(
                name: "voltage", quantity: .voltage, unit: Unit(ucum: "V")!, kind: .gauge, function: .holding,
                address: 2, type: .u16)
            return MeterDefinition(
                model: name, manufacturer: "", product: "", status: .own, sources: [],
                sunSpec: id.map { SunSpecModel(id: $0, lengths: lengths) }, points: [point])
        }
        let catalogue = [
            definition("eastron-sdm630", nil, []), definition("sunspec-103", 103, [50]),
            definition("sunspec-160-2", 160, [48]), definition("sunspec-160-3", 160, [68]),
            definition("sunspec-203", 203, [105]), definition("own-203", 203, [105, 107]),
        ]
        let chain =
            Self.common() + Self.model(160, 68) + Self.model(203, 105) + Self.model(802, 62) + Self.model(203, 107)
            + Self.model(103, 51)
        let device = try #require(discover(Self.device(40_000, chain).words).device)
        let proposals = device.proposals(from: catalogue).map { "\($0.model) at \($0.at)" }
        #expect(
            proposals == [
                "sunspec-160-3 at 40070", "sunspec-203 at 40140", "own-203 at 40140", "own-203 at 40311",
            ])
        #expect(device.proposals(from: []).isEmpty)
    }
}
