/// A free port on 127.0.0.1 that stays this object's while nobody listens on it: for what comes and goes on one port.
public final class HeldPort: Sendable {
    /// The port.
    public let number: UInt16
    private let descriptor: Descriptor

    /// Takes a free port, or the one that is asked for.
    public init(_ port: UInt16 = 0) throws(LabError) {
        descriptor = Descriptor(try Loopback.hold(port))
        number = Loopback.port(of: descriptor.raw)
    }
}
