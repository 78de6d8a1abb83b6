#include "crashvfs.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct crash_recording {
    crash_recording *next;
    char *folder;  // with a slash at its end
    crash_call *calls;
    int64_t count, room;
    int64_t fail_first, fail_count;
    unsigned fail_kinds;
    int fail_error;
};

// What SQLite holds of a file in a recorded folder. The file of SQLite's own file system lies behind it in memory.
typedef struct {
    sqlite3_file base;
    crash_recording *recording;
    const char *name;
    int syncs_directory;  // at its next sync, as SQLite's own does for journals that may be new
} crash_file;

static sqlite3_vfs *own;
static sqlite3_vfs vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static crash_recording *recordings;

static size_t behind(void) { return (sizeof(crash_file) + 15) & ~(size_t)15; }
static sqlite3_file *real(sqlite3_file *file) { return (sqlite3_file *)((char *)file + behind()); }
static void *need(void *memory) {
    if (!memory) abort();
    return memory;
}

// --- The recording

// The recording of the folder that directly holds `path`, or NULL.
static crash_recording *find(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash) return NULL;
    size_t length = (size_t)(slash + 1 - path);
    pthread_mutex_lock(&mutex);
    crash_recording *it = recordings;
    while (it && !(strlen(it->folder) == length && memcmp(it->folder, path, length) == 0)) it = it->next;
    pthread_mutex_unlock(&mutex);
    return it;
}

// Notes a call; says whether it has to fail.
static crash_call *note(crash_recording *it, int kind, const char *name, int64_t offset, int64_t size) {
    if (it->count == it->room) {
        it->room = it->room ? 2 * it->room : 256;
        it->calls = need(realloc(it->calls, (size_t)it->room * sizeof(crash_call)));
    }
    int fails = it->fail_count > 0 && it->count >= it->fail_first && it->fail_kinds & 1u << kind;
    if (fails) {
        it->fail_count--;
        errno = it->fail_error;
    }
    it->calls[it->count] = (crash_call){kind, fails, 0, need(strdup(name)), offset, size, NULL};
    return &it->calls[it->count++];
}

// A call that did not happen for a reason of its own is not in the recording.
static void forget(crash_recording *it) { free((void *)it->calls[--it->count].name); }

int64_t crash_count(const crash_recording *it) { return it->count; }
const crash_call *crash_calls(const crash_recording *it) { return it->calls; }

void crash_fail(crash_recording *it, int64_t first, int64_t count, unsigned kinds, int error) {
    it->fail_first = first;
    it->fail_count = count;
    it->fail_kinds = kinds;
    it->fail_error = error;
}

// --- Files

static int close_file(sqlite3_file *file) { return real(file)->pMethods->xClose(real(file)); }

static int read_file(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset) {
    crash_file *it = (crash_file *)file;
    if (note(it->recording, CRASH_READ, it->name, offset, size)->failed) return SQLITE_IOERR_READ;
    return real(file)->pMethods->xRead(real(file), bytes, size, offset);
}

static int write_file(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
    crash_file *it = (crash_file *)file;
    crash_call *call = note(it->recording, CRASH_WRITE, it->name, offset, size);
    int no_space = call->failed && it->recording->fail_error == ENOSPC;
    if (call->failed) call->size = no_space ? size / 2 : 0;
    uint8_t *copy = need(malloc((size_t)size + 1));
    memcpy(copy, bytes, (size_t)size);
    call->bytes = copy;
    int result = call->size ? real(file)->pMethods->xWrite(real(file), bytes, (int)call->size, offset) : SQLITE_OK;
    if (!call->failed) return result;
    // As SQLite's own: there the two have codes of their own.
    errno = it->recording->fail_error;
    return no_space ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    crash_file *it = (crash_file *)file;
    if (note(it->recording, CRASH_TRUNCATE, it->name, size, 0)->failed) return SQLITE_IOERR_TRUNCATE;
    return real(file)->pMethods->xTruncate(real(file), size);
}

