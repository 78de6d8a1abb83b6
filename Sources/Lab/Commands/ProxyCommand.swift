internal import ArgumentParser

/// `parthe-lab proxy`.
struct ProxyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "A TCP proxy on loopback that breaks connections by plan.",
        discussion: """
            Prints `proxy 127.0.0.1:PORT` when it is ready. SIGHUP resets every connection; SIGUSR1 closes the port, and
            opens it again when it is closed.
            """)

    @Option(help: "The port on 127.0.0.1 that everything is carried to.")
    var target: UInt16
    @Option(help: "Port on 127.0.0.1; 0 takes a free one.")
    var port: UInt16 = 0
    @Option(
        help: "Plan as JSON, such as {\"chances\": [{\"fault\": \"cutDown\", \"bytes\": 40, \"probability\": 0.2}]}.")
    var plan: String?
    @Flag(help: "Prints the address as JSON.")
    var json = false

    func run() throws {
        Signals.prepare()
        let plan = try plan.map { try ProxyPlan(json: $0) } ?? ProxyPlan()
        let proxy = try ChaosProxy(target: target, port: port, plan: plan)
        let ready: JSON = ["port": .integer(proxy.port), "target": .integer(target)]
        Output.line(json ? String(decoding: ready.bytes, as: UTF8.self) : "proxy 127.0.0.1:\(proxy.port)")
        var isOpen = true
        while true {
            switch Signals.next() {
            case .dropConnections: proxy.dropConnections()
            case .toggle:
                if isOpen { proxy.suspend() } else { try proxy.resume() }
                isOpen.toggle()
            case .end:
                proxy.stop()
                return
            }
        }
    }
}
