/* Readings made durable in two usual ways, for FlashBench to compare with:
 *
 *   rows    a row (sequence, point, time, value) for each reading in SQLite, WAL and synchronous=FULL, else as it comes; the
 *           readings of the commit before are delivered by then, and deleted in the same transaction
 *   append  a header and four bytes a value at the end of a file, then fdatasync: nothing is ever looked up or deleted
 *
 *     cc -O2 -o flash flash.c -lsqlite3
 *     ./flash FOLDER rows|append READINGS_PER_COMMIT COMMITS POINTS
 *
 * Prints one JSON line: disk_bytes, stored_bytes_per_reading (of rows: what the row takes in its page, without the page).
 */
#include "disk_bytes.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int size, commits, points;
static uint64_t noise = 1;

static void fail(sqlite3 *db, const char *what) {
    fprintf(stderr, "cannot %s: %s\n", what, db ? sqlite3_errmsg(db) : "see errno");
    exit(1);
}

static float value(void) {
    noise = noise * 6364136223846793005u + 1442695040888963407u;
    return 230.0f * (0.99f + 0.02f * (float)(noise >> 40) / (float)(1 << 24));
}

static int64_t time_of(int64_t reading) { return 1793491200000 + reading / points * 1000; }

static double rows(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/rows.db", folder);
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL, *delete = NULL;
    if (sqlite3_open(path, &db)) fail(db, "open");
    if (sqlite3_exec(db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE reading (sequence INTEGER PRIMARY KEY, point INTEGER, time INTEGER, value REAL)",
            NULL, NULL, NULL) ||
        sqlite3_prepare_v2(db, "INSERT INTO reading VALUES (?, ?, ?, ?)", -1, &insert, NULL) ||
        sqlite3_prepare_v2(db, "DELETE FROM reading WHERE sequence < ?", -1, &delete, NULL))
        fail(db, "make the table");
    int64_t sequence = 0;
    for (int commit = 0; commit < commits; commit++) {
        if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL)) fail(db, "begin");
        sqlite3_bind_int64(delete, 1, sequence);
        if (sqlite3_step(delete) != SQLITE_DONE) fail(db, "delete");
        sqlite3_reset(delete);
        for (int index = 0; index < size; index++, sequence++) {
            sqlite3_bind_int64(insert, 1, sequence);
            sqlite3_bind_int64(insert, 2, sequence % points);
            sqlite3_bind_int64(insert, 3, time_of(sequence));
            sqlite3_bind_double(insert, 4, value());
            if (sqlite3_step(insert) != SQLITE_DONE) fail(db, "insert");
            sqlite3_reset(insert);
        }
        if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL)) fail(db, "commit");
    }
    sqlite3_finalize(insert), sqlite3_finalize(delete);
    sqlite3_close(db);
    /* Cell: length, rowid of up to 4 bytes, header of 5, point of up to 2, time of 6, value of 8, and 2 for its place. */
    return 1 + 4 + 5 + 2 + 6 + 8 + 2;
}

static double append(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/readings", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    if (file < 0) fail(NULL, "open");
    unsigned char *body = malloc(size * 20);
    int64_t sequence = 0, stored = 0;
    for (int commit = 0; commit < commits; commit++) {
        unsigned char *at = body;
        for (int index = 0; index < size; index++, sequence++) {
            /* As a poll of a meter has: instant, first point, count. */
            if (index == 0 || sequence % points % 40 == 0) {
                int64_t time = time_of(sequence);
                uint32_t first = sequence % points, count = 40;
                memcpy(at, &time, 8), memcpy(at + 8, &first, 4), memcpy(at + 12, &count, 4);
                at += 16;
            }
            float number = value();
            memcpy(at, &number, 4);
            at += 4;
        }
        stored += at - body;
        if (write(file, body, at - body) != at - body || fdatasync(file)) fail(NULL, "write");
    }
    close(file);
    return (double)stored / sequence;
}

int main(int argc, char **argv) {
    if (argc != 6 || (size = atoi(argv[3])) < 1 || (commits = atoi(argv[4])) < 1 || (points = atoi(argv[5])) < 1) {
        fprintf(stderr, "usage: flash FOLDER rows|append READINGS_PER_COMMIT COMMITS POINTS\n");
        return 64;
    }
    mkdir(argv[1], 0750);
    double stored = strcmp(argv[2], "rows") == 0 ? rows(argv[1]) : append(argv[1]);
    printf("{\"disk_bytes\":%lld,\"stored_bytes_per_reading\":%.3f}\n", disk_bytes(), stored);
    return 0;
}
