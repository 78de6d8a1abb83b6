internal import Metering
internal import Spooling

/// What `parthe spool repair` tells: what was kept of a damaged spool, or would be.
public struct SpoolRepairReport: Codable, Sendable {
    /// `sound`: nothing was wrong, and nothing was done; `rehearsed`; `repaired`.
    public var result: String
    /// What was wrong: the first finding; absent where nothing was.
    public var reason: String?
    /// Findings.
    public var findings: Int
    /// Readings that are kept.
    public var kept: Int64
    /// Readings that are lost, at least.
    public var lost: Int64
    /// Readings that are lost, at most.
    public var lostAtMost: Int64
    /// What is missing from now on.
    public var gaps: [SpoolReport.Missing]
    /// Where the damaged file is now; absent where it was left in its place.
    public var aside: String?
    /// Points whose names are lost; only a rehearsal counts them.
    public var lostPoints: Int?

    /// Looks for damage in the spool of the folder `state`, and mends it.
    ///
    /// - Parameters:
    ///   - isRehearsal: whether to say only what would be kept.
    ///   - isForced: whether to make a new file even where nothing is wrong.
    public init(
        state: String, isRehearsal: Bool, isForced: Bool, progress: @escaping (String) -> Void = { _ in }
    ) throws(AgentError) {
        if let holder = SpoolFiles(directory: state).holder {
            throw AgentError(
                code: .spool, message: "\(state): process \(holder) has this spool open",
                hint: "stop the agent first: systemctl stop parthe. It mends what it finds at its start by itself")
        }
        var verdict: SpoolVerdict?
        do throws(AgentError) {
            verdict = try SpoolVerdict(state: state, progress: progress)
        } catch {
            // A file that is gone is made anew, with what stands beside it.
            guard error.code == .noInput, isForced else { throw error }
        }
        let damage = verdict?.findings ?? []
        findings = damage.count + (verdict?.more ?? 0)
        reason = damage.first.map { "\($0.place): \($0.what)" }
        (kept, lost, lostAtMost, gaps) = (verdict?.readings ?? 0, 0, 0, [])
        result = "sound"
        guard findings > 0 || isForced else { return }
        progress("collecting what is whole")
        do throws(SpoolError) {
            if isRehearsal {
                let remains = try SpoolStore.rehearseRepair(directory: state)
                (result, kept, lostPoints) = ("rehearsed", remains.kept, remains.lostPoints)
                note(remains.gaps)
            } else {
                let mending = try SpoolStore.repair(directory: state, reason: reason ?? "repair was asked for")
                (result, kept, aside) = ("repaired", mending.kept, mending.aside)
                note(mending.gaps)
            }
        } catch {
            throw AgentError(error)
        }
    }

    private mutating func note(_ gaps: [Gap]) {
        self.gaps = gaps.map(SpoolReport.Missing.init)
        lost = gaps.reduce(0) { $0 + $1.count }
        lostAtMost = gaps.reduce(0) { $0 + $1.most }
    }

    /// The report as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
