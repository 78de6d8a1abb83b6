import Glibc
import Lab
import Posix

/// The user who owns nothing and is in no group, for what others may not do.
enum Nobody {
    static let setpriv = "/usr/bin/setpriv"
    static let options = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]

    /// Whether this user may become nobody, who then reaches the program where it was built.
    static var canRun: Bool {
        get async { await runs(AgentHarness.siblingProgram("parthe")) }
    }

    /// Whether this user may become nobody, who can then run a copy of the program: Swift's libraries may be out of reach.
    static var canRunCopies: Bool {
        get async {
            guard let folder = try? copy() else { return false }
            defer { LabFile.remove(folder: folder) }
            return await runs(folder + "/parthe")
        }
    }

    /// A folder that everybody may read, with a copy of the program.
    static func copy() throws -> String {
        let folder = try LabFile.temporaryFolder("parthe-program")
        let program = folder + "/parthe"
        try LabFile.write(try File.read(AgentHarness.siblingProgram("parthe"), limit: 1 << 30), to: program)
        for path in [folder, program] where chmod(path, 0o755) != 0 {
            throw PosixError("change the mode of", path, code: errno)
        }
        return folder
    }

    private static func runs(_ program: String) async -> Bool {
        guard geteuid() == 0, File.exists(setpriv) else { return false }
        return (try? await Outcome(list: options + [program, "version"], program: setpriv).code) == 0
    }
}
