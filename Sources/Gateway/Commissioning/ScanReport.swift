internal import Fieldbus

/// What `parthe bus scan` found.
public struct ScanReport: Encodable, Sendable {
    /// A unit id that somebody answers to.
    public struct FoundUnit: Encodable, Sendable {
        /// The unit id.
        public var unit: UInt8
        /// The line settings at which it answers, `9600 8N1`; absent where there is no serial port.
        public var line: String?
        /// Whether those are not the bus's own.
        public var isOnOtherLine = false
        /// `ok`: it answers; `unknown`: something came back that is no whole answer.
        public var result: String
        /// How it showed itself.
        public var evidence: String
        /// The PDUs that it answered: the one by which it was found, then those that tell what it is.
        public var sent: [String] = []
        /// Whether it was found out what it is.
        public var isSurveyed = false
        /// From the end of a request to its answer, typically.
        public var turnaroundMilliseconds: Double?
        /// The meter of the configuration with this unit id.
        public var meter: String?
        /// That meter's model.
        public var configuredModel: String?
        /// What it says of itself by Read Device Identification, by the standard's names of the objects.
        public var identification: [String: String] = [:]
        /// What it answers to Report Server ID: text where it is some, else hexadecimal.
        public var serverID: String?
        /// What it says as a SunSpec device.
        public var sunSpec: SunSpec?
        /// Models of the catalogue, the likeliest first, at most five.
        public var guesses: [Guess] = []
        /// Its serial number, where the likeliest model says where to find it.
        public var serial: String?
        /// What speaks against something, and what to do.
        public var doubts: [String] = []
        /// The configuration of it, as a list item of `meters`.
        public var offer: String?
        /// Where no model is sure enough: the same with points of its own, in comments, with blanks to be filled in.
        public var skeleton: String?
    }

    /// A model that a unit may be.
    public struct Guess: Encodable, Sendable {
        /// The model's name in the catalogue.
        public var model: String
        /// Maker and product.
        public var product: String
        /// How sure, in percent.
        public var confidence: Int
        /// What speaks for it.
        public var evidence: String
    }

    /// The chain of models of a SunSpec device.
    public struct SunSpec: Encodable, Sendable {
        /// The zero-based address of the marker.
        public var base: UInt16
        /// Who made it.
        public var manufacturer: String
        /// What its plate says.
        public var product: String
        /// Its firmware.
        public var version: String
        /// Its serial number.
        public var serial: String
        /// The power that it is made for, as `rated_power` is written; absent where it does not say.
        public var ratedPower: String?
        /// Each model: `203 at 40190, 105 registers`.
        public var models: [Model]
        /// How the chain ended, where it did not end as it should.
        public var ending: String?
    }

    /// A model of a SunSpec device.
    public struct Model: Encodable, Sendable {
        /// The id.
        public var id: UInt16
        /// The zero-based address of its ID register.
        public var address: UInt16
        /// Both notations of it.
        public var register: String
        /// Registers after ID and length.
        public var length: Int
        /// The catalogue's definition of it, where there is one.
        public var model: String?
        /// What the definition leaves out.
        public var note: String?
        /// The serial number of what it measures: of the device itself, or of a meter that is connected to it.
        public var serial: String?
        /// The zero-based address of that serial number, a text of 16 holding registers.
        public var serialRegister: UInt16?
    }

    /// The bus, or its place.
    public var bus: String
    /// `ok`: somebody answers; `failed`: the bus cannot be asked; `unknown`: nobody answered.
    public var result: String
    /// Whether everything was asked that was to be.
    public var isComplete: Bool
    /// Whether the running agent lent its bus.
    public var isLent: Bool
    /// How many unit ids were asked, over all line settings.
    public var asked: Int
    /// How long it took.
    public var seconds: Double
    /// How long each unit id was waited for.
    public var timeoutMilliseconds: Int64
    /// Who answers.
    public var units: [FoundUnit] = []
    /// What holds for the whole bus.
    public var notes: [String] = []
    /// The configuration of the bus, where it has none.
    public var busOffer: String?
    /// The line settings of a configured bus that are to be changed; the offers hold with them.
    public var change: String?
    /// What they belong to: `bus hall`.
    public var changeAt: String?
    /// Files that were written.
    public var written: [String] = []
    /// Why the bus cannot be asked.
    public var error: String?
    /// What to do next.
    public var hint: String?

    /// The report as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
