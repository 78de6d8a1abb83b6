internal import CPosix
internal import Glibc
public import Metering

/// A serial executor with a thread of its own, for actors that call blocking C: the cooperative pool is never blocked.
///
/// Hand its `asUnownedSerialExecutor()` out as an actor's `unownedExecutor`, and start the actor's task with
/// `Task.detached(executorPreference:)`: a continuation resumes on the preferred executor of its task before it hops to
/// its actor, and without a preference that is the pool, which costs two switches of threads. `sleep(until:)` suspends
/// the calling task without blocking the thread. The thread lives until `stop()`; an executor that is never stopped
/// keeps its thread.
public final class ThreadExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // SAFETY: everything below `mutex` is touched with the mutex held only; the thread is the only one to take jobs.
    private let name: String
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [UnownedJob] = []
    private var sleepers: [Sleeper] = []
    /// A wake-up that found nobody asleep.
    private var hasWakeUp = false
    private var isStopping = false

    private struct Sleeper {
        var deadline: Int64
        var continuation: UnsafeContinuation<Void, Never>
    }

    /// Starts the thread; `name` (15 bytes are shown) names it for `top -H`.
    public init(name: String) {
        self.name = name
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        var thread: UInt = 0
        // The thread holds the executor until stop(). 512 KiB of stack is address space only: pages come when touched.
        let retained = Unmanaged.passRetained(self).toOpaque()
        let error = cposix_spawn_thread(
            { Unmanaged<ThreadExecutor>.fromOpaque($0!).takeRetainedValue().run() }, retained, 512 << 10, &thread)
        precondition(error == 0, "no thread for \(name): \(PosixError.text(error))")
        pthread_detach(thread)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Takes a job for the thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(job)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Suspends the caller until `deadline` or `wake()`; others' jobs are done before it goes on.
    public func sleep(until deadline: Instant) async {
        await withUnsafeContinuation { continuation in
            pthread_mutex_lock(mutex)
            sleepers.append(Sleeper(deadline: hasWakeUp ? .min : deadline.nanoseconds, continuation: continuation))
            hasWakeUp = false
            pthread_cond_signal(condition)
            pthread_mutex_unlock(mutex)
        }
    }

    /// Ends every `sleep` now; when nobody sleeps, the next one ends at once, so that no wake-up falls between a look
    /// at what there is to do and going to sleep. Callable from any thread.
    public func wake() {
        pthread_mutex_lock(mutex)
        if sleepers.isEmpty { hasWakeUp = true }
        for index in sleepers.indices { sleepers[index].deadline = .min }
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Ends the thread once the jobs that wait are done. No job may be given afterwards.
    public func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    private func run() {
        cposix_name_thread(name)
        let (serial, preferred) = (asUnownedSerialExecutor(), asUnownedTaskExecutor())
        pthread_mutex_lock(mutex)
        while true {
            let due = takeDueSleepers()
            let batch = jobs
            jobs.removeAll(keepingCapacity: true)
            if batch.isEmpty, due.isEmpty {
                if isStopping { break }
                waitForWork()
                continue
            }
            pthread_mutex_unlock(mutex)
            for continuation in due { continuation.resume() }
            for job in batch { job.runSynchronously(isolatedTo: serial, taskExecutor: preferred) }
            pthread_mutex_lock(mutex)
        }
        pthread_mutex_unlock(mutex)
    }

    private func takeDueSleepers() -> [UnsafeContinuation<Void, Never>] {
        guard !sleepers.isEmpty else { return [] }
        let now = cposix_boot_nanoseconds()
        guard sleepers.contains(where: { $0.deadline <= now }) else { return [] }
        let due = sleepers.filter { $0.deadline <= now }.map(\.continuation)
        sleepers.removeAll { $0.deadline <= now }
        return due
    }

    /// Waits with the mutex held. Condition variables know no CLOCK_BOOTTIME: the wait is as long as the boot clock
    /// asks for, on CLOCK_MONOTONIC, and the loop looks again; after a suspend it may be late by the time suspended.
    private func waitForWork() {
        guard let next = sleepers.map(\.deadline).min() else {
            pthread_cond_wait(condition, mutex)
            return
        }
        let rest = max(0, next - cposix_boot_nanoseconds())
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        let total = Int64(until.tv_nsec) + rest % 1_000_000_000
        until.tv_sec += Int(rest / 1_000_000_000 + total / 1_000_000_000)
        until.tv_nsec = Int(total % 1_000_000_000)
        pthread_cond_timedwait(condition, mutex, &until)
    }
}
