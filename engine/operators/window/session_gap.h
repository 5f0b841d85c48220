/* The gap of sessions: the same for all records, a column of theirs, or a function's word.
 *
 * Thread: the task's.  Flink: SessionWindowTimeGapExtractor, DynamicEventTimeSessionWindows. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_SESSION_GAP_H
#define FLINC_ENGINE_OPERATORS_WINDOW_SESSION_GAP_H

#include "engine/operators/user_function.h"
#include "engine/state/record.h"
#include "proto/window.pb-c.h"

struct session_gap {
    int64_t gap_ms;          /* 0: each record has its own */
    const uint32_t *columns; /* Borrows: the configuration's, by input; NULL: a function says it */
    struct user_function *function; /* Borrows; NULL: a column holds it */
    struct record_layout record;    /* of what the function sees */
    char *tile;                     /* Owns: RECORD_TILE_ROWS records */
    struct str nested;              /* their nested values */
};

/* Checks the configuration, which is borrowed.  A function is one of the operator's, resolved: the last. */
int session_gap_open(struct session_gap *g, const Flinc__WindowConfig *c,
                     const struct op_context *ctx, struct user_functions *functions,
                     struct error *err) MUST_CHECK;
/* Safe on a zeroed struct. */
void session_gap_close(struct session_gap *g);
/* ret_gaps[i]: the gap of the i-th selected row of a batch of an input, above 0. */
int session_gap_read(struct session_gap *g, uint32_t input, const struct batch *b,
                     int64_t *ret_gaps, struct error *err) MUST_CHECK;

#endif
