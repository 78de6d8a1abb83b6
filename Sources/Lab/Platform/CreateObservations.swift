internal import Metering

/// A request in the data-array form (OGC 18-088, section 12): rows of components, grouped by Datastream.
///
/// What is refused as a whole and what row by row follows FROST's ServiceDataArray: an unreadable body or an unknown
/// component is 400; a missing Datastream or feature, a bad time, a missing result is an error of its row; a row
/// shorter than its components, or a broken constraint, is 500. After 400 and 500 nothing is stored.
struct CreateObservations {
    private struct Group {
        var datastream: JSON?
        var components: [ObservationComponent]
        var rows: [JSON]
    }

    private var groups: [Group] = []

    /// Reads a body.
    init(_ body: JSON) throws(RequestError) {
        guard let elements = body.elements else { throw RequestError(400, "An array of data arrays is expected.") }
        for element in elements {
            guard let rows = element["dataArray"]?.elements else { throw RequestError(400, "dataArray is missing.") }
            guard let names = element["components"]?.elements else { throw RequestError(400, "components is missing.") }
            var components: [ObservationComponent] = []
            for name in names {
                guard let text = name.text else { throw RequestError(400, "components must be strings.") }
                guard let component = ObservationComponent(text) else {
                    throw RequestError(400, "Unknown component: \(text)")
                }
                components.append(component)
            }
            groups.append(Group(datastream: element["Datastream"], components: components, rows: rows))
        }
    }

    /// How many rows the request has.
    var rowCount: Int { groups.reduce(0) { $0 + $1.rows.count } }

    /// Stores the rows in one transaction and gives one element a row: the id, or the reason why it is not stored.
    ///
    /// Every `failEvery`-th row is refused, as a fault.
    func store(in store: Store, now: Timestamp, failEvery: Int?) throws -> [Result<Int64, RequestError>] {
        try store.transaction { database in
            var results: [Result<Int64, RequestError>] = []
            results.reserveCapacity(rowCount)
            var times = TimeReader()
            for group in groups {
                for row in group.rows {
                    if let failEvery, (results.count + 1) % failEvery == 0 {
                        results.append(.failure(RequestError(400, "Refused by the fault plan.")))
                        continue
                    }
                    do {
                        results.append(.success(try insert(row, of: group, in: store, database, now, &times)))
                    } catch let error as RequestError {
                        results.append(.failure(error))
                    }
                }
            }
            return results
        }
    }

    private func insert(
        _ row: JSON, of group: Group, in store: Store, _ database: Database, _ now: Timestamp,
        _ times: inout TimeReader
    ) throws -> Int64 {
        guard let values = row.elements, values.count >= group.components.count else { throw ShortRow() }
        var observation = NewObservation()
        for (component, value) in zip(group.components, values) { try observation.take(component, value, &times) }
        guard let reference = group.datastream?["@iot.id"] else {
            throw RequestError(400, "No Datastream found and MultiDatastream plugin not enabled.")
        }
        guard let datastream = reference.integer else {
            let id = String(decoding: reference.bytes.prefix(40), as: UTF8.self)
            throw RequestError(400, "No such entity 'Datastream' with id [\(id)]")
        }
        return try store.insert(observation, datastream: datastream, now: now, into: database)
    }
}

/// A row with fewer values than components: FROST runs over its end.
struct ShortRow: Error {}
