// The bare loop that `scripts/bench poll` compares with: the same requests, read and decoded with libmodbus alone.
//   poll HOST PORT ROUNDS ADDRESS:COUNT…     prints: wall-seconds cpu-seconds points checksum
#include <modbus/modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 5) return 64;
    modbus_t *bus = modbus_new_tcp(argv[1], atoi(argv[2]));
    modbus_set_slave(bus, 1);
    if (modbus_connect(bus) != 0) { perror("connect"); return 69; }
    long rounds = atol(argv[3]), points = 0;
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), sum = 0;
    uint16_t words[125];
    for (long round = 0; round < rounds; round++) {
        for (int i = 4; i < argc; i++) {
            char *rest;
            int address = strtol(argv[i], &rest, 10), count = atoi(rest + 1);
            if (modbus_read_input_registers(bus, address, count, words) != count) { perror("read"); return 1; }
            struct timespec arrived;
            clock_gettime(CLOCK_BOOTTIME, &arrived);
            for (int word = 0; word + 1 < count; word += 2, points++) sum += modbus_get_float_abcd(words + word);
            sum += arrived.tv_nsec & 1;
        }
    }
    printf("%.6f %.6f %ld %g\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, points, sum);
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}
