/* The environment behind flinc_env, for the rooms that make one: bundles, the command line, tests.
 * Thread: one owner. */
#ifndef FLINC_SDK_ENVIRONMENT_H
#define FLINC_SDK_ENVIRONMENT_H

#include "engine/graph/stream_graph.h"
#include "flinc/flinc.h"
#include "sdk/executor.h"

/* What flinc_env_execute() does with the graph. */
enum env_mode {
    ENV_MODE_EXECUTE, /* runs it by the executor of execution.target */
    ENV_MODE_CAPTURE, /* keeps it for the caller: plans, job builders */
};

struct env_options {
    enum env_mode mode;
    const struct conf *conf;             /* Borrows while made: copied; NULL: the defaults */
    bool one_job;                        /* a bundle: a second execute is an error */
    const struct job_listener *listener; /* Borrows; may be NULL */
    /* The library at this path goes by this name in the graph (copied); NULL: libraries are named by
     * number and file. */
    const char *bundle_path, *bundle_name;
};

flinc_env *env_new(const struct env_options *options);
uint32_t env_execute_calls(const flinc_env *env);
/* The captured graph (ENV_MODE_CAPTURE), or NULL. */
const Flinc__JobGraph *env_captured_graph(const flinc_env *env);
/* How the last executed job ended. */
const struct job_result *env_result(const flinc_env *env);
/* The first error, with its code; 0 when there is none. */
int env_get_error(const flinc_env *env, struct error *err);

#endif
