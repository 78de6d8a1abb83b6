internal import Metering

/// What this program is.
public enum PartheVersion {
    /// Semantic version of this release.
    public static let text = "0.3.0"
    /// When work on this release began (2026-11-01): no clock that shows less can be right.
    static let made = Timestamp(milliseconds: 1_793_491_200_000)
}
