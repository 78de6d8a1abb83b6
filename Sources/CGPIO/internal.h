#ifndef CGPIO_INTERNAL_H
#define CGPIO_INTERNAL_H
#include "CGPIO.h"
#include <gpiod.h>

// Neither header has a version; this one exists in libgpiod 1 only.
#ifdef GPIOD_LINE_BULK_MAX_LINES
#define CGPIO_V1 1
#else
#define CGPIO_V1 0
#endif

void cgpio_copy(char *to, const char *from, size_t size);
/// Fills in label and lines of the chip at its path; 0, or -1 and errno.
int cgpio_describe(cgpio_chip *chip);
#endif
