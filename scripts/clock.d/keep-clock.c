// Does what a program that keeps the clock right does last: tells the kernel so (adjtimex(2)).
#include <stdio.h>
#include <sys/timex.h>

int main(void) {
    struct timex state = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .status = STA_PLL, .maxerror = 1000, .esterror = 500};
    if (adjtimex(&state) >= 0) return 0;
    perror("adjtimex");
    return 1;
}
