internal import Glibc
internal import Posix

/// Where data files are that come with the program.
enum ShippedFiles {
    /// The folders in which files of a kind are looked for: `/etc/parthe/KIND.d`, then `share`/KIND; without `share`
    /// `/usr/share/parthe/KIND`, or the folder `checkout` of the source tree that the program was built in.
    static func folders(_ kind: String, checkout: String, share: String?) -> [String] {
        let own = "/etc/parthe/\(kind).d"
        if let share { return [own, share + "/" + kind] }
        let installed = "/usr/share/parthe/" + kind
        if File.isFolder(installed) { return [own, installed] }
        return [own, Self.checkout(checkout) ?? installed]
    }

    /// A folder of the source tree, found upwards from the running program.
    private static func checkout(_ folder: String) -> String? {
        if let program = program(), let found = upwards(from: program, folder) { return found }
        #if DEBUG
            // A debug build may run from anywhere, but knows where its sources were.
            return upwards(from: #filePath, folder)
        #else
            return nil
        #endif
    }

    private static func upwards(from path: String, _ folder: String) -> String? {
        var path = path[...]
        while let slash = path.lastIndex(of: "/") {
            path = path[..<slash]
            // What else is called `boards` somewhere above is not meant.
            guard File.exists(path + "/Package.swift") else { continue }
            let found = String(path) + "/" + folder
            if File.isFolder(found) { return found }
        }
        return nil
    }

    /// The path of the running program.
    private static func program() -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].lazy.map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}
