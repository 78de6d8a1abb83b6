internal import Metering

/// The numbers that points have for the agent, where the spool's file has others for them or is not open.
struct PointNumbers {
    /// The numbers of points, by key, as the spool had them when it was open last.
    var known: [String: PointID] = [:]
    /// Numbers that points got while the spool could not be opened, by key; they are beyond those that a spool gives.
    private var provisional: [String: PointID] = [:]
    private var last = UInt32(SpoolStore.maximumPoints)
    /// What a number that readings come with is in the spool.
    private var aliases: [PointID: PointID] = [:]

    /// Numbers that hold until the spool is open: those it has, `held`, and new ones for other keys.
    mutating func provide(_ keys: [String], beside held: [String: PointID]) -> [String: PointID] {
        for key in keys where held[key] == nil && provisional[key] == nil {
            last += 1
            provisional[key] = PointID(rawValue: last)
        }
        return held.merging(provisional) { held, _ in held }
    }

    /// Gives points the numbers that their readings have already, where a file is a new one. Where it has others for them,
    /// and for those that had none, readings that come with the old ones are given the new.
    ///
    /// - Returns: whether numbers have to be asked for anew.
    mutating func settle(in store: SpoolStore) throws(SpoolError) -> Bool {
        let old = store.dictionary == known ? [] : known.sorted { $0.value < $1.value }
        let new = provisional.sorted { $0.value < $1.value }
        guard !old.isEmpty || !new.isEmpty else { return false }
        let ids = try store.identify((old + new).map(\.key))
        for ((_, number), id) in zip(old, ids) where number != id {
            let other = store.key(of: number)
            if other.map({ known[$0] == nil }) ?? true { aliases[number] = id }
        }
        for ((_, number), id) in zip(new, ids.dropFirst(old.count)) { aliases[number] = id }
        provisional.removeAll()
        known = store.dictionary
        return true
    }

    /// Gives readings the numbers of the spool.
    func translate(_ readings: inout [Reading]) {
        guard !aliases.isEmpty else { return }
        for index in readings.indices {
            if let id = aliases[readings[index].point] { readings[index].point = id }
        }
    }
}
