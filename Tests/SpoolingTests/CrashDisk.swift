import CCrashVFS
import Metering
import Posix

/// What was done to the files of a folder through SQLite, and what is made to fail there.
final class Recording {
    let folder: String
    // SAFETY: owned by this object, ended once, after the stores of the folder were closed.
    private let handle: OpaquePointer

    init(_ folder: String) {
        self.folder = folder
        handle = crash_begin(folder)
    }

    deinit {
        crash_end(handle)
    }

    var count: Int { Int(crash_count(handle)) }

    /// The calls from a number on.
    func calls(from first: Int) -> [DiskCall] { (first..<count).map { DiskCall(crash_calls(handle)[$0]) } }

    /// Lets calls fail, from call `first` on `count` times, that are of one of `kinds`.
    func fail(from first: Int, count: Int, _ kinds: [DiskCall.Kind], errno: Int32) {
        let mask = kinds.reduce(UInt32(0)) { $0 | 1 << UInt32($1.rawValue) }
        crash_fail(handle, Int64(first), Int64(count), mask, errno)
    }

    /// Nothing fails any more.
    func mend() { crash_fail(handle, 0, 0, 0, 0) }
}

/// One call that SQLite made.
struct DiskCall {
    enum Kind: Int, CaseIterable {
        case create, write, truncate, sync, delete, read, index
        /// The calls that change what a disk holds: between two of them every power cut is the same.
        static let changes: Set<Kind> = [.create, .write, .truncate, .sync, .delete]
    }

    var kind: Kind
    var name: String
    var hasFailed: Bool
    var includesFolder: Bool
    var offset: Int
    var bytes: [UInt8]

    init(_ call: crash_call) {
        kind = Kind(rawValue: Int(call.kind))!
        name = String(cString: call.name)
        hasFailed = call.failed != 0
        includesFolder = call.directory != 0
        offset = Int(call.offset)
        bytes = kind == .write ? Array(UnsafeBufferPointer(start: call.bytes, count: Int(call.size))) : []
    }
}

/// What a disk surely holds of a folder, and what it may hold besides, because nobody waited for it.
struct Disk {
    /// A change of one file (by its number) or of the folder that is not on disk for sure.
    enum Change {
        case write(Int, at: Int, [UInt8])
        case truncate(Int, Int)
        case link(String, Int)
        case unlink(String, Int)

        var file: Int? {
            switch self {
            case .write(let file, _, _), .truncate(let file, _): file
            case .link, .unlink: nil
            }
        }
    }

    /// Syncs that do nothing, for the control of the tests themselves.
    enum Lies: CaseIterable { case none, ofAll, ofTheLog, ofTheDatabase }

    /// What a power cut leaves of the changes that nobody waited for.
    enum Manner: CaseIterable {
        /// Nothing.
        case lost
        /// The first ones.
        case beginning
        /// Some, in their order.
        case some
        /// Some, in another order.
        case reordered
        /// Some, and of each write only some sectors of 512 bytes.
        case torn
        /// All but one.
        case holed
    }

    private static let sector = 512

    /// By file number.
    private var contents: [[UInt8]] = []
    private var names: [String: Int] = [:]
    /// The files as the running system sees them.
    private var current: [String: Int] = [:]
    private(set) var pending: [Change] = []
    var lies = Lies.none

    /// A disk that holds these files.
    init(_ files: [String: [UInt8]] = [:]) {
        for (name, content) in files {
            names[name] = contents.count
            contents.append(content)
        }
        current = names
    }

    /// The names that SQLite knows.
    var known: Set<String> { Set(current.keys) }

    func hasPending(_ name: String) -> Bool {
        guard let file = current[name] else { return false }
        return pending.contains { $0.file == file }
    }

    /// What the kernel does when the call is made. A failed sync leaves what was to be synced in the cache, and never
    /// writes it (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
    mutating func perform(_ call: DiskCall) {
        if call.kind != .sync {
            guard call.kind == .write || !call.hasFailed else { return }
            for change in changes(of: call) {
                pending.append(change)
                if case .link(let name, let file) = change { current[name] = file }
                if case .unlink(let name, _) = change { current[name] = nil }
            }
            if call.kind == .delete, call.includesFolder { keep { $0.file == nil } }
        } else if let file = current[call.name] {
            if call.hasFailed {
                pending.removeAll { $0.file == file }
            } else if !isLie(call.name) {
                keep { $0.file == file || call.includesFolder && $0.file == nil }
            }
        }
    }

