internal import Metering

// The sections `gateway` and `spool`.

private enum GatewayKey: String, SectionKey {
    case id, location, board

    var example: String {
        switch self {
        case .id: "id: schule-nord"
        case .location: "location: {latitude: 51.3397, longitude: 12.3731}"
        case .board: "board: raspberry-pi-4"
        }
    }
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
    case limit, free, history
    case commitInterval = "commit_interval"
    case clockWait = "clock_wait"

    var example: String {
        switch self {
        case .limit: "limit: 256MB"
        case .free: "free: 64MB"
        case .history: "history: 48h"
        case .commitInterval: "commit_interval: 1s"
        case .clockWait: "clock_wait: 15m"
        }
    }

    static let synonyms = ["size": "limit", "retention": "history", "commit": "commit_interval", "reserve": "free"]
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
    mutating func readGateway(_ field: Field) -> GatewaySettings? {
        guard let section = Section<GatewayKey>(field) else { return nil }
        board = section.optional(.board).flatMap { readBoard($0) }
        let id = section.required(.id)?.name()
        let location = section.required(.location)?.location()
        guard let id, let location else { return nil }
        return GatewaySettings(id: id, location: location, board: board)
    }

    /// The profile of the gateway's board.
    private func readBoard(_ field: Field) -> BoardProfile? {
        guard let name = field.text("a board") else { return nil }
        if let profile = boards.profile(name, findings: findings) { return profile }
        if !boards.names().contains(name) {
            field.error(
                "unknown board \(quoted(name))",
                hint: Suggestion.hint(for: name, among: boards.names(), called: "known"))
        }
        return nil
    }

    /// What the board has under the name printed on the enclosure.
    func terminal<Item>(
        _ field: Field, among items: KeyPath<BoardProfile, [Item]>, _ name: KeyPath<Item, String>
    ) -> Item? {
        guard let text = field.text("a terminal") else { return nil }
        guard let board else {
            // A board that could not be read was told already.
            if !findings.hasErrors {
                field.error("terminals belong to a board", hint: "add \"\(GatewayKey.board.example)\" to gateway")
            }
            return nil
        }
        if let found = board[keyPath: items].first(where: { $0[keyPath: name] == text }) { return found }
        field.error(
            "\(board.product) has no terminal \(quoted(text))",
            hint: Suggestion.hint(for: text, among: board[keyPath: items].map { $0[keyPath: name] }, called: "it has"))
        return nil
    }

    func readSpool(_ field: Field) -> SpoolSettings? {
        guard let section = Section<SpoolKey>(field) else { return nil }
        let standard = SpoolSettings()
        let commit = section.value(.commitInterval, or: standard.commitInterval) {
            $0.duration(in: .milliseconds(100) ... .seconds(10)).map(Optional.some)
        }
        let limit = section.value(.limit, or: standard.maximumBytes) { $0.size(in: 4_000_000...1_000_000_000_000) }
        let free = section.value(.free, or: standard.freeBytes) { $0.size(in: 0...1_000_000_000_000) }
        let history = section.value(.history, or: standard.history) {
            $0.duration(in: .zero ... .seconds(366 * 86_400))
        }
        let clockWait = section.value(.clockWait, or: standard.clockWait) {
            $0.duration(in: .zero ... .seconds(86_400))
        }
        guard let commit, let limit, let free, let history, let clockWait else { return nil }
        return SpoolSettings(
            commitInterval: commit, maximumBytes: limit, freeBytes: free, history: history, clockWait: clockWait)
    }
}
