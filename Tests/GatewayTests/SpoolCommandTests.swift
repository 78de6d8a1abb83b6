import FoundationEssentials
import Gateway
import Glibc
import Lab
import Metering
import Posix
import Spooling
import Testing

/// `parthe spool` and its subcommands, as a technician calls them.
@Suite(.serialized) struct SpoolCommandTests {
    /// 2026-11-01T00:00:00Z, in ms since 1970.
    private static let start: Int64 = 1_793_491_200_000
    private static let clock = ClockOffset(nanoseconds: start * 1_000_000)

    /// Runs `body` with the folder of a spool: 40 min of a meter each second, the first 10 min of it delivered.
    private func withSpool(
        seconds: Int = 2400, delivered: Int = 600, _ body: (_ folder: String) async throws -> Void
    ) async throws {
        let folder = try LabFile.temporaryFolder("parthe-spool")
        defer { LabFile.remove(folder: folder) }
        try make(folder, seconds: seconds, delivered: delivered)
        try await body(folder)
    }

    private func make(_ folder: String, seconds: Int, delivered: Int) throws {
        let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
        try store.know(KnownTime(Self.clock))
        func note(_ kind: String) -> String {
            """
            {"kind":"\(kind)","latitude":"51","longitude":"12","manufacturer":"m","meter":"main","model":"x","point":"p",\
            "product":"p","quantity":"power","unit":"W"}
            """
        }
        let points = try store.identify(
            ["main/energy", "main/power", "main/mode"],
            notes: ["main/energy": note("counter"), "main/power": note("gauge"), "main/mode": note("state")])
        for second in stride(from: 1, through: seconds, by: 5) {
            try store.append(
                (second..<second + 5).flatMap { second -> [Reading] in
                    let instant = Instant(nanoseconds: Int64(second) * 1_000_000_000)
                    let energy = ExactDecimal(Int64(second) * 7, exponent: -2)
                    return [
                        Reading(point: points[0], instant: instant, value: .decimal(energy)),
                        Reading(
                            point: points[1], instant: instant, value: .float(Float(second % 61) + 0.1),
                            remark: second == 3 ? .reset(before: .float(9.5)) : nil),
                        Reading(point: points[2], instant: instant, value: .text(ExactText("auto, \"Stör\"")!)),
                    ]
                })
        }
        while let lease = try store.lease(uplink: "city", maximumReadings: 300) {
            guard lease.readings[0].sequence.rawValue <= 3 * Int64(delivered) else {
                try store.release(lease.id)
                break
            }
            let refused = lease.readings.filter { $0.sequence.rawValue % 900 == 0 }
            try store.settle(
                lease.id, rejected: refused.map { Rejection(sequence: $0.sequence, reason: "the Datastream is closed") }
            )
        }
        try store.append([])
        store.noteBeside(waits: true)
    }

    private func spool(_ words: String..., state: String) async throws -> Outcome {
        try await Outcome(list: ["spool"] + words + ["--state", state])
    }

    /// Overwrites some pages of a spool's file.
    private func damage(_ folder: String, pages: Range<Int> = 40..<43) throws {
        let path = folder + "/parthe.spool"
        var bytes = try File.read(path, limit: 1 << 30)
        for index in pages.lowerBound * 1024..<pages.upperBound * 1024 { bytes[index] = 0x5A }
        try LabFile.write(bytes, to: path)
    }

    // MARK: - show

