import Metering
import Testing

@testable import Spooling

/// The spool and the model do the same random things in lockstep; whatever can be seen must be the same.
@Suite struct ModelTests {
    /// Both sides, and everything that is random about a run.
    struct Run {
        let folder: String
        let seed: UInt64
        var random: SeededGenerator
        var store: SpoolStore?
        var points: [PointID] = []
        /// What a restart finds, and what is true now.
        var durable = Model(uplinks: ["city", "works"])
        var model = Model(uplinks: ["city", "works"])
        var boot = 1
        var instant: Int64 = 5_000_000_000
        var offset = ClockOffset(nanoseconds: epoch * 1_000_000)

        init(folder: String, seed: UInt64) throws {
            self.folder = folder
            self.seed = seed
            random = SeededGenerator(seed: seed)
            try open()
        }

        mutating func open() throws {
            store = try SpoolStore(
                directory: folder, settings: SpoolSettings(history: .seconds(20)), uplinks: ["city", "works"],
                bootID: "boot \(boot)")
            points = try store!.identify((0..<12).map { "meter/p\($0)" })
        }

        mutating func append() throws {
            let count = Int.random(in: 0..<4, using: &random) == 0 ? 0 : Int.random(in: 1...60, using: &random)
            let readings = (0..<count).map { index in
                if index % points.count == 0 { instant += Int64.random(in: 2...900, using: &random) * 1_000_000 }
                return Reading(
                    point: points[index % points.count], instant: Instant(nanoseconds: instant),
                    value: index % points.count == 3
                        ? .text(ExactText(["auto", "manual", "Störung"].randomElement(using: &random)!)!)
                        : .float(Float.random(in: 0...500, using: &random)),
                    quality: Int.random(in: 0..<9, using: &random) == 0 ? .uncertain : .good)
            }
            if Int.random(in: 0..<10, using: &random) == 0 { offset.nanoseconds += 5_000_000_000 }
            // Now and then an uplink waits for just these.
            var wanted: [String: LeaseRequest] = [:]
            for uplink in ["city", "works"] where Int.random(in: 0..<4, using: &random) == 0 {
                wanted[uplink] = LeaseRequest(
                    maximumReadings: Int.random(in: 1...150, using: &random),
                    from: Bool.random(using: &random) ? .oldest : .newest)
            }
            let leases = try store!.append(Intake.Content(readings: readings), offset: offset, leasing: wanted)
            model.append(readings, boot: boot, offset: offset)
            for (uplink, request) in wanted.sorted(by: { $0.key < $1.key }) where !readings.isEmpty {
                try compare(
                    leases.first { $0.uplink == uplink }, uplink, request.maximumReadings, from: request.end)
            }
            model.commitMarks()
            durable = model
        }

        mutating func lease(_ uplink: String) throws {
            let maximum = Int.random(in: 1...150, using: &random)
            guard model.open(uplink).count < SpoolStore.maximumOpenLeases else { return }
            let end = Bool.random(using: &random) ? LeaseEnd.oldest : .newest
            try compare(
                try store!.lease(uplink: uplink, maximumReadings: maximum, from: end, offset: offset), uplink, maximum,
                from: end)
        }

