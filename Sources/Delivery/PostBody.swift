internal import Metering

/// The body of a CreateObservations request (OGC 18-088, data array extension): readings grouped by Datastream.
///
///     [{"Datastream":{"@iot.id":2},"components":["phenomenonTime","resultTime","result"],
///       "dataArray":[["2026-11-01T00:00:10.000Z","2026-11-01T00:00:10.000Z",12.3]]}]
///
/// The result time is the phenomenon time: a meter's value is known when it is read. Servers that demand a resultTime
/// refuse null.
struct PostBody {
    /// The body; its memory is used again.
    private(set) var bytes: [UInt8] = []
    private var rowBegin = RowBegin()

    /// What stands before and behind the Datastream's id.
    private static let beforeID = Array(#"{"Datastream":{"@iot.id":"#.utf8)
    private static let afterID = Array(
        #"},"components":["phenomenonTime","resultTime","result"],"dataArray":["#.utf8)

    /// Writes the open readings of a range of a window.
    ///
    /// Precondition: each of their points has a Datastream.
    mutating func write(_ window: DeliveryWindow, _ range: Range<Int>, datastreams: [PointID: EntityID]) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(UInt8(ascii: "["))
        var group: PointID?
        for position in range where window.verdicts[position] == .open {
            let reading = window.readings[position]
            if reading.point == group {
                bytes.append(UInt8(ascii: ","))
            } else {
                guard let datastream = datastreams[reading.point] else {
                    preconditionFailure("point \(reading.point.rawValue) is sent without a Datastream")
                }
                if group != nil { bytes.append(contentsOf: Self.betweenGroups) }
                bytes.append(contentsOf: Self.beforeID)
                datastream.append(to: &bytes)
                bytes.append(contentsOf: Self.afterID)
                group = reading.point
            }
            rowBegin.append(reading.phenomenonTime, to: &bytes)
            reading.value.append(to: &bytes)
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
        bytes.append(contentsOf: #","Datastream":{"@iot.id":"#.utf8)
        bytes.append(contentsOf: datastream.json)
        bytes.append(contentsOf: "}}".utf8)
    }

    private static let betweenGroups: [UInt8] = Array("]},".utf8)
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
