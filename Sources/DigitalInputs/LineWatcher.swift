public import Metering

/// A line that a command watches by itself, for as long as this lives.
public struct LineWatcher: ~Copyable {
    private let line: GPIOLine
    /// Whether the line was active when watching began.
    public let level: Bool

    /// Asks for the line of `settings`, without the kernel's debounce.
    public init(_ settings: InputSettings) throws(GPIOError) {
        var settings = settings
        settings.debounce = .zero
        let made = try GPIOLine(settings, consumer: DigitalInputs.consumer)
        level = try made.level()
        line = made
    }

    /// Becomes readable when an edge waits.
    public var descriptor: Int32 { line.descriptor }

    /// Takes the edges that wait.
    public func edges() throws(GPIOError) -> [LineEdge] { try line.edges() }
}