        /// Holds a lease to what the model would give.
        private mutating func compare(
            _ lease: Lease?, _ uplink: String, _ maximum: Int, from end: LeaseEnd = .oldest
        ) throws {
            guard model.open(uplink).count < SpoolStore.maximumOpenLeases,
                let expected = model.next(uplink, maximum: maximum, from: end)
            else {
                #expect(lease == nil, "seed \(seed)")
                return
            }
            let found = try #require(lease, "seed \(seed)")
            #expect(found.isUnclear == (expected.unclear != nil) && found.uplink == uplink, "seed \(seed)")
            if let id = expected.unclear { #expect(found.id == id, "seed \(seed)") }
            if end == .newest, expected.unclear == nil {
                model.freezeOlder(than: expected.chunks.lowerBound, boot: boot, offset: offset)
            }
            let readings = model.lease(
                expected.chunks, uplink, as: found.id, unclear: found.isUnclear, boot: boot, offset: offset)
            #expect(found.readings == readings, "seed \(seed)")
        }

        mutating func end(_ uplink: String) throws {
            guard let id = model.open(uplink).randomElement(using: &random) else { return }
            let isUnclear = Bool.random(using: &random)
            if Int.random(in: 0..<3, using: &random) > 0 {
                try store!.settle(id, rejected: [])
                model.end(id, uplink, settled: true)
                #expect(throws: SpoolError.self, "seed \(seed)") { try store!.settle(id, rejected: []) }
            } else {
                try store!.release(id, unclear: isUnclear)
                model.end(id, uplink, settled: false, unclear: isUnclear)
            }
        }

        /// Makes room as for a spool that is nearly full; whatever the store chooses has to be free to go.
        mutating func relieve(_ counts: inout (thinned: Int, dropped: Int)) throws {
            let step = Int.random(in: 0..<4, using: &random) > 0 ? SpoolAdmission.Step.drop : .thin
            guard let relief = try store!.relieve(at: step, by: rules, offset: offset) else { return }
            switch relief {
            case .thin(let first, let last, let level):
                let chunks = try #require(model.chunks(first, last), "seed \(seed): \(relief)")
                #expect(chunks.allSatisfy(model.isFree), "seed \(seed)")
                model.thin(chunks, to: level, by: rules, boot: boot, offset: offset)
                counts.thinned += 1
            case .drop(let first, let last):
                let chunks = try #require(model.chunks(first, last), "seed \(seed): \(relief)")
                #expect(step == .drop && chunks.count == 1 && model.isDroppable(chunks.lowerBound), "seed \(seed)")
                // The oldest of those that nobody has; where there is none, the oldest that somebody lacks.
                let isFree = model.isFree(chunks.lowerBound)
                let older = 0..<chunks.lowerBound
                #expect(!older.contains(where: isFree ? model.isFree : model.isDroppable), "seed \(seed)")
                model.drop(chunks)
                counts.dropped += 1
            }
            model.commitMarks()
            durable = model
        }

        /// Every kind of point, and one of which nothing is known.
        private var rules: ThinningRules {
            var rules = ThinningRules()
            for (index, point) in points.enumerated().dropLast() {
                rules[point] = .init(
                    kind: [.counter, .gauge, .state, .state][index % 4], policy: index == 5 ? .forbidden : .allowed)
            }
            return rules
        }

        /// Ends the store in order, or as a kill does: then the next one finds the files with the log that was there.
        private mutating func end() throws {
            let path = SpoolFolder.file(in: folder)
            let isKilled = Bool.random(using: &random)
            let left = try isKilled ? ["", "-wal"].map { try content(of: path + $0) } : []
            store = nil
            for (suffix, bytes) in zip(["", "-wal"], left) { write(bytes, to: path + suffix) }
        }

        mutating func restart() throws {
            if Bool.random(using: &random) {
                boot += 1
                instant = Int64.random(in: 0...9000, using: &random) * 1_000_000
                offset.nanoseconds += 86_400_000_000_000
            }
            try end()
            try open()
            durable.restart()
            model = durable
        }

        func check() throws {
            let statistics = try store!.statistics()
            #expect(statistics.committed == Int64(model.rows.count), "seed \(seed)")
            for uplink in ["city", "works"] {
                #expect(statistics.undelivered[uplink] == model.undelivered(uplink), "seed \(seed)")
                for case .taken(let id, _, let isDurable) in model.uplinks[uplink]! {
                    #expect(store!.isDurable(id) == isDurable, "seed \(seed)")
                }
            }
        }

        /// The audit is what all readings ever committed add up to, whether they are still held or not.
        func audit() throws {
            var lines = (0..<points.count).map { AuditLine(key: "meter/p\($0)") }
            for row in durable.rows where !row.isGone {
                let index = Int(row.reading.point.rawValue) - 1
                guard let time = row.time else {
                    lines[index].unfrozen += 1
                    continue
                }
                lines[index].digest.add(time, row.reading.value)
                lines[index].first = min(lines[index].first ?? time, time)
                lines[index].last = max(lines[index].last ?? time, time)
            }
            #expect(try store!.audit() == lines.sorted { $0.key < $1.key }, "seed \(seed)")
        }
    }

    @Test(arguments: UInt64(1)...24) func spoolAndModelAgree(seed: UInt64) throws {
        try withFolder { folder in
            var run = try Run(folder: folder, seed: seed)
            for _ in 0..<250 {
                let uplink = Int.random(in: 0..<3, using: &run.random) > 0 ? "city" : "works"
                switch Int.random(in: 0..<20, using: &run.random) {
                case 0..<7: try run.append()
                case 7..<10: try run.lease(uplink)
                case 10..<19: try run.end(uplink)
                default: try run.restart()
                }
                try run.check()
            }
            try run.audit()
            let statistics = try run.store!.statistics()
            #expect(statistics.damaged == 0 && statistics.held < statistics.committed, "seed \(seed)")
        }
    }
}

extension ModelTests {
    /// The same in a spool that is short of room, with hours between the readings, so that there is something to thin.
    @Test(arguments: UInt64(101)...116) func thinnedAndDroppedAlike(seed: UInt64) throws {
        try withFolder { folder in
            var run = try Run(folder: folder, seed: seed)
            var counts = (thinned: 0, dropped: 0)
            for _ in 0..<250 {
                let uplink = Int.random(in: 0..<3, using: &run.random) > 0 ? "city" : "works"
                switch Int.random(in: 0..<20, using: &run.random) {
                case 0..<9: try run.append()
                case 9..<11: try run.lease(uplink)
                case 11..<14: try run.end(uplink)
                case 14..<19: try run.relieve(&counts)
                default: try run.restart()
                }
                if Int.random(in: 0..<8, using: &run.random) == 0 {
                    run.instant += Int64.random(in: 0...1_000_000, using: &run.random) * 1_000_000
                }
                try run.check()
            }
            #expect(counts.thinned > 0 && counts.dropped > 0, "seed \(seed): \(counts)")
            try run.audit()
            #expect(try run.store!.statistics().damaged == 0, "seed \(seed)")
        }
    }
}
