/// A device that announces its SunSpec models, as its chain of models tells.
public struct SunSpecDevice: Hashable, Sendable {
    /// One model of the chain.
    public struct Model: Hashable, Sendable {
        /// The model's id: 103 for a three-phase inverter.
        public var id: UInt16
        /// The zero-based PDU address of its ID register.
        public var address: UInt16
        /// The length that the device states: registers after the ID and the length itself.
        public var length: Int
        /// 1 for the first model of this id in the chain, 2 for the second …
        public var occurrence: Int

        /// A model with every property given.
        public init(id: UInt16, address: UInt16, length: Int, occurrence: Int = 1) {
            self.id = id
            self.address = address
            self.length = length
            self.occurrence = occurrence
        }
    }

    /// How the chain ended.
    public enum Ending: Hashable, Sendable {
        /// With the end marker, as it should.
        case marker
        /// The header at this address was not answered.
        case unanswered(UInt16)
        /// At this address stands the id 0, which no model has.
        case noModel(UInt16)
        /// The model at this address states a length that leaves no room before 65535.
        case tooFar(UInt16)
        /// After `SunSpecDiscovery.longestChain` models, at this address.
        case tooLong(UInt16)
    }

    /// The zero-based PDU address of the marker "SunS".
    public var base: UInt16
    /// Who made it, as model 1 says; empty where it says nothing.
    public var manufacturer = ""
    /// What its plate says (`Md`).
    public var product = ""
    /// Its firmware (`Vr`).
    public var version = ""
    /// Its serial number (`SN`).
    public var serial = ""
    /// The most active power that it is made for, in W (`WRtg` of model 120); nil where it does not say.
    public var ratedPower: ExactDecimal?
    /// The chain, in the order of its addresses.
    public var models: [Model] = []
    /// How the chain ended.
    public var ending = Ending.marker

    /// A device of which nothing but the marker is known.
    public init(base: UInt16) {
        self.base = base
    }

    /// Where the serial number of what `model` measures stands, for a meter's `identity`: in the last model 1 before it, for
    /// a meter that is connected to an inverter has a model 1 of its own. Nil where that holds none.
    public func serialRegister(of model: Model) -> MeterIdentity.Register? {
        guard let common = models.last(where: { $0.id == 1 && $0.address < model.address }), common.length >= 64 else {
            return nil
        }
        return MeterIdentity.Register(function: .holding, address: common.address + 50, type: .text, count: 16)
    }

    /// What a technician writes to read one model of the chain.
    public struct Proposal: Hashable, Sendable {
        /// The definition's name: `model: sunspec-203`.
        public var model: String
        /// Where the device has it: `at: 40190`.
        public var at: UInt16

        /// The definition `model` at the ID register `at`.
        public init(model: String, at: UInt16) {
            self.model = model
            self.at = at
        }
    }

    /// The definitions of `catalogue` that fit a model of the chain, by id and stated length, in the chain's order.
    public func proposals(from catalogue: [MeterDefinition]) -> [Proposal] {
        models.flatMap { model in
            catalogue.filter { $0.sunSpec.map { $0.id == model.id && $0.lengths.contains(model.length) } ?? false }
                .filter { $0.placed(at: Int(model.address)) != nil }
                .map { Proposal(model: $0.model, at: model.address) }
        }
    }
}
