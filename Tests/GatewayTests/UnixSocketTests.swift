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
        let isOver = Atomic(false)
        let seen = Mutex(Set<mode_t>())
        // Files that others make in the meantime keep their rights: the mask is the whole process's.
        let other = try WorkerThread {
            while !isOver.load(ordering: .acquiring), let mode = Self.newFile(folder + "/other") {
                seen.withLock { _ = $0.insert(mode) }
            }
        }
        defer {
            isOver.store(true, ordering: .releasing)
            other.join()
        }
        #expect(try await AgentHarness.wait(60) { !seen.withLock { $0.isEmpty } })
        for _ in 0..<2000 {
            let listener = try UnixListener(path: folder + "/socket")
            var status = stat()
            #expect(stat(folder + "/socket", &status) == 0 && status.st_mode & 0o777 == 0o660)
            _ = consume listener
        }
        let modes = seen.withLock { $0 }
        #expect(modes == [before], "\(modes)")
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
