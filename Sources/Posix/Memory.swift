internal import CPosix

/// How much memory malloc keeps for itself. A gateway has little, and the agent's needs are small and steady.
public enum Memory {
    /// Keeps malloc to one arena. glibc would give each thread its own, and every arena keeps what its busiest moment
    /// needed; at the agent's few thousand allocations a second nobody waits for the lock. Call before threads start.
    public static func shareOneArena() {
        cposix_limit_malloc(1)
    }

    /// Lets go of the code that only the start needed. What is needed again comes back from the page cache, and the rest
    /// is the first that the kernel can use for something else. Call once, when the start is over.
    public static func releaseCode() {
        cposix_release_code()
    }

    /// Gives memory that is free in malloc back to the kernel: what start-up and a drained backlog leave behind.
    public static func trim() {
        cposix_trim_malloc()
    }
}
