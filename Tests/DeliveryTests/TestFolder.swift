import Glibc
import Posix
import Synchronization

/// A folder of its own, removed with the object.
final class TestFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/parthe-delivery-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw PosixError("make folder", "/tmp", code: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in (try? File.names(in: path)) ?? [] { unlink(path + "/" + name) }
        rmdir(path)
    }

    func write(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw PosixError("open", file, code: errno) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw PosixError("write", file, code: errno)
        }
        return file
    }
}

/// Something that is false until it is true.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isUp: Bool { value.load(ordering: .sequentiallyConsistent) }

    func raise() {
        value.store(true, ordering: .sequentiallyConsistent)
    }
}
