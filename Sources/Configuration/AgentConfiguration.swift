// What the files say: YAML to values.
//
// One main file, and folders `meters/` and `inputs/` beside it that add one meter or input a file (the keys of a list
// item of `meters` and `inputs`):
//
// ```yaml
// gateway:
//   id: schule-nord                     # a–z, 0–9 and hyphens, at most 63, as every name here
//   location: {latitude: 51.3397, longitude: 12.3731, name: "Schule Nord, Keller"}
//   board: raspberry-pi-4               # a profile of boards/: what is printed beside its ports and lines
// buses:                                # each is at one place: tcp, serial or rtu_over_tcp
//   - id: hall
//     tcp: 192.168.1.20                 # Modbus TCP: host, host:port or [IPv6]:port; port 502 unless given
//     timeout: 1s                       # for an answer, 50ms…10s; learnt from answers unless it is given
//   - id: cellar
//     serial: /dev/serial/by-path/platform-3f980000.usb-usb-0:1.2:1.0-port0      # Modbus RTU; best a stable name
//     baud: 19200                       # 300…921600; 9600 unless it is given
//     parity: even                      # none, even or odd; none unless it is given
//     stop_bits: 1                      # 1 or 2; 1 unless it is given
//     data_bits: 8                      # 8 for RTU
//     rs485: {rts_on_send: high, delay_before: 1ms, delay_after: 0ms}   # where RTS switches the direction; 0ms…100ms
//     byte_timeout: 50ms                # longest silence within an answer, 1ms…2s
//     pause: 20ms                       # from an answer to the next request to the same meter, 0ms…5s
//     after_connect: 500ms              # from connecting to the first request, 0ms…30s
//   - id: roof
//     rtu_over_tcp: 192.168.1.30:4001   # RTU frames through a converter, which has a port of its own;
//     baud: 9600                        # baud, parity and bits are those of the converter's line: silences follow them
// meters:
//   - id: main
//     bus: hall
//     unit: 1                           # 1…247; on tcp also 0 and 255
//     model: eastron-sdm630             # from the catalogue (`parthe meter list`) …
//     interval: 10s                     # 100ms…24h; 10s unless it is given; or by class: {fast: 1s, slow: 1m}
//     keep: {every: 15m, value: mean}   # which readings are kept: all unless given; see below
//     thin: forbidden                   # whether they may be thinned when the spool is full: allowed unless given
//     points: [active-power, {name: active-energy-import, interval: 1m}]     # some of its points; all unless given
//     location: {latitude: 51.34, longitude: 12.37}                          # the gateway's unless given
//   - {id: sun, bus: roof, unit: 3, model: sunspec-103, at: 40070}           # a SunSpec model is `at` its ID register
//   - id: pump
//     bus: cellar
//     unit: 2
//     limits: {registers: 60, gap: 0, holes: ["holding 100-109"]}   # of a request: registers, unused ones read along,
//                                       # those never read; 125, 0 and none unless given, or what the model says
//     timing: {timeout: 2s, byte_timeout: 50ms, pause: 50ms, after_connect: 1s}    # this meter's, before the bus's
//     rated_power: 22kW                 # W, kW, MW: an energy that grows faster is doubted; also of a model
//     identity:                         # what tells this meter from another; also of a model
//       serial: {function: holding, register: 64512, type: text, count: 8}
//       model: {function: holding, register: 64520, type: u16, order: ABCD, values: [112]}
//       vendor: Acme                    # beginnings of what Read Device Identification answers
//       products: [A1]
//     defaults: {function: input, type: f32, order: ABCD, not_available: {u16: 0xFFFF, s32: [0x7FFFFFFF, 0x80000000]}}
//     points:                           # … or points of its own
//       - {name: active-power, quantity: active-power, unit: W, kind: gauge, register: 12}
//       - {name: running, quantity: duration, unit: h, kind: counter, register: 0x20, function: holding, type: u32,
//          order: CDAB, scale: 0.1, offset: 0, not_available: 0xFFFFFFFF, obis: "0-0:96.8.0", interval: 1m,
//          interval_class: slow, max_rate: 1, rollover: 1000000, keep: {change: 0.5, heartbeat: 15m}}
//       - {name: contact, quantity: state, unit: "1", kind: state, register: 7, function: discrete, type: bit}
//       - {name: relay, quantity: state, unit: "1", kind: state, register: 0, function: coil, type: bit}
//       - {name: alarm, quantity: state, unit: "1", kind: state, register: 40, type: u16, bits: 3}
//       - {name: mode, quantity: state, unit: "1", kind: state, register: 41, type: u16, bits: 4-7}
//       - {name: current, quantity: current, unit: A, kind: gauge, register: 50, type: s16,
//          scale_by: {register: 54, type: s16, as: exponent}}        # × 10 to the power of what register 54 holds
//       - {name: energy, quantity: active-energy, unit: W.h, kind: counter, register: 60, type: u32,
//          scale_by: {register: 70, type: u32, as: factor}}          # × what the registers 70 and 71 hold
//       - {name: pressure, quantity: pressure, unit: bar, kind: gauge, register: 80, type: u16,
//          map: {raw: [4000, 20000], value: [0, 10]}}                # a straight line, in place of scale and offset
//       - {name: volume, quantity: volume, unit: m3, kind: counter, register: 90, type: text, count: 4, scale: 0.001}
//       - {name: firmware, quantity: state, unit: "1", kind: state, register: 100, type: text, count: 8,
//          keep: {change: 0, heartbeat: 24h}}                        # a text that is delivered as it is
// inputs:
//   - id: gas
//     terminal: "pin 11"                # of the board; or line: GPIO17; or line: {chip: pinctrl-bcm2711, offset: 17}
//     pulses_per: 100                   # pulses for one unit
//     unit: m3
//     quantity: volume                  # what the unit says, unless given
//     pulse: s0                         # or {min_width: 2ms, max_width: 500ms}; of any width unless given
//     debounce: 5ms                     # 0ms…1s; 0ms for pulses and 20ms for contacts unless given
//     bias: pull-up                     # as-is, none, pull-up, pull-down; as-is unless given
//     inverted: true                    # a low voltage is the active level; false unless given
//     interval: 10s                     # how often total and rate are read; 10s unless given
//     silence: 5m                       # after so long without a pulse the rate is 0; 1s…24h, 5m unless given
//     obis: "7-0:3.0.0"                 # keep, thin and location as of a meter
//   - {id: door, line: GPIO27, contact: {active: open, inactive: closed}, heartbeat: 1h}    # told so often, 1s…7d
// uplinks:
//   - id: city
//     sensorthings: https://api.city.example/frost/v1.1
//     basic: {user: gw, password_file: city.password}    # or bearer: {token_file: …}, or neither
//     ca_file: ca.pem                   # certificate authorities instead of the system's
//     batch: 200                        # readings a request, 1…1000
//     timeout: 30s                      # 1s…5m
// spool:
//   commit_interval: 1s                 # 100ms…10s: what a power cut may cost; 1 s to 10 s by rate unless given
//   limit: 256MB                        # kB MB GB KiB MiB GiB; 4MB…1000GB
//   free: 64MB                          # what is left of the disk to others, 0…1000GB
//   history: 48h                        # how long delivered readings stay; 0s…366d
//   clock_wait: 15m                     # how long after the start time from the network may come; 0s…24h
// ```
//
// `register` is always the zero-based PDU address that goes over the wire, never the 3xxxx or 4xxxx number of a manual.
// `function` is coil (1), discrete (2), holding (3) or input (4). `type` is bit for the first two, else u16, s16, u32,
// s32, u48, s48, u64, s64, f16, f32, f64, bcd16, bcd32, bcd48 or bcd64 (four bits a digit), t5, t6 or t7 (Iskra's
// measurements with their own exponent, and its power factors), or text: `count` registers (1…60) of two characters. A
// text of kind state (and quantity state) is delivered as a text: UTF-8 or else Latin-1, up to the first 0, control
// characters as spaces, none around it; of another kind it is the number that it spells. `order` is ABCD (the
// standard), CDAB (words swapped), BADC (bytes swapped) or DCBA (both); of 64 bits also EFGHABCD (double words
// swapped), CDABGHEF (words swapped within each), FEHGBADC or DCBAHGFE (the same with bytes swapped). Of `bits` 0 is
// the least; those of a signed type are signed. A value is raw × scale × 10^exponent (or × factor) + offset; the
// register of `scale_by` is s16 and an exponent unless it says otherwise, is read in the point's own request, with its
// function and order, and may be 125 registers away at most. `not_available` are raw contents; a text without
// characters, or that should spell a number and does not, is no value. `max_rate` is the greatest plausible increase of
// a counter, in its unit per hour; `rollover` the value at which it begins anew, where that is not the end of its
// registers. `keep`, of a meter or a point, is `all`; or `change` (every reading that differs from the last one kept by
// as much, or is another text, and one each `heartbeat`, 1h unless given); or `every` (one reading for each interval,
// aligned to UTC: of a gauge its `value` mean, min, max or last; of a counter the reading at the interval's edge; of a
// state also every change). `thin`, of a meter, a point or an input, says whether readings that wait may be thinned when
// the spool is nearly full, the oldest first: to one for each minute, then quarter of an hour, then hour; `allowed`; or
// `forbidden` (each stays until it is delivered, or dropped because nothing else makes room); or `preferred` (before the
// others, and coarser). A `kind` is gauge, counter or state; an `interval_class` is fast (powers, currents, flows,
// states), slow (counters, temperatures, distortions …) or normal (the rest), unless a point says another.
// Paths are relative to the file's folder. Numbers are read from their text, exactly; durations are whole numbers with
// ms, s, m, h or d.
//
// The flow: `YAMLDocument` turns bytes into nodes that know their places (libyaml's events); `Section` and `Field` read
// them strictly, and every reader goes on after a mistake, so that one run reports everything that is wrong in all
// files; `ConfigurationReader` ties names together. A configuration comes out only when nothing is wrong.
//
// Limits: 1 MiB a file, nesting 16, 64 buses, 1000 meters, 1000 points a meter, 64 inputs, 8 uplinks, 500 problems shown.
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
    /// The digital inputs, in the order of the file.
    public var inputs: [InputSettings]
    /// Where readings go, in the order of the file.
    public var uplinks: [UplinkSettings]
    /// How readings are kept.
    public var spool: SpoolSettings

    /// A configuration with every property given.
    public init(
        gateway: GatewaySettings, buses: [BusSettings], meters: [Meter], inputs: [InputSettings] = [],
        uplinks: [UplinkSettings], spool: SpoolSettings
    ) {
        self.gateway = gateway
        self.buses = buses
        self.meters = meters
        self.inputs = inputs
        self.uplinks = uplinks
        self.spool = spool
    }
}

extension AgentConfiguration {
    /// Everything that gives readings, meters and inputs: the Things of the platform.
    public var things: [Meter] { meters + inputs.map(\.meter) }
}
