import Metering
import Testing

/// A counter's guard and what it lets through, poll by poll.
private struct Counter {
    var state: CounterGuard
    var time: Int64 = 0
    /// What was handed over.
    var kept: [Reading] = []
    var events: [MeterEvent.Kind] = []

    /// A counter of 64 kWh an hour at most, unless told otherwise, in steps of 0.01 kWh.
    init(rate: Double? = 64, modulus: ExactDecimal? = nil, last: ExactDecimal? = nil) {
        state = CounterGuard(
            .init(ratePerHour: rate, modulus: modulus, step: 0.01), last: last.map { .decimal($0) })
    }

    /// Polls a minute after the last time.
    mutating func poll(_ text: String, after seconds: Int64 = 60) {
        time += seconds
        var reading = Reading(
            point: PointID(rawValue: 1), instant: Instant(nanoseconds: time * 1_000_000_000),
            value: .decimal(ExactDecimal(text)!))
        let ruling = state.judge(&reading, words: [0xAB, 0xCD])
        events += ruling.events
        if let held = ruling.held { kept.append(held) }
        if ruling.keeps { kept.append(reading) }
    }

    /// Another device answers from now on. What the old one's number was seen with is not known unless `seen` says it.
    mutating func swap(old: String, new: String, seen: Int64? = nil) {
        let ruling = state.swapped(
            old: old, new: new, seen: seen.map { Instant(nanoseconds: $0 * 1_000_000_000) })
        events += ruling.events
        if let held = ruling.held { kept.append(held) }
    }

    func isSurprise(_ text: String, after seconds: Int64 = 60) -> Bool {
        state.isSurprise(
            .decimal(ExactDecimal(text)!), at: Instant(nanoseconds: (time + seconds) * 1_000_000_000))
    }

    mutating func poll(_ texts: [String]) {
        for text in texts { poll(text) }
    }

    var values: [String] { kept.map(\.value.description) }
    var words: [String] { events.map(\.word) }
    /// The reading's remark, as it is delivered.
    func remark(_ index: Int) -> String? { kept[index].remark?.members }

    /// What a platform that heeds the remarks takes for consumption.
    var consumption: Double {
        var sum = 0.0
        for (before, reading) in zip(kept, kept.dropFirst()) where reading.quality == .good {
            let (old, new) = (before.value.approximate, reading.value.approximate)
            switch reading.remark {
            case .rollover(let last, let modulus): sum += modulus.approximate - last.approximate + new
            case .returned(let last): sum += new - last.approximate
            case .reset, .swap: break
            default: sum += new - old
            }
        }
        return sum
    }
}

@Suite struct CounterGuardTests {
    @Test func whatRisesIsKept() {
        var counter = Counter()
        counter.poll(["100.00", "100.00", "100.50", "101.20"])
        #expect(counter.values == ["100.00", "100.00", "100.50", "101.20"])
        #expect(counter.events.isEmpty && counter.kept.allSatisfy { $0.quality == .good && $0.remark == nil })
    }

    @Test("idm-heatpump #322, solaredge-modbus #128: a single 0 is no reading, and the whole counter no consumption")
    func aSingleZeroIsNoReading() {
        var counter = Counter()
        counter.poll(["45000.00", "0.00", "45000.10", "45000.20"])
        #expect(counter.values == ["45000.00", "45000.10", "45000.20"])
        #expect(counter.events.count == 1)
        guard case .glitch(.decimal(ExactDecimal(0, exponent: -2)), words: [0xAB, 0xCD]) = counter.events[0] else {
            Issue.record("\(counter.events)")
            return
        }
    }

    @Test("Sigenergy-Local-Modbus #313: 0 instead of nothing for some minutes is waited out")
    func zerosAreWaitedOut() {
        var counter = Counter()
        counter.poll(["187.00", "0.00", "0.00", "0.00", "0.00", "187.05"])
        #expect(counter.values == ["187.00", "187.05"])
        #expect(counter.words == ["glitch"])
    }

