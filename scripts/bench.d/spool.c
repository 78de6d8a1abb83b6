/* The same work as SpoolBench in C with bare SQLite: per commit one row with all readings as one blob, a header and
 * four bytes a value. The settings are the spool's. It does nothing else that a spool has to: the figure to compare with.
 *
 *     cc -O2 -o spool spool.c -lsqlite3
 *     ./spool FOLDER READINGS_PER_COMMIT COMMITS
 *
 * Prints one JSON line: wall_seconds, cpu_seconds, disk_bytes, readings.
 */
#include "disk_bytes.h"
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static void fail(sqlite3 *db, const char *what) {
    fprintf(stderr, "cannot %s: %s\n", what, db ? sqlite3_errmsg(db) : "no memory");
    exit(1);
}

static double wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* A header of 16 bytes (instant, first point, count) for every 40 values, as a poll of a meter has. */
static size_t pack(unsigned char *body, float *values, int count, int64_t instant, uint64_t *noise) {
    unsigned char *at = body;
    for (int index = 0; index < count; index++) {
        if (index % 40 == 0) {
            int64_t time = instant + index / 40 * 8000000;
            uint32_t rest = count - index < 40 ? count - index : 40;
            memcpy(at, &time, 8), memcpy(at + 8, &index, 4), memcpy(at + 12, &rest, 4);
            at += 16;
        }
        *noise = *noise * 6364136223846793005u + 1442695040888963407u;
        values[index] *= 0.99f + 0.02f * (float)(*noise >> 40) / (float)(1 << 24);
        memcpy(at, &values[index], 4);
        at += 4;
    }
    return at - body;
}

int main(int argc, char **argv) {
    if (argc != 4 || atoi(argv[2]) < 1 || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: spool FOLDER READINGS_PER_COMMIT COMMITS\n");
        return 64;
    }
    int count = atoi(argv[2]), commits = atoi(argv[3]);
    char path[4096];
    mkdir(argv[1], 0750);
    snprintf(path, sizeof path, "%s/c.spool", argv[1]);
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    if (sqlite3_open(path, &db)) fail(db, "open");
    if (sqlite3_exec(db,
            "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;"
            "PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -512;"
            "CREATE TABLE chunk (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL)", NULL, NULL, NULL))
        fail(db, "make the table");
    if (sqlite3_prepare_v2(db, "INSERT INTO chunk VALUES (?, ?)", -1, &insert, NULL)) fail(db, "prepare");

    float *values = malloc(count * sizeof *values);
    unsigned char *body = malloc(count * 4 + (count / 40 + 1) * 16);
    for (int index = 0; index < count; index++) values[index] = 1 + index % 40 * 17;
    uint64_t noise = 1;
    double wall = 0, cpu = 0;
    long long disk = 0;
    for (int commit = 0; commit <= commits; commit++) {
        /* As in Swift, the first commit is not counted. */
        if (commit == 1) wall = wall_seconds(), cpu = cpu_seconds(), disk = disk_bytes();
        size_t size = pack(body, values, count, (int64_t)(commit + 2) * 1000000000, &noise);
        sqlite3_bind_int64(insert, 1, (sqlite3_int64)commit * count + 1);
        sqlite3_bind_blob(insert, 2, body, size, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE) fail(db, "commit");
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    sqlite3_close(db);
    printf("{\"wall_seconds\":%.6f,\"cpu_seconds\":%.6f,\"disk_bytes\":%lld,\"readings\":%d}\n", wall_seconds() - wall,
        cpu_seconds() - cpu, disk_bytes() - disk, count * commits);
    return 0;
}
