/* What every benchmark shares: CPU clocks, the JSON lines, and the closing table.
 *
 * A measurement has a figure, a bar (what must hold; 0: none) and a limit (what a plain program that
 * does only this reaches on the same machine; 0: none). */
#ifndef FLINC_BENCH_REPORT_H
#define FLINC_BENCH_REPORT_H

#include "common/base/clock.h"
#include "common/base/error.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum bench_better { BENCH_MORE_IS_BETTER, BENCH_LESS_IS_BETTER };

struct bench_row {
    char name[80];
    const char *unit;
    double figure, bar, limit;
    enum bench_better better;
};

struct bench_report {
    struct bench_row rows[64];
    int n;
};

/* Of this thread. */
static inline double bench_cpu_seconds(void)
{
    return (double)clock_thread_cpu_ns() * 1e-9;
}

/* Of all threads of the process. */
static inline double bench_process_cpu_seconds(void)
{
    return (double)clock_process_cpu_ns() * 1e-9;
}

static inline double bench_wall_seconds(void)
{
    return (double)clock_monotonic_ns(&clock_system) * 1e-9;
}

/* Ends the program when something of it has failed. */
static inline void bench_check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->message);
        exit(1);
    }
}

static inline void bench_report_add(struct bench_report *r, const char *name, double figure,
                                    const char *unit, double bar, double limit,
                                    enum bench_better better)
{
    ASSERT(r->n < (int)ARRAY_LEN(r->rows));
    struct bench_row *row = &r->rows[r->n++];
    *row = (struct bench_row){
        .unit = unit, .figure = figure, .bar = bar, .limit = limit, .better = better};
    snprintf(row->name, sizeof(row->name), "%s", name);
    printf("{\"bench\":\"%s\",\"figure\":%.4g,\"unit\":\"%s\",\"bar\":%.4g,\"limit\":%.4g,"
           "\"better\":\"%s\"}\n",
           name, figure, unit, bar, limit, better == BENCH_MORE_IS_BETTER ? "more" : "less");
    fflush(stdout);
}

static inline void bench_report_print(const struct bench_report *r)
{
    printf("\n%-48s %10s %10s %10s  %s\n", "measurement", "figure", "bar", "limit", "unit");
    for (int i = 0; i < r->n; i++) {
        const struct bench_row *row = &r->rows[i];
        bool holds =
            row->better == BENCH_MORE_IS_BETTER ? row->figure >= row->bar : row->figure <= row->bar;
        printf("%-48s %10.4g ", row->name, row->figure);
        if (row->bar > 0) {
            printf("%10.4g ", row->bar);
        } else {
            printf("%10s ", "-");
        }
        if (row->limit > 0) {
            printf("%10.4g  ", row->limit);
        } else {
            printf("%10s  ", "-");
        }
        printf("%s%s\n", row->unit, row->bar > 0 && !holds ? "  BELOW THE BAR" : "");
    }
}

#endif
