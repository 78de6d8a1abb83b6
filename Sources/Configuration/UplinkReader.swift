internal import Glibc
internal import Metering
internal import Posix

// The section `uplinks`.

private enum UplinkKey: String, SectionKey {
    case id, sensorthings, basic, bearer, batch, timeout
    case caFile = "ca_file"

    var example: String {
        switch self {
        case .id: "id: city"
        case .sensorthings: "sensorthings: https://api.city.example/frost/v1.1"
        case .basic: "basic: {user: gw, password_file: city.password}"
        case .bearer: "bearer: {token_file: city.token}"
        case .batch: "batch: 200"
        case .timeout: "timeout: 30s"
        case .caFile: "ca_file: ca.pem"
        }
    }

    static let synonyms = ["url": "sensorthings", "frost": "sensorthings", "ca": "ca_file", "name": "id"]
}

private enum BasicKey: String, SectionKey {
    case user
    case passwordFile = "password_file"

    var example: String { self == .user ? "user: gw" : "password_file: city.password" }
}

private enum BearerKey: String, SectionKey {
    case tokenFile = "token_file"

    var example: String { "token_file: city.token" }
}

extension Assembly {
    mutating func readUplinks(_ field: Field) -> [UplinkSettings] {
        guard let items = field.items(example: "[{id: city, sensorthings: https://…/v1.1}]") else { return [] }
        if items.count > Self.uplinkLimit { field.error("\(items.count) uplinks; at most \(Self.uplinkLimit)") }
        var uplinks: [UplinkSettings] = []
        for item in items.prefix(Self.uplinkLimit) {
            guard let uplink = readUplink(item) else { continue }
            if let other = uplinks.first(where: { $0.url == uplink.url }) {
                item.error(
                    "the same platform as uplink \"\(other.id)\": every reading would arrive there twice",
                    hint: "remove one of them")
            }
            uplinks.append(uplink)
        }
        return uplinks
    }

    private mutating func readUplink(_ field: Field) -> UplinkSettings? {
        let advice = { (key: String) in
            ["password", "token", "user"].contains(key)
                ? "secrets stand in files: \(UplinkKey.basic.example) or \(UplinkKey.bearer.example)" : nil
        }
        guard let section = Section<UplinkKey>(field, advice: advice) else { return nil }
        let id = section.required(.id).flatMap { uplinkNames.claim($0) }
        let url = section.required(.sensorthings)?.serviceRoot()
        let credentials = credentials(section)
        let authority = section.optional(.caFile).flatMap { path($0) }
        let batch = section.value(.batch, or: 200) { $0.integer(in: 1...1000) }
        let timeout = section.value(.timeout, or: .seconds(30)) { $0.duration(in: .seconds(1) ... .seconds(300)) }
        guard let id, let url, let credentials, let batch, let timeout else { return nil }
        return UplinkSettings(
            id: id, url: url, credentials: credentials, certificateAuthority: authority, readingsPerRequest: batch,
            responseTimeout: timeout)
    }

    private func credentials(_ section: Section<UplinkKey>) -> UplinkSettings.Credentials? {
        let basic = section.optional(.basic)
        let bearer = section.optional(.bearer)
        if basic != nil, let bearer { bearer.error("basic and bearer exclude each other", hint: "keep one of them") }
        if let basic {
            let advice = { (key: String) in
                key == "password" ? "write it into a file: password_file: city.password" : nil
            }
            guard let section = Section<BasicKey>(basic, advice: advice) else { return nil }
            let user = section.required(.user)?.text("a user")
            let file = section.required(.passwordFile).flatMap { path($0) }
            guard let user, let file else { return nil }
            return .basic(user: user, passwordFile: file)
        }
        if let bearer {
            let advice = { (key: String) in key == "token" ? "write it into a file: token_file: city.token" : nil }
            guard let section = Section<BearerKey>(bearer, advice: advice) else { return nil }
            return section.required(.tokenFile).flatMap { path($0) }.map { .bearer(tokenFile: $0) }
        }
        return UplinkSettings.Credentials.none
    }

    /// A file's path, made absolute against the configuration's folder. That it is missing or cannot be read is a
    /// warning: the one who checks may not be the one who runs the agent, and secrets often come last.
    private func path(_ field: Field) -> String? {
        guard let text = field.text("a path", limit: 1000) else { return nil }
        let path = text.hasPrefix("/") || folder == "." ? text : (folder == "/" ? "/" : folder + "/") + text
        if File.isFolder(path) {
            field.error("\(clipped(path, limit: 1000)) is a folder, not a file")
        } else if let obstacle = File.obstacle(path) {
            let isMissing = obstacle.code == ENOENT
            field.warning(
                (isMissing ? "no such file: " : "this user cannot read the file (\(PosixError.text(obstacle.code))): ")
                    + clipped(path, limit: 1000),
                hint: isMissing ? "the agent needs it when it runs" : "the agent's user must be able to read it")
        }
        return path
    }
}
