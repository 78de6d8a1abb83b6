internal import CSQLite

/// A prepared statement. It is reset after every use, so that it holds no lock and no row.
final class Statement {
    // SAFETY: owned by this object, finalised once; the connection outlives its statements, which only it keeps.
    private let handle: OpaquePointer
    private unowned let connection: Connection

    init(_ handle: OpaquePointer, connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Sets the parameters from the first on.
    func bind(_ values: Int64?...) {
        for (index, value) in values.enumerated() {
            bind(value, at: Int32(index + 1))
        }
    }

    /// Sets one parameter; the first has index 1.
    func bind(_ value: Int64?, at index: Int32) {
        // Binding fails only for an index that the statement has not, or without memory: step() reports the latter.
        if let value { sqlite3_bind_int64(handle, index, value) } else { sqlite3_bind_null(handle, index) }
    }

    /// Sets one parameter to a text, which is copied.
    func bind(_ text: String, at index: Int32) {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        sqlite3_bind_text(handle, index, text, Int32(clamping: text.utf8.count), transient)
    }

    /// Runs the statement to its end with a blob as the parameter at `index`; the bytes are not copied.
    func run(_ operation: String, blob: UnsafeRawBufferPointer, at index: Int32) throws(SpoolError) {
        sqlite3_bind_blob(handle, index, blob.baseAddress, Int32(clamping: blob.count), nil)
        defer { sqlite3_bind_null(handle, index) }
        try run(operation)
    }

    /// Runs the statement to its end.
    func run(_ operation: String) throws(SpoolError) {
        defer { reset() }
        while try step(operation) {}
    }

    /// Goes to the next row; false after the last.
    func step(_ operation: String = "read") throws(SpoolError) -> Bool {
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        guard code == SQLITE_DONE else {
            let error = connection.failure(code, operation)
            sqlite3_reset(handle)
            throw error
        }
        return false
    }

    /// Ends the current run; parameters stay.
    func reset() {
        sqlite3_reset(handle)
    }

    /// An integer column of the current row; the first has index 0.
    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    /// The same, nil for NULL.
    func optional(_ column: Int32) -> Int64? {
        isNull(column) ? nil : integer(column)
    }

    /// A column of the current row, whatever it is; a blob or a float is no cell, and comes out as nothing.
    func cell(_ column: Int32) -> Cell {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_TEXT: .text(text(column))
        default: .null
        }
    }

    /// Whether a column of the current row is NULL.
    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    /// A text column of the current row.
    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A blob column of the current row; valid until the next step or reset.
    func blob(_ column: Int32) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }
}