static int sync_file(sqlite3_file *file, int flags) {
    (void)flags;
    crash_file *it = (crash_file *)file;
    crash_call *call = note(it->recording, CRASH_SYNC, it->name, 0, 0);
    if (call->failed) return SQLITE_IOERR_FSYNC;
    call->directory = it->syncs_directory;
    it->syncs_directory = 0;
    return SQLITE_OK;
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *size) {
    return real(file)->pMethods->xFileSize(real(file), size);
}
static int lock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xLock(real(file), level); }
static int unlock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
static int check_lock(sqlite3_file *file, int *result) {
    return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
static int control_file(sqlite3_file *file, int code, void *argument) {
    // Hints that a file is about to grow could change it without a call that is seen here.
    if (code == SQLITE_FCNTL_SIZE_HINT || code == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
    return real(file)->pMethods->xFileControl(real(file), code, argument);
}
static int sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int characteristics(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }

// The index of the write-ahead log is not durable and need not be: it stays SQLite's own.
static int map_index(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
    crash_file *it = (crash_file *)file;
    if (extend && note(it->recording, CRASH_INDEX, it->name, page, size)->failed) {
        *memory = NULL;
        return SQLITE_IOERR_SHMSIZE;
    }
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}
static int lock_index(sqlite3_file *file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
static void barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int unmap_index(sqlite3_file *file, int deletes) {
    return real(file)->pMethods->xShmUnmap(real(file), deletes);
}

// Version 2: without memory-mapped files, whose writes would not be seen.
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_index,
    .xShmLock = lock_index,
    .xShmBarrier = barrier,
    .xShmUnmap = unmap_index,
};

static int open_file(sqlite3_vfs *unused, const char *path, sqlite3_file *file, int flags, int *flags_out) {
    (void)unused;
    crash_recording *recording = find(path);
    if (!recording) return own->xOpen(own, path, file, flags, flags_out);
    const char *name = strrchr(path, '/') + 1;
    crash_file *it = (crash_file *)file;
    memset(it, 0, behind());
    int is_new = access(path, F_OK) != 0;
    if (is_new && flags & SQLITE_OPEN_CREATE && note(recording, CRASH_CREATE, name, 0, 0)->failed)
        return SQLITE_CANTOPEN;
    int result = own->xOpen(own, path, real(file), flags, flags_out);
    if (result != SQLITE_OK) {
        if (is_new && flags & SQLITE_OPEN_CREATE) forget(recording);
        return result;
    }
    it->base.pMethods = &methods;
    it->recording = recording;
    it->name = name;
    it->syncs_directory = flags & SQLITE_OPEN_CREATE && flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL);
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *unused, const char *path, int syncs_directory) {
    (void)unused;
    crash_recording *recording = find(path);
    if (!recording) return own->xDelete(own, path, syncs_directory);
    crash_call *call = note(recording, CRASH_DELETE, strrchr(path, '/') + 1, 0, 0);
    if (call->failed) return SQLITE_IOERR_DELETE;
    call->directory = syncs_directory;
    int result = own->xDelete(own, path, 0);
    if (result != SQLITE_OK) forget(recording);
    return result;
}

// --- Beginning and end

static void install(void) {
    own = sqlite3_vfs_find(NULL);
    // The other calls do not depend on which file system they are asked of.
    vfs = *own;
    vfs.pNext = NULL;
    vfs.zName = "crash";
    vfs.szOsFile = (int)behind() + own->szOsFile;
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) abort();
}

crash_recording *crash_begin(const char *folder) {
    pthread_once(&once, install);
    crash_recording *it = need(calloc(1, sizeof *it));
    size_t length = strlen(folder);
    it->folder = need(malloc(length + 2));
    memcpy(it->folder, folder, length);
    memcpy(it->folder + length, "/", 2);
    pthread_mutex_lock(&mutex);
    it->next = recordings;
    recordings = it;
    pthread_mutex_unlock(&mutex);
    return it;
}

void crash_end(crash_recording *recording) {
    pthread_mutex_lock(&mutex);
    crash_recording **link = &recordings;
    while (*link != recording) link = &(*link)->next;
    *link = recording->next;
    pthread_mutex_unlock(&mutex);
    while (recording->count > 0) {
        free((void *)recording->calls[recording->count - 1].bytes);
        forget(recording);
    }
    free(recording->calls);
    free(recording->folder);
    free(recording);
}
