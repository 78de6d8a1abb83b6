internal import CPosix
internal import Glibc
public import Metering

/// What Linux does with a serial port beyond termios. The calls take a descriptor of the port; each returns 0 or an errno.
public enum SerialPort {
    /// Where the kernel keeps names of ports that stay the same when an adapter is plugged in again.
    public static let stableNames = "/dev/serial/by-path"

    /// Opens the port at `path` for this process alone, as far as other programs ask for it (flock(2)); throws EBUSY
    /// when another does. The lock holds until the descriptor is closed.
    public static func open(_ path: String) throws(PosixError) -> Int32 {
        // Without O_NONBLOCK this would wait for a modem's carrier.
        let descriptor = Glibc.open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw PosixError("open", path, code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw PosixError("open", path, code: code == EWOULDBLOCK ? EBUSY : code)
        }
        return descriptor
    }

    /// Gives the lock back and closes.
    public static func close(_ descriptor: Int32) {
        // A child process that was just started may share the descriptor until its exec: closing alone would leave the
        // lock with it for that moment.
        flock(descriptor, LOCK_UN)
        Glibc.close(descriptor)
    }

    /// From now on the kernel refuses other programs that do not ask (TIOCEXCL); root is not refused.
    public static func claim(_ descriptor: Int32) -> Int32 {
        cposix_port_claim(descriptor)
    }

    /// Has the kernel switch RTS around each transmission (TIOCSRS485), which knows delays in whole milliseconds.
    public static func setDirection(_ direction: SerialLine.Direction, of descriptor: Int32) -> Int32 {
        cposix_port_set_rs485(
            descriptor, direction.rtsIsHighToSend ? 1 : 0, milliseconds(direction.delayBefore),
            milliseconds(direction.delayAfter))
    }

    /// The `struct serial_rs485` that the kernel gets for `direction`, byte by byte.
    public static func kernelMode(_ direction: SerialLine.Direction) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: cposix_rs485_mode(0, 0, 0, nil))
        _ = cposix_rs485_mode(
            direction.rtsIsHighToSend ? 1 : 0, milliseconds(direction.delayBefore), milliseconds(direction.delayAfter),
            &bytes)
        return bytes
    }

    /// Rounded up: a transceiver that switches too early cuts a character, one that switches late waits.
    private static func milliseconds(_ delay: Duration) -> UInt32 {
        UInt32(clamping: (delay.wholeNanoseconds + 999_999) / 1_000_000)
    }

    /// Whether the program could switch RTS itself.
    public static func tryRTS(of descriptor: Int32) -> Int32 {
        cposix_port_try_rts(descriptor)
    }

    /// Asks the driver to hand over bytes at once: an FTDI adapter else holds them back for 16 ms.
    public static func hurry(_ descriptor: Int32) -> Int32 {
        cposix_port_hurry(descriptor)
    }

    /// The speed the driver really set, in baud; nil when it does not tell.
    public static func speed(of descriptor: Int32) -> Int? {
        let speed = cposix_port_speed(descriptor)
        return speed > 0 ? Int(speed) : nil
    }

    /// The group that owns the port at `path`: `dialout`; its number where it has no name.
    public static func group(of path: String) -> String? {
        var status = Glibc.stat()
        guard stat(path, &status) == 0 else { return nil }
        var entry = Glibc.group()
        var buffer = [CChar](repeating: 0, count: 4096)
        var found: UnsafeMutablePointer<Glibc.group>?
        guard getgrgid_r(status.st_gid, &entry, &buffer, buffer.count, &found) == 0, let name = found?.pointee.gr_name
        else { return String(status.st_gid) }
        return String(cString: name)
    }

    /// The file that `path` leads to: `/dev/ttyUSB0` for a name in /dev/serial.
    public static func device(at path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}

extension Poller {
    /// Waits at most `time` until `descriptor` can be read, or has failed, which the next read tells. To some ten
    /// microseconds; a signal ends the wait early.
    public static func isReadable(_ descriptor: Int32, within time: Duration) -> Bool {
        cposix_wait_readable(descriptor, time.wholeNanoseconds) != 0
    }

    /// Whether `descriptor` is of no more use: the far end has closed the connection, or the adapter is gone. Never
    /// waits.
    public static func hasHungUp(_ descriptor: Int32) -> Bool {
        cposix_has_hung_up(descriptor) != 0
    }
}
