import Testing

@testable import Spooling

@Suite struct NumberSetTests {
    /// The ranges say what a plain set of numbers says, whatever is put in and taken out.
    @Test(arguments: UInt64(1)...20) func saysWhatAPlainSetSays(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        func range() -> ClosedRange<Int64> {
            let first = Int64.random(in: 1...60, using: &random)
            return first...first + Int64.random(in: 0...9, using: &random)
        }
        var (ranges, plain) = (NumberSet(), Set<Int64>())
        for _ in 0..<200 {
            let changed = range()
            if Bool.random(using: &random) {
                ranges.insert(changed)
                plain.formUnion(changed)
            } else {
                ranges.remove(changed)
                plain.subtract(changed)
            }
            #expect(Set(ranges.ranges.flatMap { $0 }) == plain, "seed \(seed)")
            let neighbours = zip(ranges.ranges, ranges.ranges.dropFirst())
            #expect(neighbours.allSatisfy { $0.upperBound + 1 < $1.lowerBound }, "seed \(seed): \(ranges)")
            var others = NumberSet()
            for _ in 0..<3 { others.insert(range()) }
            let window = range().lowerBound...70
            let outside = window.filter { number in
                !plain.contains(number) && !others.ranges.contains { $0.contains(number) }
            }
            #expect(ranges.count(outside: others.ranges, in: window) == Int64(outside.count), "seed \(seed)")
            for number in window { #expect((ranges.range(of: number) != nil) == plain.contains(number)) }
        }
    }
}
