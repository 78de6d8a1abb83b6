import ArgumentParser
import Gateway

extension SpoolCommand {
    /// `parthe spool export`.
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write readings as CSV or JSON lines.",
            discussion: """
                In the order of their numbers, exact as they were read. Memory and the agent's log stay small however \
                many there are.

                  parthe spool export --from 2026-11-01 --point 'main/*' --file november.csv
                  parthe spool export --format jsonl --raw | gzip > all.jsonl.gz
                  parthe spool export --spool /var/lib/parthe/parthe.damaged-1

                time_state is frozen where the time is what is or was delivered, open where it is as the boot's clock is \
                known by now, unknown where there is none. Texts are in quotes in CSV, numbers are not. --raw adds the \
                register's type, the boot, the instant on its clock in ns, and how far it is thinned. --spool collects \
                what is whole of any spool file, however damaged, and writes nothing beside it; that needs as much room \
                in TMPDIR, or else /var/tmp.
                Ctrl-C leaves no file. Exit code 0; 1 when it was ended early; 64 when no point fits; 65 when the spool \
                is damaged, 66 when there is none; 73 when the file cannot be written.
                """)

        @OptionGroup var folder: StateOption
        @Option(
            help: ArgumentHelp("A spool's file, perhaps damaged, instead of the folder's.", valueName: "file"),
            completion: .file())
        var spool: String?
        @Option(
            help: ArgumentHelp("How it is written: csv (the default) or jsonl.", valueName: "format"),
            completion: .list(SpoolExportRun.Format.allCases.map(\.rawValue)),
            transform: { text in
                guard let format = SpoolExportRun.Format(rawValue: text) else {
                    throw ValidationError("There is no format '\(text)': csv or jsonl.")
                }
                return format
            })
        var format: SpoolExportRun.Format?
        @Flag(help: "The same as --format jsonl.") var json = false
        @Option(
            help: ArgumentHelp(
                "Only points whose key is like this: 'main/*'. May be given several times.", valueName: "glob"))
        var point: [String] = []
        @Option(
            help: ArgumentHelp(
                "None before: 2026-11-01, 2026-11-01T06:00 (UTC), 2026-11-01T06:00:00+01:00.", valueName: "time"))
        var from: String?
        @Option(help: ArgumentHelp("None from then on.", valueName: "time")) var to: String?
        @Option(
            help: ArgumentHelp("Write to this file instead of standard output.", valueName: "path"), completion: .file()
        )
        var file: String?
        @Flag(help: "Tell what only the spool needs as well.") var raw = false

        func validate() throws {
            if json, format == .csv { throw ValidationError("--json is --format jsonl.") }
        }

        func run() throws {
            try withExitCodes {
                let interruption = try Interruption()
                let run = try SpoolExportRun(
                    .init(
                        state: folder.state, file: spool, points: point, from: from, to: to,
                        format: format ?? (json ? .jsonLines : .csv), isRaw: raw))
                if let remark = run.remark { Terminal.tell(remark + "\n") }
                let progress = ProgressLine()
                // What goes to a terminal shows how far it is by itself.
                let shows = Terminal.errorIsTerminal && (file != nil || Terminal.size == nil)
                let summary =
                    try file.map {
                        try run.run(into: $0, interruption) { if shows { progress.show($0, isLast: false) } }
                    }
                    ?? run.run(interruption) {
                        if shows { progress.show($0, isLast: false) }
                    } write: {
                        Terminal.write($0)
                        return true
                    }
                progress.clear()
                if file != nil || summary.missing > 0 || summary.isInterrupted {
                    Terminal.tell(
                        "\(summary.readings) readings"
                            + (summary.missing > 0
                                ? ", \(summary.missing) numbers have none: `parthe spool` lists the gaps" : "")
                            + "\n")
                }
                if summary.isInterrupted {
                    Terminal.complain(file.map { "ended early: there is no \($0)" } ?? "ended early")
                    throw ExitCode.partly
                }
            }
        }
    }
}
