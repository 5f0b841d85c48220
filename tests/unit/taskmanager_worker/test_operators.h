/* Operators of the worker's tests: what they do is in their configuration, what they saw is counted where
 * it points to (one process: pointers travel well). */
#ifndef FLINC_TESTS_WORKER_TEST_OPERATORS_H
#define FLINC_TESTS_WORKER_TEST_OPERATORS_H

#include "common/base/thread.h"
#include "engine/data/builder.h"
#include "engine/operators/operator.h"

#define TEST_SCHEMA "ROW<n BIGINT NOT NULL>"

/* The callbacks in which an operator can be told to fail. */
enum test_callback {
    TEST_NOWHERE,
    TEST_OPEN,
    TEST_PROCESS,
    TEST_RESUME,
    TEST_END_OF_INPUT,
    TEST_POLL,
    TEST_ON_EVENT,
    TEST_FLUSH,
    TEST_CALLBACKS,
};

enum test_crash {
    TEST_CRASH_NOT,
    TEST_CRASH_NULL,
    TEST_CRASH_STACK, /* overflows it */
    TEST_CRASH_ABORT,
};

/* Counts of all subtasks of an operator; thread: any. */
struct test_counts {
    _Atomic int64_t rows, sum, batches, opened, closed, ended, flushed, events, resumed;
    _Atomic int64_t rows_by_subtask[8];
    _Atomic int64_t rows_by_input[OPERATOR_INPUTS_MAX];
    _Atomic int64_t allocations; /* of the data path after it was warm */
    _Atomic bool release;        /* lets an operator that hangs go on */
    _Atomic bool reached;        /* it hangs, or polled, or whatever the test waits for */
    struct event_count changed;
};

/* Operator.config of all of them. */
struct test_config {
    int64_t rows;         /* source: per subtask; < 0: for ever */
    int64_t batch_rows;   /* source: of a batch; flat map: copies of a batch */
    int64_t idle_every;   /* source: OP_IDLE after so many batches, woken by a timer; 0: never */
    int64_t warm_batches; /* sink: allocations are counted from here on */
    int64_t side_modulo;  /* split: rows whose number it divides go to output 1 */
    int64_t fail_after;   /* calls of the callback before it fails */
    enum test_callback fail_in;
    bool wait_for_event;        /* source: nothing before the coordinator sent something */
    bool send_event;            /* source: says hello to the coordinator */
    bool accumulate;            /* sink: counts rows in the accumulator "rows" */
    enum test_callback hang_in; /* does not return until released, and ignores `cancelled` */
    enum test_crash crash;      /* sink: in its first batch */
    struct test_counts *counts;
};

/* The operator kinds: test.source, test.map, test.split, test.flat_map, test.hold, test.co, test.sink */
const struct operator_desc *test_operator_find(const char *kind);
/* Sleeps until fn(counts) holds. */
void test_counts_wait(struct test_counts *counts, bool (*fn)(const struct test_counts *counts));

#endif
