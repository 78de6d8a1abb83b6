internal import Metering

/// Writes entities as JSON, with their links under `root`.
struct Renderer {
    /// The service root: `http://127.0.0.1:8080/v1.1`.
    var root: String

    /// One row of an entity set, ready to be written.
    struct Row {
        var id: Int64
        /// The members without links; for Observations only what the table holds in `extra`.
        var body: String
        var observation: (time: Int64, end: Int64?, resultTime: Int64?, result: String)?
    }

    /// Appends the collection that `query` asks for: its page, its count, the link to the next page.
    func append(
        _ set: EntitySet, _ query: Query, link: (Int) -> String?, from database: Database, to bytes: inout [UInt8]
    ) throws {
        bytes.append(UInt8(ascii: "{"))
        if query.count {
            let statement = try database.statement("SELECT count(*) FROM \(set.table)\(query.whereClause)")
            statement.bind(query.arguments)
            while try statement.step() { bytes.append(contentsOf: "\"@iot.count\":\(statement.integer(0)),".utf8) }
        }
        var rows = try rows(of: set, query, from: database)
        let isCut = rows.count > query.top
        if isCut { rows.removeLast() }
        if isCut, query.top > 0, let next = link(query.skip + query.top) {
            bytes.append(contentsOf: "\"@iot.nextLink\":".utf8)
            JSONString(next).append(to: &bytes)
            bytes.append(UInt8(ascii: ","))
        }
        bytes.append(contentsOf: "\"value\":[".utf8)
        for (index, row) in rows.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            try append(row, of: set, query, from: database, to: &bytes)
        }
        bytes.append(contentsOf: "]}".utf8)
    }

    /// The rows of a page and one more, if there is one: it says that the page is cut.
    func rows(of set: EntitySet, _ query: Query, from database: Database) throws -> [Row] {
        let columns = set == .observations ? "id, extra, time, time_end, result_time, result" : "id, body"
        let statement = try database.statement(
            "SELECT \(columns) FROM \(set.table)\(query.whereClause)\(query.orderClause) LIMIT ? OFFSET ?")
        statement.bind(query.arguments + [.integer(Int64(query.top + 1)), .integer(Int64(query.skip))])
        var rows: [Row] = []
        while try statement.step() {
            var row = Row(id: statement.integer(0), body: statement.text(1))
            if set == .observations {
                row.observation = (
                    statement.integer(2), statement.optionalInteger(3), statement.optionalInteger(4), statement.text(5)
                )
            }
            rows.append(row)
        }
        return rows
    }

    /// Appends one entity.
    func append(
        _ row: Row, of set: EntitySet, _ query: Query, from database: Database, to bytes: inout [UInt8]
    ) throws {
        let own = "\(root)/\(set.rawValue)(\(row.id))"
        func wants(_ name: String) -> Bool { query.select?.contains(name) ?? true }
        bytes.append(UInt8(ascii: "{"))
        var isFirst = true
        func name(_ name: String) {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            bytes.append(UInt8(ascii: "\""))
            bytes.append(contentsOf: name.utf8)
            bytes.append(contentsOf: "\":".utf8)
        }
        if query.select == nil {
            name("@iot.selfLink")
            JSONString(own).append(to: &bytes)
        }
        if wants("id") || wants("@iot.id") {
            name("@iot.id")
            bytes.append(contentsOf: String(row.id).utf8)
        }
        if let observation = row.observation {
            if wants("phenomenonTime") {
                name("phenomenonTime")
                bytes.append(UInt8(ascii: "\""))
                Timestamp(milliseconds: observation.time).append(to: &bytes)
                if let end = observation.end {
                    bytes.append(UInt8(ascii: "/"))
                    Timestamp(milliseconds: end).append(to: &bytes)
                }
                bytes.append(UInt8(ascii: "\""))
            }
            if wants("resultTime") {
                name("resultTime")
                if let time = observation.resultTime {
                    JSONString(Timestamp(milliseconds: time).description).append(to: &bytes)
                } else {
                    bytes.append(contentsOf: "null".utf8)
                }
            }
            if wants("result") {
                name("result")
                bytes.append(contentsOf: observation.result.utf8)
            }
        }
        try appendBody(row, query, &isFirst, &bytes)
        for relation in set.relations {
            if let expansion = query.expand.first(where: { $0.relation.name == relation.name }) {
                name(relation.name)
                try append(expansion, of: row.id, own, from: database, to: &bytes)
            } else if query.select == nil {
                name(relation.name + "@iot.navigationLink")
                JSONString("\(own)/\(relation.name)").append(to: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private func appendBody(_ row: Row, _ query: Query, _ isFirst: inout Bool, _ bytes: inout [UInt8]) throws {
        guard !row.body.isEmpty else { return }
        var text = Array(row.body.utf8)
        if let select = query.select {
            let members = try JSONParser.parse([UInt8(ascii: "{")] + text + [UInt8(ascii: "}")]).members ?? []
            text = []
            JSON.append(members.filter { select.contains($0.name) }, to: &text)
        }
        guard !text.isEmpty else { return }
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(contentsOf: text)
    }

    private func append(
        _ expansion: Query.Expansion, of id: Int64, _ own: String, from database: Database, to bytes: inout [UInt8]
    ) throws {
        let relation = expansion.relation
        var query = expansion.query
        query.conditions.append(relation.condition)
        query.arguments.append(.integer(id))
        let rows = try rows(of: relation.target, query, from: database)
        if relation.isCollection {
            bytes.append(UInt8(ascii: "["))
            for (index, row) in rows.prefix(query.top).enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                try append(row, of: relation.target, query, from: database, to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
            if rows.count > query.top {
                bytes.append(contentsOf: ",\"\(relation.name)@iot.nextLink\":".utf8)
                JSONString("\(own)/\(relation.name)?$top=\(query.top)&$skip=\(query.top)").append(to: &bytes)
            }
        } else if let row = rows.first {
            try append(row, of: relation.target, query, from: database, to: &bytes)
        } else {
            bytes.append(contentsOf: "null".utf8)
        }
    }
}
