/* The parent's end of one jobbuilder: everything that can happen while it runs, in one loop over its
 * socket, what it prints, its end, the deadline and the cancellation.
 * Thread: the one that runs it. */
#ifndef FLINC_JOBMANAGER_BUILDER_CHILD_H
#define FLINC_JOBMANAGER_BUILDER_CHILD_H

#include "jobmanager/builder/builder.h"

enum {
    BUILDER_OUTPUT_BYTES = 64 * 1024, /* kept of what main prints, the last of it; stderr as much */
    BUILDER_ANSWER_BYTES_MAX = 256 * 1024 * 1024 + 1024 * 1024,
};

struct builder_child_options {
    struct spawner *spawner;
    const char *path;
    const char *bundle_name;
    int64_t timeout_ms;
    uint64_t max_address_bytes; /* 0: no limit */
    struct cancel_token *cancel;
};
int builder_child_run(const struct builder_child_options *options,
                      const Flinc__BuildRequest *request, Flinc__BuildAnswer **ret_answer,
                      struct error *err) MUST_CHECK;

#endif