    @Test("sem-community #782: 0 for long and then the old stand is told, and is no 15.5 MWh")
    func aResetThatWasNoneIsWithdrawn() {
        var counter = Counter()
        counter.poll(["15500.00"])
        counter.poll(Array(repeating: "0.00", count: 15))
        counter.poll(["15500.20", "15500.30"])
        #expect(counter.words == ["reset", "reset-withdrawn"])
        #expect(counter.kept.last?.value.description == "15500.30")
        let back = counter.kept.first { $0.value.description == "15500.20" }
        #expect(back?.remark == .returned(before: .decimal(ExactDecimal("15500.00")!)))
        #expect(abs(counter.consumption - 0.30) < 1e-9)
    }

    @Test func aResetIsKeptOnceItCountsOn() {
        var counter = Counter()
        counter.poll(["5000.00", "3.00", "3.10", "3.20"])
        #expect(counter.values == ["5000.00", "3.00", "3.10", "3.20"])
        #expect(counter.remark(1) == #""event":"reset","before":5000.00"#)
        #expect(counter.words == ["reset"])
        #expect(counter.kept[1].instant < counter.kept[2].instant)
    }

    @Test func aCounterSetToZeroIsBelievedWhenItMoves() {
        var counter = Counter()
        counter.poll(["5000.00", "0.00", "0.00", "0.10", "0.20"])
        #expect(counter.words == ["reset"])
        #expect(counter.values == ["5000.00", "0.00", "0.10", "0.20"])
    }

    @Test("ioBroker.sourceanalytix #594: a 23-bit counter that wraps is no negative consumption")
    func rolloverByTheWidthOfRegisters() {
        var counter = Counter(rate: nil, modulus: ExactDecimal(8_388_608))
        counter.poll(["8388600", "8388607", "2", "5"])
        #expect(counter.values == ["8388600", "8388607", "2", "5"])
        #expect(counter.remark(2) == #""event":"rollover","before":8388607,"modulus":8388608"#)
        #expect(counter.consumption == 13)
    }

    @Test func aRolloverMustBeAsPlausibleAsAnyRise() {
        var counter = Counter(rate: 64, modulus: ExactDecimal(100_000))
        counter.poll(["99999.90", "0.40", "0.50"])
        #expect(counter.words == ["rollover"])
        // From the middle of the range no counter gets over its end in a minute.
        counter = Counter(rate: 64, modulus: ExactDecimal(100_000))
        counter.poll(["50000.00", "10.00", "10.10"])
        #expect(counter.words == ["reset"])
    }

    @Test("home-assistant #138077: 9113 kWh in a moment are in doubt, kept with their registers, and soon over")
    func aSpikeIsUncertain() {
        var counter = Counter()
        counter.poll(["812.40", "9925.50", "812.50", "812.60"])
        #expect(counter.values == ["812.40", "9925.50", "812.50", "812.60"])
        #expect(counter.kept.map(\.quality) == [.good, .uncertain, .good, .good])
        #expect(counter.remark(1) == #""event":"implausible-increase","words":"00AB 00CD""#)
        #expect(counter.kept[2].remark == nil)
    }

    @Test func aRiseThatCountsOnIsBelieved() {
        var counter = Counter()
        counter.poll(["812.40", "9925.50", "9925.60", "9925.70"])
        #expect(counter.kept.map(\.quality) == [.good, .uncertain, .good, .good])
        #expect(counter.words == ["implausible-increase"])
    }

    @Test func longSilenceLeavesRoomForAGreatRise() {
        var counter = Counter()
        counter.poll("100.00")
        counter.poll("1600.00", after: 24 * 3600)
        #expect(counter.kept.map(\.quality) == [.good, .good])
        counter.poll("4000.00", after: 24 * 3600)
        #expect(counter.kept.last?.quality == .uncertain)
    }

