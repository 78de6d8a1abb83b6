internal import CGPIO
internal import Glibc
internal import Metering
internal import Posix

/// A line that is watched: its kernel request, released at the end.
struct GPIOLine: ~Copyable {
    /// Where it is.
    let info: GPIOLineInfo
    /// Whether the kernel debounces it.
    let isDebounced: Bool
    private let settings: InputSettings.Line
    // SAFETY: owned; released once, by `deinit`.
    private let request: OpaquePointer

    /// Edges that the kernel holds while nobody reads: as many as it can (linux/gpio.h: 16 × 64), 5 s at 100 Hz.
    static let buffer: UInt32 = 1024
    /// Edges of one read.
    private static let batch = 256

    /// Asks for the line of `input` under the name `consumer`.
    init(_ input: InputSettings, consumer: String) throws(GPIOError) {
        let found = try GPIOChips.find(input.line)
        let micro = UInt32(clamping: input.debounce.wholeNanoseconds / 1000)
        let debounces = GPIOChips.interface > 1 && micro > 0
        var wanted = cgpio_settings(
            bias: Int32(InputSettings.Bias.allCases.firstIndex(of: input.bias) ?? 0), is_inverted: input.isInverted,
            debounce_microseconds: debounces ? micro : 0, buffer: Self.buffer)
        guard let made = cgpio_watch(found.device, UInt32(found.offset), &wanted, consumer) else {
            let code = errno
            throw GPIOError(
                request: code, device: found.device, after: GPIOChips.look(again: found), input.line,
                interface: GPIOChips.interface)
        }
        request = made
        info = found
        isDebounced = debounces
        settings = input.line
    }

    deinit {
        cgpio_release(request)
    }

    /// Becomes readable when an edge waits, or the chip is gone.
    var descriptor: Int32 { cgpio_descriptor(request) }

    /// Whether it is active now.
    func level() throws(GPIOError) -> Bool {
        let level = cgpio_level(request)
        guard level >= 0 else { throw GPIOError(use: errno, settings) }
        return level == 1
    }

    /// Takes the edges that wait, with their times on the boot clock; what was before a suspend comes out too late by its
    /// length. Throws when the chip is gone.
    func edges() throws(GPIOError) -> [LineEdge] {
        var edges: [LineEdge] = []
        // One for all edges: two that are measured apart would make pulses narrower or wider than they are.
        let lead = BootClock.lead()
        var batch = [cgpio_edge](repeating: cgpio_edge(), count: Self.batch)
        while true {
            let count = cgpio_read(request, &batch, batch.count)
            guard count >= 0 else { throw GPIOError(use: errno, settings) }
            for edge in batch.prefix(Int(count)) {
                edges.append(
                    LineEdge(
                        Instant(nanoseconds: Int64(clamping: edge.nanoseconds) + lead), isActive: edge.is_active,
                        sequence: edge.sequence == 0 ? nil : edge.sequence))
            }
            if count < Self.batch { return edges }
        }
    }
}
