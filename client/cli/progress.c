/* The progress line; see progress.h. */
#include "client/cli/progress.h"
#include "common/base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void progress_init(struct progress *p)
{
    const char *term = getenv("TERM");

    *p = (struct progress){0};
    p->enabled = isatty(STDERR_FILENO) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
    p->start_ns = p->last_ns = clock_monotonic_ns(&clock_system);
}

/* 1234567 as "1.23 M". */
static const char *short_number(double v, char text[32])
{
    static const char units[] = " kMGT";
    int u = 0;

    while (v >= 1000 && u < 4) {
        v /= 1000;
        u++;
    }
    (void)snprintf(text, 32, u == 0 ? "%.0f" : "%.2f %c", v, units[u]);
    return text;
}

void progress_show(struct progress *p, const char *state, uint64_t records, uint64_t bytes,
                   uint32_t running, uint32_t total)
{
    char a[32], b[32], c[32], d[32];

    if (!p->enabled) {
        return;
    }
    int64_t now = clock_monotonic_ns(&clock_system);
    double seconds = (double)(now - p->last_ns) * 1e-9;
    double rate = seconds > 0 ? (double)(records - p->last_records) / seconds : 0;
    double byte_rate = seconds > 0 ? (double)(bytes - p->last_bytes) / seconds : 0;
    fprintf(stderr, "\r\033[K%s  %u/%u tasks  %s records (%s/s)  %sB (%sB/s)  %.1f s", state,
            running, total, short_number((double)records, a), short_number(rate, b),
            short_number((double)bytes, c), short_number(byte_rate, d),
            (double)(now - p->start_ns) * 1e-9);
    (void)fflush(stderr);
    p->last_ns = now;
    p->last_records = records;
    p->last_bytes = bytes;
    p->shown = true;
}

void progress_clear(struct progress *p)
{
    if (p->shown) {
        fprintf(stderr, "\r\033[K");
        (void)fflush(stderr);
        p->shown = false;
    }
}
