// libgpiod 1.6 (Debian 12): the kernel's first interface. For building from source there; packages link libgpiod 2.
#define _GNU_SOURCE
#include "internal.h"
#if CGPIO_V1
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct cgpio_request {
    struct gpiod_chip *chip;
    struct gpiod_line *line;
};

int cgpio_interface(void) { return 1; }
const char *cgpio_version(void) { return gpiod_version_string(); }

int cgpio_describe(cgpio_chip *chip) {
    struct gpiod_chip *open = gpiod_chip_open(chip->path);
    if (!open) return -1;
    cgpio_copy(chip->label, gpiod_chip_label(open), sizeof chip->label);
    chip->lines = gpiod_chip_num_lines(open);
    gpiod_chip_close(open);
    return 0;
}

int cgpio_look_at(const char *path, unsigned offset, cgpio_line *line) {
    struct gpiod_chip *chip = gpiod_chip_open(path);
    if (!chip) return -1;
    struct gpiod_line *found = gpiod_chip_get_line(chip, offset);
    int code = errno;
    if (found) {
        cgpio_copy(line->name, gpiod_line_name(found), sizeof line->name);
        cgpio_copy(line->consumer, gpiod_line_consumer(found), sizeof line->consumer);
        line->is_used = gpiod_line_is_used(found);
        line->is_output = gpiod_line_direction(found) == GPIOD_LINE_DIRECTION_OUTPUT;
    }
    gpiod_chip_close(chip);
    errno = code;
    return found ? 0 : -1;
}

cgpio_request *cgpio_watch(const char *path, unsigned offset, const cgpio_settings *settings, const char *consumer) {
    static const int biases[] = {
        0, GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE, GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP,
        GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN};
    if (settings->debounce_microseconds || settings->bias < 0 || settings->bias > 3) {
        errno = ENOTSUP;
        return NULL;
    }
    cgpio_request *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    int flags = biases[settings->bias] | (settings->is_inverted ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0);
    made->chip = gpiod_chip_open(path);
    made->line = made->chip ? gpiod_chip_get_line(made->chip, offset) : NULL;
    if (!made->line || gpiod_line_request_both_edges_events_flags(made->line, consumer, flags)) {
        int code = errno;
        made->line = NULL;
        cgpio_release(made);
        errno = code;
        return NULL;
    }
    return made;
}

int cgpio_descriptor(cgpio_request *request) { return gpiod_line_event_get_fd(request->line); }

int cgpio_level(cgpio_request *request) { return gpiod_line_get_value(request->line); }

int cgpio_read(cgpio_request *request, cgpio_edge *edges, size_t capacity) {
    struct pollfd entry = {cgpio_descriptor(request), POLLIN, 0};
    size_t count = 0;
    while (count < capacity && poll(&entry, 1, 0) > 0) {
        struct gpiod_line_event event;
        if (!(entry.revents & POLLIN)) {
            errno = ENODEV;
            return count ? (int)count : -1;
        }
        if (gpiod_line_event_read(request->line, &event)) return count ? (int)count : -1;
        edges[count++] = (cgpio_edge){
            (uint64_t)event.ts.tv_sec * 1000000000u + (uint64_t)event.ts.tv_nsec, 0,
            event.event_type == GPIOD_LINE_EVENT_RISING_EDGE};
    }
    return (int)count;
}

void cgpio_release(cgpio_request *request) {
    if (!request) return;
    if (request->line) gpiod_line_release(request->line);
    if (request->chip) gpiod_chip_close(request->chip);
    free(request);
}
#endif
