// libgpiod 2 (https://libgpiod.readthedocs.io): the kernel's second interface, with debounce and numbered edges.
#define _GNU_SOURCE
#include "internal.h"
#if !CGPIO_V1
#include <errno.h>
#include <stdlib.h>

/// Edges that one read takes from the kernel.
#define CGPIO_BATCH 256

struct cgpio_request {
    struct gpiod_line_request *lines;
    struct gpiod_edge_event_buffer *events;
    unsigned offset;
};

int cgpio_interface(void) { return 2; }
const char *cgpio_version(void) { return gpiod_api_version(); }

int cgpio_describe(cgpio_chip *chip) {
    struct gpiod_chip *open = gpiod_chip_open(chip->path);
    if (!open) return -1;
    struct gpiod_chip_info *info = gpiod_chip_get_info(open);
    if (info) {
        cgpio_copy(chip->label, gpiod_chip_info_get_label(info), sizeof chip->label);
        chip->lines = (unsigned)gpiod_chip_info_get_num_lines(info);
        gpiod_chip_info_free(info);
    }
    gpiod_chip_close(open);
    return info ? 0 : -1;
}

int cgpio_look_at(const char *path, unsigned offset, cgpio_line *line) {
    struct gpiod_chip *chip = gpiod_chip_open(path);
    if (!chip) return -1;
    struct gpiod_line_info *info = gpiod_chip_get_line_info(chip, offset);
    int code = errno;
    if (info) {
        cgpio_copy(line->name, gpiod_line_info_get_name(info), sizeof line->name);
        cgpio_copy(line->consumer, gpiod_line_info_get_consumer(info), sizeof line->consumer);
        line->is_used = gpiod_line_info_is_used(info);
        line->is_output = gpiod_line_info_get_direction(info) == GPIOD_LINE_DIRECTION_OUTPUT;
        gpiod_line_info_free(info);
    }
    gpiod_chip_close(chip);
    errno = code;
    return info ? 0 : -1;
}

static struct gpiod_line_request *ask(
    struct gpiod_chip *chip, unsigned offset, const cgpio_settings *settings, const char *consumer,
    struct gpiod_line_settings *line, struct gpiod_line_config *config, struct gpiod_request_config *request) {
    static const enum gpiod_line_bias biases[] = {
        GPIOD_LINE_BIAS_AS_IS, GPIOD_LINE_BIAS_DISABLED, GPIOD_LINE_BIAS_PULL_UP, GPIOD_LINE_BIAS_PULL_DOWN};
    if (!line || !config || !request) {
        errno = ENOMEM;
        return NULL;
    }
    gpiod_line_settings_set_direction(line, GPIOD_LINE_DIRECTION_INPUT);
    gpiod_line_settings_set_edge_detection(line, GPIOD_LINE_EDGE_BOTH);
    gpiod_line_settings_set_event_clock(line, GPIOD_LINE_CLOCK_MONOTONIC);
    gpiod_line_settings_set_active_low(line, settings->is_inverted);
    gpiod_line_settings_set_debounce_period_us(line, settings->debounce_microseconds);
    gpiod_request_config_set_consumer(request, consumer);
    if (settings->buffer) gpiod_request_config_set_event_buffer_size(request, settings->buffer);
    if (settings->bias < 0 || settings->bias > 3
        || gpiod_line_settings_set_bias(line, biases[settings->bias])
        || gpiod_line_config_add_line_settings(config, &offset, 1, line))
        return NULL;
    return gpiod_chip_request_lines(chip, request, config);
}

cgpio_request *cgpio_watch(const char *path, unsigned offset, const cgpio_settings *settings, const char *consumer) {
    struct gpiod_chip *chip = gpiod_chip_open(path);
    if (!chip) return NULL;
    struct gpiod_line_settings *line = gpiod_line_settings_new();
    struct gpiod_line_config *config = gpiod_line_config_new();
    struct gpiod_request_config *request = gpiod_request_config_new();
    struct gpiod_line_request *lines = ask(chip, offset, settings, consumer, line, config, request);
    int code = errno;
    // A request outlives its chip's handle.
    gpiod_request_config_free(request);
    gpiod_line_config_free(config);
    gpiod_line_settings_free(line);
    gpiod_chip_close(chip);
    if (!lines) {
        errno = code;
        return NULL;
    }
    cgpio_request *made = calloc(1, sizeof *made);
    struct gpiod_edge_event_buffer *events = gpiod_edge_event_buffer_new(CGPIO_BATCH);
    if (!made || !events) {
        gpiod_edge_event_buffer_free(events);
        gpiod_line_request_release(lines);
        free(made);
        errno = ENOMEM;
        return NULL;
    }
    *made = (cgpio_request){lines, events, offset};
    return made;
}

int cgpio_descriptor(cgpio_request *request) { return gpiod_line_request_get_fd(request->lines); }

int cgpio_level(cgpio_request *request) {
    switch (gpiod_line_request_get_value(request->lines, request->offset)) {
    case GPIOD_LINE_VALUE_ACTIVE: return 1;
    case GPIOD_LINE_VALUE_INACTIVE: return 0;
    default: return -1;
    }
}

int cgpio_read(cgpio_request *request, cgpio_edge *edges, size_t capacity) {
    int ready = gpiod_line_request_wait_edge_events(request->lines, 0);
    if (ready <= 0) return ready;
    size_t batch = capacity < CGPIO_BATCH ? capacity : CGPIO_BATCH;
    int count = gpiod_line_request_read_edge_events(request->lines, request->events, batch);
    for (int index = 0; index < count; index++) {
        struct gpiod_edge_event *event = gpiod_edge_event_buffer_get_event(request->events, (unsigned long)index);
        edges[index] = (cgpio_edge){
            gpiod_edge_event_get_timestamp_ns(event), (uint32_t)gpiod_edge_event_get_line_seqno(event),
            gpiod_edge_event_get_event_type(event) == GPIOD_EDGE_EVENT_RISING_EDGE};
    }
    return count;
}

void cgpio_release(cgpio_request *request) {
    if (!request) return;
    gpiod_line_request_release(request->lines);
    gpiod_edge_event_buffer_free(request->events);
    free(request);
}
#endif
