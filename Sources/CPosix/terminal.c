// Pseudo-terminals: glibc's own termios, which port.c cannot include beside the kernel's.
#define _GNU_SOURCE
#include "CPosix.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static int fail(int descriptor, int code) {
    close(descriptor);
    errno = code;
    return -1;
}

int cposix_open_pseudo_terminal(char *name, size_t size) {
    int descriptor = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return -1;
    struct termios settings;
    if (grantpt(descriptor) || unlockpt(descriptor) || tcgetattr(descriptor, &settings)) return fail(descriptor, errno);
    int code = ptsname_r(descriptor, name, size);
    if (code) return fail(descriptor, code);
    cfmakeraw(&settings);
    if (tcsetattr(descriptor, TCSANOW, &settings)) return fail(descriptor, errno);
    // Opened and closed once: from now on the far end can tell whether anybody has the port open.
    int port = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (port < 0) return fail(descriptor, errno);
    close(port);
    return descriptor;
}
