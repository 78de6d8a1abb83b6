internal import Metering

// The sections `gateway` and `spool`.

private enum GatewayKey: String, SectionKey {
    case id, location

    var example: String { self == .id ? "id: schule-nord" : "location: {latitude: 51.3397, longitude: 12.3731}" }
}

private enum LocationKey: String, SectionKey {
    case latitude, longitude, name

    var example: String {
        switch self {
        case .latitude: "latitude: 51.3397"
        case .longitude: "longitude: 12.3731"
        case .name: "name: \"Schule Nord, Keller\""
        }
    }
}

private enum SpoolKey: String, SectionKey {
    case limit, history
    case commitInterval = "commit_interval"

    var example: String {
        switch self {
        case .limit: "limit: 256MB"
        case .history: "history: 48h"
        case .commitInterval: "commit_interval: 1s"
        }
    }

    static let synonyms = ["size": "limit", "retention": "history", "commit": "commit_interval"]
}

extension Field {
    func location() -> Location? {
        guard let section = Section<LocationKey>(self) else { return nil }
        let latitude = section.required(.latitude)?.decimal(within: 90)
        let longitude = section.required(.longitude)?.decimal(within: 180)
        let name = section.value(.name, or: nil) { $0.text().map(Optional.some) }
        guard let latitude, let longitude, let name else { return nil }
        return Location(latitude: latitude, longitude: longitude, name: name)
    }
}

extension Assembly {
    func readGateway(_ field: Field) -> GatewaySettings? {
        guard let section = Section<GatewayKey>(field) else { return nil }
        let id = section.required(.id)?.name()
        let location = section.required(.location)?.location()
        guard let id, let location else { return nil }
        return GatewaySettings(id: id, location: location)
    }

    func readSpool(_ field: Field) -> SpoolSettings? {
        guard let section = Section<SpoolKey>(field) else { return nil }
        let standard = SpoolSettings()
        let commit = section.value(.commitInterval, or: standard.commitInterval) {
            $0.duration(in: .milliseconds(100) ... .seconds(10))
        }
        let limit = section.value(.limit, or: standard.maximumBytes) { $0.size(in: 4_000_000...1_000_000_000_000) }
        let history = section.value(.history, or: standard.history) {
            $0.duration(in: .zero ... .seconds(366 * 86_400))
        }
        guard let commit, let limit, let history else { return nil }
        return SpoolSettings(commitInterval: commit, maximumBytes: limit, history: history)
    }
}
