/* Operators with state, for tests of checkpoints: a source that goes on where its snapshot was, and one
 * that counts by key.  As test_operators.h: what they saw is counted where their configuration points. */
#ifndef FLINC_TESTS_WORKER_TEST_STATEFUL_H
#define FLINC_TESTS_WORKER_TEST_STATEFUL_H

#include "common/base/thread.h"
#include "engine/operators/operator.h"

/* What all subtasks of a job's operators saw; thread: any. */
struct stateful_counts {
    _Atomic int64_t keys, wrong;       /* keys in the end; of them, those with a wrong count */
    _Atomic int64_t late;              /* rows behind the watermark */
    _Atomic int64_t max_watermarks;    /* watermark(INT64_MAX) calls */
    _Atomic int64_t ended;             /* end_of_input() calls */
    _Atomic int64_t rows_out;          /* that the sources emitted, this attempt */
    _Atomic int64_t completes, aborts; /* notify() calls */
    _Atomic int64_t last_complete;
    _Atomic int64_t prepared, snapshots;
    _Atomic int64_t timers;
    _Atomic bool hold;                     /* sources emit nothing while it is set */
    _Atomic bool stall;                    /* counts do not return from process() while it is set */
    _Atomic int64_t stalled, stalled_rows; /* process() calls, and their rows */
    struct event_count changed;
};

enum stateful_fail {
    STATEFUL_FAIL_NOT,
    STATEFUL_FAIL_SNAPSHOT,
    STATEFUL_FAIL_PREPARE,
    STATEFUL_FAIL_NOTIFY,
};

/* Operator.config of all of them. */
struct stateful_config {
    int64_t rows;       /* source: per subtask */
    int64_t batch_rows; /* source */
    int64_t hold_at;    /* source: emits no more than so many rows while `hold`; 0: never holds */
    int64_t copies;     /* count: rows per key in the end */
    enum stateful_fail fail;
    struct stateful_counts *counts;
};

/* stateful.source, .map (buffers a batch until it is flushed), .count, .co_count; NULL: another kind. */
const struct operator_desc *stateful_operator_find(const char *kind);

#endif
