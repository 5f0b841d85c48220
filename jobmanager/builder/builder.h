/* Runs a bundle's main in a child (libexec/flinc-jobbuilder) and gets the job graph: user code never runs in
 * the job manager.  Bounded in time (web.job-builder.timeout, 60 s), in number at once, and in what it prints.
 * A child that crashes is an error with its report.
 * Flink: JarHandlerUtils, PackagedProgramUtils.  Thread: any but a component's; waits. */
#ifndef FLINC_JOBMANAGER_BUILDER_BUILDER_H
#define FLINC_JOBMANAGER_BUILDER_BUILDER_H

#include "common/conf/conf.h"
#include "common/loop/cancel.h"
#include "common/spawner/spawner.h"
#include "proto/builder.pb-c.h"

struct job_builder;
struct job_builder_options {
    struct spawner *spawner; /* Borrows */
    const char *path;        /* copied; of the executable */
    uint32_t max_at_once;    /* 0: 4; others wait */
    int64_t timeout_ms;      /* 0: 60 s */
};
int job_builder_new(const struct job_builder_options *options, struct job_builder **ret,
                    struct error *err) MUST_CHECK;
struct job_builder *job_builder_free(struct job_builder *b);
/* The graph is decoded and validated by the caller (engine/graph). */
int job_builder_run(struct job_builder *b, const Flinc__BuildRequest *request,
                    struct cancel_token *cancel, Flinc__BuildAnswer **ret_answer,
                    struct error *err) MUST_CHECK;

#endif
