/* The mini cluster: all roles in one process.  One job at a time: a job master, a worker, an in-memory
 * channel between them, and slots as many as the job needs (or as taskmanager.numberOfTaskSlots says,
 * when it is set).  Local mode, the embedded library and the test bed.
 *
 * It registers itself as the SDK's executor of the target "local".  Flink: MiniCluster, LocalExecutor. */
#ifndef FLINC_MINICLUSTER_MINICLUSTER_H
#define FLINC_MINICLUSTER_MINICLUSTER_H

#include "common/conf/conf.h"
#include "jobmanager/jobmaster/jobmaster.h"
#include "sdk/executor.h"
#include "taskmanager/worker/worker.h"

enum {
    MINICLUSTER_PROGRESS_MS = 200, /* how often a listener is told */
    MINICLUSTER_REPORT_MS = 200,   /* how often the worker reports its tasks */
    MINICLUSTER_IO_THREADS = 2,
};

struct minicluster_options {
    const struct conf *conf;   /* Borrows */
    const struct clock *clock; /* Borrows; NULL: the system's */
    uint64_t seed;             /* of ids and jitter; 0: from the system */
    const struct operator_desc *(*find_operator)(const char *kind); /* NULL: table_operator_find */
    const struct coordinator_desc *(*find_coordinator)(
        const char *kind);      /* NULL: table_coordinator_find */
    struct code_resolver *code; /* Borrows; NULL: the libraries of this process */
    void (*on_stuck_task)(void *owner, const struct stuck_task *task); /* NULL: the process ends */
    void *owner;                                                       /* Borrows */
};

/* What runs the target "local".  It registers itself when the library is loaded. */
extern const struct job_executor minicluster_executor;

struct minicluster;

/* Starts the roles for one job.  `graph` is borrowed until minicluster_free(). */
int minicluster_start(const struct minicluster_options *options, const Flinc__JobGraph *graph,
                      struct minicluster **ret, struct error *err) MUST_CHECK;
/* Waits for the end of the job, or the time (ms; negative: none).  True: it has ended. */
bool minicluster_wait(struct minicluster *m, int64_t timeout_ms);
void minicluster_cancel(struct minicluster *m); /* thread: any */
struct jobmaster *minicluster_jobmaster(struct minicluster *m);
struct worker *minicluster_worker(struct minicluster *m);
/* Asks the coordinator of an operator (its uid, or its id in hex); *ret_answer gets a packed CoordinationAnswer, also of a
 * job that has ended.  Its arguments are those of result_source.ask (client/submit/result_fetcher.h), with the uid.  Thread:
 * any but the job master's.  ERR_NOT_FOUND: no such operator; ERR_UNSUPPORTED: its coordinator takes no requests. */
int minicluster_ask(struct minicluster *m, const char *operator_uid, struct slice request,
                    int64_t timeout_ms, struct str *ret_answer, struct error *err) MUST_CHECK;
/* The state in which the job ended, and why when it failed; after a successful wait. */
enum job_status minicluster_result(struct minicluster *m, struct error *ret_cause);
/* Cancels what runs, stops everything, frees.  NULL is fine; returns NULL. */
struct minicluster *minicluster_free(struct minicluster *m);

#endif
