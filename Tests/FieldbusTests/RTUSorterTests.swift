import Metering
import Testing

@testable import Fieldbus

@Suite struct RTUSorterTests {
    private static let span = RegisterSpan(function: .input, address: 0x0102, count: 3)
    private static let request = Frames.rtu(7, [4, 1, 2, 0, 3])
    private static let answer = Frames.answer(to: request, value: 0x1110)

    /// What is found when `bytes` come in pieces of `size`.
    private func findings(
        _ bytes: [UInt8], size: Int = .max, asking request: ReadRequest = .registers(span)
    ) -> [RTUSorter.Finding] {
        var sorter = RTUSorter()
        sorter.expect(request, of: 7)
        var findings: [RTUSorter.Finding] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(size))
            rest = rest.dropFirst(piece.count)
            sorter.append(piece, count: piece.count)
            while let finding = sorter.next() { findings.append(finding) }
        }
        return findings
    }

    /// Bytes, and what they are, however they are cut into pieces.
    @Test(arguments: [1, 2, 3, 5, 8, 62, 1000])
    func theSameInAnyPieces(size: Int) {
        let answer = Self.answer
        let echo = Self.request
        let late = Frames.rtu(7, [4, 2, 0xAB, 0xCD])
        let lateOther = Frames.rtu(7, [3, 6, 1, 2, 3, 4, 5, 6])
        let foreign = Frames.rtu(9, [4, 6, 0, 1, 0, 2, 0, 3])
        let foreignMaster = Frames.rtu(9, [3, 0, 0, 0, 10])
        let unknown = Frames.rtu(9, [0x65, 1, 2, 3, 4, 5])
        #expect(findings(answer, size: size) == [.answer(0..<11)])
        #expect(findings(Frames.rtu(7, [0x84, 2]), size: size) == [.exception(2, 0..<5)])
        // libmodbus #34, #380: the echo of a 2-wire adapter.
        #expect(findings(echo + answer, size: size) == [.echo(0..<8), .answer(8..<19)])
        #expect(findings(echo + Frames.rtu(7, [0x84, 2]), size: size) == [.echo(0..<8), .exception(2, 8..<13)])
        // grid-x/modbus #78, telegraf #14317, libmodbus #83: answers to earlier requests.
        #expect(findings(late + answer, size: size) == [.late(0..<7), .answer(7..<18)])
        #expect(findings(lateOther + answer, size: size) == [.late(0..<11), .answer(11..<22)])
        // neuron #2148: frames of others.
        #expect(findings(foreign + answer, size: size) == [.foreign(0..<11), .answer(11..<22)])
        #expect(findings(foreignMaster + answer, size: size) == [.foreign(0..<8), .answer(8..<19)])
        #expect(findings(unknown + answer, size: size) == [.foreign(0..<9), .answer(9..<20)])
        #expect(
            findings(foreign + echo + late + answer, size: size)
                == [.foreign(0..<11), .echo(11..<19), .late(19..<26), .answer(26..<37)])
        // A transceiver that adds a byte when it switches direction.
        #expect(findings([0] + answer, size: size) == [.noise(0..<1), .answer(1..<12)])
        #expect(findings([0xFF, 7, 4, 0] + answer, size: size) == [.noise(0..<4), .answer(4..<15)])
    }

    @Test func identificationTellsItsOwnLength() {
        let object: [UInt8] = [0, 3, 0x41, 0x42, 0x43, 1, 0]
        let answer = Frames.rtu(7, [43, 14, 1, 1, 0, 0, 2] + object)
        for size in [1, 1000] {
            #expect(
                findings(answer, size: size, asking: .identification(.basic, from: 0)) == [.answer(0..<answer.count)])
        }
        let id = Frames.rtu(7, [17, 3, 0x11, 0xFF, 0x20])
        #expect(findings(id, asking: .serverID) == [.answer(0..<8)])
    }

    @Test(arguments: [
        (Array(answer.prefix(4)), RTUSorter.Remainder.cut(0..<4, expected: 11)),
        (Array(answer.prefix(10)), .cut(0..<10, expected: 11)), ([1, 2, 3], .noise(0..<3)), ([], .nothing),
        (answer.dropLast() + [0], .garbled(0..<11, isAnswer: true)),
        ([0, 1, 2, 3, 4, 5], .garbled(0..<6, isAnswer: false)),
        ([7, 0x84, 2, 0, 0], .garbled(0..<5, isAnswer: true)),
    ])
    func bytesThatBecomeNothing(bytes: [UInt8], what: RTUSorter.Remainder) {
        var sorter = RTUSorter()
        sorter.expect(.registers(Self.span), of: 7)
        sorter.append(bytes, count: bytes.count)
        #expect(sorter.next() == nil)
        #expect(sorter.next(burstIsOver: true) == nil)
        #expect(sorter.isPending == !bytes.isEmpty)
        #expect(sorter.isGarbled == (what == .garbled(0..<bytes.count, isAnswer: true)))
        #expect(sorter.finishBurst() == what)
        #expect(!sorter.isPending)
        #expect(sorter.evidence == bytes)
    }

    /// An answer may begin like the request: then only the silence after it tells that it is no echo.
    @Test func anAnswerThatIsTheRequestsBeginning() {
        var found = 0
        for unit: UInt8 in 1...247 {
            for data: UInt8 in 0...255 {
                // The byte count stands where the request has its address, the checksum where it has its count.
                let answer = Frames.rtu(unit, [1, 1, data])
                guard answer[4] == 0, (1...8).contains(answer[5]) else { continue }
                found += 1
                let span = RegisterSpan(function: .coil, address: 0x0100 | UInt16(data), count: Int(answer[5]))
                var sorter = RTUSorter()
                sorter.expect(.registers(span), of: unit)
                sorter.append(answer, count: answer.count)
                #expect(sorter.next() == nil)
                #expect(sorter.next(burstIsOver: true) == .answer(0..<6))
                sorter.expect(.registers(span), of: unit)
                sorter.append(sorter.request, count: 8)
                #expect(sorter.next() == .echo(0..<8))
            }
        }
        #expect(found > 0)
    }

    @Test func withoutARequestEverythingIsForeign() {
        var sorter = RTUSorter()
        sorter.listen()
        let bytes = Self.answer + Self.request + [1, 2]
        sorter.append(bytes, count: bytes.count)
        #expect(sorter.next() == .foreign(0..<11))
        #expect(sorter.next() == .foreign(11..<19))
        #expect(sorter.next() == nil)
        #expect(sorter.listen() == 2, "what is left is still there")
        #expect(sorter.finishBurst() == .noise(0..<2))
    }

    /// Whatever comes, only the answer is taken for it, and no more is kept than promised.
    @Test func noiseIsNeverAnAnswer() {
        var random = RandomSource(seed: 20_26)
        var sorter = RTUSorter()
        for round in 0..<300 {
            sorter.expect(.registers(Self.span), of: 7)
            var answers = 0
            for _ in 0..<20 {
                let count = Int.random(in: 1...64, using: &random)
                // Many bytes that headers are made of.
                let noise = (0..<count).map { _ in
                    let byte = UInt8.random(in: 0...255, using: &random)
                    return Bool.random(using: &random) ? [7, 4, 6, 0x84, 0][Int(byte) % 5] : byte
                }
                sorter.append(noise, count: count)
                while let finding = sorter.next(burstIsOver: Bool.random(using: &random)) {
                    switch finding {
                    case .answer: answers += 1
                    case .exception, .echo, .late, .foreign, .noise: break
                    }
                }
                if Int.random(in: 0..<4, using: &random) == 0 { _ = sorter.finishBurst() }
            }
            #expect(answers == 0, "round \(round)")
            #expect(sorter.bytes.count <= 1024 + 64)
            #expect(sorter.evidence.count <= 256)
            // Then the answer is found all the same.
            _ = sorter.finishBurst()
            sorter.append(Self.answer, count: Self.answer.count)
            if case .answer = sorter.next() {} else { Issue.record("not found in round \(round)") }
        }
    }
}
