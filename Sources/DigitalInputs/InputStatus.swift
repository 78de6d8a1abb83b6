public import Metering

/// What an input is doing, as `parthe status` shows it.
public struct InputStatus: Hashable, Sendable {
    /// Its name.
    public var id: String
    /// The line as the configuration names it.
    public var line: String
    /// Where the line is: `pinctrl-bcm2711 line 17 (/dev/gpiochip0)`; nil while it is not watched.
    public var place: String?
    /// Why it is not watched; nil while it is.
    public var error: GPIOError?
    /// Since when it is not.
    public var failingSince: Instant?
    /// Whether lost edges can be noticed: not with libgpiod 1.
    public var noticesLosses = GPIOChips.interface > 1
    /// Whether it is active now; nil before it was watched.
    public var isActive: Bool?
    /// What that state is called, for a contact.
    public var state: String?
    /// Since when a contact is in its state.
    public var since: Instant?
    /// The total of a pulse input.
    public var total: Value?
    /// Pulses ever counted.
    public var count: UInt64?
    /// The rate now, in the rate point's unit.
    public var rate: Double?
    /// When the last pulse ended.
    public var lastPulse: Instant?
    /// The width of the last pulse.
    public var width: Duration?
    /// Pulses that were too short since the start.
    public var tooShort: UInt64 = 0
    /// Edges whose level the line had already: it changed back before the kernel looked.
    public var tooFast: UInt64 = 0
    /// Pulses that were too long.
    public var tooLong: UInt64 = 0
    /// Edges that bounced, where this program filters them and not the kernel.
    public var bounces: UInt64 = 0
    /// Edges that were lost.
    public var lostEdges: UInt64 = 0
    /// Pulses counted by their number only.
    public var recovered: UInt64 = 0
    /// Changes of a contact.
    public var changes: UInt64 = 0
    /// Readings handed over.
    public var readings: UInt64 = 0
    /// Readings that wait for room in the intake.
    public var waiting = 0
    /// Readings that found no room in the intake, and are told by later ones or lost.
    public var skipped: UInt64 = 0
}
