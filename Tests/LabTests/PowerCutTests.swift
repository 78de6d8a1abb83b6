import Posix
import Testing

@testable import Lab

/// The judge of scripts/test-powercut: it finds nothing where nothing is missing, and what is missing where something is.
@Suite struct PowerCutTests {
    private func spool(_ commits: Int) throws -> (folder: TemporaryFolder, path: String, ProbeSpool.Promise) {
        let folder = try TemporaryFolder()
        var promise = ProbeSpool.Promise()
        try ProbeSpool.write(to: folder.path + "/spool", commits: commits, seed: 5) { promise = $0 }
        return (folder, folder.path + "/spool", promise)
    }

    @Test func whatWasWrittenIsFound() throws {
        let (folder, path, promise) = try spool(60)
        #expect(promise.committed > 60 && promise.settled > 0 && promise.settling > promise.settled)
        let finding = ProbeSpool.check(path, promise)
        #expect(finding == ProbeSpool.Finding(committed: promise.committed, lost: 0, problems: []))
        withExtendedLifetime(folder) {}
    }

    @Test func whatIsMissingIsFound() throws {
        var (folder, path, promise) = try spool(20)
        let committed = promise.committed
        promise.committed += 7
        let finding = ProbeSpool.check(path, promise)
        #expect(finding.committed == committed && finding.lost == 7)
        #expect(finding.problems == ["7 of \(promise.committed) readings are lost"])
        let none = ProbeSpool.check(folder.path + "/nothing", promise)
        #expect(none.committed == 0 && none.lost == promise.committed)
    }

    @Test func aSettlementThatNobodyPromisedIsFound() throws {
        var (folder, path, promise) = try spool(20)
        promise.settling = promise.settled - 1
        promise.settled -= 1
        let finding = ProbeSpool.check(path, promise)
        #expect(finding.lost == 0 && finding.problems.count == 1)
        #expect(finding.problems.first?.contains("readings are settled, not") == true)
        withExtendedLifetime(folder) {}
    }

    @Test func aLogIsRead() throws {
        func numbers(_ numbers: UInt64...) -> [UInt8] {
            var sector: [UInt8] = []
            for number in numbers { withUnsafeBytes(of: number.littleEndian) { sector.append(contentsOf: $0) } }
            return sector + [UInt8](repeating: 0, count: 512 - sector.count)
        }
        let mark = MarkFile.bytes(ProbeSpool.Promise(committed: 300, settled: 20, settling: 21))
        let folder = try TemporaryFolder()
        let path = folder.path + "/log"
        let head = numbers(0x6A73_6677_7368_72, 1, 4, 512)
        let entries = numbers(9, 1, 0, 512) + mark + numbers(0, 0, 1) + numbers(2, 8, 4) + numbers(3, 1, 2) + mark
        try LabFile.write(head + entries, to: path)
        let log = try WriteLog(path)
        #expect(log.entries.map(\.offset) == [9 * 512, 0, 2 * 512, 3 * 512])
        #expect(log.entries.map(\.bytes.count) == [512, 0, 0, 512])
        #expect(log.entries.map(\.isFlush) == [false, true, false, false])
        #expect(log.entries.map(\.isForced) == [false, false, false, true])
        #expect(
            MarkFile.promise(in: log.entries[0].bytes)
                == ProbeSpool.Promise(committed: 300, settled: 20, settling: 21))
        #expect(MarkFile.promise(in: head) == nil)
        try LabFile.write(Array((head + entries).dropLast()), to: path)
        #expect(throws: LabError.self) { try WriteLog(path) }
        try LabFile.write(mark + entries, to: path)
        #expect(throws: LabError.self) { try WriteLog(path) }
    }
}
