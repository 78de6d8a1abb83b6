/// The columns of a chunk's row beside its body: all that is needed to find, count and age readings without decoding.
struct ChunkHeader: Hashable {
    /// Most readings of one chunk: what has to be decoded at once. A larger append makes several.
    static let maximumReadings = 4096
    /// Largest sequence number and largest instant (in ns: 73 years without a reboot). Numbers of the file within these
    /// limits can be added without a check.
    static let limit: Int64 = 1 << 61
    /// Largest clock offset either side of zero, in ns: the year 2116.
    static let offsetLimit: Int64 = 1 << 62

    /// The sequence number of the first reading, the row's key.
    var sequence: Int64
    /// How many readings.
    var count: Int64
    /// How far its readings are thinned: the raw value of a `ThinningLevel`.
    var level: Int64 = 0
    /// How many more sequence numbers it stands for: those of readings that thinning or emptying took away.
    var removed: Int64 = 0
    /// The boot whose clock the instants are of.
    var boot: Int64
    /// The earliest instant of a reading, in ns.
    var earliest: Int64
    /// The latest instant of a reading, in ns.
    var latest: Int64
    /// Bytes of all bodies ever written up to and with this one: the size of any range of chunks is a difference.
    var stored: Int64

    /// Whether it has no readings: it stands for chunks of history that stood behind what waits.
    var isEmptied: Bool { count == 0 }
    /// The last sequence number that it stands for.
    var last: Int64 { sequence + count + removed - 1 }

    /// The column `count`: the readings, from bit 16 on the level, from bit 20 on the numbers that are removed.
    var counts: Int64 { count | level << 16 | removed << 20 }
    /// Columns `count` from here on are those of thinned and emptied chunks.
    static let leastRemoved: Int64 = 1 << 20

    /// Whether the numbers are in their ranges.
    var isSound: Bool {
        (1...Self.limit).contains(sequence) && (0...Int64(Self.maximumReadings)).contains(count)
            && (0...Self.limit >> 20).contains(removed) && count + removed > 0 && (1...Self.limit).contains(boot)
            && (0...Self.limit).contains(stored)
            && earliest >= 0 && earliest <= latest && latest <= Self.limit
    }

    /// What the body's checksum covers beside the body.
    var words: [Int64] { [sequence, counts, boot, earliest, latest, stored] }

    /// The header of a row's columns.
    init(sequence: Int64, counts: Int64, boot: Int64, earliest: Int64, latest: Int64, stored: Int64) {
        (self.sequence, self.boot) = (sequence, boot)
        (count, level, removed) = (counts & 0xFFFF, counts >> 16 & 15, counts >> 20)
        (self.earliest, self.latest, self.stored) = (earliest, latest, stored)
    }
}
