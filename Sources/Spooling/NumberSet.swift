/// A set of sequence numbers: sorted ranges that do not touch.
struct NumberSet: Hashable {
    private(set) var ranges: [ClosedRange<Int64>] = []

    /// The numbers of sorted ranges that do not touch, or of none.
    init(_ ranges: [ClosedRange<Int64>] = []) {
        self.ranges = ranges
    }

    /// Adds a range. Costs nothing where it comes behind all others.
    mutating func insert(_ range: ClosedRange<Int64>) {
        let start = firstIndex(from: range.lowerBound - 1)
        var joined = range
        var end = start
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound + 1 {
            joined =
                min(joined.lowerBound, ranges[end].lowerBound)...max(joined.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: [joined])
    }

    /// Takes a range out.
    mutating func remove(_ range: ClosedRange<Int64>) {
        let start = firstIndex(from: range.lowerBound)
        var rest: [ClosedRange<Int64>] = []
        var end = start
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            if ranges[end].lowerBound < range.lowerBound { rest.append(ranges[end].lowerBound...range.lowerBound - 1) }
            if range.upperBound < ranges[end].upperBound { rest.append(range.upperBound + 1...ranges[end].upperBound) }
            end += 1
        }
        if start < end { ranges.replaceSubrange(start..<end, with: rest) }
    }

    /// The range that has a number; nil where none has.
    func range(of number: Int64) -> ClosedRange<Int64>? {
        let index = firstIndex(from: number)
        return index < ranges.count && ranges[index].contains(number) ? ranges[index] : nil
    }

    /// How many numbers of a range are neither in this set nor in `others`, which are sorted.
    func count(outside others: [ClosedRange<Int64>] = [], in range: ClosedRange<Int64>) -> Int64 {
        var (count, next) = (Int64(0), range.lowerBound)
        var (own, other) = (firstIndex(from: range.lowerBound), 0)
        while own < ranges.count || other < others.count {
            let isOwn = other == others.count || own < ranges.count && ranges[own].lowerBound < others[other].lowerBound
            let taken = isOwn ? ranges[own] : others[other]
            if isOwn { own += 1 } else { other += 1 }
            guard taken.lowerBound <= range.upperBound else { break }
            count += max(0, taken.lowerBound - next)
            next = max(next, taken.upperBound + 1)
        }
        return count + max(0, range.upperBound - next + 1)
    }

    /// The first range that ends at or behind a number.
    private func firstIndex(from number: Int64) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Sequence numbers that were given and have no reading any more.
struct Vacancies: Hashable {
    /// Those that were thinned away, deleted behind what waits, or are listed as gaps.
    private(set) var all = NumberSet()
    /// Those of emptied chunks.
    private(set) var emptied = NumberSet()

    /// Takes what a chunk stands for beside its readings.
    mutating func add(_ chunk: ChunkHeader) {
        guard chunk.removed > 0 else { return }
        let numbers = chunk.last - chunk.removed + 1...chunk.last
        all.insert(numbers)
        if chunk.isEmptied { emptied.insert(numbers) }
    }

    /// Takes what is listed as missing.
    mutating func add(_ gap: Gap) {
        if gap.first >= 1, gap.first <= gap.last { all.insert(gap.first...gap.last) }
    }

    /// What is in a range is deleted, or stands in other chunks now.
    mutating func remove(_ numbers: ClosedRange<Int64>) {
        all.remove(numbers)
        emptied.remove(numbers)
    }

    /// An emptied chunk with this number cannot be read: nobody knows how far it reached.
    mutating func distrust(_ number: Int64) {
        if let range = emptied.range(of: number) { remove(range) }
    }
}
