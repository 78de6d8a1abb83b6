// What both versions of libgpiod share: looking for chips.
#define _GNU_SOURCE
#include "internal.h"
#include <errno.h>
#include <glob.h>
#include <string.h>

void cgpio_copy(char *to, const char *from, size_t size) {
    size_t length = from ? strnlen(from, size - 1) : 0;
    if (length) memcpy(to, from, length);
    to[length] = 0;
}

int cgpio_list_chips(cgpio_chip *chips, size_t capacity) {
    glob_t found;
    if (glob("/dev/gpiochip*", 0, NULL, &found)) return 0;
    size_t count = 0;
    for (size_t index = 0; index < found.gl_pathc; index++) {
        cgpio_chip chip = {0};
        cgpio_copy(chip.path, found.gl_pathv[index], sizeof chip.path);
        if (cgpio_describe(&chip)) {
            // One that goes away meanwhile is none.
            if (errno != EACCES && errno != EPERM) continue;
            chip.refusal = errno;
        }
        if (count < capacity) chips[count] = chip;
        count++;
    }
    globfree(&found);
    return (int)count;
}
