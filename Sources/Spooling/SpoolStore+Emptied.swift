// Chunks without readings, which stand for history that was deleted behind readings that wait: see History.

extension SpoolStore {
    /// Puts a chunk without readings in the place of others, which are of one boot and follow each other; emptied neighbours
    /// of that boot become one with it.
    func empty(_ chunks: [ChunkHeader]) throws(SpoolError) {
        guard let first = chunks.first, let last = chunks.last else { return }
        var all = chunks
        if let before = try archive.wholeHeader(backFrom: first.sequence - 1), before.isEmptied,
            before.last == first.sequence - 1, before.boot == first.boot
        {
            all.insert(before, at: 0)
        }
        if let next = try archive.wholeHeader(from: last.last + 1), next.isEmptied, next.sequence == last.last + 1,
            next.boot == first.boot
        {
            all.append(next)
        }
        var emptied = all[0]
        let end = all[all.count - 1]
        (emptied.count, emptied.level, emptied.removed) = (0, 0, end.last - emptied.sequence + 1)
        for chunk in all {
            emptied.earliest = min(emptied.earliest, chunk.earliest)
            emptied.latest = max(emptied.latest, chunk.latest)
        }
        emptied.stored = end.stored
        try delete(emptied.sequence, through: end.last)
        encoder.encode([], earliest: emptied.earliest, book: &state.shapes)
        try insert(emptied, ChunkEncoder.sealed(encoder.writer.bytes, emptied))
        state.vacancies.add(emptied)
        if state.oldestSequence >= emptied.sequence { state.oldest = emptied }
    }

    /// Deletes emptied chunks that are the oldest: nothing that waits is before them any more.
    func forgetEmptied(before newest: ChunkHeader) throws(SpoolError) {
        var end: Int64?
        var oldest = state.oldest
        while let chunk = oldest, chunk.isEmptied, chunk.sequence < newest.sequence {
            guard chunk.last < newest.sequence, try archive.isWhole(chunk) else {
                // How far it reached, nobody knows: it goes as damaged rows do.
                state.vacancies.distrust(chunk.sequence)
                break
            }
            end = chunk.last
            oldest = try archive.header(from: chunk.last + 1)
        }
        if let end { try delete(through: end) }
    }
}
