import Configuration
import Glibc
import Posix
import Synchronization

/// A folder for one test, gone afterwards.
struct Scratch {
    let path: String
    private static let count = Atomic<Int>(0)

    private init() throws {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        path = "/tmp/parthe-configuration-\(getpid())-\(number)"
        try File.makeFolder(path)
    }

    /// Runs `body` with a new folder, and removes the folder with all that is in it.
    static func with<Result>(_ body: (Scratch) throws -> Result) throws -> Result {
        let scratch = try Scratch()
        defer { remove(scratch.path) }
        return try body(scratch)
    }

    /// What the reader says of a configuration with this text.
    static func read(_ text: String, catalogue: Catalogue = Catalogue(folders: [])) throws -> Reading {
        try with { folder in
            try folder.write(text, to: "parthe.yaml")
            let file = folder.path + "/parthe.yaml"
            let (configuration, problems) = ConfigurationReader(catalogue: catalogue).read(file: file)
            return Reading(configuration: configuration, problems: problems)
        }
    }

    /// What a reader said.
    struct Reading {
        var configuration: AgentConfiguration?
        var problems: [Problem]
    }

    /// A good configuration with one meter of `model`; a SunSpec model is `at` an address.
    static func using(model: String, at address: Int? = nil) -> String {
        let place = address.map { ", at: \($0)" } ?? ""
        return start + "meters: [{id: main, bus: hall, unit: 1, model: \(model)\(place)}]\n"
    }

    /// The start of a good configuration: everything but its meters.
    static let start = """
        gateway: {id: schule-nord, location: {latitude: 51.3397, longitude: 12.3731}}
        buses: [{id: hall, tcp: 192.168.1.20}]
        uplinks: [{id: city, sensorthings: https://api.city.example/v1.1}]

        """

    func write(_ text: String, to name: String) throws {
        try write(Array(text.utf8), to: name)
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        let file = path + "/" + name
        if let slash = file.lastIndex(of: "/") { try File.makeFolder(String(file[..<slash])) }
        try Self.write(bytes, to: file)
    }

    /// Writes a whole file.
    static func write(_ bytes: [UInt8], to file: String) throws {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw PosixError("open", file, code: errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw PosixError("write", file, code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    private static func remove(_ path: String) {
        if File.isFolder(path) {
            for name in (try? File.names(in: path)) ?? [] { remove(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
