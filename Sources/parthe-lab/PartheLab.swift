@main struct PartheLab { static func main() {} }
