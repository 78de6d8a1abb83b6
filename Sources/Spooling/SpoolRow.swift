/// The one row of the table `spool`: what is said of it as a whole.
struct SpoolRow: Hashable {
    /// The random name, 32 hexadecimal digits, that makes sequence numbers unique in the world.
    var id: String
    /// How often it was opened.
    var run: Int64 = 0
    /// Readings ever quarantined.
    var quarantined: Int64 = 0
    /// Readings that were committed and could not be read back, ever.
    var damaged: Int64 = 0
    /// Readings that were dropped for want of room, ever.
    var dropped: Int64 = 0
    /// The last sequence number whose chunk was deleted on purpose.
    var forgotten: Int64 = 0
    /// Sequence numbers below were given, whether or not their chunks are there.
    var next: Int64 = 1
    /// The version of the format, once more: where the file's head says otherwise, the head is damaged.
    var format = Schema.version

    init(id: String) {
        self.id = id
    }

    /// A row as the file has it; nil when its numbers are impossible.
    init?(_ cells: [Cell]) {
        id = cells[0].text
        (run, quarantined, damaged) = (cells[1].integer, cells[2].integer, cells[3].integer)
        (dropped, forgotten, next) = (cells[4].integer, cells[5].integer, cells[6].integer)
        format = cells[7].integer
        let numbers = 0...ChunkHeader.limit
        guard id.utf8.count == 32, (0...1 << 30).contains(run), numbers.contains(quarantined),
            numbers.contains(damaged),
            numbers.contains(dropped), numbers.contains(forgotten), numbers.contains(next)
        else { return nil }
    }

    var cells: [Cell] {
        [
            .text(id), .integer(run), .integer(quarantined), .integer(damaged), .integer(dropped), .integer(forgotten),
            .integer(next), .integer(format),
        ]
    }

    func write(to connection: Connection) throws(SpoolError) {
        try connection.statement("DELETE FROM spool").run("write spool")
        try connection.write(cells, to: .spool)
    }

    static func read(from connection: Connection) throws(SpoolError) -> SpoolRow {
        guard let cells = try connection.row(.spool), let row = SpoolRow(cells) else {
            throw connection.damaged("the row of the spool is unusable")
        }
        return row
    }

    static func randomID() -> String {
        var random = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef")
        return String((0..<32).map { _ in digits[Int(random.next() & 15)] })
    }
}
