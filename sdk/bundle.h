/* Job bundles: shared objects that export flinc_job_entry (FLINC_JOB).  Flink: PackagedProgram.
 * Thread: one owner. */
#ifndef FLINC_SDK_BUNDLE_H
#define FLINC_SDK_BUNDLE_H

#include "common/plugin/shared_object.h"
#include "flinc/flinc.h"

struct bundle {
    struct shared_object object;
    const flinc_job *job; /* Borrows: in the object */
};

/* Loads and checks.  Errors say whether it is no shared object, no bundle, of another ABI, or lacks
 * symbols, and what to do. */
int bundle_open(struct bundle *b, const char *path, struct error *err) MUST_CHECK;
/* Calls the job's main with argv[0] = the bundle's path; checks that it executed exactly one job.
 * Negative: why it failed. */
int bundle_run_main(struct bundle *b, flinc_env *env, int argc, char **argv,
                    struct error *err) MUST_CHECK;
void bundle_close(struct bundle *b);

#endif
