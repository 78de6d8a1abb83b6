internal import Lab

/// The lab's program; everything it does stands in Lab.
@main
enum PartheLab {
    static func main() {
        LabProgram.run()
    }
}
