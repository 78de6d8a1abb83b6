internal import Glibc

/// The electricity of a building and what else its meters see: smooth, plausible, never twice the same.
///
/// Voltages, frequency, load shares and power factors are random walks that are pulled back to their middle; the load
/// follows a day with a morning and an evening peak; currents and the other powers follow from them; energies grow by
/// power × time. Everything is in V, A, W, var, VA, Wh, Hz, °C, Pa, m³ and s.
struct Building {
    /// Active, reactive and apparent power or energy.
    struct Powers: Hashable {
        var active = 0.0
        var reactive = 0.0
        var apparent = 0.0

        static func + (a: Powers, b: Powers) -> Powers {
            Powers(active: a.active + b.active, reactive: a.reactive + b.reactive, apparent: a.apparent + b.apparent)
        }
    }

    private(set) var voltage = Array(repeating: Walk(around: 230, by: 1.2), count: 3)
    private(set) var current = [0.0, 0.0, 0.0]
    private(set) var power = [Powers(), Powers(), Powers()]
    private(set) var powerFactor = Array(repeating: Walk(around: 0.95, by: 0.01, within: 0.85...0.995), count: 3)
    private(set) var frequency = Walk(around: 50, by: 0.015)
    /// Imported energy of the three phases. The building exports nothing: `exported` stands still.
    private(set) var imported: [Powers]
    let exported: Powers
    /// The mean of the last quarter of an hour, and its greatest value.
    private(set) var demand = Powers()
    private(set) var demandMaximum = Powers()
    private(set) var voltageDistortion = Array(repeating: Walk(around: 2, by: 0.15, within: 0.5...6), count: 3)
    private(set) var currentDistortion = Array(repeating: Walk(around: 8, by: 0.8, within: 2...25), count: 3)
    private(set) var temperature = Walk(around: 21, by: 0.4)
    private(set) var humidity = Walk(around: 45, by: 2, within: 10...95)
    private(set) var carbonDioxide = Walk(around: 620, by: 30, within: 400...3000)
    private(set) var pressure = Walk(around: 2.4e5, by: 2000)
    private(set) var flow = Walk(around: 0.8, by: 0.05, within: 0...5)
    private(set) var thermalPower = Walk(around: 9000, by: 500, within: 0...50_000)
    private(set) var volume: Double
    private(set) var heat: Double
    private(set) var seconds: Double

    private let peak: Double
    private var share: [Walk]
    private var activity = Walk(around: 0.6, by: 0.05, within: 0.2...1)
    private let phases: Int
    private var random: SplitMix

    /// A building with one or three phases; a seed gives one building.
    init(phases: Int, seed: UInt64) {
        random = SplitMix(seed: seed)
        self.phases = phases
        share = Array(repeating: Walk(around: 1 / Double(phases), by: 0.03, within: 0.1...1), count: phases)
        peak = 4000 + 26_000 * random.unit()
        let total = 1e6 + 40e6 * random.unit()
        let each = total / Double(phases)
        imported = (0..<3).map { phase in
            phase < phases ? Powers(active: each, reactive: each * 0.3, apparent: each * 1.05) : Powers()
        }
        exported = Powers(active: 1e5 * random.unit(), reactive: 1e5 * random.unit(), apparent: 1e5 * random.unit())
        volume = 10 + 500 * random.unit()
        heat = 1e6 * random.unit()
        seconds = 3600 * (1000 + 9000 * random.unit())
    }

    /// Lets `elapsed` seconds pass; it is then `hour` (0..<24) of the day.
    mutating func advance(by elapsed: Double, hour: Double) {
        let step = max(0, min(elapsed, 3600))
        for phase in 0..<phases {
            voltage[phase].step(step, &random)
            powerFactor[phase].step(step, &random)
            share[phase].step(step, &random)
            voltageDistortion[phase].step(step, &random)
            currentDistortion[phase].step(step, &random)
        }
        frequency.step(step, &random)
        activity.step(step, &random)
        let load = max(500, min(30_000, peak * activity.value * Self.curve(hour)))
        let shares = share.reduce(0) { $0 + $1.value }
        for phase in 0..<phases {
            let active = load * share[phase].value / shares
            let apparent = active / powerFactor[phase].value
            let reactive = (apparent * apparent - active * active).squareRoot()
            power[phase] = Powers(active: active, reactive: reactive, apparent: apparent)
            current[phase] = apparent / voltage[phase].value
            let hours = step / 3600
            imported[phase].active += active * hours
            imported[phase].reactive += reactive * hours
            imported[phase].apparent += apparent * hours
        }
        advanceDemand(step)
        advanceClimate(step)
    }

    /// The three phases together.
    var total: Powers { power[0] + power[1] + power[2] }

    private mutating func advanceDemand(_ step: Double) {
        let weight = demand.active == 0 ? 1 : min(1, step / 900)
        demand.active += (total.active - demand.active) * weight
        demand.reactive += (total.reactive - demand.reactive) * weight
        demand.apparent += (total.apparent - demand.apparent) * weight
        demandMaximum.active = max(demandMaximum.active, demand.active)
        demandMaximum.reactive = max(demandMaximum.reactive, demand.reactive)
        demandMaximum.apparent = max(demandMaximum.apparent, demand.apparent)
    }

    private mutating func advanceClimate(_ step: Double) {
        temperature.step(step, &random)
        humidity.step(step, &random)
        carbonDioxide.step(step, &random)
        pressure.step(step, &random)
        flow.step(step, &random)
        thermalPower.step(step, &random)
        volume += flow.value * step / 3600
        heat += thermalPower.value * step / 3600
        seconds += step
    }

    /// The load over a day, 0.15…1: low at night, peaks at half past seven and at seven in the evening.
    private static func curve(_ hour: Double) -> Double {
        func peak(at middle: Double, width: Double) -> Double {
            let distance = (hour - middle) / width
            return exp(-distance * distance)
        }
        return min(
            1, 0.15 + 0.55 * peak(at: 7.5, width: 1.8) + 0.35 * peak(at: 13, width: 3) + 0.75 * peak(at: 19, width: 2.4)
        )
    }
}

/// A number that wanders around its middle within minutes, a little with every step, and never stands still.
struct Walk: Hashable {
    private(set) var value: Double
    private let middle: Double
    private let spread: Double
    private let range: ClosedRange<Double>

    init(
        around middle: Double, by spread: Double,
        within range: ClosedRange<Double> = -Double.infinity...Double.infinity
    ) {
        value = middle
        self.middle = middle
        self.spread = spread
        self.range = range
    }

    mutating func step(_ seconds: Double, _ random: inout SplitMix) {
        let pull = min(1, seconds / 120)
        // The sum of three uniform numbers is near enough to a normal one; its variance is 1/4 before it is doubled.
        let normal = (random.unit() + random.unit() + random.unit() - 1.5) * 2
        // Never so little that a Float would show the same number again.
        let noise = normal + (normal < 0 ? -0.2 : 0.2)
        let agitation = spread * (2 * pull).squareRoot() + spread * 0.002
        value = min(max(value + (middle - value) * pull + noise * agitation, range.lowerBound), range.upperBound)
    }
}
