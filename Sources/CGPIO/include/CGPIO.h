#ifndef CGPIO_H
#define CGPIO_H
// One small interface over libgpiod 1.6 (Debian 12) and 2.x (Debian 13), chosen when this is compiled.
//
// Calls that fail return -1 or NULL and leave errno. libgpiod 1.6 speaks the kernel's first interface: it has no debounce,
// no numbers of edges and no size of buffers (the kernel holds 16 edges a line), tells nothing of lost edges, and kernels
// without CONFIG_GPIO_CDEV_V1 (Debian's from 7.0 on) refuse it with EINVAL.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Bytes of a name with its closing zero (GPIO_MAX_NAME_SIZE, linux/gpio.h).
#define CGPIO_NAME 32

/// A chip.
typedef struct {
    /// The device: "/dev/gpiochip0". The number changes between kernels.
    char path[64];
    /// What the driver calls it: "pinctrl-bcm2711". Stays.
    char label[CGPIO_NAME];
    unsigned lines;
    /// Why this user may not open it: EACCES or EPERM, and nothing but the path is known; else 0.
    int refusal;
} cgpio_chip;

/// A line as the kernel knows it.
typedef struct {
    /// Empty where the board names none.
    char name[CGPIO_NAME];
    /// Who uses it; empty where nobody does.
    char consumer[CGPIO_NAME];
    bool is_used;
    bool is_output;
} cgpio_line;

/// How a line is asked for.
typedef struct {
    /// 0 as it is, 1 none, 2 pull-up, 3 pull-down.
    int bias;
    /// Whether a low voltage is the active level.
    bool is_inverted;
    /// The kernel's debounce; 0 for none. Not with libgpiod 1 (ENOTSUP).
    uint32_t debounce_microseconds;
    /// Edges that the kernel holds, at most 1024 (linux/gpio.h: 16 a line, 64 lines); 0 for its own choice, 16.
    uint32_t buffer;
} cgpio_settings;

/// A change of level.
typedef struct {
    /// CLOCK_MONOTONIC, nanoseconds; with kernels before 5.7 CLOCK_REALTIME.
    uint64_t nanoseconds;
    /// From 1 for each request; 0 with libgpiod 1.
    uint32_t sequence;
    bool is_active;
} cgpio_edge;

/// A line that is watched.
typedef struct cgpio_request cgpio_request;

/// 1 or 2.
int cgpio_interface(void);
/// The library's own version: "1.6.3".
const char *cgpio_version(void);

/// All chips, at most `capacity`, those included that this user may not open; returns how many there are.
int cgpio_list_chips(cgpio_chip *chips, size_t capacity);
/// A line of the chip at `path`.
int cgpio_look_at(const char *path, unsigned offset, cgpio_line *line);

/// Watches both edges of a line; `consumer` is how others see who uses it.
cgpio_request *cgpio_watch(const char *path, unsigned offset, const cgpio_settings *settings, const char *consumer);
/// Becomes readable when an edge waits, or the chip is gone.
int cgpio_descriptor(cgpio_request *request);
/// 1 when the line is active.
int cgpio_level(cgpio_request *request);
/// Takes edges that wait, at most `capacity`, without waiting for more; 0 when there is none, -1 when the chip is gone.
int cgpio_read(cgpio_request *request, cgpio_edge *edges, size_t capacity);
void cgpio_release(cgpio_request *request);

#endif
