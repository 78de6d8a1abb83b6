/// A place on Earth (WGS 84), as the platform's Location.
public struct Location: Hashable, Sendable {
    /// Degrees north, −90…90.
    public var latitude: ExactDecimal
    /// Degrees east, −180…180.
    public var longitude: ExactDecimal
    /// What people call it: `Schule am Auensee, cellar`.
    public var name: String?

    /// A place with every property given.
    public init(latitude: ExactDecimal, longitude: ExactDecimal, name: String? = nil) {
        self.latitude = latitude
        self.longitude = longitude
        self.name = name
    }
}

/// The gateway itself.
public struct GatewaySettings: Hashable, Sendable {
    /// The gateway's name, unique within the city: the first part of every name on the platform.
    public var id: String
    /// Where it stands; its meters stand there too unless they say otherwise.
    public var location: Location
    /// What its board calls its ports and lines; nil where that is not said.
    public var board: BoardProfile?

    /// A gateway with every property given.
    public init(id: String, location: Location, board: BoardProfile? = nil) {
        self.id = id
        self.location = location
        self.board = board
    }
}

/// One wire pair or TCP endpoint that units share.
public struct BusSettings: Hashable, Sendable {
    /// How the bus is reached.
    public enum Endpoint: Hashable, Sendable {
        /// Modbus TCP.
        case tcp(host: String, port: UInt16)
        /// A serial-to-Ethernet converter that carries RTU frames as they are.
        case rtuOverTCP(host: String, port: UInt16)
        /// RTU on a serial port of this machine.
        case serial(path: String)
    }

    /// The bus's name in the configuration.
    public var id: String
    /// How it is reached.
    public var endpoint: Endpoint
    /// The line's settings; nil for Modbus TCP. Behind a converter they only tell how long frames take.
    public var line: SerialLine?
    /// What holds for every meter on the bus, unless the meter or its definition says otherwise.
    public var timing: Timing

    /// A bus with every property given.
    public init(id: String, endpoint: Endpoint, line: SerialLine? = nil, timing: Timing = Timing()) {
        self.id = id
        self.endpoint = endpoint
        self.timing = timing
        if case .tcp = endpoint { self.line = nil } else { self.line = line ?? SerialLine() }
    }
}

/// An installed meter.
public struct Meter: Hashable, Sendable {
    /// The meter's name, unique on this gateway.
    public var id: String
    /// The bus it hangs on.
    public var bus: String
    /// Its unit id: 1…247 on a line; on TCP also 0 and 255.
    public var unit: UInt8
    /// Its model's data.
    public var definition: MeterDefinition
    /// The points that are read, a subset of the definition's, in its order.
    public var points: [Point]
    /// Where it stands.
    public var location: Location
    /// Its own timing, where it or its definition has one; the bus's holds for the rest.
    public var timing: Timing

    /// A meter with every property given.
    public init(
        id: String, bus: String, unit: UInt8, definition: MeterDefinition, points: [Point], location: Location,
        timing: Timing = Timing()
    ) {
        self.id = id
        self.bus = bus
        self.unit = unit
        self.definition = definition
        self.points = points
        self.location = location
        self.timing = timing
    }
}

/// One measurable quantity of one installed meter: what a Datastream is on the platform.
public struct Point: Hashable, Sendable {
    /// Unique on this gateway, and for ever: `METER/NAME`. Readings are stored and delivered under it.
    public var key: String
    /// How often it is read.
    public var interval: Duration
    /// Which of its readings are kept.
    public var keep: KeepPolicy
    /// Whether readings of it that wait may be thinned when the spool is full.
    public var thin: ThinningPolicy
    /// The points of its model, shared by all meters of that model: a gateway has thousands of points.
    private let model: [PointDefinition]
    private let place: Int

    /// What it is.
    public var definition: PointDefinition { model[place] }

    /// The point at `place` among those of a model, read every `interval`.
    public init(
        meter: String, model: [PointDefinition], place: Int, interval: Duration, keep: KeepPolicy = .all,
        thin: ThinningPolicy = .allowed
    ) {
        self.key = meter + "/" + model[place].name
        self.interval = interval
        self.keep = keep
        self.thin = thin
        self.model = model
        self.place = place
    }

    /// The point `definition` of `meter`, read every `interval`.
    public init(
        meter: String, definition: PointDefinition, interval: Duration, thin: ThinningPolicy = .allowed
    ) {
        self.init(meter: meter, model: [definition], place: 0, interval: interval, thin: thin)
    }

    /// Whether two points are the same, wherever their definitions are kept.
    public static func == (a: Point, b: Point) -> Bool {
        a.key == b.key && a.interval == b.interval && a.keep == b.keep && a.thin == b.thin
            && a.definition == b.definition
    }

    /// Hashes the key, which is unique.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(key)
    }
}

/// An OGC SensorThings 1.1 platform that readings go to.
public struct UplinkSettings: Hashable, Sendable {
    /// How the agent proves who it is. Secrets stand in files, never in the configuration.
    public enum Credentials: Hashable, Sendable {
        /// Not at all.
        case none
        /// HTTP Basic: a user and the file with the password.
        case basic(user: String, passwordFile: String)
        /// A fixed bearer token from a file.
        case bearer(tokenFile: String)
    }

    /// The uplink's name in the configuration and in the spool.
    public var id: String
    /// The service root with its version: `https://api.city.example/frost/v1.1`.
    public var url: String
    /// How the agent proves who it is.
    public var credentials: Credentials
    /// A file of certificate authorities to trust instead of the system's.
    public var certificateAuthority: String?
    /// Most readings in one request.
    public var readingsPerRequest: Int
    /// How long to wait for an answer.
    public var responseTimeout: Duration

    /// An uplink with every property given.
    public init(
        id: String, url: String, credentials: Credentials = .none, certificateAuthority: String? = nil,
        readingsPerRequest: Int = 200, responseTimeout: Duration = .seconds(30)
    ) {
        self.id = id
        self.url = url
        self.credentials = credentials
        self.certificateAuthority = certificateAuthority
        self.readingsPerRequest = readingsPerRequest
        self.responseTimeout = responseTimeout
    }
}

/// How readings are kept on the gateway.
public struct SpoolSettings: Hashable, Sendable {
    /// How long readings may wait for their commit: what a power cut can cost. Nil: by their rate (`CommitPacing`).
    public var commitInterval: Duration?
    /// How large the spool's files may grow, in bytes. A full spool stops taking readings; polls are then skipped.
    public var maximumBytes: Int64
    /// How much of the disk is left to others, in bytes: the spool grows no further when less is free.
    public var freeBytes: Int64
    /// How long delivered readings stay as history.
    public var history: Duration
    /// How long after the start of the machine readings wait for time from the network, where nothing stands behind the
    /// clock.
    public var clockWait: Duration

    /// Settings with every property given.
    public init(
        commitInterval: Duration? = nil, maximumBytes: Int64 = 256_000_000, freeBytes: Int64 = 64_000_000,
        history: Duration = .seconds(48 * 3600), clockWait: Duration = WallClock.patience
    ) {
        self.commitInterval = commitInterval
        self.maximumBytes = maximumBytes
        self.freeBytes = freeBytes
        self.history = history
        self.clockWait = clockWait
    }
}
