internal import Delivery
internal import DigitalInputs
internal import Fieldbus
internal import Metering
internal import Spooling

/// The C libraries that this process uses, in the versions it found.
public enum Libraries {
    /// Name and version of each.
    public static var inUse: [(String, String)] {
        [
            ("libmodbus", ModbusLink.libraryVersion), ("libgpiod", GPIOChips.libraryVersion),
            ("SQLite", SpoolStore.libraryVersion), ("libcurl", UplinkRunner.libraryVersion),
        ]
    }
}
