public import Metering

/// What one poll of a meter, or of the points of it that share an interval, has to do: planned once, run often.
public struct MeterPoll: Sendable {
    /// What became of one point in a poll.
    public enum PointResult: Hashable, Sendable {
        /// A value, when its answer arrived, and the registers it was in.
        case value(Value, at: Instant, words: [UInt16])
        /// The meter's code for "no value", or a float that is no number.
        case notAvailable(words: [UInt16])
        /// The request that would have read it failed.
        case failed(ModbusError)
    }

    /// What became of a whole poll.
    public struct Outcome {
        /// How many values arrived.
        public internal(set) var values = 0
        /// How many points the meter had no value for.
        public internal(set) var notAvailable = 0
        /// The first request that failed.
        public internal(set) var error: ModbusError?
    }

    /// The unit id.
    public let unit: UInt8
    /// The points, in the order in which results are given.
    public let points: [Point]
    /// The requests of a poll.
    public let requests: [PlannedRequest]

    /// The poll of `points` of `meter`, in the requests that are the quickest where a request costs `cost`.
    public init(meter: Meter, points: [Point], cost: RequestCost) {
        unit = meter.unit
        self.points = points
        requests = RequestPlanner.requests(
            for: points.map(\.definition), limits: meter.definition.limits, cost: cost)
    }

    /// Made anew each time: kept for all points of a gateway, decoders would be larger than the points.
    private func decoder(of slot: PlannedRequest.Slot) -> RegisterDecoder {
        RegisterDecoder(points[slot.point].definition)
    }

    /// Runs the poll on `link` and gives each value to `take` with the index of its point and its answer's arrival.
    ///
    /// After an exception the other requests are still made: partial results are kept. After silence or a broken
    /// connection they are not: each would cost the bus another timeout.
    public func run(on link: inout ModbusLink, take: (Int, Instant, Value) -> Void) -> Outcome {
        var outcome = Outcome()
        for request in requests {
            do throws(ModbusError) {
                let arrived = try link.read(request.span, unit: unit)
                link.words.withUnsafeBufferPointer { words in
                    for slot in request.slots {
                        if case .value(let value) = decoder(of: slot).decode(words, at: slot.offset) {
                            take(slot.point, arrived, value)
                            outcome.values += 1
                        } else {
                            outcome.notAvailable += 1
                        }
                    }
                }
            } catch {
                outcome.error = outcome.error ?? error
                guard case .exception = error.code else { break }
            }
        }
        return outcome
    }

    /// Runs the poll on `link` and keeps everything there is to show about each point.
    public func inspect(on link: inout ModbusLink) -> [PointResult] {
        var results = [PointResult?](repeating: nil, count: points.count)
        var silence: ModbusError?
        for request in requests {
            if let silence {
                for slot in request.slots { results[slot.point] = .failed(silence) }
                continue
            }
            do throws(ModbusError) {
                let arrived = try link.read(request.span, unit: unit)
                for slot in request.slots {
                    let count = points[slot.point].definition.count
                    let words = Array(link.words[slot.offset..<slot.offset + count])
                    let result = link.words.withUnsafeBufferPointer { decoder(of: slot).decode($0, at: slot.offset) }
                    if case .value(let value) = result {
                        results[slot.point] = .value(value, at: arrived, words: words)
                    } else {
                        results[slot.point] = .notAvailable(words: words)
                    }
                }
            } catch {
                for slot in request.slots { results[slot.point] = .failed(error) }
                if case .exception = error.code {} else { silence = error }
            }
        }
        return results.map { $0! }
    }
}
