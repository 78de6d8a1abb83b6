// The bare loop that `scripts/bench line` compares with: the same requests to each unit of a line, round after round,
// with libmodbus' own timeouts, and a sleep before each request if one is asked for. A unit that fails twice running is
// left for the round.
//   line PORT BAUD UNITS SECONDS SLEEP-MICROSECONDS ADDRESS:COUNT…     prints: seconds-a-round values-of-unit-1 …
#include <modbus/modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 7) return 64;
    int units = atoi(argv[3]), pause = atoi(argv[5]);
    double seconds = atof(argv[4]);
    modbus_t *bus = modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1);
    if (!bus || modbus_connect(bus) != 0) { perror("connect"); return 69; }
    long values[248] = {0}, rounds = 0;
    uint16_t words[125];
    double begin = now(), end = begin;
    while (end - begin < seconds) {
        for (int unit = 1; unit <= units; unit++) {
            modbus_set_slave(bus, unit);
            for (int i = 6, failures = 0; i < argc && failures < 2; i++) {
                char *rest;
                int address = strtol(argv[i], &rest, 10), count = atoi(rest + 1);
                if (pause) usleep(pause);
                int got = modbus_read_input_registers(bus, address, count, words);
                failures = got == count ? 0 : failures + 1;
                if (got == count) values[unit] += count / 2;
                else modbus_flush(bus);
            }
        }
        rounds++;
        end = now();
    }
    printf("%.6f", (end - begin) / rounds);
    for (int unit = 1; unit <= units; unit++) printf(" %ld", values[unit]);
    printf("\n");
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}
