/* What runs a job graph for an environment.  The mini cluster (floor 9) registers itself as the executor
 * of the target "local", so that the SDK need not know it; remote targets come as further executors.
 * Flink: PipelineExecutor, PipelineExecutorFactory.  Thread: registration before main, use any. */
#ifndef FLINC_SDK_EXECUTOR_H
#define FLINC_SDK_EXECUTOR_H

#include "common/base/map.h"
#include "common/conf/conf.h"
#include "proto/graph.pb-c.h"

/* How a job ended.  Flink: JobExecutionResult. */
struct job_result {
    int64_t runtime_ms;
    struct map accumulators; /* Owns: name -> int64_t * */
};
void job_result_init(struct job_result *r);
void job_result_fini(struct job_result *r);
void job_result_add(struct job_result *r, const char *name, int64_t value);

/* Hooks of whoever watches the job (the command line): may be NULL. */
struct job_listener {
    void *arg;
    /* The job was accepted.  Thread: the caller's of execute. */
    void (*on_submitted)(void *arg, const char *job_id_hex, const char *job_name);
    /* Called several times a second while the job runs; returning false cancels the job. */
    bool (*on_progress)(void *arg, const char *job_state, uint64_t records_in, uint64_t bytes_in,
                        uint32_t tasks_running, uint32_t tasks_total);
};

struct job_executor {
    const char *target; /* execution.target: "local" */
    /* Runs the job to its end.  `conf`: the cluster's configuration with the job's over it. */
    int (*execute)(const Flinc__JobGraph *graph, const struct conf *conf,
                   const struct job_listener *listener, struct job_result *ret,
                   struct error *err) MUST_CHECK;
};
void job_executor_register(const struct job_executor *executor);
const struct job_executor *job_executor_find(const char *target);

#endif
