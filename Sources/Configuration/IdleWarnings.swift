internal import Metering

extension Assembly {
    /// What can only be said once everything is known: things that nobody uses.
    func warnOfIdle(_ section: Section<Key>, meterCount: Int) {
        // After an error they may be in use after all: a wrong name is no use of the right one.
        if findings.hasErrors { return }
        for (name, field) in busFields.sorted(by: { $0.key < $1.key }) where !busesInUse.contains(name) {
            field.warning("no meter is on bus \"\(name)\"", hint: "remove it, or add its meters")
        }
        if meterCount == 0 {
            section.field.warning(
                "there is no meter: nothing will be read",
                hint: "add \"\(Key.meters.example)\", files in meters/, or inputs")
        }
        if !section.has(.uplinks) {
            section.field.warning(
                "there is no uplink: readings stay on the gateway", hint: "add \"\(Key.uplinks.example)\"")
        }
    }
}
