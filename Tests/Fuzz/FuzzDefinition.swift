import Metering

@testable import Configuration

/// Any bytes as a definition of the catalogue: either a definition that can be planned and decoded, or problems with
/// places in the file.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDefinition(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let findings = Findings()
    let node = YAMLDocument.parse(bytes, file: "model.yaml", findings: findings)
    let definition = node.flatMap {
        DefinitionReader.read(Field(node: $0, path: "", findings: findings), model: "model")
    }
    precondition(definition != nil || findings.hasErrors, "neither a definition nor an error")
    let lines = bytes.count { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") } + 3
    for problem in findings.problems {
        precondition(problem.line >= 1 && problem.line <= lines && problem.column >= 1, "\(problem)")
    }
    guard let definition, !findings.hasErrors else { return 0 }
    use(definition)
    return 0
}

private func use(_ definition: MeterDefinition) {
    let words = [UInt16](repeating: 0x1234, count: RegisterSpan.maximumCount)
    for point in definition.points where point.neededSpan.count <= words.count {
        let place = Int(point.address) - Int(point.neededSpan.address)
        words.withUnsafeBufferPointer { _ = RegisterDecoder(point).decode($0, at: place) }
    }
    // A SunSpec model is moved to where a device has it, or does not fit there.
    if definition.sunSpec != nil {
        for address in [0, 40_070, 65_500] {
            guard let placed = definition.placed(at: address) else { continue }
            precondition(placed.points.allSatisfy { $0.span.addresses.upperBound <= 65_536 }, "\(placed)")
        }
    }
    let requests = RequestPlanner.requests(for: definition.points, limits: definition.limits, cost: .tcp)
    var seen = Set<Int>()
    for request in requests { seen.formUnion(request.slots.map(\.point)) }
    precondition(seen.count == definition.points.count, "the plan loses points")
}
