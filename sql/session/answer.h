/* What a statement answers: a schema and pages of rows, from memory or as a job makes them.
 *
 *   sql_session_execute() -> sql_answer --sql_answer_next()--> batch, batch, ..., END --sql_answer_close()-->
 *
 * DDL answers the column `result` with OK, INSERT the column `job id`, SHOW and EXPLAIN text columns, a query its rows
 * with their kinds.  Flink: TableResultInternal, ResultFetcher.  Thread: the session's. */
#ifndef FLINC_SQL_SESSION_ANSWER_H
#define FLINC_SQL_SESSION_ANSWER_H

#include "common/base/vec.h"
#include "common/text/option_text.h"
#include "sql/session/executor.h"

enum sql_answer_kind {
    SQL_ANSWER_OK,    /* SUCCESS: one row OK */
    SQL_ANSWER_TABLE, /* SUCCESS_WITH_CONTENT */
    SQL_ANSWER_JOB,   /* INSERT: one row, the job's id; has_job */
    SQL_ANSWER_QUERY, /* rows of a job; has_job */
};

struct sql_answer {
    enum sql_answer_kind kind;
    struct schema *schema; /* Owns a ref */
    bool has_job;
    bool is_streaming; /* QUERY: execution.runtime-mode is STREAMING: rows have kinds that matter */
    char job[ID_HEX_LEN + 1];
    struct text_list notes;              /* for people: what is odd and no error */
    struct vec pages;                    /* struct batch *, Owns; what lies in memory */
    size_t n_given;                      /* of them; those belong to who took them */
    const struct sql_executor *executor; /* Borrows */
    struct sql_rows *rows;               /* Owns; QUERY */
    bool has_ended;
};

/* enum sql_fetched: waits up to the time for rows of a job; what lies in memory is there at once.  A negative
 * code is the failure of the job. */
int sql_answer_next(struct sql_answer *a, int64_t timeout_ms, struct batch **ret,
                    struct error *err) MUST_CHECK;
/* JOB, for table.dml-sync: 1 when the job has ended well, 0 when not within the time; negative: how it failed. */
int sql_answer_wait(struct sql_answer *a, int64_t timeout_ms, struct error *err) MUST_CHECK;
/* Cancels the job of a query that has not ended.  NULL is fine; returns NULL. */
struct sql_answer *sql_answer_close(struct sql_answer *a);

#endif
