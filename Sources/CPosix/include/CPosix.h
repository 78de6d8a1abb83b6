#ifndef CPOSIX_H
#define CPOSIX_H
// The libc calls that Swift's Glibc module does not show: GNU names, variadics and macros.
#include <stdint.h>
#include <stddef.h>

/// Names the calling thread (at most 15 bytes, cut): shown by top -H and in crash reports.
void cposix_name_thread(const char *name);

/// Creates a thread with `stack` bytes of stack that runs body(context); returns 0 or an errno.
int cposix_spawn_thread(void (*body)(void *), void *context, size_t stack, unsigned long *thread);

/// Returns memory that malloc no longer needs to the kernel, and keeps malloc to `arenas` arenas.
void cposix_limit_malloc(int arenas);
void cposix_trim_malloc(void);

/// Lets go of the pages of code that are mapped; those that are needed come back from the page cache.
void cposix_release_code(void);

/// Has a child that is to be spawned with these posix_spawn_file_actions_t keep no descriptor but 0, 1 and 2; returns 0
/// or an errno.
int cposix_keep_no_descriptors(void *actions);

/// Nanoseconds of CLOCK_BOOTTIME and CLOCK_REALTIME.
int64_t cposix_boot_nanoseconds(void);
int64_t cposix_wall_nanoseconds(void);

/// Sleeps until CLOCK_BOOTTIME shows this, or a signal comes.
void cposix_sleep_until(int64_t boot_nanoseconds);

/// What the kernel says of CLOCK_REALTIME: whether somebody keeps it right (adjtimex(2)), and whether it has put a leap
/// second in or left one out. Returns 0 or an errno: EPERM where a sandbox forbids to ask.
int cposix_clock_state(int *synchronised, int *leap);

/// A descriptor that can be read once CLOCK_REALTIME was set (TFD_TIMER_CANCEL_ON_SET), -1 and errno on failure.
int cposix_open_clock_alarm(void);

/// Makes it ready for the next time; returns 0, or -1 and errno.
int cposix_arm_clock_alarm(int descriptor);

/// When a file was changed last, in nanoseconds of CLOCK_REALTIME; -1 where there is none.
int64_t cposix_modified_nanoseconds(const char *path);

/// Blocks SIGTERM, SIGINT, SIGHUP for this thread and all it starts, ignores SIGPIPE, and returns a descriptor that
/// becomes readable when one of the three arrives (-1 and errno on failure).
int cposix_open_signals(void);

/// The number of the next signal that waits on `descriptor`, 0 when none does.
int cposix_next_signal(int descriptor);

/// Waits at most `nanoseconds` until `descriptor` can be read or has failed, which the next read then tells; returns
/// whether it is so. A signal ends the wait early.
int cposix_wait_readable(int descriptor, int64_t nanoseconds);

/// The same for `count` descriptors at once: `ready` gets a 1 for each of which it is so, else a 0.
void cposix_wait_any(const int *descriptors, int *ready, int count, int64_t nanoseconds);

/// Whether `descriptor` is of no more use: the far end has closed, the adapter is gone. Never waits.
int cposix_has_hung_up(int descriptor);

/// Makes a pseudo-terminal in raw mode, non-blocking, and writes the name of its port's end into `name`; returns the
/// descriptor of the far end, -1 and errno on failure.
int cposix_open_pseudo_terminal(char *name, size_t size);

/// The user id of the process at the other end of a Unix socket, -1 where that is not known.
long cposix_peer_user(int descriptor);

/// Serial ports; each returns 0 or an errno, but for the speed.
/// Nobody else may open the port (but root).
int cposix_port_claim(int descriptor);
/// What TIOCSRS485 gets: writes it to `mode`, if that is no null, and returns its size in bytes.
size_t cposix_rs485_mode(int rts_high_to_send, unsigned before, unsigned after, void *mode);
/// The kernel switches RTS around each transmission (RS-485), `before` and `after` it by milliseconds.
int cposix_port_set_rs485(int descriptor, int rts_high_to_send, unsigned before, unsigned after);
/// Whether the port has modem lines at all, RTS among them.
int cposix_port_try_rts(int descriptor);
/// Asks the driver to hand over bytes at once (an FTDI adapter else holds them back for 16 ms).
int cposix_port_hurry(int descriptor);
/// The speed the driver really set, in baud; -1 when it does not tell.
int cposix_port_speed(int descriptor);

#endif
