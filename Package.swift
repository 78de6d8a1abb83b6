// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func module(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "parthe",
    products: [
        .executable(name: "parthe", targets: ["parthe"]),
        .executable(name: "parthe-lab", targets: ["parthe-lab"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .systemLibrary(name: "CModbus"),
        .systemLibrary(name: "CSQLite"),
        .systemLibrary(name: "CCurl"),
        .systemLibrary(name: "CYAML"),
        .systemLibrary(name: "CMicroHTTPD"),
        .target(name: "CPosix"),
        .target(name: "CGPIO", linkerSettings: [.linkedLibrary("gpiod")]),
        module("Posix", ["CPosix", "Metering"]),
        module("Metering", []),
        module("Configuration", ["Metering", "Posix", "CYAML"], exclude: ["Meters"]),
        module("Fieldbus", ["Metering", "Posix", "CModbus"]),
        module("DigitalInputs", ["Metering", "Posix", "CGPIO"]),
        module("Spooling", ["Metering", "Posix", "CSQLite"]),
        module("Delivery", ["Metering", "Posix", "CCurl"]),
        module(
            "Gateway", ["Metering", "Posix", "Configuration", "Fieldbus", "DigitalInputs", "Spooling", "Delivery", log]),
        .executableTarget(name: "parthe", dependencies: ["Gateway", arguments], swiftSettings: strict),
        module(
            "Lab",
            [
                "Metering", "Posix", "Configuration", "Fieldbus", "Spooling", "Gateway", "CModbus", "CPosix", "CSQLite",
                "CMicroHTTPD", arguments,
            ]),
        .executableTarget(name: "parthe-lab", dependencies: ["Lab"], swiftSettings: strict),
        .target(name: "CCrashVFS", path: "Tests/CCrashVFS", linkerSettings: [.linkedLibrary("sqlite3")]),
        tests("MeteringTests", ["Metering", "Posix"]),
        tests("ConfigurationTests", ["Configuration", "Metering", "Posix"], exclude: ["Cases"]),
        tests("FieldbusTests", ["Fieldbus", "Configuration", "Lab", "Metering", "Posix"]),
        tests("DigitalInputsTests", ["DigitalInputs", "Metering", "Posix"]),
        tests("SpoolingTests", ["Spooling", "Metering", "Posix", "CCrashVFS"]),
        tests("DeliveryTests", ["Delivery", "Metering", "Posix", "Lab"]),
        tests("LabTests", ["Lab", "Metering", "Configuration", "Spooling", "Posix", "CModbus"]),
        tests(
            "GatewayTests",
            ["Gateway", "Configuration", "DigitalInputs", "Fieldbus", "Spooling", "Lab", "Metering", "Posix"]),
    ]
)
