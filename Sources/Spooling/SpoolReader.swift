public import Metering

/// A look into the spool of an agent that is dead or running; nothing is changed.
///
/// It needs the right to write in the folder, or the agent running: readers of a write-ahead log share its index.
public final class SpoolReader {
    private let archive: Archive

    init(directory: String) throws(SpoolError) {
        let path = SpoolFolder.file(in: directory)
        guard SpoolFolder.exists(path) else {
            throw SpoolError(.missing, operation: "open", path: path, detail: "there is no spool")
        }
        archive = Archive(try Schema.openForReading(path))
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
        let row = try archive.connection.statement("SELECT note FROM point WHERE key = ?")
        row.bind(key, at: 1)
        defer { row.reset() }
        return try row.step() && !row.isNull(0) ? row.text(0) : nil
    }

    /// What the spool holds; `undelivered` has the uplinks that the agent was started with last.
    public func statistics() throws(SpoolError) -> SpoolStatistics {
        let archive = archive
        return try archive.connection.snapshot { () throws(SpoolError) in
            let oldest = try archive.header(from: 0)?.sequence ?? 1
            var uplinks: [Progress] = []
            try archive.connection.rows(.uplink, "WHERE active <> 0") { (row) throws(SpoolError) in
                let spans = try archive.spans(of: row[0].integer, from: oldest)
                uplinks.append(Progress(id: row[0].integer, name: row[1].text, spans: spans))
                return true
            }
            return try archive.statistics(
                uplinks, try SpoolRow.read(from: archive.connection), thinned: try archive.thinned())
        }
    }
}

extension SpoolStore {
    /// Opens a spool for looking only, whether its agent runs or not.
    public static func openForReading(directory: String) throws(SpoolError) -> SpoolReader {
        try SpoolReader(directory: directory)
    }
}