    @Test("dsmr-reader #507, #863, #1422, #2089: another meter's lower counter is told as such")
    func anotherMeter() {
        var counter = Counter()
        counter.poll(["45000.00", "12.00"])
        counter.swap(old: "11111", new: "22\"222")
        #expect(
            counter.remark(1)
                == #""event":"meter-swap","before":45000.00,"serial_before":"11111","serial":"22\"222""#)
        counter.poll(["12.10"])
        #expect(counter.values == ["45000.00", "12.00", "12.10"] && counter.events.isEmpty)
        // Known before the first value: that one carries the remark, though it is higher.
        counter.swap(old: "22222", new: "33333")
        counter.poll(["70000.00", "70000.10"])
        #expect(counter.kept[3].quality == .good)
        #expect(
            counter.kept[3].remark
                == .swap(before: .decimal(ExactDecimal("12.10")!), oldSerial: "22222", newSerial: "33333"))
        #expect(counter.kept[4].remark == nil)
    }

    @Test func whatTheOldDeviceShowedLastIsNotTheNewOnes() {
        var counter = Counter()
        // A dying display: the number was seen with the zero, so that the zero is the old device's.
        counter.poll(["45000.00", "0.00"])
        counter.swap(old: "11111", new: "22222", seen: 120)
        counter.poll(["7.30", "7.40"])
        #expect(counter.values == ["45000.00", "7.30", "7.40"])
        #expect(counter.words == ["glitch"])
        #expect(counter.kept[1].remark?.event == "meter-swap")
    }

    @Test func onlyWhatNoCounterDoesIsASurprise() {
        var counter = Counter()
        #expect(!counter.isSurprise("100.00"), "nothing is known yet")
        counter.poll("100.00")
        #expect(!counter.isSurprise("100.00") && !counter.isSurprise("101.00"))
        #expect(counter.isSurprise("99.99") && counter.isSurprise("0.00") && counter.isSurprise("9000.00"))
        // Once looked at, standing there is none.
        counter.poll("0.00")
        #expect(!counter.isSurprise("0.00") && !counter.isSurprise("0.10") && !counter.isSurprise("100.10"))
        #expect(counter.isSurprise("50.00"))
        counter.poll(["100.10", "9000.00"])
        #expect(!counter.isSurprise("9000.10") && counter.isSurprise("40.00"))
    }

    @Test func aRestartForgetsNoStand() {
        var counter = Counter(last: ExactDecimal("45000.00"))
        // How long the agent was off is not known: any rise may be true.
        counter.poll(["99000.00"])
        #expect(counter.values == ["99000.00"] && counter.kept[0].quality == .good)
        counter = Counter(last: ExactDecimal("45000.00"))
        counter.poll(["12.00", "12.10"])
        #expect(counter.remark(0) == #""event":"reset","before":45000.00"#)
    }

    @Test func whatFallsAgainAndAgainIsUncertainUntilItCountsOn() {
        var counter = Counter()
        counter.poll(["5000.00", "4000.00", "3000.00", "2000.00", "1000.00", "900.00", "900.10", "800.00"])
        // Each value is a reading or an event.
        #expect(counter.words == ["glitch", "glitch", "falls-again-and-again"])
        #expect(counter.values == ["5000.00", "2000.00", "1000.00", "900.00", "900.10", "800.00"])
        #expect(counter.kept.dropFirst().allSatisfy { $0.quality == .uncertain })
        counter.poll(["800.10", "800.20", "800.30", "800.40"])
        #expect(counter.words.suffix(1) == ["reset"])
        #expect(counter.kept.suffix(4).map(\.quality) == [.uncertain, .uncertain, .good, .good])
        #expect(counter.remark(8) == #""event":"reset","before":5000.00"#)
        #expect(abs(counter.consumption - 0.10) < 1e-9)
    }

    @Test func aCounterThatIsBackAfterManyFallsHasLostNothing() {
        var counter = Counter()
        counter.poll(["5000.00", "4000.00", "3000.00", "2000.00", "1000.00", "5000.40", "5000.50"])
        #expect(counter.words == ["glitch", "glitch", "falls-again-and-again", "reset-withdrawn"])
        #expect(abs(counter.consumption - 0.50) < 1e-9)
    }

    @Test func anImpossibleRiseAfterAFallIsADoubtOfItsOwn() {
        var counter = Counter()
        counter.poll(["5000.00", "0.00", "99000.00", "5000.10"])
        #expect(counter.words == ["glitch", "implausible-increase"])
        #expect(counter.values == ["5000.00", "99000.00", "5000.10"])
        #expect(counter.kept.map(\.quality) == [.good, .uncertain, .good])
    }

    /// Whatever comes, nothing vanishes: each value is handed over, withheld still, or told in an event.
    @Test(arguments: 0..<40) func noValueVanishes(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var counter = Counter(modulus: Bool.random(using: &random) ? ExactDecimal(10_000) : nil)
        var number = 5000
        for count in 1...300 {
            // Not 0: of a counter that stands there and is waited for, the first value stands for all.
            number =
                Int.random(in: 0..<6, using: &random) == 0 ? Int.random(in: 1..<10_000, using: &random) : number + 1
            counter.poll(String(number))
            if Int.random(in: 0..<60, using: &random) == 0 { counter.swap(old: "1", new: "2") }
            let glitches = counter.events.count { if case .glitch = $0 { true } else { false } }
            let withheld = counter.state.isWithholding ? 1 : 0
            #expect(counter.kept.count + glitches + withheld == count, "seed \(seed)")
        }
    }

    @Test func floatsThatRoundDownDoNotFall() {
        var state = CounterGuard(.init(ratePerHour: 64))
        for (second, number) in [Float(812.4), 812.4, 812.39996].enumerated() {
            var reading = Reading(
                point: PointID(rawValue: 1), instant: Instant(nanoseconds: Int64(second) * 1_000_000_000),
                value: .float(number))
            let ruling = state.judge(&reading, words: [])
            #expect(ruling.keeps && ruling.held == nil && ruling.events.isEmpty)
        }
    }

    /// Whatever glitches, rollovers and pauses there are: what the readings say was consumed is what was counted.
    @Test(arguments: 0..<40) func consumptionIsWhatWasCounted(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let modulus: Int64 = 1_000_000
        var counter = Counter(rate: 60_000, modulus: ExactDecimal(modulus))
        var truth = Int64.random(in: 0..<3 * modulus, using: &random)
        let begin = truth
        counter.poll(String(truth % modulus))
        var wasGlitch = false
        for _ in 0..<400 {
            // At most 600 in a minute, which is the greatest possible less the margin.
            truth += Int64.random(in: 0...600, using: &random)
            let isGlitch = !wasGlitch && Int.random(in: 0..<20, using: &random) == 0
            counter.poll(isGlitch ? "0" : String(truth % modulus))
            wasGlitch = isGlitch
        }
        // The last value may still be withheld.
        for _ in 0..<2 {
            truth += 1
            counter.poll(String(truth % modulus))
        }
        #expect(counter.consumption == Double(truth - begin), "seed \(seed)")
        #expect(counter.kept.allSatisfy { $0.quality == .good })
    }
}

