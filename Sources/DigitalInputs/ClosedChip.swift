internal import Glibc
internal import Posix

/// A GPIO chip that this user may not open, and what would open it.
public struct ClosedChip: Hashable, Sendable {
    /// What keeps this user from it.
    public enum Obstacle: Hashable, Sendable {
        /// The device belongs to this group, which may open it.
        case group(String)
        /// Nobody but root may open it.
        case rootOnly
        /// It is not the file's mode: systemd's DeviceAllow, or a container.
        case forbidden
    }

    /// The chip's device: `/dev/gpiochip0`.
    public var device: String
    /// What keeps this user from it.
    public var obstacle: Obstacle

    /// A chip with every property given.
    public init(device: String, obstacle: Obstacle) {
        self.device = device
        self.obstacle = obstacle
    }

    /// What the file at `device` says, which could not be opened for `errno`.
    init(device: String, errno code: Int32) {
        self.device = device
        var status = stat()
        if code == EPERM || stat(device, &status) != 0 {
            obstacle = .forbidden
        } else if status.st_mode & 0o060 == 0o060, status.st_gid != 0, let group = SerialPort.group(of: device) {
            obstacle = .group(group)
        } else {
            obstacle = .rootOnly
        }
    }

    /// What opens `chips` to the user called `user`: this user unless given.
    public static func advice(_ chips: [ClosedChip], user: String = thisUser) -> String {
        var parts: [(obstacle: Obstacle, devices: [String])] = []
        for chip in chips {
            if let index = parts.firstIndex(where: { $0.obstacle == chip.obstacle }) {
                parts[index].devices.append(chip.device)
            } else {
                parts.append((chip.obstacle, [chip.device]))
            }
        }
        return parts.map { $0.devices.joined(separator: ", ") + ": " + advice($0.obstacle, user) }
            .joined(separator: "; ")
    }

    private static func advice(_ obstacle: Obstacle, _ user: String) -> String {
        switch obstacle {
        case .group(let group):
            "the group \(group) may: `sudo usermod -aG \(group) \(user)`, then log in or start the agent again"
        case .rootOnly:
            "only root may: give it to a group with SUBSYSTEM==\"gpio\", GROUP=\"gpio\", MODE=\"0660\" in "
                + "/etc/udev/rules.d/60-gpio.rules, then `sudo usermod -aG gpio \(user)`"
        case .forbidden: "systemd's DeviceAllow=, or a container, keeps it from this program"
        }
    }

    /// The name of the user that this process runs as.
    public static var thisUser: String {
        var entry = passwd()
        var buffer = [CChar](repeating: 0, count: 4096)
        var found: UnsafeMutablePointer<passwd>?
        guard getpwuid_r(geteuid(), &entry, &buffer, buffer.count, &found) == 0, let name = found?.pointee.pw_name
        else { return String(geteuid()) }
        return String(cString: name)
    }
}