    /// Where no agent runs, all but the names of folder and spool and the moments ahead is the same each time.
    @Test func theWholePageIsAsItShouldBe() async throws {
        try await withSpool { folder in
            let outcome = try await Outcome(
                list: ["spool", "--state", folder, "--config", "/nonexistent", "--socket", folder + "/none"])
            #expect(outcome.code == 0)
            let report = try #require(
                SpoolReport(json: Array(try await spool("show", "--json", state: folder).text.utf8)))
            var page = outcome.text.replacing(folder, with: "FOLDER").replacing(report.spool, with: "SPOOL")
            let lines = page.split(separator: "\n", omittingEmptySubsequences: false).map { line in
                line.hasPrefix("forecast") || line.hasPrefix("            ") && !line.contains("from ")
                    ? String(line).replacing(/\d{4}-\d\d-\d\d/, with: "DAY") : String(line)
            }
            page = lines.joined(separator: "\n")
            #expect(
                page == """
                    spool       FOLDER, SPOOL
                    readings    7200 held, 7200 committed since it was made
                                from 2026-11-01T00:00:01.000Z to 2026-11-01T00:40:00.000Z
                    undelivered 5400 for city
                    size        69 kB on the disk; 2.2 MB of the limit are taken, with room for the log
                    limit       256 MB, unless the configuration says otherwise
                    comes in    3.0 readings/s, 1.6 MB a day (over the last 39 min that the agent ran)
                    flash       unknown: no agent runs
                    forecast    full in 157 d at this rate, if nothing is delivered; before that:
                                gauges are read every fourth time in 110 d (DAY)
                                the oldest readings are thinned to 1 min in 131 d (DAY), lasting until DAY
                                then to 15 min in 14 years (DAY), lasting over 100 years
                    gaps        none is listed; `parthe spool verify` reads everything
                    quarantine  2 readings were refused by a platform, 2 of them are kept: `parthe spool quarantine`
                    beside      whole: up to number 7200

                    """, "\(page)")
        }
    }

    @Test func aLookIsTheSameAsJSON() async throws {
        try await withSpool { folder in
            let report = try #require(
                SpoolReport(json: Array(try await spool("--json", state: folder).text.utf8)))
            #expect(report.held == 7200 && report.uplinks.map(\.undelivered) == [5400])
            #expect(report.process == nil && report.limitFrom == "default" && report.writtenBytesPerDay == nil)
            #expect(abs((report.rate?.readingsPerSecond ?? 0) - 3) < 0.01 && report.quarantined == 2)
            let forecast = try #require(report.forecast)
            #expect(forecast.stages.map(\.interval) == ["1 min", "15 min", "1 h"])
            // A counter and a gauge each second, and a state that never changes: a minute keeps next to nothing.
            #expect(forecast.stages[0].lastsSeconds > 10 * forecast.thinInSeconds)
            let list = try await spool("quarantine", state: folder)
            #expect(list.code == 0 && list.text.contains("the Datastream is closed") && list.text.contains("main/mode"))
            #expect(list.text.contains("2 readings were ever refused, 2 are kept"), "\(list.text)")
            let json = try await spool("quarantine", "--json", "--count", "1", state: folder)
            #expect(json.text.contains(#""sequence" : 1800"#) && !json.text.contains(#""sequence" : 900"#))
        }
    }

    @Test func theLimitIsThatOfTheConfiguration() async throws {
        try await withSpool { folder in
            try LabFile.write(
                Array(
                    """
                    gateway: {id: g, location: {latitude: 51, longitude: 12}}
                    buses: []
                    spool: {limit: 5MB}

                    """.utf8), to: folder + "/parthe.yaml")
            let outcome = try await spool("--json", "--config", folder + "/parthe.yaml", state: folder)
            let report = try #require(SpoolReport(json: Array(outcome.text.utf8)), "\(outcome.text)")
            #expect(report.limitBytes == 5_000_000 && report.limitFrom == "configuration")
        }
    }

    // MARK: - The agent at work

    @Test(.timeLimit(.minutes(15))) func itWorksBesideARunningAgent() async throws {
        let rig = try Rig(count: 2)
        rig.stopPlatform()
        try rig.agent.start()
        _ = try await rig.status { $0.spool.committed > 500 }
        let files = ["--config", rig.agent.configurationFile, "--socket", rig.agent.socket]
        let shown = try await Outcome(
            list: ["spool", "--json", "--state", rig.agent.spoolFolder] + files)
        let report = try #require(SpoolReport(json: Array(shown.text.utf8)), "\(shown.text)")
        #expect(report.process == rig.agent.processID && report.limitFrom == "agent" && report.silence == nil)
        #expect(report.uplinks.map(\.id) == ["city"] && report.held > 500)
        // An agent that cannot be asked is told of.
        let silent = try await Outcome(
            list: ["spool", "--state", rig.agent.spoolFolder, "--socket", rig.folder + "/none"])
        #expect(silent.code == 0 && silent.text.contains("has the spool, and no agent answers"), "\(silent.text)")
        for _ in 0..<5 {
            let verify = try await spool("verify", state: rig.agent.spoolFolder)
            #expect(verify.code == 0, "\(verify.text)")
        }
        let exported = try await spool("export", "--point", "meter-1/*", state: rig.agent.spoolFolder)
        #expect(exported.code == 0 && !exported.text.contains("meter-2/"))
        #expect(exported.text.split(separator: "\r\n").count > 200)
        for words in [["repair"], ["repair", "--dry-run"], ["repair", "--force"]] {
            let repair = try await Outcome(list: ["spool"] + words + ["--state", rig.agent.spoolFolder])
            #expect(repair.code == 73 && repair.text.contains("process \(rig.agent.processID ?? 0)"), "\(repair.text)")
            #expect(repair.text.contains("→ stop the agent first"))
        }
        rig.agent.kill()
        let dead = try await Outcome(list: ["spool", "--state", rig.agent.spoolFolder] + files)
        #expect(dead.code == 0 && dead.text.contains("unknown: no agent runs"), "\(dead.text)")
        #expect(try await spool("verify", state: rig.agent.spoolFolder).code == 0)
    }

    /// A damaged spool is found, rehearsed and repaired by hand, and the agent goes on with what is left.
    @Test(.timeLimit(.minutes(15))) func aDamagedSpoolIsRepairedByHand() async throws {
        try await withSpool { folder in
            func lines() async throws -> Set<Substring> {
                // What is said of it on standard error is no reading.
                Set(
                    try await spool("export", state: folder).text.split(separator: "\r\n").filter {
                        $0.contains(",good,")
                    })
            }
            let whole = try await lines()
            try damage(folder)
            // Pages that SQLite cannot read cost their own readings.
            let readable = try await lines()
            #expect(readable.count > 6000 && readable.count < whole.count && readable.isSubset(of: whole))
            let found = try await spool("verify", state: folder)
            #expect(found.code == 65 && found.text.contains("damaged: "), "\(found.text)")
            #expect(found.text.contains("→ `parthe spool repair`"), "\(found.text)")
            let json = try await spool("verify", "--json", state: folder)
            #expect(json.code == 65 && json.text.contains(#""result" : "damaged""#), "\(json.text)")

            let before = try File.read(folder + "/parthe.spool", limit: 1 << 30)
            let rehearsal = try await spool("repair", "--dry-run", state: folder)
            #expect(rehearsal.code == 65 && rehearsal.text.contains("nothing was changed"), "\(rehearsal.text)")
            #expect(try File.read(folder + "/parthe.spool", limit: 1 << 30) == before)

            let repair = try await spool("repair", state: folder)
            #expect(repair.code == 0 && repair.text.contains("parthe.damaged-1: the damaged file"), "\(repair.text)")
            #expect(try await spool("verify", state: folder).code == 0)
            let again = try await spool("repair", state: folder)
            #expect(again.code == 0 && again.text.contains("nothing is wrong"), "\(again.text)")
            #expect(!File.exists(folder + "/parthe.damaged-2"))
            let page = try await spool(state: folder)
            #expect(page.text.contains("parthe.damaged-1, ") && page.text.contains("the spool's file was damaged"))

            // What is whole is the same in the file that was set aside, and nothing of it was changed.
            let left = try await lines()
            #expect(left == readable)
            let names = try File.names(in: folder)
            let aside = try await Outcome(
                list: ["spool", "export", "--spool", folder + "/parthe.damaged-1", "--file", folder + "/aside.csv"])
            #expect(aside.code == 0 && aside.text.contains("readings are whole"), "\(aside.text)")
            let text = String(decoding: try File.read(folder + "/aside.csv", limit: 1 << 30), as: UTF8.self)
            #expect(left.isSubset(of: text.split(separator: "\r\n")))
            #expect(try File.names(in: folder) == (names + ["aside.csv"]).sorted())
            #expect(try File.read(folder + "/parthe.damaged-1", limit: 1 << 30) == before)

            let force = try await spool("repair", "--force", "--json", state: folder)
            #expect(force.code == 0 && force.text.contains(#""result" : "repaired""#), "\(force.text)")
            #expect(File.exists(folder + "/parthe.damaged-2"))
        }
    }

    // MARK: - export

    @Test func whatIsExportedCanBeReadByOthers() async throws {
        try await withSpool(seconds: 20, delivered: 10) { folder in
            let csv = try await spool("export", "--raw", state: folder)
            let lines = csv.text.split(separator: "\r\n").map(String.init)
            #expect(
                lines[0]
                    == "sequence,point,time,time_state,value,quality,parameters,spool,type,boot,instant_ns,thinned")
            #expect(lines.count == 61)
            #expect(lines[1].hasPrefix("1,main/energy,2026-11-01T00:00:01.000Z,frozen,0.07,good,,"))
            #expect(lines[1].hasSuffix(",decimal,1,1000000000,no"))
            #expect(lines[3].contains(#",frozen,"auto, ""Stör""",good,,"#))
            #expect(
                lines[8].contains(#",3.1,good,"{""event"":""reset"",""before"":9.5}","#), "\(lines[8])")
            let json = try await spool("export", "--json", "--point", "main/power", state: folder)
            let rows = json.text.split(separator: "\n")
            #expect(rows.count == 20)
            #expect(
                rows[2].hasPrefix(
                    #"{"sequence":8,"point":"main/power","time":"2026-11-01T00:00:03.000Z","time_state":"frozen","value":3.1,"#
                        + #""quality":"good","parameters":{"event":"reset","before":9.5},"spool":""#), "\(rows[2])")
            for (index, row) in rows.enumerated() {
                let reading = try JSONDecoder().decode(ReadingRow.self, from: Data(row.utf8))
                #expect(reading.sequence == 3 * index + 2 && reading.value == Double((index + 1) % 61) + 0.1)
            }
        }
    }

    private struct ReadingRow: Decodable {
        var sequence: Int
        var value: Double
    }

    @Test func aPartCanBeChosen() async throws {
        try await withSpool(seconds: 100, delivered: 10) { folder in
            func count(_ words: String...) async throws -> Int {
                let outcome = try await Outcome(list: ["spool", "export", "--json", "--state", folder] + words)
                #expect(outcome.code == 0, "\(outcome.text)")
                return outcome.text.split(separator: "\n").count
            }
            #expect(try await count("--from", "2026-11-01T00:01") == 123)
            #expect(try await count("--to", "2026-11-01T00:00:11Z") == 30)
            #expect(try await count("--from", "2026-11-01T01:00:50+01:00", "--to", "2026-11-01T00:01:00") == 30)
            #expect(try await count("--from", "2026-11-02") == 0)
            #expect(try await count("--point", "*/energy", "--point", "main/p*") == 200)
            let none = try await spool("export", "--point", "main/enrgy", state: folder)
            #expect(none.code == 64 && none.text.contains(#"did you mean "main/energy"?"#), "\(none.text)")
            let time = try await spool("export", "--from", "yesterday", state: folder)
            #expect(time.code == 64 && time.text.contains("such as 2026-11-01"), "\(time.text)")
        }
    }

    /// `--file` and `--spool` are mixed up easily.
    @Test func noFileOfTheSpoolIsOverwritten() async throws {
        try await withSpool { folder in
            let before = try File.read(folder + "/parthe.spool", limit: 1 << 30)
            for path in [
                "parthe.spool", "./parthe.totals", "parthe.spool-wal",
                "../\(folder.split(separator: "/").last!)/parthe.saved",
            ] {
                let outcome = try await spool("export", "--file", folder + "/" + path, state: folder)
                #expect(outcome.code == 64 && outcome.text.contains("is one of the spool's own files"), "\(outcome)")
            }
            let other = folder + "/copy"
            try LabFile.write(before, to: other)
            let outcome = try await spool("export", "--spool", other, "--file", other, state: folder)
            #expect(outcome.code == 64, "\(outcome)")
            #expect(try File.read(other, limit: 1 << 30) == before)
            #expect(try File.read(folder + "/parthe.spool", limit: 1 << 30) == before)
            #expect(try File.names(in: folder).allSatisfy { !$0.contains("saved") && !$0.contains(".part") })
        }
    }

    @Test func aFileIsThereAsAWholeOrNotAtAll() async throws {
        try await withSpool(seconds: 100, delivered: 10) { folder in
            let file = folder + "/out.csv"
            try LabFile.write(Array("before".utf8), to: file)
            let outcome = try await spool("export", "--file", file, state: folder)
            #expect(outcome.code == 0 && outcome.text == "300 readings\n", "\(outcome.text)")
            #expect(
                String(decoding: try File.read(file), as: UTF8.self) == (try await spool("export", state: folder)).text)
            let nowhere = try await spool("export", "--file", "/nonexistent/out.csv", state: folder)
            #expect(nowhere.code == 73 && nowhere.text.contains("cannot write"), "\(nowhere.text)")
            let full = try await Outcome(
                "-c", "\(AgentHarness.siblingProgram("parthe")) spool export --state \(folder) >/dev/full",
                program: "/bin/sh")
            #expect(full.code == 74, "\(full.text)")
            #expect(try File.names(in: folder).filter { $0.hasSuffix(".part") }.isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(15)), arguments: [SIGINT, SIGTERM, SIGKILL])
    func whatIsEndedEarlyLeavesNoFile(signal: Int32) async throws {
        try await withSpool(seconds: 5, delivered: 0) { folder in
            do {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
                try store.know(KnownTime(Self.clock))
                let points = try store.identify((0..<4000).map { "p\($0)" })
                for second in 10..<210 {
                    let instant = Instant(nanoseconds: Int64(second) * 1_000_000_000)
                    try store.append(
                        points.map { Reading(point: $0, instant: instant, value: .float(1)) })
                }
            }
            let file = folder + "/out.csv"
            var child: ChildProcess
            var tries = 0
            repeat {
                tries += 1
                try LabFile.write(Array("before".utf8), to: file)
                unlink(folder + "/log")
                child = try ChildProcess(
                    AgentHarness.siblingProgram("parthe"), ["spool", "export", "--state", folder, "--file", file],
                    log: folder + "/log")
                _ = try await AgentHarness.wait(60) {
                    try child.exitCode() != nil || File.names(in: folder).contains { $0.hasSuffix(".part") }
                }
                child.signal(signal)
                #expect(try await AgentHarness.wait(60) { child.exitCode() != nil })
                // On a busy machine it may be through before anybody looks.
            } while child.exitCode() == 0 && tries < 10
            let log = String(decoding: try File.read(folder + "/log"), as: UTF8.self)
            #expect(String(decoding: try File.read(file, limit: 1 << 30), as: UTF8.self) == "before", "\(log)")
            guard signal != SIGKILL else { return }
            #expect(child.exitCode() == 1 && log.contains("ended early"), "\(log)")
            #expect(try File.names(in: folder).filter { $0.hasSuffix(".part") }.isEmpty)
        }
    }

    // MARK: - Obstacles

    @Test func whatIsNotThereIsSaid() async throws {
        for words in [[], ["quarantine"], ["verify"], ["repair"], ["export"]] {
            let outcome = try await Outcome(list: ["spool"] + words + ["--state", "/nonexistent"])
            #expect(outcome.code == 66 && outcome.text.contains("there is no spool"), "\(outcome.text)")
            #expect(outcome.text.contains("→"))
        }
        #expect(try await Outcome("spool", "frobnicate").code == 64)
        #expect(try await Outcome("spool", "export", "--format", "xml").code == 64)
        #expect(try await Outcome("spool", "--gaps", "-1").code == 64)
        #expect(try await Outcome("spool", "export", "--spool", "/nonexistent").code == 66)
        #expect(try await Outcome("help", "spool").code == 0)
    }

    /// Somebody who is neither the agent's user nor of its group, and somebody who may only read.
    @Test(.enabled("needs root, setpriv, and libraries that others may read") { await Nobody.canRunCopies })
    func whoMayNotLookIsToldWhoMay() async throws {
        try await withSpool(seconds: 100, delivered: 10) { folder in
            // The user must reach the program.
            let program = try Nobody.copy()
            defer { LabFile.remove(folder: program) }
            func spool(_ words: String...) async throws -> Outcome {
                try await Outcome(
                    list: Nobody.options + [program + "/parthe", "spool"] + words + ["--state", folder],
                    program: Nobody.setpriv)
            }
            #expect(chmod(folder, 0o700) == 0)
            for words in ["show", "verify", "export", "repair"] {
                let outcome = try await spool(words)
                #expect(outcome.code == 66 && outcome.text.contains("Permission denied"), "\(outcome.text)")
                #expect(outcome.text.contains("one of its group, or with sudo"), "\(outcome.text)")
            }
            // Who may read, may look while an agent has it; without one SQLite needs to write as well.
            chmod(folder, 0o755)
            for name in try File.names(in: folder) { chmod(folder + "/" + name, 0o644) }
            for suffix in ["-shm", "-wal"] { unlink(folder + "/parthe.spool" + suffix) }
            let alone = try await spool("show")
            #expect(alone.code == 66 && alone.text.contains("the right to write in the folder"), "\(alone.text)")
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let beside = try await spool("show")
            #expect(beside.code == 0 && beside.text.contains("300 held"), "\(beside.text)")
            #expect(try await spool("export").code == 0)
            #expect(try await spool("verify").code == 0)
            #expect(try store.statistics().held == 300)
            let file = try await Outcome(
                list: Nobody.options
                    + [program + "/parthe", "spool", "export", "--spool", folder + "/parthe.spool", "--json"],
                program: Nobody.setpriv)
            #expect(file.code == 0 && file.text.contains(#""sequence":300,"#), "\(file.text)")
        }
    }

    /// Not tmpfs, FUSE and 9p, where the kernel counts no writes.
    private static var writesAreCounted: Bool {
        get async throws {
            let program = AgentHarness.siblingProgram("parthe")
            let kind = try await Outcome("-f", "-c", "%T", program, program: "/usr/bin/stat").text
            return !["tmpfs", "fuse", "v9fs"].contains { kind.hasPrefix($0) }
        }
    }

    @Test(.enabled("needs a file system whose writes are counted") { try await writesAreCounted })
    func theKernelTellsWhatThisProcessWrites() throws {
        let before = try #require(OwnProcess.writtenBytes)
        let file = AgentHarness.siblingProgram("parthe-written")
        defer { unlink(file) }
        try File.create(file, [UInt8](repeating: 7, count: 1 << 20))
        #expect(try #require(OwnProcess.writtenBytes) >= before + 1 << 20)
    }
}