@Suite struct CounterLimitsTests {
    private func point(
        _ type: RegisterType, unit: String = "kW.h", scale: ExactDecimal = .one, rate: ExactDecimal? = nil
    ) -> PointDefinition {
        PointDefinition(
            name: "active-energy-import", quantity: .activeEnergy, unit: Unit(ucum: unit)!, kind: .counter,
            function: .holding, address: 0, type: type, conversion: Conversion(scale: scale), maximumRate: rate)
    }

    @Test func theEndOfRegistersIsScaled() {
        #expect(CounterGuard.Limits(point(.u32), ratedPower: nil).modulus == ExactDecimal(1 << 32))
        let scaled = CounterGuard.Limits(point(.u32, scale: ExactDecimal(1, exponent: -2)), ratedPower: nil)
        #expect(scaled.modulus?.description == "42949672.96" && scaled.step == 0.01)
        #expect(CounterGuard.Limits(point(.s32), ratedPower: nil).modulus == ExactDecimal(1 << 31))
        #expect(CounterGuard.Limits(point(.bcd32), ratedPower: nil).modulus?.description == "100000000")
        #expect(CounterGuard.Limits(point(.f32), ratedPower: nil).modulus == nil)
        #expect(CounterGuard.Limits(point(.u64), ratedPower: nil).modulus == nil)
    }

    /// SunSpec's acc32 with a scale register: the end of the registers in the unit that the exponent shows.
    @Test func theEndOfRegistersFollowsTheScaleRegister() {
        var scaled = point(.u32, unit: "W.h")
        scaled.conversion = Conversion(scaleRegister: .init(address: 2))
        var state = CounterGuard(.init(scaled, ratedPower: ExactDecimal(100_000)))
        var remarks: [String?] = []
        for (second, words) in [[0xFFFF, 0xFFFE, 1], [0xFFFF, 0xFFFF, 1], [0, 3, 1] as [UInt16]].enumerated() {
            guard case .value(let value) = RegisterDecoder(scaled).decode(words) else {
                Issue.record("no value")
                return
            }
            var reading = Reading(
                point: PointID(rawValue: 1), instant: Instant(nanoseconds: Int64(second) * 60_000_000_000),
                value: value)
            #expect(state.judge(&reading, words: words).keeps)
            remarks.append(reading.remark?.members)
        }
        #expect(remarks == [nil, nil, #""event":"rollover","before":42949672950,"modulus":42949672960"#])
    }

