import Configuration
import Metering
import Testing

/// Every board profile that ships is held to the same rules.
@Suite struct BoardTests {
    static let boards = Boards(share: nil)

    @Test func theFirstBoardsAreThere() {
        #expect(Self.boards.names().contains("raspberry-pi-4") && Self.boards.names().contains("generic-pc"))
    }

    @Test(arguments: boards.names()) func aBoardReads(name: String) throws {
        let board = try #require(try Self.boards.profile(name))
        #expect(board.name == name && !board.product.isEmpty && !board.sources.isEmpty)
        #expect(!board.ports.isEmpty || !board.lines.isEmpty)
        let terminals = board.ports.map(\.terminal) + board.lines.map(\.terminal)
        #expect(Set(terminals).count == terminals.count)
        #expect(Set(board.lines.map(\.line)).count == board.lines.count)
        #expect(board.ports.allSatisfy { $0.path.hasPrefix("/dev/") && !$0.path.hasPrefix("/dev/ttyUSB") })
    }

    @Test func aLineTellsItsTerminal() throws {
        let board = try #require(try Self.boards.profile("raspberry-pi-4"))
        #expect(board.terminal(chip: "pinctrl-bcm2711", offset: 17, name: "GPIO17") == "pin 11")
        #expect(board.terminal(chip: "pinctrl-bcm2711", offset: 45, name: "") == nil)
    }

    @Test(arguments: ["..", "../boards/generic-pc", "/etc/passwd", "none", ""]) func otherNamesAreNoBoards(name: String)
        throws
    {
        #expect(try Self.boards.profile(name) == nil)
    }
}
