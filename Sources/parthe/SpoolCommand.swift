import ArgumentParser
import Gateway

/// `parthe spool`.
struct SpoolCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spool", abstract: "Look into the spool: what it holds, how long it lasts, what is missing.",
        discussion: """
            Without a subcommand it shows the spool. Works while the agent runs and when it does not; nothing but \
            `repair` changes anything. Looking needs the right to read the folder, and while no agent runs the right to \
            write in it as well, because SQLite shares an index there.
            """,
        subcommands: [Show.self, Quarantine.self, Verify.self, Repair.self, Export.self], defaultSubcommand: Show.self)
}

/// Where the spool is.
struct StateOption: ParsableArguments {
    @Option(help: ArgumentHelp("The folder of the spool.", valueName: "dir"), completion: .directory)
    var state = "/var/lib/parthe"
}

extension SpoolCommand {
    /// `parthe spool show`.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the spool holds, how long it lasts at this rate, and what is missing. The default.",
            discussion: """
                What comes in is measured over the last 6 h that the agent ran. The forecast tells what happens if \
                nothing is delivered from now on: it is an estimate. The limit is asked of the running agent, or else \
                read in the configuration.
                Exit code 0; 65 when the spool is damaged, 66 when there is none, or this user may not read it.
                """)

        @OptionGroup var folder: StateOption
        @OptionGroup var files: ConfigurationOptions
        @OptionGroup var agent: SocketOption
        @Option(help: ArgumentHelp("Show so many gaps, the newest first.", valueName: "number")) var gaps = 10
        @Flag(help: "Show all gaps.") var all = false
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            if gaps < 0 { throw ValidationError("--gaps is 0 or more.") }
        }

        func run() throws {
            try withExitCodes {
                let options = Agent.Options(
                    configuration: files.config, state: folder.state, socket: agent.socket, share: files.share)
                let report = try SpoolReport(options, gaps: all ? .max : gaps)
                if json { Terminal.write(report.json) } else { print(SpoolPage(report, width: width).text) }
            }
        }
    }

    /// `parthe spool quarantine`.
    struct Quarantine: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the readings that platforms refused for good, with their reasons.",
            discussion: """
                The newest first. The newest 10 000 are kept.
                Exit code 0, also when there are none; 65 when the spool is damaged, 66 when there is none.
                """)

        @OptionGroup var folder: StateOption
        @Option(help: ArgumentHelp("Show so many.", valueName: "number")) var count = 50
        @Flag(help: "Show all.") var all = false
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            if count < 1 { throw ValidationError("--count is 1 or more.") }
        }

        func run() throws {
            try withExitCodes {
                let list = try QuarantineList(state: folder.state, count: all ? .max : count)
                if json { return Terminal.write(list.json) }
                for row in list.rows {
                    print("\(row.time)  \(Terminal.paint(row.point, .bold)) = \(row.value)  for \(row.uplink)")
                    print(
                        Terminal.wrapped(row.reason, width, first: "    ", rest: "    ", most: 6).joined(
                            separator: "\n"))
                }
                let rest = list.kept - Int64(list.rows.count)
                print(
                    "\(list.ever) readings were ever refused, \(list.kept) are kept"
                        + (rest > 0 ? "; \(rest) more with --all" : ""))
            }
        }
    }

    /// `parthe spool verify`.
    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read everything and say whether it is as it was written.",
            discussion: """
                SQLite's check of all pages, the checksum of every row, every chunk decoded, numbers without a reading \
                that no gap tells of, and what rows say together. Nothing is written. The agent may run meanwhile; its log \
                grows while SQLite checks the pages, and an agent that is started then keeps readings in memory until \
                that is over.
                Exit code 0 when all is sound; 65 when not, with each finding; 66 when there is nothing to read.
                """)

        @OptionGroup var folder: StateOption
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            try withExitCodes {
                let progress = ProgressLine()
                let verdict = try SpoolVerdict(state: folder.state) { tell($0, progress) }
                progress.clear()
                if json { Terminal.write(verdict.json) } else { Self.show(verdict) }
                if verdict.result != "ok" { throw ExitCode.damaged }
            }
        }

        private static func show(_ verdict: SpoolVerdict) {
            for finding in verdict.findings {
                let missing =
                    finding.readings > 0 && !finding.what.contains("readings") ? ", \(finding.readings) readings" : ""
                print(
                    Terminal.wrapped(
                        "\(finding.place): \(finding.what)\(missing)", width,
                        first: "damage  ", rest: "        ", most: 6, colour: .red
                    ).joined(separator: "\n"))
            }
            if verdict.more > 0 { print("… and \(verdict.more) more") }
            print(
                "read: \(verdict.readings) readings in \(verdict.chunks) chunks, \(verdict.rows) other rows, "
                    + "\(verdict.pages) pages")
            if verdict.listed > 0 { print("gaps tell of \(verdict.listed) readings that are missing") }
            guard let next = verdict.next else { return print(Terminal.paint("ok", .green)) }
            let lost = verdict.unlisted > 0 ? ", \(verdict.unlisted) readings missing or unreadable" : ""
            let count = verdict.findings.count + verdict.more
            print(Terminal.paint("damaged", .red) + ": \(counted(count, "finding"))\(lost)")
            print(Terminal.wrapped(next, width, first: "  → ", rest: "    ", most: 6).joined(separator: "\n"))
        }
    }

    /// `parthe spool repair`.
    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a sound spool of a damaged one, as the agent does at its start.",
            discussion: """
                Looks first, as `verify` does. What is whole goes into a new file; the damaged one is set aside as \
                parthe.damaged-N and never deleted; what is missing is listed as gaps. Needs room for a second file, and \
                that no agent has the spool. With sudo the new file belongs to whom the old one belonged.

                  systemctl stop parthe
                  sudo parthe spool repair --dry-run
                  sudo parthe spool repair

                Exit code 0 when the spool is sound then; 65 when it is damaged and was left so (--dry-run); 66 when \
                there is none; 73 when an agent has it, or there is no room.
                """)

        @OptionGroup var folder: StateOption
        @Flag(help: "Tell what would be kept and what is lost, and change nothing.") var dryRun = false
        @Flag(help: "Make a new file even where nothing wrong is found.") var force = false
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            try withExitCodes {
                let progress = ProgressLine()
                let report = try SpoolRepairReport(state: folder.state, isRehearsal: dryRun, isForced: force) {
                    tell($0, progress)
                }
                progress.clear()
                if json { Terminal.write(report.json) } else { Self.show(report) }
                if report.result == "rehearsed", report.findings > 0 { throw ExitCode.damaged }
            }
        }

        private static func show(_ report: SpoolRepairReport) {
            func line(_ word: String, _ text: String) {
                print(
                    Terminal.wrapped(text, width, first: Terminal.left(word, 8), rest: "        ", most: 8).joined(
                        separator: "\n"))
            }
            if let reason = report.reason {
                line("damage", reason + (report.findings > 1 ? ", and \(report.findings - 1) more" : ""))
            }
            if report.result == "sound" {
                print(Terminal.paint("ok", .green) + ": nothing is wrong, and nothing was done")
                return print("  → --force makes a new file all the same")
            }
            let would = report.result == "rehearsed"
            line(would ? "keeps" : "kept", "\(report.kept) readings")
            let range = report.lost == report.lostAtMost ? "\(report.lost)" : "\(report.lost) to \(report.lostAtMost)"
            line(would ? "loses" : "lost", report.lostAtMost == 0 ? "none" : range)
            for gap in report.gaps { line("", gap.text) }
            if let points = report.lostPoints, points > 0 { line("", "the names of \(counted(points, "point"))") }
            if let aside = report.aside {
                line("aside", "\(aside): the damaged file; delete it when nobody needs it")
            }
            print(
                would
                    ? "nothing was changed; `parthe spool repair` does it"
                    : Terminal.paint("repaired", .green) + ": start the agent")
        }
    }
}

extension ExitCode {
    /// The spool is damaged (EX_DATAERR).
    static let damaged = ExitCode(65)
}

/// Columns of the terminal; a pipe or file takes whole lines.
private var width: Int { Terminal.size?.columns ?? 1000 }

/// Long work shows how far it is, on a terminal only.
private func tell(_ text: String, _ progress: ProgressLine) {
    if Terminal.errorIsTerminal { progress.show(text, isLast: false) }
}