    /// Where nothing says what a meter can do, what no meter can do is doubted.
    @Test("home-assistant #138077: 9113 kWh in a moment, of a meter whose rated power nobody knows")
    func aSpikeBeyondEveryMeterIsUncertain() {
        let limits = CounterGuard.Limits(point(.f32), ratedPower: nil)
        #expect(limits.ratePerHour == nil && limits.ceilingPerHour == 100_000)
        var state = CounterGuard(limits)
        var qualities: [Quality] = []
        for (second, number) in [Float(812.4), 9925.5, 812.5, 812.6].enumerated() {
            var reading = Reading(
                point: PointID(rawValue: 1), instant: Instant(nanoseconds: Int64(second) * 10_000_000_000),
                value: .float(number))
            let ruling = state.judge(&reading, words: [])
            #expect(ruling.keeps)
            qualities.append(reading.quality)
        }
        #expect(qualities == [.good, .uncertain, .good, .good])
        #expect(CounterGuard.Limits(point(.f32, unit: "m3"), ratedPower: nil).ceilingPerHour == 10_000)
        #expect(CounterGuard.Limits(point(.f32, unit: "GJ"), ratedPower: ExactDecimal(1_000_000)).ratePerHour == 3.6)
    }

    @Test func ratedPowerLimitsTheRateInTheUnitOfTheCounter() {
        let power = ExactDecimal(69_000)
        #expect(CounterGuard.Limits(point(.f32), ratedPower: power).ratePerHour == 69)
        #expect(CounterGuard.Limits(point(.f32, unit: "W.h"), ratedPower: power).ratePerHour == 69_000)
        #expect(CounterGuard.Limits(point(.f32, unit: "MW.h"), ratedPower: power).ratePerHour == 0.069)
        #expect(CounterGuard.Limits(point(.f32, unit: "m3"), ratedPower: power).ratePerHour == nil)
        let own = point(.f32, rate: ExactDecimal(6))
        #expect(CounterGuard.Limits(own, ratedPower: power).ratePerHour == 6)
    }
}

@Suite struct SerialWatchTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func itLooksAtOnceThenHourlyAndWhenThereIsReason() {
        var watch = SerialWatch()
        #expect(watch.isDue(at: at(0)))
        #expect(watch.saw("123", at: at(0)) == nil)
        #expect(!watch.isDue(at: at(3599)) && watch.isDue(at: at(3600)))
        watch.suspect(at: at(10))
        #expect(watch.isDue(at: at(10)))
        #expect(watch.saw("456", at: at(10)) == "123")
        #expect(watch.serial == "456")
    }

    @Test func whatWasKnownBeforeARestartCounts() {
        var watch = SerialWatch(serial: "123")
        #expect(watch.saw("456", at: at(0)) == "123")
    }

    @Test(arguments: ["", "0", "000000", " ", "4294967295", "65535", "-1"]) func nothingIsNoNumber(text: String) {
        var watch = SerialWatch(serial: "123")
        #expect(watch.saw(text, at: at(0)) == nil)
        #expect(watch.serial == "123")
    }

    @Test func aCounterThatSurprisesAtEveryPollCostsLittle() {
        var watch = SerialWatch(serial: "123")
        var looks = 0
        for second in 0..<Int64(600) where watch.isWorthALook(at: at(second)) {
            looks += 1
            #expect(watch.saw("123", at: at(second)) == nil)
        }
        #expect(looks <= 4 * 10)
        #expect(watch.saw("456", at: at(600)) == "123")
        #expect(watch.isWorthALook(at: at(601)))
    }

    @Test func aMeterWithoutNumberIsAskedSeldom() {
        var watch = SerialWatch()
        for _ in 0..<3 { watch.refused(at: at(0)) }
        watch.suspect(at: at(1))
        #expect(!watch.isDue(at: at(3600)) && watch.isDue(at: at(24 * 3600)))
        #expect(!watch.isWorthALook(at: at(1)))
    }
}
