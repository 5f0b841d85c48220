/* How many rows a source may make by now, when it makes them at a rate: none at the start, and no more than
 * ROW_RATE_BURST_MS worth of rows after it was held up.  Zeroed, or with a rate of 0: no limit.
 *
 * Thread: the task's.  Flink: RateLimiterStrategy, GuavaRateLimiter. */
#ifndef FLINC_ENGINE_OPERATORS_IO_ROW_RATE_H
#define FLINC_ENGINE_OPERATORS_IO_ROW_RATE_H

#include "engine/operators/io/io_pending.h"

enum {
    ROW_RATE_WAKE_MS = 5,         /* a rate is served no more often than this */
    ROW_RATE_WAKE_MAX_MS = 60000, /* and no less: a clock that jumps is noticed */
    ROW_RATE_BURST_MS = 1000,     /* how far behind the rate a source catches up */
};

struct row_rate {
    const struct clock *clock; /* Borrows */
    double rows_per_ns;        /* of this subtask; 0: no limit */
    double due;                /* rows that may be made now */
    int64_t last_ns;           /* when `due` was brought up to date */
};

/* `rows_per_second` of all subtasks together; 0: no limit. */
void row_rate_init(struct row_rate *r, double rows_per_second, const struct op_context *ctx);
/* Rows that may be made now, at most `most`. */
uint32_t row_rate_allowance(struct row_rate *r, uint32_t most);
/* So many were made. */
void row_rate_take(struct row_rate *r, uint32_t n);
/* Until the next row is due, for op_wake_after(). */
int64_t row_rate_wake_ms(const struct row_rate *r);
/* The gauge pendingRecords, in open(): a source without an end and without a rate has none. */
void row_rate_open_pending(const struct row_rate *r, struct io_pending *p, struct op_context *ctx,
                           bool has_end);
/* `left`: rows in all that are not made yet. */
void row_rate_tell_pending(const struct row_rate *r, struct io_pending *p, int64_t left);

#endif
