/// Medians and percentiles of measured figures.
extension Collection where Element: BinaryFloatingPoint {
    /// The middle value; NaN of nothing.
    var median: Element { percentile(0.5) }

    /// The value below which `share` of the others lie (nearest rank); NaN of nothing.
    func percentile(_ share: Double) -> Element {
        guard !isEmpty else { return .nan }
        let order = sorted()
        let rank = Int((Double(order.count) * share).rounded(.up))
        return order[Swift.max(0, Swift.min(order.count, rank) - 1)]
    }
}
