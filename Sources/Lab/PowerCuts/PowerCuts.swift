internal import Glibc
internal import Posix

/// Goes through power cuts of a logged disk: puts together what the disk may hold, mends the file system as a boot does,
/// takes the spool out and checks it.
struct PowerCuts {
    /// What is left of the writes since the last flush.
    enum Manner: CaseIterable {
        /// All of them up to the cut.
        case all
        /// Some of them.
        case some
        /// Some of them, the last one first where two meet.
        case reordered
        /// Some of their sectors.
        case torn
    }

    /// What came of it.
    struct Outcome {
        var states = 0
        var wrongStates = 0
        /// States in which readings that were promised are gone.
        var losingStates = 0
        var lost: Int64 = 0
        var promises = 0
        var flushes = 0
    }

    private let log: WriteLog
    /// The whole disk as it was in the beginning.
    private let disk: [UInt8]
    /// Where the file system lies on it, in bytes.
    private let partition: Range<Int>
    /// Where the marks are.
    private let marks: Range<Int>
    private let scratch: String

    /// - Parameters:
    ///   - log: the log's path.
    ///   - disk: the path of the disk's first content, with a partition table (MBR): first the file system, then marks.
    ///   - scratch: a folder for what is put together.
    init(log: String, disk: String, scratch: String) throws {
        self.log = try WriteLog(log)
        self.disk = try File.read(disk, limit: 1 << 30)
        self.scratch = scratch
        let content = self.disk
        func place(_ number: Int) -> Range<Int> {
            func sectors(_ offset: Int) -> Int {
                (0..<4).reduce(0) { $0 | Int(content[446 + 16 * number + offset + $1]) << (8 * $1) } * WriteLog.sector
            }
            return sectors(8)..<sectors(8) + sectors(12)
        }
        guard content.count > 512, place(0).upperBound <= content.count, place(1).upperBound <= content.count else {
            throw LabError(.format, "\(disk) has no partition table of two partitions")
        }
        (partition, marks) = (place(0), place(1))
    }

    /// Checks `states` states, spread evenly over the log.
    ///
    /// - Parameter report: is told of each state that is wrong.
    func run(states: Int, seed: UInt64, report: (String) -> Void) throws -> Outcome {
        var outcome = Outcome()
        var durable = disk
        var pending: [WriteLog.Entry] = []
        var promise = ProbeSpool.Promise()
        var next = 0
        for state in 0..<states {
            let cut = log.entries.count * (state + 1) / states
            while next < cut {
                let entry = log.entries[next]
                next += 1
                if entry.isFlush {
                    outcome.flushes += 1
                    for write in pending { Self.apply(write, to: &durable) }
                    pending.removeAll()
                }
                guard !entry.bytes.isEmpty else { continue }
                if marks.contains(entry.offset), let mark = MarkFile.promise(in: entry.bytes) {
                    outcome.promises += 1
                    promise = mark
                } else if entry.isForced {
                    Self.apply(entry, to: &durable)
                } else {
                    pending.append(entry)
                }
            }
            let manner = Manner.allCases[state % Manner.allCases.count]
            var random = SplitMix(seed: seed &+ UInt64(state))
            var image = durable
            for write in Self.choose(pending, manner, &random) { Self.apply(write, to: &image) }
            let finding = try check(image[partition], promise)
            outcome.states += 1
            guard !finding.problems.isEmpty else { continue }
            outcome.wrongStates += 1
            outcome.lost += finding.lost
            if finding.lost > 0 { outcome.losingStates += 1 }
            report(
                "state \(state): \(manner) of \(pending.count) writes before entry \(cut): "
                    + finding.problems.prefix(5).joined(separator: "; "))
        }
        return outcome
    }

    private static func apply(_ write: WriteLog.Entry, to disk: inout [UInt8]) {
        guard write.offset + write.bytes.count <= disk.count else { return }
        disk.withUnsafeMutableBytes { disk in
            write.bytes.withUnsafeBytes { disk[write.offset..<write.offset + $0.count].copyBytes(from: $0) }
        }
    }

    /// The block that has a copy of the superblock: scripts/test-powercut makes groups of so many blocks of 4096 bytes.
    private static let superblockCopy = "1024"

    private static func choose(
        _ pending: [WriteLog.Entry], _ manner: Manner, _ random: inout SplitMix
    ) -> [WriteLog.Entry] {
        let share = Int.random(in: 1...9, using: &random)
        func some(_ writes: [WriteLog.Entry]) -> [WriteLog.Entry] {
            writes.filter { _ in Int.random(in: 0..<10, using: &random) < share }
        }
        switch manner {
        case .all: return pending
        case .some: return some(pending)
        case .reordered: return some(pending).shuffled(using: &random)
        case .torn:
            return some(
                pending.flatMap { write in
                    stride(from: 0, to: write.bytes.count, by: WriteLog.sector).map { start in
                        var part = write
                        part.offset += start
                        part.bytes = Array(write.bytes[start..<start + WriteLog.sector])
                        return part
                    }
                })
        }
    }

    /// Boots from the image, as far as files are concerned.
    private func check(_ image: ArraySlice<UInt8>, _ promise: ProbeSpool.Promise) throws -> ProbeSpool.Finding {
        let (path, folder) = (scratch + "/image", scratch + "/spool")
        LabFile.remove(folder: folder)
        try LabFile.write(Array(image), to: path)
        unlink(scratch + "/log")
        // 1 and 2: it has mended something, as it does after every power cut.
        var mended = try command("e2fsck", "-fy", path)
        // A superblock that was torn in writing: there is a copy of it, which on a card e2fsck finds by itself. Here groups are
        // small, so that there is one on such a small disk.
        if mended >= 4 { mended = try command("e2fsck", "-fy", "-b", Self.superblockCopy, "-B", "4096", path) }
        guard mended < 4 else {
            return ProbeSpool.Finding(
                lost: promise.committed, problems: ["e2fsck cannot mend the file system (\(mended))"])
        }
        _ = try command("debugfs", "-R", "rdump /spool \(scratch)", path)
        return ProbeSpool.check(folder, promise)
    }

    private func command(_ program: String, _ arguments: String...) throws -> Int32 {
        try ChildProcess(program, arguments, log: scratch + "/log").wait()
    }
}
