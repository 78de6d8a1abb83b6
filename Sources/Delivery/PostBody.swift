internal import Metering

/// The body of a CreateObservations request (OGC 18-088, data array extension): readings grouped by Datastream.
///
///     [{"Datastream":{"@iot.id":2},"components":["phenomenonTime","resultTime","result"],
///       "dataArray":[["2026-11-01T00:00:10.000Z","2026-11-01T00:00:10.000Z",12.3]]}]
///
/// The result time is the phenomenon time: a meter's value is known when it is read. Servers that demand a resultTime
/// refuse null.
///
/// Readings that are in doubt, or with which something has to be known, stand in groups of their own with two components
/// more, `resultQuality` ("good", "uncertain", "bad") and `parameters` (an object), so that the many others stay short.
struct PostBody {
    /// The body; its memory is used again.
    private(set) var bytes: [UInt8] = []
    private var rowBegin = RowBegin()

    /// What stands before and behind the Datastream's id.
    private static let beforeID = Array(#"{"Datastream":{"@iot.id":"#.utf8)
    private static let afterID = Array(
        #"},"components":["phenomenonTime","resultTime","result"],"dataArray":["#.utf8)
    private static let afterIDWithMore = Array(
        #"},"components":["phenomenonTime","resultTime","result","resultQuality","parameters"],"dataArray":["#.utf8)

    /// Writes the open readings of a range of a window.
    ///
    /// Precondition: each of their points has a Datastream.
    mutating func write(_ window: DeliveryWindow, _ range: Range<Int>, datastreams: [PointID: EntityID]) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(UInt8(ascii: "["))
        var group: PointID?
        var groupHasMore = false
        for position in range where window.verdicts[position] == .open {
            let reading = window.readings[position]
            let hasMore = reading.hasMore
            if reading.point == group, hasMore == groupHasMore {
                bytes.append(UInt8(ascii: ","))
            } else {
                guard let datastream = datastreams[reading.point] else {
                    preconditionFailure("point \(reading.point.rawValue) is sent without a Datastream")
                }
                if group != nil { bytes.append(contentsOf: Self.betweenGroups) }
                bytes.append(contentsOf: Self.beforeID)
                datastream.append(to: &bytes)
                bytes.append(contentsOf: hasMore ? Self.afterIDWithMore : Self.afterID)
                (group, groupHasMore) = (reading.point, hasMore)
            }
            rowBegin.append(reading.phenomenonTime, to: &bytes)
            reading.value.append(to: &bytes)
            if hasMore {
                bytes.append(UInt8(ascii: ","))
                reading.appendQuality(to: &bytes)
                bytes.append(UInt8(ascii: ","))
                reading.appendParameters(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if group != nil { bytes.append(contentsOf: "]}".utf8) }
        bytes.append(UInt8(ascii: "]"))
    }

    /// Writes one reading as the body of a request to `Observations`.
    mutating func write(single reading: SpooledReading, datastream: EntityID) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: #"{"phenomenonTime":""#.utf8)
        reading.phenomenonTime.append(to: &bytes)
        bytes.append(contentsOf: #"","resultTime":""#.utf8)
        reading.phenomenonTime.append(to: &bytes)
        bytes.append(contentsOf: #"","result":"#.utf8)
        reading.value.append(to: &bytes)
        if reading.hasMore {
            bytes.append(contentsOf: #","resultQuality":"#.utf8)
            reading.appendQuality(to: &bytes)
            bytes.append(contentsOf: #","parameters":"#.utf8)
            reading.appendParameters(to: &bytes)
        }
        bytes.append(contentsOf: #","Datastream":{"@iot.id":"#.utf8)
        bytes.append(contentsOf: datastream.json)
        bytes.append(contentsOf: "}}".utf8)
    }

    private static let betweenGroups: [UInt8] = Array("]},".utf8)
}

extension SpooledReading {
    /// Whether more than its time and value is delivered.
    fileprivate var hasMore: Bool { quality != .good || parameters != nil }

    fileprivate func appendQuality(to bytes: inout [UInt8]) {
        let word =
            switch quality {
            case .good: "good"
            case .uncertain: "uncertain"
            case .bad: "bad"
            }
        bytes.append(contentsOf: "\"\(word)\"".utf8)
    }

    /// An object; without members where there is nothing but the quality, because some servers refuse null.
    fileprivate func appendParameters(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        if case .members(let members, let from, let to) = parameters {
            if let from, let to {
                bytes.append(contentsOf: #""from":""#.utf8)
                from.append(to: &bytes)
                bytes.append(contentsOf: #"","to":""#.utf8)
                to.append(to: &bytes)
                bytes.append(contentsOf: #"","#.utf8)
            }
            bytes.append(contentsOf: members.utf8)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

/// Writes the beginning of a row, `["2026-11-01T00:00:10.000Z","2026-11-01T00:00:10.000Z",`. Neighbouring readings share
/// their time more often than not, so the last one's text is kept.
private struct RowBegin {
    private var milliseconds = Int64.min
    private var text: [UInt8] = []

    mutating func append(_ time: Timestamp, to bytes: inout [UInt8]) {
        if time.milliseconds != milliseconds {
            milliseconds = time.milliseconds
            text.removeAll(keepingCapacity: true)
            text.append(contentsOf: #"[""#.utf8)
            time.append(to: &text)
            text.append(contentsOf: #"",""#.utf8)
            time.append(to: &text)
            text.append(contentsOf: #"","#.utf8)
        }
        bytes.append(contentsOf: text)
    }
}
