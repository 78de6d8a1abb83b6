internal import Fieldbus
internal import FoundationEssentials
internal import Posix
internal import Synchronization

/// One line of a trace on the control socket.
enum TraceLine: Codable, Sendable {
    /// The agent does not use such a bus.
    case noBus
    /// Frames follow.
    case began
    /// A frame.
    case frame(FrameTrace)
    /// It ends here, and why.
    case ended(String)

    /// The word that asks for a trace, before the bus's name.
    static let word = "trace "

    var json: [UInt8] { jsonLine(self) }

    init?(json: some Sequence<UInt8>) {
        guard let line = try? JSONDecoder().decode(TraceLine.self, from: Data(json)) else { return nil }
        self = line
    }
}

/// Who watches a bus of the agent. Frames are handed on from the bus's thread, which never waits for a reader: one that
/// lets too much pile up is told so and dropped.
final class BusTap: Sendable {
    private let watchers = Mutex<[UnixAsker]>([])

    /// So many may watch a bus at once.
    static let most = 4

    /// Shows the frames of `bus` to `asker` from now on.
    func add(_ asker: UnixAsker, to bus: ModbusBus) {
        let isRoom = watchers.withLock { watchers in
            watchers.removeAll { !$0.isThere }
            guard watchers.count < Self.most, asker.offer(TraceLine.began.json) == .taken else { return false }
            watchers.append(asker)
            return true
        }
        guard isRoom else {
            asker.push(TraceLine.ended("\(Self.most) others watch this bus already").json)
            return
        }
        bus.lend { link, _ in
            link.trace = { [weak bus] frame in
                guard !self.put(frame), let bus else { return }
                // Nobody watches any more: tracing costs nothing again.
                bus.lend { link, _ in
                    if self.watchers.withLock(\.isEmpty) { link.trace = nil }
                }
            }
        }
    }

    /// Ends all traces.
    func end(_ why: String) {
        let all = watchers.withLock { watchers in
            defer { watchers.removeAll() }
            return watchers
        }
        for watcher in all { watcher.push(TraceLine.ended(why).json) }
    }

    /// Hands `frame` on; false when nobody is left.
    private func put(_ frame: FrameTrace) -> Bool {
        let line = TraceLine.frame(frame).json
        return watchers.withLock { watchers in
            watchers.removeAll { watcher in
                switch watcher.offer(line) {
                case .taken: return false
                case .gone: return true
                case .full:
                    watcher.push(TraceLine.ended("this reader is too slow: frames would be missing from here on").json)
                    return true
                }
            }
            return !watchers.isEmpty
        }
    }
}
