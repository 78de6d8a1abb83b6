/// What this program is.
public enum PartheVersion {
    /// Semantic version of this release.
    public static let text = "0.3.0"
}
