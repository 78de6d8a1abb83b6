// What both versions of libgpiod share: looking for chips.
#define _GNU_SOURCE
#include "internal.h"
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
        cgpio_chip chip;
        cgpio_copy(chip.path, found.gl_pathv[index], sizeof chip.path);
        // One that this user may not open, or that goes away meanwhile, is none.
        if (cgpio_describe(&chip)) continue;
        if (count < capacity) chips[count] = chip;
        count++;
    }
    globfree(&found);
    return (int)count;
}
