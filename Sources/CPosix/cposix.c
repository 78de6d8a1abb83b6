#define _GNU_SOURCE
#include "CPosix.h"
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void cposix_name_thread(const char *name) {
    char cut[16];
    strncpy(cut, name, sizeof cut - 1);
    cut[sizeof cut - 1] = 0;
    pthread_setname_np(pthread_self(), cut);
}

struct start {
    void (*body)(void *);
    void *context;
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    start.body(start.context);
    return NULL;
}

int cposix_spawn_thread(void (*body)(void *), void *context, size_t stack, unsigned long *thread) {
    struct start *start = malloc(sizeof *start);
    if (!start) return 12;
    start->body = body;
    start->context = context;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    int error = pthread_create(thread, &attributes, run, start);
    pthread_attr_destroy(&attributes);
    if (error) free(start);
    return error;
}

void cposix_limit_malloc(int arenas) { mallopt(M_ARENA_MAX, arenas); }
void cposix_trim_malloc(void) { malloc_trim(0); }

// Whether the loader writes into the code of an object (32-bit libraries without position-independent code).
static int has_written_code(const struct dl_phdr_info *info) {
    for (int index = 0; index < info->dlpi_phnum; index++) {
        if (info->dlpi_phdr[index].p_type != PT_DYNAMIC) continue;
        const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[index].p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_TEXTREL) return 1;
            if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)) return 1;
        }
    }
    return 0;
}

static int release_code(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    (void)context;
    if (has_written_code(info)) return 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[index];
        // Code alone is sure to be as it is in the file: what can be written, or was before it was protected, may not be.
        if (header->p_type != PT_LOAD || header->p_flags != (PF_R | PF_X)) continue;
        uintptr_t start = (info->dlpi_addr + header->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + header->p_vaddr + header->p_filesz) & ~(page - 1);
        if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void cposix_release_code(void) { dl_iterate_phdr(release_code, NULL); }

static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t cposix_boot_nanoseconds(void) { return nanoseconds(CLOCK_BOOTTIME); }
int64_t cposix_wall_nanoseconds(void) { return nanoseconds(CLOCK_REALTIME); }

void cposix_sleep_until(int64_t boot_nanoseconds) {
    struct timespec until = {boot_nanoseconds / 1000000000, boot_nanoseconds % 1000000000};
    clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
}

int cposix_open_signals(void) {
    signal(SIGPIPE, SIG_IGN);
    // A limit on file sizes is a full disk, not a reason to die: write(2) then fails with EFBIG.
    signal(SIGXFSZ, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int cposix_next_signal(int descriptor) {
    struct signalfd_siginfo info;
    return read(descriptor, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

long cposix_peer_user(int descriptor) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size)) return -1;
    return (long)peer.uid;
}

int cposix_keep_no_descriptors(void *actions) {
    return posix_spawn_file_actions_addclosefrom_np(actions, 3);
}
