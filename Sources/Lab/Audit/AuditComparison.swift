internal import Metering
public import Spooling

/// What a gateway committed against what the platform holds, point by point.
public struct AuditComparison: Hashable, Sendable {
    public private(set) var committed: UInt64 = 0
    public private(set) var delivered: UInt64 = 0
    public private(set) var missing: UInt64 = 0
    public private(set) var twice: UInt64 = 0
    public private(set) var differing: [String] = []

    public init(spool: [AuditLine], platform: PlatformAudit, gateway: String) {
        for line in spool {
            let all = line.digest.count + line.unfrozen
            guard all > 0 else { continue }
            committed += all
            let row = platform[gateway + "/" + line.key]
            let there = UInt64(row?.distinct ?? 0)
            delivered += there
            missing += all > there ? all - there : 0
            twice += UInt64(row?.copies ?? 0)
            if row?.hash != line.digest.hash { differing.append(line.key) }
        }
    }

    public var isClean: Bool { missing == 0 && twice == 0 && differing.isEmpty && committed == delivered }
    public var summary: String {
        "committed \(committed)  delivered \(delivered)  missing \(missing)  twice \(twice)  differing \(differing.count)"
    }
}
