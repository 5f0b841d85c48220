/* An executor that runs nothing: it remembers what it was given, and has the rows that the test puts there. */
#ifndef FLINC_TESTS_UNIT_SQL_SESSION_FAKE_EXECUTOR_H
#define FLINC_TESTS_UNIT_SQL_SESSION_FAKE_EXECUTOR_H

#include "sql/session/session.h"

struct fake_executor {
    struct sql_executor base;
    struct vec graphs;    /* Flinc__JobGraph *, Owns */
    int fail_submit;      /* a code */
    uint32_t n_cancelled; /* by close_rows and cancel */
    uint32_t n_stopped;
    struct sql_stop_options stop;
    uint32_t n_rows_open;
    int wait_rc;
};

void fake_executor_init(struct fake_executor *f);
void fake_executor_fini(struct fake_executor *f);
Flinc__JobGraph *fake_executor_graph(const struct fake_executor *f, size_t i);

#endif