    private func isLie(_ name: String) -> Bool {
        switch lies {
        case .none: false
        case .ofAll: true
        case .ofTheLog: name.hasSuffix("-wal")
        case .ofTheDatabase: !name.hasSuffix("-wal")
        }
    }

    private mutating func changes(of call: DiskCall) -> [Change] {
        switch call.kind {
        case .create:
            contents.append([])
            return [.link(call.name, contents.count - 1)]
        case .write:
            return current[call.name].map { [.write($0, at: call.offset, call.bytes)] } ?? []
        case .truncate:
            return current[call.name].map { [.truncate($0, call.offset)] } ?? []
        case .delete:
            return current[call.name].map { [.unlink(call.name, $0)] } ?? []
        case .sync, .read, .index: return []
        }
    }

    private mutating func keep(_ isKept: (Change) -> Bool) {
        for change in pending where isKept(change) { apply(change) }
        pending.removeAll(where: isKept)
    }

    private mutating func apply(_ change: Change) {
        switch change {
        case .write(let file, let offset, let bytes):
            let missing = offset + bytes.count - contents[file].count
            if missing > 0 { contents[file].append(contentsOf: repeatElement(0, count: missing)) }
            contents[file].withUnsafeMutableBytes { content in
                bytes.withUnsafeBytes { content[offset..<offset + bytes.count].copyBytes(from: $0) }
            }
        case .truncate(let file, let size):
            if size < contents[file].count {
                contents[file].removeSubrange(size...)
            } else {
                contents[file].append(contentsOf: repeatElement(0, count: size - contents[file].count))
            }
        case .link(let name, let file): names[name] = file
        case .unlink(let name, let file): if names[name] == file { names[name] = nil }
        }
    }

    /// The files that a power cut leaves while `call` is under way.
    func files(
        _ manner: Manner, during call: DiskCall? = nil, using random: inout SeededGenerator
    ) -> [String: [UInt8]] {
        var disk = self
        if let call, call.kind != .sync { disk.pending += disk.changes(of: call) }
        for change in Self.choose(disk.pending, manner, &random) { disk.apply(change) }
        return disk.names.mapValues { disk.contents[$0] }
    }

    private static func choose(
        _ pending: [Change], _ manner: Manner, _ random: inout SeededGenerator
    ) -> [Change] {
        let share = Int.random(in: 1...9, using: &random)
        func some(_ changes: [Change]) -> [Change] {
            changes.filter { _ in Int.random(in: 0..<10, using: &random) < share }
        }
        switch manner {
        case .lost: return []
        case .beginning: return Array(pending.prefix(Int.random(in: 0...pending.count, using: &random)))
        case .some: return some(pending)
        case .reordered: return some(pending).shuffled(using: &random)
        case .torn: return some(pending.flatMap(sectors))
        case .holed:
            var changes = pending
            if let hole = changes.indices.randomElement(using: &random) { changes.remove(at: hole) }
            return changes
        }
    }

    /// A write, sector by sector of the disk.
    private static func sectors(_ change: Change) -> [Change] {
        guard case .write(let file, let offset, let bytes) = change else { return [change] }
        var parts: [Change] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, (offset + start) / sector * sector + sector - offset)
            parts.append(.write(file, at: offset + start, Array(bytes[start..<end])))
            start = end
        }
        return parts
    }
}

/// Makes a folder of these files.
func makeFolder(_ folder: String, _ files: [String: [UInt8]]) throws {
    try File.makeFolder(folder)
    for (name, content) in files { write(content, to: folder + "/" + name) }
}

/// The files of a spool's folder but for those that mean nothing after a restart.
func files(in folder: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try File.names(in: folder) where !name.hasSuffix("-shm") && !name.hasSuffix(".lock") {
        files[name] = try content(of: folder + "/" + name)
    }
    return files
}
