// What the files say: YAML to values.
//
// One main file, and a folder `meters/` beside it that adds one meter a file (the keys of a list item of `meters`):
//
// ```yaml
// gateway:
//   id: schule-nord                     # a–z, 0–9 and hyphens, at most 63, as every name here
//   location: {latitude: 51.3397, longitude: 12.3731, name: "Schule Nord, Keller"}
// buses:
//   - id: hall
//     tcp: 192.168.1.20                 # host, host:port or [IPv6]:port; the port is 502 unless it is given
//     timeout: 1s                       # 100ms…10s; 1s unless it is given
// meters:
//   - id: main
//     bus: hall
//     unit: 1                           # 0…247 or 255
//     model: eastron-sdm630             # from the catalogue …
//     interval: 10s                     # 100ms…24h; 10s unless it is given
//     points: [active-power, {name: active-energy-import, interval: 1m}]     # some of its points; all unless given
//     location: {latitude: 51.34, longitude: 12.37}                          # the gateway's unless given
//   - id: pump
//     bus: hall
//     unit: 2
//     limits: {registers: 60, gap: 0}   # registers a request, unused ones read along; 125 and 0 unless given
//     defaults: {function: input, type: f32, order: ABCD}
//     points:                           # … or points of its own
//       - {name: active-power, quantity: active-power, unit: W, kind: gauge, register: 12}
//       - {name: running, quantity: duration, unit: h, kind: counter, register: 0x20, function: holding, type: u32,
//          order: CDAB, scale: 0.1, offset: 0, not_available: 0xFFFFFFFF, obis: "0-0:96.8.0", interval: 1m}
// uplinks:
//   - id: city
//     sensorthings: https://api.city.example/frost/v1.1
//     basic: {user: gw, password_file: city.password}    # or bearer: {token_file: …}, or neither
//     ca_file: /etc/parthe/ca.pem       # certificate authorities instead of the system's
//     batch: 200                        # readings a request, 1…1000
//     timeout: 30s                      # 1s…5m
// spool:
//   commit_interval: 1s                 # 100ms…10s: what a power cut may cost
//   limit: 256MB                        # kB MB GB KiB MiB GiB; 4MB…1000GB
//   history: 48h                        # how long delivered readings stay; 0s…366d
// ```
//
// `register` is always the zero-based PDU address that goes over the wire, never the 3xxxx or 4xxxx number of a manual.
// Paths are relative to the file's folder. Numbers are read from their text, exactly; durations are whole numbers with
// ms, s, m, h or d.
//
// The flow: `YAMLDocument` turns bytes into nodes that know their places (libyaml's events); `Section` and `Field` read
// them strictly, and every reader goes on after a mistake, so that one run reports everything that is wrong in all
// files; `ConfigurationReader` ties names together. A configuration comes out only when nothing is wrong.
//
// Limits: 1 MiB a file, nesting 16, 64 buses, 1000 meters, 1000 points a meter, 8 uplinks, 500 problems shown.
// Not promised: that a bus answers, that a secret's file can be read when the agent runs, that a certificate is good.
// One syntax error hides what stands behind it in its file: libyaml cannot read on.

public import Metering

/// What the files say, complete and valid.
public struct AgentConfiguration: Equatable, Sendable {
    /// The gateway itself.
    public var gateway: GatewaySettings
    /// The buses, in the order of the file.
    public var buses: [BusSettings]
    /// The meters: those of the main file, then those of `meters/` in the order of their files' names.
    public var meters: [Meter]
    /// Where readings go, in the order of the file.
    public var uplinks: [UplinkSettings]
    /// How readings are kept.
    public var spool: SpoolSettings

    /// A configuration with every property given.
    public init(
        gateway: GatewaySettings, buses: [BusSettings], meters: [Meter], uplinks: [UplinkSettings],
        spool: SpoolSettings
    ) {
        self.gateway = gateway
        self.buses = buses
        self.meters = meters
        self.uplinks = uplinks
        self.spool = spool
    }
}
