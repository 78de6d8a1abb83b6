internal import Metering

/// The least time in which the registers of some points can be read: the check on the planner, made another way.
///
/// A shortest path from register to register. At boundary `e` every point that ends there or before has been read; a
/// step to a later boundary is a request that ends there and begins with the first register of the points it adds.
/// Whether a request may be made is seen by walking over its registers. No order of points, no nesting, no sharing of
/// requests is reasoned about.
struct PlanOptimum {
    let limits: RequestLimits
    let cost: RequestCost

    /// The least time for `points`.
    func duration(reading points: [PointDefinition]) -> Duration {
        RegisterFunction.allCases.map { function in
            let needed = Set(points.map(\.neededSpan).filter { $0.function == function })
            let narrow = needed.filter { $0.count <= limits.registers }
            // Wider points cannot be helped: a request each.
            let wide = needed.subtracting(narrow).map(cost.duration).reduce(.zero, +)
            return wide + shortestPath(narrow.map(\.addresses), function)
        }.reduce(.zero, +)
    }

    private func shortestPath(_ needed: [Range<Int>], _ function: RegisterFunction) -> Duration {
        let ends = Set(needed.map(\.upperBound)).sorted()
        guard let goal = ends.last else { return .zero }
        var isNeeded = [Bool](repeating: false, count: 65_536)
        for register in needed.joined() { isNeeded[register] = true }
        var isHole = [Bool](repeating: false, count: 65_536)
        for hole in limits.holes where hole.function == function {
            for register in hole.addresses.clamped(to: 0..<65_536) { isHole[register] = true }
        }

        var open: [Int: Duration] = [-1: .zero]
        var closed: Set<Int> = []
        while let (boundary, time) = open.min(by: { $0.value < $1.value }) {
            if boundary == goal { return time }
            open[boundary] = nil
            closed.insert(boundary)
            for end in ends where end > boundary && !closed.contains(end) {
                let added = needed.filter { $0.upperBound > boundary && $0.upperBound <= end }
                guard let start = added.map(\.lowerBound).min(), end - start <= limits.registers else { continue }
                let run = longestRun(in: start..<end, isNeeded, isHole)
                guard let run, run <= limits.gap else { continue }
                let span = RegisterSpan(function: function, address: UInt16(start), count: end - start)
                let arrival = time + cost.duration(of: span)
                if open[end].map({ arrival < $0 }) ?? true { open[end] = arrival }
            }
        }
        preconditionFailure("register \(goal) cannot be reached")
    }

    /// The longest run of registers in `addresses` that no point needs; nil where a hole is among them.
    private func longestRun(in addresses: Range<Int>, _ isNeeded: [Bool], _ isHole: [Bool]) -> Int? {
        var longest = 0
        var run = 0
        for register in addresses {
            if isHole[register], !isNeeded[register] { return nil }
            run = isNeeded[register] ? 0 : run + 1
            longest = max(longest, run)
        }
        return longest
    }
}
