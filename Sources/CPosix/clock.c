#define _GNU_SOURCE
#include "CPosix.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <unistd.h>

int cposix_clock_state(int *synchronised, int *leap) {
    struct timex state;
    memset(&state, 0, sizeof state);
    int result = adjtimex(&state);
    if (result < 0) return errno;
    // chronyd without `rtcsync` leaves STA_UNSYNC set and states its error all the same; as long as nobody keeps the
    // clock, the kernel holds it at 16 s (NTP_PHASE_LIMIT).
    *synchronised = !(state.status & STA_UNSYNC) || state.maxerror < 16000000;
    *leap = result == TIME_OOP || result == TIME_WAIT;
    return 0;
}

int cposix_open_clock_alarm(void) {
    int descriptor = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (descriptor < 0) return -1;
    if (cposix_arm_clock_alarm(descriptor) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int cposix_arm_clock_alarm(int descriptor) {
    // Read first: a timer that was cancelled and not read is cancelled again by being set.
    uint64_t count;
    (void)!read(descriptor, &count, sizeof count);
    // It must never run out, only be cancelled; 2037 is the last year of a 32-bit time_t.
    struct itimerspec never = {{0, 0}, {sizeof(time_t) > 4 ? (time_t)1 << 33 : 2145916800, 0}};
    int result = timerfd_settime(descriptor, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    // Set a second time while the clock is being set, it is armed all the same.
    return result != 0 && errno == ECANCELED ? 0 : result;
}

int64_t cposix_modified_nanoseconds(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return -1;
    return (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
}
