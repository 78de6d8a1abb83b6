internal import CYAML

/// Turns libyaml's events into nodes. A syntax error ends the file; what is merely refused does not, so that one run
/// reports as much as it can.
struct YAMLComposer {
    /// The file ends here; the problem is reported already.
    struct Stop: Error {}

    let parser: UnsafeMutablePointer<yaml_parser_t>
    /// The file's content, which the parser reads too.
    let bytes: [UInt8]
    let file: String
    let findings: Findings

    /// The file's one value.
    func document() throws(Stop) -> Node {
        _ = try next()  // the stream's start
        let start = try next()
        guard start.type == YAML_DOCUMENT_START_EVENT else {
            findings.error(at: start.place, path: "", "the file is empty", hint: "it should begin with a key")
            throw Stop()
        }
        if start.hasDirectives {
            findings.error(at: start.place, path: "", "YAML directives (%) are not supported", hint: "remove the line")
        }
        let root = try node(try next(), depth: 0)
        _ = try next()  // the document's end
        let end = try next()
        if end.type != YAML_STREAM_END_EVENT {
            findings.error(
                at: end.place, path: "", "a second document begins here",
                hint: "remove the line \"---\"; further meters go into files of their own in meters/")
        }
        return root
    }

    private func node(_ event: Event, depth: Int) throws(Stop) -> Node {
        guard depth <= YAMLDocument.depthLimit else {
            findings.error(
                at: event.place, path: "", "nested deeper than \(YAMLDocument.depthLimit) levels",
                hint: "no configuration needs that; is this the right file?")
            throw Stop()
        }
        refuseDecorations(of: event)
        switch event.type {
        case YAML_SCALAR_EVENT:
            return Node(content: .scalar(event.text, isPlain: event.isPlain), place: event.place)
        case YAML_SEQUENCE_START_EVENT:
            var items: [Node] = []
            while true {
                let item = try next()
                if item.type == YAML_SEQUENCE_END_EVENT { break }
                items.append(try node(item, depth: depth + 1))
            }
            return Node(content: .sequence(items), place: event.place, isFlow: event.isFlow)
        case YAML_MAPPING_START_EVENT:
            let entries = try entries(depth: depth)
            // What a merge would have brought in is missed by everybody who reads the mapping: nobody shall.
            let content = entries.contains { $0.key == "<<" } ? Node.Content.refused : .mapping(entries)
            return Node(content: content, place: event.place, isFlow: event.isFlow)
        default:
            findings.error(
                at: event.place, path: "", "aliases (*\(clipped(event.text))) are not supported",
                hint: "write the value out again")
            return Node(content: .refused, place: event.place)
        }
    }

    private func entries(depth: Int) throws(Stop) -> [Node.Entry] {
        var entries: [Node.Entry] = []
        while true {
            let event = try next()
            if event.type == YAML_MAPPING_END_EVENT { return entries }
            let key = try node(event, depth: depth + 1)
            let value = try node(try next(), depth: depth + 1)
            guard case .scalar(let word, _) = key.content else {
                if case .refused = key.content { continue }
                findings.error(at: key.place, path: "", "a key must be a word, not \(key.kind)")
                continue
            }
            if word == "<<" {
                findings.error(
                    at: key.place, path: "", "merge keys (<<) are not supported", hint: "write the keys out again")
            }
            entries.append(Node.Entry(key: word, place: key.place, value: value))
        }
    }

    private func refuseDecorations(of event: Event) {
        if event.hasAnchor, event.type != YAML_ALIAS_EVENT {
            findings.error(
                at: event.place, path: "", "anchors (&) are not supported", hint: "write the value out at each place")
        }
        if event.hasTag {
            findings.error(
                at: event.place, path: "", "tags (!) are not supported",
                hint: "remove the tag, or quote the text if it begins with \"!\"")
        }
    }

    // MARK: Events

    /// What is needed of a yaml_event_t, copied out so that the event can be freed at once.
    struct Event {
        var type: yaml_event_type_t
        var place: Place
        var text = ""
        var isPlain = false
        var isFlow = false
        var hasAnchor = false
        var hasTag = false
        var hasDirectives = false
    }

    private func next() throws(Stop) -> Event {
        var raw = yaml_event_t()
        guard yaml_parser_parse(parser, &raw) == 1 else {
            reportSyntaxError()
            throw Stop()
        }
        defer { yaml_event_delete(&raw) }
        var event = Event(type: raw.type, place: place(raw.start_mark))
        switch raw.type {
        case YAML_DOCUMENT_START_EVENT:
            let start = raw.data.document_start
            event.hasDirectives =
                start.version_directive != nil || start.tag_directives.start != start.tag_directives.end
        case YAML_ALIAS_EVENT:
            event.text = raw.data.alias.anchor.map { String(cString: $0) } ?? ""
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            event.text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            event.isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            event.hasAnchor = scalar.anchor != nil
            event.hasTag = scalar.tag != nil
        case YAML_SEQUENCE_START_EVENT:
            let sequence = raw.data.sequence_start
            event.isFlow = sequence.style == YAML_FLOW_SEQUENCE_STYLE
            event.hasAnchor = sequence.anchor != nil
            event.hasTag = sequence.tag != nil
        case YAML_MAPPING_START_EVENT:
            let mapping = raw.data.mapping_start
            event.isFlow = mapping.style == YAML_FLOW_MAPPING_STYLE
            event.hasAnchor = mapping.anchor != nil
            event.hasTag = mapping.tag != nil
        default:
            break
        }
        return event
    }

    private func place(ofByte offset: Int) -> Place {
        let before = String(decoding: bytes[..<min(max(0, offset), bytes.count)], as: UTF8.self)
        let line = before.unicodeScalars.reversed().prefix { $0 != "\n" }.count
        return Place(file: file, line: before.utf8.count { $0 == UInt8(ascii: "\n") } + 1, column: line + 1)
    }

    private func place(_ mark: yaml_mark_t) -> Place {
        Place(file: file, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    // MARK: Syntax errors

    private func reportSyntaxError() {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "cannot be read"
        var message = "YAML syntax: " + problem
        if let context = parser.pointee.context {
            message += " \(String(cString: context)) that begins in line \(parser.pointee.context_mark.line + 1)"
        }
        // The reader (of control characters) is ahead of the scanner and knows only the offset of the bad byte.
        let isReaderError = parser.pointee.error == YAML_READER_ERROR
        let place = isReaderError ? place(ofByte: parser.pointee.problem_offset) : place(parser.pointee.problem_mark)
        findings.error(at: place, path: "", message, hint: Self.hint(for: problem))
    }

    private static func hint(for problem: String) -> String {
        switch problem {
        case "found character that cannot start any token", "found a tab character that violates indentation":
            "indent with spaces, never tabs; quote text that begins with one of @ ` % ! & *"
        case "mapping values are not allowed in this context":
            "check the indentation of this line, and quote text that contains \": \""
        case "could not find expected ':'":
            "a key needs a colon and a space after it: \"key: value\""
        case "did not find expected key", "did not find expected '-' indicator":
            "keys of one mapping, and the dashes of one list, begin in the same column"
        case "did not find expected ',' or '}'", "did not find expected ',' or ']'":
            "close the bracket, and put commas between its parts"
        case "found unexpected end of stream":
            "a quote or a bracket is not closed"
        case "control characters are not allowed":
            "remove the invisible character; was the file cut off or overwritten?"
        default:
            "look at the indentation, quotes and brackets just before this place"
        }
    }
}
