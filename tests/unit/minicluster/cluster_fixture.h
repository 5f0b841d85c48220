/* Jobs built by the SDK, run by a mini cluster in the test's own process; and what a run may not leave
 * behind. */
#ifndef FLINC_TESTS_MINICLUSTER_FIXTURE_H
#define FLINC_TESTS_MINICLUSTER_FIXTURE_H

#include "flinc/flinc.h"
#include "jobmanager/jobmaster/job_details.h"
#include "minicluster/minicluster.h"
#include "sdk/environment.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

/* What a process has that a run could forget to give back. */
struct holdings {
    int threads;     /* of thread_start() */
    int descriptors; /* in /proc/self/fd */
};
struct holdings holdings_now(void);

/* An environment that keeps its graph; it is the caller's to free. */
flinc_env *capturing_env(void);

/* A cluster that runs the captured graph of `env`.  Keys and values: configuration, NULL-terminated. */
struct run {
    struct minicluster *cluster;
    struct minicluster_options options; /* the caller's part: hooks, seed */
    struct conf conf;
    struct holdings before;
    enum job_status status;
    struct error cause;
};
/* Builds the graph (flinc_env_execute) and starts. */
int run_start(struct run *r, flinc_env *env, const char *const *settings,
              struct error *err) MUST_CHECK;
/* Waits for the end.  A job that does not come to one ends the test. */
enum job_status run_wait(struct run *r);
/* Frees the cluster and checks that everything is back. */
void run_end(struct run *r);
/* Sum of an accumulator. */
int64_t run_accumulator(struct run *r, const char *name);
/* How many checkpoints there were. */
struct checkpoint_counts run_checkpoints(struct run *r);
/* Until `n` have completed in all; the job must not end before. */
void run_wait_for_checkpoints(struct run *r, uint64_t n);
/* Stops the job with a savepoint below a folder and waits for its end. */
struct run_savepoint {
    const char *folder;
    Flinc__CheckpointKind format;
    Flinc__CheckpointStop stop;
    char path[512]; /* out: of the savepoint */
};
void run_stop(struct run *r, struct run_savepoint *s);
/* All of it: start, wait, end. */
enum job_status run_job(struct run *r, flinc_env *env, const char *const *settings);

#endif
