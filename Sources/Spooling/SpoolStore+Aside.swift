extension SpoolStore {
    /// The most that the file of damaged rows takes; what comes then is deleted.
    private static let maximumAsideBytes: Int64 = 16 << 20

    /// Keeps the rows of damaged chunks in a range of numbers that is about to be deleted: as SQL, for a person who wants to
    /// look at what is left of them. What goes wrong here costs nothing: their readings are listed as missing already.
    func setAsideDamaged(_ first: Int64, through last: Int64) throws(SpoolError) {
        var text = ""
        try archive.damagedRows(first, through: last) { header, body in
            let numbers = header.words.map(String.init).joined(separator: ", ")
            text += "INSERT INTO chunk VALUES (\(numbers), x'\(Spares.digits(body))');\n"
        }
        let path = directory + "/parthe.damaged-rows"
        if SpoolFolder.size(path) < Self.maximumAsideBytes { SpoolFolder.append(text, to: path) }
    }
}
