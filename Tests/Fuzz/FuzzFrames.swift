import Metering

@testable import Fieldbus

/// Any bytes from a line, in pieces of any size: what is taken for the answer is one, its checksum is right, and sorting
/// ends. The same bytes as Modbus TCP are judged without a crash.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrames(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 4 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let (request, unit) = question(bytes)
    let stream = Array(bytes.dropFirst(4))
    sort(stream, request, unit, pieces: Int(bytes[3]) + 1)
    _ = TCPFrame.judge(stream, for: request, unit: unit, transaction: 0x0102)
    return 0
}

private func question(_ bytes: [UInt8]) -> (ReadRequest, UInt8) {
    let unit = bytes[1]
    switch bytes[0] % 6 {
    case 4: return (.serverID, unit)
    case 5: return (.identification(bytes[2] % 2 == 0 ? .basic : .regular, from: bytes[2]), unit)
    case let function:
        let functions = RegisterFunction.allCases
        let count = 1 + Int(bytes[2]) % RegisterSpan.maximumCount
        return (.registers(RegisterSpan(function: functions[Int(function)], address: 100, count: count)), unit)
    }
}

private func sort(_ stream: [UInt8], _ request: ReadRequest, _ unit: UInt8, pieces: Int) {
    var sorter = RTUSorter()
    sorter.expect(request, of: unit)
    var rest = stream[...]
    while !rest.isEmpty {
        let piece = Array(rest.prefix(pieces))
        rest = rest.dropFirst(pieces)
        sorter.append(piece, count: piece.count)
        take(&sorter, request, unit, burstIsOver: false)
    }
    take(&sorter, request, unit, burstIsOver: true)
    _ = sorter.isGarbled
    precondition(sorter.evidence.count <= RTUSorter.evidenceLength)
    if let range = sorter.finishBurst().range { precondition(range.upperBound <= sorter.bytes.count) }
    precondition(!sorter.isPending)
}

private func take(_ sorter: inout RTUSorter, _ request: ReadRequest, _ unit: UInt8, burstIsOver: Bool) {
    var findings = 0
    while let finding = sorter.next(burstIsOver: burstIsOver) {
        findings += 1
        precondition(findings <= sorter.bytes.count, "sorting does not end")
        let range = finding.range
        precondition(range.lowerBound >= 0 && range.upperBound <= sorter.bytes.count && !range.isEmpty)
        switch finding {
        case .answer, .exception:
            precondition(checksum(sorter.bytes[range]) == 0, "an answer with a wrong checksum")
            precondition(sorter.bytes[range.lowerBound] == unit, "an answer of another unit")
            precondition(sorter.bytes[range.lowerBound + 1] & 0x7F == request.function, "an answer to another function")
            guard case .answer = finding, let span = request.span else { break }
            precondition(range.count == 5 + span.dataLength, "an answer of another length")
        case .echo: precondition(Array(sorter.bytes[range]) == sorter.request)
        case .late, .foreign: precondition(checksum(sorter.bytes[range]) == 0, "a frame with a wrong checksum")
        case .noise: break
        }
    }
}

/// Bit by bit, as the standard says it (Modbus over Serial Line V1.02, section 6.2.2), apart from the table in use.
private func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var crc: UInt16 = 0xFFFF
    for byte in bytes {
        crc ^= UInt16(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xA001 : crc >> 1 }
    }
    return crc
}
