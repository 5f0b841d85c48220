/* The rows of a SELECT, fetched from the collect sink of its job (engine/query/collect.h).
 *
 * Every row comes once.  With checkpoints in exactly-once mode a row is given out when a checkpoint covers it (or the job
 * has finished), so that a restart takes nothing back; until then rows are kept here, up to kept_bytes, behind which the
 * sink keeps them and the query waits.  Without checkpoints rows are given out at once, and a restart behind the first of
 * them is an error.  With at-least-once checkpoints they are given out at once, and some come again after a restart.
 *
 * It speaks to the job through callbacks: over REST (result_source_rest()), or in this process (minicluster_ask()).
 *
 *   result_fetcher_new(&options, &f, &err);
 *   while ((rc = result_fetcher_next(f, 1000, &batch, &err)) != RESULT_END) { RESULT_ROWS, RESULT_TIMEOUT, negative }
 *   result_fetcher_close(f);
 *
 * Flink: CollectResultFetcher, CollectResultIterator, CheckpointedCollectResultBuffer.
 * Thread: one owner; a cancel token ends its waits from another one. */
#ifndef FLINC_CLIENT_SUBMIT_RESULT_FETCHER_H
#define FLINC_CLIENT_SUBMIT_RESULT_FETCHER_H

#include "common/base/str.h"
#include "common/loop/cancel.h"
#include "engine/data/batch.h"

enum {
    RESULT_WAIT_MS = 500,             /* a request waits for rows no longer than that */
    RESULT_PAUSE_MIN_MS = 5,          /* between requests that brought nothing ... */
    RESULT_PAUSE_MAX_MS = 100,        /* ... growing to that */
    RESULT_OUTAGE_MS = 5 * 60 * 1000, /* how long the cluster may be out of reach */
};
#define RESULT_REQUEST_BYTES ((uint64_t)2 * 1024 * 1024) /* of rows per request */
#define RESULT_KEPT_BYTES ((uint64_t)64 * 1024 * 1024)   /* of rows that wait for a checkpoint */

/* How to speak to the job. */
struct result_source {
    void *arg;
    /* Asks the sink's coordinator; *ret_answer gets a packed CoordinationAnswer (proto/collect.proto).  ERR_UNAVAILABLE and
     * ERR_TIMEOUT are tried again; everything else ends the fetch. */
    int (*ask)(void *arg, struct slice request, int64_t timeout_ms, struct str *ret_answer,
               struct error *err);
    /* Cancels the job; it need not have ended when this returns. */
    int (*cancel)(void *arg, struct error *err);
};

struct result_fetcher_options {
    struct result_source source;
    const struct schema *schema; /* Borrows for the call: of the rows */
    struct buffer_pool *pool;    /* Borrows: of the batches */
    struct cancel_token *cancel; /* Borrows; may be NULL */
    uint64_t request_bytes;      /* 0: RESULT_REQUEST_BYTES */
    uint64_t kept_bytes;         /* 0: RESULT_KEPT_BYTES */
    int64_t wait_ms;             /* 0: RESULT_WAIT_MS */
    int64_t outage_ms;           /* 0: RESULT_OUTAGE_MS */
};

enum result_outcome {
    RESULT_ROWS = 0,    /* *ret_batch is the caller's */
    RESULT_TIMEOUT = 1, /* nothing yet */
    RESULT_END = 2,     /* the job has finished and all rows were given out */
};

struct result_fetcher;
struct result_fetcher *result_fetcher_new(const struct result_fetcher_options *options);
/* The next batch (with row kinds where the query is no append-only one).  0 ms: what is here, asking once.  Errors are final:
 * those of the job with its cause (ERR_CANCELLED: it was cancelled), ERR_STATE: a restart without checkpoints, or another
 * client has taken the first rows; ERR_CORRUPT; ERR_UNAVAILABLE: out of reach for too long. */
int result_fetcher_next(struct result_fetcher *f, int64_t timeout_ms, struct batch **ret_batch,
                        struct error *err) MUST_CHECK;
/* "RUNNING", "RESTARTING", ...: as of the last answer; "" before the first.  Good until the next call. */
const char *result_fetcher_status(const struct result_fetcher *f);
bool result_fetcher_job_ended(const struct result_fetcher *f);
uint32_t result_fetcher_restarts(const struct result_fetcher *f); /* of the sink, seen so far */
/* Cancels the job unless it has ended, and frees.  NULL is fine; returns NULL. */
struct result_fetcher *result_fetcher_close(struct result_fetcher *f);
/* Frees and leaves the job alone. */
struct result_fetcher *result_fetcher_free(struct result_fetcher *f);

/* ---- over REST (remote_results.c) -------------------------------------------------------------- */

struct rest_client;
struct rest_results;
/* The client is borrowed, and used by nobody else meanwhile; it has no cancel token, or closing could not cancel the job (a
 * request waits for RESULT_WAIT_MS at most anyway).  `operator_uid`: of the collect sink. */
struct rest_results *rest_results_new(struct rest_client *client, const char *job_hex,
                                      const char *operator_uid);
struct rest_results *rest_results_free(struct rest_results *r); /* NULL is fine; returns NULL */
struct result_source result_source_rest(struct rest_results *r);

#endif
