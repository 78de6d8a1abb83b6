/// Divides needed spans of one function code among requests, at the least cost.
///
/// Why the result is optimal. The model: a request costs something that never falls with its length; it may contain a
/// register that some needed span has, and runs of others up to the gap that hold no hole; it may not be too long, nor
/// contain a refused span. Shortening a request from either end breaks none of these rules.
///
/// 1. A needed span within another costs nothing: whoever reads the other reads it too. What remains are the "atoms";
///    in order of address both their first and their last registers ascend, however much they overlap.
/// 2. Among the best choices of requests is one in which none contains another, for the inner one could go. In order
///    both ends of its requests ascend, and giving each atom to the first request that contains it gives the requests
///    runs of atoms: were a later atom given to an earlier request, that request would end after the earlier atom's
///    end without containing it, so begin after the earlier atom's begin, and so would every later request; but one of
///    those contains it.
/// 3. Each request shrunk to its run of atoms costs no more. So some division of the atoms into runs is optimal, and
///    dynamic programming over the runs finds the best one.
///
/// Where such requests overlap, the overlap lies within the last atom of the one and within the first of the other: a
/// request bridges no register on the grounds that only another request's point needs it.
enum RequestPartition {
    /// The best way from an atom to the last one.
    private struct Way {
        var cost = Duration.zero
        var requests = 0
        /// How unevenly refused spans are cut: each cut should halve what is unknown.
        var unevenness = 0
        /// The first atom of the second request.
        var next = 0

        static func <= (a: Way, b: Way) -> Bool {
            (a.cost, a.requests, a.unevenness) <= (b.cost, b.requests, b.unevenness)
        }
    }

    /// The spans that read all of `needed`, which are of one function code and in order of their first register, the
    /// widest first; none is wider than the limit.
    static func spans(reading needed: [RegisterSpan], rules: RequestRules) -> [RegisterSpan] {
        let atoms = atoms(of: needed)
        guard let function = atoms.first?.function else { return [] }
        let starts = atoms.map(\.addresses.lowerBound)
        let ends = atoms.map(\.addresses.upperBound)
        let costs = (0...rules.longest).map { rules.cost.duration(of: function, count: $0) }
        let isParted = parts(atoms, limits: rules.limits)
        let refused = rules.refused.filter { $0.function == function }.map(\.addresses)
        var ways = [Way](repeating: Way(), count: atoms.count + 1)
        for first in atoms.indices.reversed() {
            var best: Way?
            for last in first..<atoms.count {
                let span = starts[first]..<ends[last]
                if last > first, isParted[last] || span.count > rules.longest || refused.contains(where: span.contains)
                {
                    break
                }
                var way = ways[last + 1]
                way.cost += costs[span.count]
                way.requests += 1
                for other in refused {
                    let shared = span.clamped(to: other).count
                    way.unevenness += shared * shared
                }
                way.next = last + 1
                // Of equal ways the one whose first requests are longest.
                if best.map({ way <= $0 }) ?? true { best = way }
            }
            ways[first] = best ?? ways[first]
        }
        var spans: [RegisterSpan] = []
        var first = 0
        while first < atoms.count {
            let next = ways[first].next
            spans.append(
                RegisterSpan(function: function, address: atoms[first].address, count: ends[next - 1] - starts[first]))
            first = next
        }
        return spans
    }

    /// Those of `needed` that lie in no other.
    private static func atoms(of needed: [RegisterSpan]) -> [RegisterSpan] {
        var atoms: [RegisterSpan] = []
        for span in needed where span.addresses.upperBound > (atoms.last?.addresses.upperBound ?? 0) {
            atoms.append(span)
        }
        return atoms
    }

    /// Of each atom whether it cannot be in one request with the one before.
    private static func parts(_ atoms: [RegisterSpan], limits: RequestLimits) -> [Bool] {
        let holes = limits.holes.filter { $0.function == atoms[0].function }.map(\.addresses)
        return atoms.indices.map { index in
            guard index > 0 else { return true }
            let (end, start) = (atoms[index - 1].addresses.upperBound, atoms[index].addresses.lowerBound)
            guard end < start else { return false }
            return start - end > limits.gap || holes.contains { $0.overlaps(end..<start) }
        }
    }
}
