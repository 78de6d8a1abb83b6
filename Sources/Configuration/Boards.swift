public import Metering
internal import Posix

/// The board profiles on this machine, one file a board: `<board>.yaml`. Read when asked for, never before.
///
/// `/etc/parthe/boards.d` goes before the shipped ones.
public struct Boards: Sendable {
    /// The folders that are searched; the first file wins.
    public let folders: [String]

    /// The profiles of the installation, or those in `share`/boards where `share` is given.
    public init(share: String?) {
        folders = ShippedFiles.folders("boards", checkout: "boards", share: share)
    }

    /// Profiles of just these folders.
    public init(folders: [String]) {
        self.folders = folders
    }

    /// Every board's name.
    public func names() -> [String] {
        var names: Set<String> = []
        for folder in folders {
            for file in (try? File.names(in: folder)) ?? [] where file.hasSuffix(".yaml") {
                let name = String(file.dropLast(5))
                if Name.proper(name) == name { names.insert(name) }
            }
        }
        return names.sorted()
    }

    /// The profile of `board`; nil when no folder has it, or its file is wrong: `findings` then says why.
    func profile(_ board: String, findings: Findings) -> BoardProfile? {
        // Only proper names become paths.
        guard Name.proper(board) == board,
            let file = folders.lazy.map({ "\($0)/\(board).yaml" }).first(where: { File.exists($0) }),
            let root = YAMLDocument.read(file: file, findings: findings)
        else { return nil }
        return BoardReader.read(Field(node: root, path: "", findings: findings), name: board)
    }

    /// The profile of `board`; nil when no folder has it. Throws every problem of its file when that is wrong.
    public func profile(_ board: String) throws(ConfigurationError) -> BoardProfile? {
        let findings = Findings()
        let profile = profile(board, findings: findings)
        if findings.hasErrors { throw ConfigurationError(problems: findings.problems) }
        return profile
    }
}
