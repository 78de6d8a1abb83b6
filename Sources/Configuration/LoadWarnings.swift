internal import Metering

extension Assembly {
    /// Buses with more to do than a line can carry.
    func warnOfOverload(_ buses: [BusSettings], _ meters: [Meter]) {
        if findings.hasErrors { return }
        for bus in buses {
            let own = meters.filter { $0.bus == bus.id }
            guard let share = BusNeed.share(of: own, on: bus), share > 1, let field = busFields[bus.id] else {
                continue
            }
            let heaviest = own.max { BusNeed.share(of: $0, on: bus) < BusNeed.share(of: $1, on: bus) }
            let part = heaviest.map { meter in
                "\(meter.id) alone needs \(Self.text(BusNeed.share(of: meter, on: bus))): "
            }
            field.warning(
                "this bus needs \(Self.text(share)) s per second: its polls will come late or not at all",
                hint: (part ?? "") + "read less often, choose fewer points, or raise the baud rate of line and meters")
        }
    }

    /// `1.7`, rounded up: 1.01 is too much, too.
    private static func text(_ seconds: Double) -> String {
        "\((seconds * 10).rounded(.up) / 10)"
    }
}
