internal import Glibc
public import Metering
internal import Posix

/// A look into the spool of an agent that is dead or running; nothing is changed.
///
/// It needs the right to write in the folder, or the agent running: readers of a write-ahead log share its index.
public final class SpoolReader {
    let archive: Archive
    var connection: Connection { archive.connection }

    /// Opens the spool's file at `path`.
    init(file path: String) throws(SpoolError) {
        try Self.checkObstacle(path)
        do throws(SpoolError) {
            archive = Archive(try Schema.openForReading(path))
        } catch {
            guard [.inaccessible, .readOnly].contains(error.code) else { throw error }
            var error = error
            error.code = .unreadable
            throw error
        }
    }

    /// Says what keeps whoever looks from the spool's file at `path`, if anything does.
    static func checkObstacle(_ path: String) throws(SpoolError) {
        for log in [path + "-wal", path + "-shm"] {
            guard let kind = File.kind(log), kind != .file else { continue }
            throw SpoolError(
                .damaged, operation: "open", path: path, detail: "a \(kind.rawValue) is in the place of \(log)")
        }
        guard let obstacle = File.obstacle(path) else { return }
        let isMissing = [ENOENT, ENOTDIR].contains(obstacle.code)
        var detail = PosixError.text(obstacle.code)
        if isMissing {
            let beside = Sidecar.read(in: SpoolFolder.folder(of: path))
            detail =
                beside.map { "the spool's file is gone; the one beside it knows of numbers up to \($0.next - 1)" }
                ?? "there is no spool"
        }
        throw SpoolError(
            isMissing ? .missing : .unreadable, operation: "open", path: path, detail: detail, errno: obstacle.code)
    }

    /// What the spool ever committed, point by point in the order of their keys.
    public func audit() throws(SpoolError) -> [AuditLine] {
        try archive.audit()
    }

    /// The number of every point, by its key.
    public func dictionary() throws(SpoolError) -> [String: PointID] {
        var points: [String: PointID] = [:]
        for (index, key) in try archive.pointKeys().enumerated() { points[key] = PointID(rawValue: UInt32(index + 1)) }
        return points
    }

    /// What the agent remembers over a restart, by name.
    public func memory() throws(SpoolError) -> [String: String] {
        try archive.memory()
    }

    /// The newest gaps, the newest first.
    public func gaps(atMost count: Int) throws(SpoolError) -> [Gap] {
        try archive.gaps(atMost: count)
    }

    /// What is noted of a point; nil where there is no note, or no such point.
    public func note(of key: String) throws(SpoolError) -> String? {
        let row = try connection.statement("SELECT note FROM point WHERE key = ?")
        row.bind(key, at: 1)
        defer { row.reset() }
        return try row.step() && !row.isNull(0) ? row.text(0) : nil
    }

    /// What the spool holds; `undelivered` has the uplinks that the agent was started with last.
    public func statistics() throws(SpoolError) -> SpoolStatistics {
        try connection.snapshot { () throws(SpoolError) in try count().statistics }
    }

    /// What is counted, for one snapshot.
    struct Count {
        var statistics: SpoolStatistics
        var uplinks: [Progress]
        var gaps: [Gap]
        var vacancies: Vacancies
    }

    /// Counts what the file holds. Numbers that thinning took away, and those of gaps, have no reading.
    func count() throws(SpoolError) -> Count {
        let oldest = try archive.header(from: 0)?.sequence ?? 1
        var uplinks: [Progress] = []
        try connection.rows(.uplink, "WHERE active <> 0") { (row) throws(SpoolError) in
            let spans = try archive.spans(of: row[0].integer, from: oldest)
            uplinks.append(Progress(id: row[0].integer, name: row[1].text, spans: spans))
            return true
        }
        let vacancies = try archive.vacancies(from: oldest)
        var statistics = try archive.statistics(try SpoolRow.read(from: connection), vacancies)
        let last = statistics.committed
        for uplink in uplinks {
            statistics.undelivered[uplink.name] =
                oldest <= last ? vacancies.all.count(outside: uplink.settled, in: oldest...last) : 0
        }
        return Count(
            statistics: statistics, uplinks: uplinks, gaps: try archive.gaps(atMost: .max), vacancies: vacancies)
    }
}

extension SpoolStore {
    /// Opens a spool for looking only, whether its agent runs or not.
    public static func openForReading(directory: String) throws(SpoolError) -> SpoolReader {
        try SpoolReader(file: SpoolFolder.file(in: directory))
    }
}
