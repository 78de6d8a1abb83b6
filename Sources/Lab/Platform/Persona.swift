/// Whose manners the platform has: how it words what goes wrong.
public enum Persona: String, Hashable, Sendable, CaseIterable {
    /// FROST-Server (Fraunhofer IOSB), which most German city platforms run: integer ids, copies are stored, a refused
    /// row is `"error <reason>"` in a 201, one transaction a request.
    case frost
}

extension Persona {
    /// An error's body.
    func body(of error: RequestError) -> [UInt8] {
        let answer: JSON = ["code": .integer(error.status), "type": "error", "message": .string(error.message)]
        return answer.bytes
    }

    /// What the persona makes of any failure: its status and words.
    func requestError(of error: any Error, rows: Bool) -> RequestError {
        switch error {
        case let error as RequestError: error
        case let error as JSONParser.Failure: RequestError(400, "Failed to parse the body: \(error)")
        // FROST catches constraints of its database for single entities only (FROST-Server issues 2277 and 2278).
        case is DataViolatesConstraints:
            rows ? RequestError(500, "Failed to store data.") : RequestError(409, "Data violates constraints.")
        case is ShortRow: RequestError(500, "Index out of bounds for length")
        default: RequestError(500, "Failed to store data: \(error)")
        }
    }

    /// An element of the answer to CreateObservations for a row that is not stored.
    func row(of error: RequestError) -> String {
        "error " + error.message
    }

    /// The conformance classes that `GET /v1.1` names (OGC 18-088, section 9.2.1).
    var conformance: [String] {
        let root = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
        return [
            "datamodel", "resource-path/resource-path-to-entities", "request-data",
            "create-update-delete/create-entity",
            "create-update-delete/deep-insert", "data-array/data-array",
        ].map { root + $0 }
    }
}
