internal import Posix
internal import Spooling

/// Readings committed at 1, 10, 100 and 1000 a commit, in turns with C and bare SQLite; then leased and settled.
struct SpoolComparison {
    /// The C program, compiled from scripts/bench.d/spool.c.
    let baseline: String
    /// A folder on the disk that is measured.
    let folder: String
    let rounds = 5

    func run() throws -> [String] {
        try [1, 10, 100, 1000].map { size in
            let commits = size >= 1000 ? 300 : 1000
            var results: [SpoolBench.Result] = []
            var ratios: [Double] = []
            for round in 0..<rounds {
                let place = "\(folder)/\(size)-\(round)"
                let bare = try runBaseline(place + "-c", size, commits)
                let own = try SpoolBench.run(directory: place, readingsPerCommit: size, commits: commits)
                results.append(own)
                ratios.append(own.append.wallSeconds / bare)
                LabFile.remove(folder: place)
                LabFile.remove(folder: place + "-c")
            }
            let readings = Double(results[0].readings)
            var line = BenchLine(bench: "spool", case: "\(size) a commit")
            line.add("readings_per_second", readings / results.map(\.append.wallSeconds).median)
            line.add("cpu_us_per_reading", results.map(\.append.cpuSeconds).median * 1e6 / readings)
            line.add("disk_bytes_per_reading", results.map { Double($0.append.diskBytes) }.median / readings)
            line.add("ratio_to_c", ratios.median)
            line.add("lease_readings_per_second", readings / results.map(\.lease.wallSeconds).median)
            line.add("lease_cpu_us_per_reading", results.map(\.lease.cpuSeconds).median * 1e6 / readings)
            line.add("settle_readings_per_second", readings / results.map(\.settle.wallSeconds).median)
            line.add("settle_cpu_us_per_reading", results.map(\.settle.cpuSeconds).median * 1e6 / readings)
            return line.text
        }
    }

    private func runBaseline(_ place: String, _ size: Int, _ commits: Int) throws -> Double {
        try File.makeFolder(place)
        let log = place + "/out"
        let code = try ChildProcess(baseline, [place, "\(size)", "\(commits)"], log: log).wait()
        let json = try JSONParser.parse(try File.read(log))
        guard code == 0, let seconds = json["wall_seconds"]?.double else {
            throw LabError(.format, "the C program failed: \(String(decoding: try File.read(log), as: UTF8.self))")
        }
        return seconds
    }
}
