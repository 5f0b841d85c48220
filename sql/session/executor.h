/* What runs the jobs of a session: the mini cluster of this process or a cluster elsewhere, given by whoever opens the
 * session (client/sqlclient, a gateway).
 *
 * Calls block their caller as long as they say and no longer; every one is bounded.  Flink: Executor, JobClient,
 * ClusterClient.  Thread: the session's own; an executor has its threads below it. */
#ifndef FLINC_SQL_SESSION_EXECUTOR_H
#define FLINC_SQL_SESSION_EXECUTOR_H

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "engine/data/batch.h"
#include "proto/graph.pb-c.h"

/* A job as SHOW JOBS lists it. */
struct sql_job {
    char id[ID_HEX_LEN + 1];
    const char *name, *status; /* "RUNNING" */
    int64_t start_ms;
};

struct sql_stop_options {
    bool with_savepoint; /* else it is cancelled */
    bool with_drain;
};

/* What fetch() found. */
enum sql_fetched {
    SQL_FETCHED_NOTHING = 0, /* in this time */
    SQL_FETCHED_ROWS = 1,    /* *ret_page */
    SQL_FETCHED_END = 2,     /* there are no more; the job has ended well */
};

/* The rows of one query. */
struct sql_rows;
struct sql_rows_options {
    const char *uid;             /* of the collect sink */
    const struct schema *schema; /* Borrows for the call */
    struct buffer_pool *pool;    /* Borrows; of the pages */
};

struct sql_executor {
    void *arg;
    /* The job is accepted, or an error says why not.  `graph` is the executor's from now on, also when it fails. */
    int (*submit)(void *arg, Flinc__JobGraph *take_graph, const struct conf *conf,
                  struct error *err);
    /* 1: the job has ended well; 0: not yet; negative: how it failed, ERR_CANCELLED when it was cancelled. */
    int (*wait)(void *arg, const char *job, int64_t timeout_ms, struct error *err);
    /* The rows of the collect sink `uid` of a job; `schema` is theirs. */
    int (*open_rows)(void *arg, const char *job, const struct sql_rows_options *options,
                     struct sql_rows **ret, struct error *err);
    /* enum sql_fetched, waiting up to the time; negative: why the job failed. */
    int (*fetch)(struct sql_rows *rows, int64_t timeout_ms, struct batch **ret_page,
                 struct error *err);
    /* Cancels the job unless it has ended.  NULL is fine; returns NULL. */
    struct sql_rows *(*close_rows)(struct sql_rows *rows);
    int (*cancel)(void *arg, const char *job, struct error *err);
    /* Stops or cancels and waits for it; *ret_path gets the savepoint's path when there is one. */
    int (*stop)(void *arg, const char *job, const struct sql_stop_options *options,
                const struct conf *conf, struct str *ret_path, struct error *err);
    /* Calls `add` for each job, newest first; borrowed for the call. */
    int (*list)(void *arg, void (*add)(void *add_arg, const struct sql_job *job), void *add_arg,
                struct error *err);
};

#endif
