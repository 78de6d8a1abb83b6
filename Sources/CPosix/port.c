// Serial ports: what Linux offers beyond termios. The kernel's own termios (asm/termbits.h) and glibc's cannot be
// included together, hence a file of its own.
#define _GNU_SOURCE
#include "CPosix.h"
#include <asm/termbits.h>
#include <errno.h>
#include <linux/serial.h>
#include <linux/tty_flags.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

int cposix_wait_readable(int descriptor, int64_t nanoseconds) {
    struct pollfd entry = {descriptor, POLLIN, 0};
    if (nanoseconds < 0) nanoseconds = 0;
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return ppoll(&entry, 1, &limit, NULL) > 0;
}

void cposix_wait_any(const int *descriptors, int *ready, int count, int64_t nanoseconds) {
    struct pollfd entries[8];
    if (count > 8) count = 8;
    for (int index = 0; index < count; index++) entries[index] = (struct pollfd){descriptors[index], POLLIN, 0};
    if (nanoseconds < 0) nanoseconds = 0;
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int found = ppoll(entries, count, &limit, NULL);
    for (int index = 0; index < count; index++) ready[index] = found > 0 && entries[index].revents != 0;
}

int cposix_has_hung_up(int descriptor) {
    struct pollfd entry = {descriptor, POLLRDHUP, 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

int cposix_port_claim(int descriptor) { return ioctl(descriptor, TIOCEXCL) ? errno : 0; }

size_t cposix_rs485_mode(int rts_high_to_send, unsigned before, unsigned after, void *mode) {
    struct serial_rs485 wish;
    memset(&wish, 0, sizeof wish);
    wish.flags = SER_RS485_ENABLED | (rts_high_to_send ? SER_RS485_RTS_ON_SEND : SER_RS485_RTS_AFTER_SEND);
    wish.delay_rts_before_send = before;
    wish.delay_rts_after_send = after;
    if (mode) memcpy(mode, &wish, sizeof wish);
    return sizeof wish;
}

int cposix_port_set_rs485(int descriptor, int rts_high_to_send, unsigned before, unsigned after) {
    struct serial_rs485 mode;
    cposix_rs485_mode(rts_high_to_send, before, after, &mode);
    return ioctl(descriptor, TIOCSRS485, &mode) ? errno : 0;
}

int cposix_port_try_rts(int descriptor) {
    int lines = 0;
    return ioctl(descriptor, TIOCMGET, &lines) ? errno : 0;
}

int cposix_port_speed(int descriptor) {
    struct termios2 settings;
    return ioctl(descriptor, TCGETS2, &settings) ? -1 : (int)settings.c_ospeed;
}

int cposix_port_hurry(int descriptor) {
    struct serial_struct port;
    memset(&port, 0, sizeof port);
    if (ioctl(descriptor, TIOCGSERIAL, &port)) return errno;
    if (port.flags & ASYNC_LOW_LATENCY) return 0;
    port.flags |= ASYNC_LOW_LATENCY;
    return ioctl(descriptor, TIOCSSERIAL, &port) ? errno : 0;
}
