internal import Glibc

/// A file descriptor that is closed when its last owner goes, also out of an initialiser that fails halfway.
final class Descriptor: Sendable {
    let raw: Int32

    init(_ raw: Int32) {
        self.raw = raw
    }

    deinit {
        close(raw)
    }
}
