import Metering
import Testing

@testable import Spooling

/// Texts in the spool: what they are stored as, and who can read it.
@Suite struct TextTests {
    private func text(_ point: PointID, at milliseconds: Int64, _ text: String) -> Reading {
        Reading(
            point: point, instant: Instant(nanoseconds: milliseconds * 1_000_000), value: .text(ExactText(text)!))
    }

    private func open(_ folder: String, history: Duration = .seconds(3600)) throws -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(history: history), uplinks: ["city"], bootID: "boot")
    }

    @Test func aTextComesBackAfterARestart() throws {
        try withFolder { folder in
            let texts = ["V2.01 \"beta\"", "Störung", "Störung", "a\\b"]
            do {
                let store = try open(folder)
                let points = try store.identify(["a/mode", "a/u"])
                for (index, word) in texts.enumerated() {
                    let instant = Int64(index + 1) * 1000
                    try store.append(
                        [text(points[0], at: instant, word)] + readings([points[1]], at: instant), offset: offset)
                }
            }
            let store = try open(folder)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            let found = lease.readings.filter { $0.point.rawValue == 1 }.map(\.value)
            #expect(found == texts.map { .text(ExactText($0)!) })
            #expect(
                lease.readings.filter { $0.point.rawValue == 2 }.map(\.value)
                    == Array(repeating: .float(230.1), count: 4))
        }
    }

    /// Counted and hashed, whether the readings are still held or not; another text is another sum.
    @Test func theAuditSeesTexts() throws {
        func audit(_ last: String) throws -> [AuditLine] {
            try withFolder { folder in
                let store = try open(folder, history: .zero)
                let points = try store.identify(["a/mode"])
                for second in 1...9 {
                    try store.append(
                        [text(points[0], at: Int64(second) * 1000, second == 9 ? last : "auto")], offset: offset)
                }
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
                try store.settle(lease.id, rejected: [])
                for _ in 0..<3 { try store.append([], offset: offset) }
                try store.append([text(points[0], at: 10_000, "late")], offset: offset)
                #expect(try store.statistics().held < 10)
                return try store.audit()
            }
        }
        let lines = try audit("auto")
        #expect(lines[0].digest.count == 9 && lines[0].unfrozen == 1)
        var expected = ReadingDigest()
        for second in 1...9 {
            expected.add(Timestamp(milliseconds: epoch + Int64(second) * 1000), .text(ExactText("auto")!))
        }
        #expect(lines[0].digest == expected)
        #expect(try audit("auto ") != lines && audit("autO") != lines)
    }

    @Test func aRefusedTextIsListed() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["a/mode"])
            try store.append([text(points[0], at: 1000, "it's \"on\"")], offset: offset)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            try store.settle(lease.id, rejected: [Rejection(sequence: lease.readings[0].sequence, reason: "no texts")])
            try store.append([], offset: offset)
            let row = try store.connection.statement("SELECT value, reason FROM quarantine")
            defer { row.reset() }
            #expect(try row.step() && row.text(0) == "it's \"on\"" && row.text(1) == "no texts")
        }
    }

    /// Long texts that never repeat are the most that a chunk can weigh; nothing of a commit is lost for it.
    @Test func aCommitOfTheLongestTexts() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify((0..<100).map { "a/p\($0)" })
            let batch = (0..<5000).map { index in
                text(
                    points[index % 100], at: Int64(index / 100 + 1) * 1000,
                    "\(index) " + String(repeating: "ü", count: 110))
            }
            try store.append(batch, offset: offset)
            var count = 0
            while let lease = try store.lease(uplink: "city", maximumReadings: 1000, offset: offset) {
                for reading in lease.readings {
                    #expect(reading.value == batch[Int(reading.sequence.rawValue) - 1].value)
                }
                count += lease.readings.count
                try store.settle(lease.id, rejected: [])
            }
            #expect(count == 5000)
        }
    }
}
