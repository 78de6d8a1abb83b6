// A file system for SQLite that writes down what is done to the files of one folder, and makes chosen calls fail.
//
// It stands in front of SQLite's own ("unix") and becomes the default when the first recording begins. Files in folders
// without a recording go straight to SQLite's own, as if it were not there. What stands in the files is always what was
// written, as in a kernel's cache; what a disk would have of it after a power cut follows from the recording.
#pragma once
#include <stdint.h>

enum {
    CRASH_CREATE,    // a file was made
    CRASH_WRITE,     // bytes at an offset
    CRASH_TRUNCATE,  // the file ends at an offset now
    CRASH_SYNC,      // the file's content is on disk now; `directory`: the folder's names as well
    CRASH_DELETE,    // the name is gone; `directory`: the folder's names are on disk now
    CRASH_READ,      // changes nothing; noted because it can fail
    CRASH_INDEX      // the index of the write-ahead log got room in shared memory; noted because it can fail
};

typedef struct {
    int kind;
    int failed;     // the call was made to fail; of a write, `size` bytes happened all the same
    int directory;
    const char *name;  // in the folder
    int64_t offset;
    int64_t size;
    const uint8_t *bytes;  // of a write; owned by the recording
} crash_call;

typedef struct crash_recording crash_recording;

// Begins to record what SQLite does to files directly in `folder`, which are used by one thread at a time. They are
// never truly synced.
crash_recording *crash_begin(const char *folder);
// Ends it. No file of the folder may be open in SQLite any more.
void crash_end(crash_recording *recording);

// The calls so far; the place of one is its number. The array is valid until the next call.
int64_t crash_count(const crash_recording *recording);
const crash_call *crash_calls(const crash_recording *recording);

// From call number `first` on, `count` calls fail whose kind is a bit in `kinds` (1 << CRASH_WRITE | …), with errno
// `error`. A write for which there is no space (ENOSPC) does its first half.
void crash_fail(crash_recording *recording, int64_t first, int64_t count, unsigned kinds, int error);
