internal import Metering

/// The share of time that requests take, over the last full minute (or what there is of the first).
struct LoadMeter {
    private var start: Instant?
    private var busy = Duration.zero
    private(set) var share = 0.0
    private var hasFullMinute = false

    mutating func add(from begin: Instant, to end: Instant) {
        let start = start ?? begin
        self.start = start
        busy += end - begin
        let elapsed = max(end - start, .milliseconds(1))
        if elapsed >= .seconds(60) || !hasFullMinute && elapsed >= .seconds(1) { share = min(1, busy / elapsed) }
        if elapsed >= .seconds(60) {
            hasFullMinute = true
            self.start = end
            busy = .zero
        }
    }
}
