internal import Metering

extension Duration {
    /// A length of time as people say it: `0.3 s`, `12 s`, `5 min`, `3 h 20 min`, `12 d`.
    package var rounded: String {
        let milliseconds = wholeMilliseconds
        let seconds = milliseconds / 1000
        switch seconds {
        case ..<10: return "\(seconds).\(abs(milliseconds) % 1000 / 100) s"
        case ..<120: return "\(seconds) s"
        case ..<7200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: return "\(seconds / 86_400) d"
        }
    }
}

/// A number of bytes as people say it: `512 B`, `1.4 MB`.
package func byteText(_ bytes: Int64) -> String {
    var amount = Double(bytes)
    for unit in ["B", "kB", "MB", "GB"] {
        if amount < 999.5 || unit == "GB" {
            return amount < 10 && unit != "B"
                ? "\((amount * 10).rounded() / 10) \(unit)" : "\(Int(amount.rounded())) \(unit)"
        }
        amount /= 1000
    }
    return "\(bytes) B"
}
