@main struct Parthe { static func main() {} }
