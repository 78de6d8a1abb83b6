import Glibc
import Posix
import Synchronization
import Testing

@testable import Gateway
@testable import Lab

/// The socket of the agent is its group's, and nobody's files change for it.
struct UnixSocketTests {
    @Test func theSocketIsTheGroupsAndLeavesTheMaskAlone() async throws {
        let folder = try LabFile.temporaryFolder("parthe-test")
        defer { LabFile.remove(folder: folder) }
        let before = try #require(Self.newFile(folder + "/before"))
        let isOver = Mutex(false)
        let hasBegun = Mutex(false)
        // Files that others make in the meantime keep their rights: the mask is the whole process's.
        let other = Task.detached {
            var modes = Set<mode_t>()
            while !isOver.withLock({ $0 }) {
                guard let mode = Self.newFile(folder + "/other") else { break }
                modes.insert(mode)
                hasBegun.withLock { $0 = true }
            }
            return modes
        }
        #expect(try await AgentHarness.wait(60) { hasBegun.withLock { $0 } })
        for _ in 0..<2000 {
            let listener = try UnixListener(path: folder + "/socket")
            var status = stat()
            #expect(stat(folder + "/socket", &status) == 0 && status.st_mode & 0o777 == 0o660)
            _ = consume listener
        }
        isOver.withLock { $0 = true }
        let seen = await other.value
        #expect(seen == [before], "\(seen)")
    }

    /// The rights of a file that is made, and removed, at `path`.
    private static func newFile(_ path: String) -> mode_t? {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        unlink(path)
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_mode : nil
    }
}
