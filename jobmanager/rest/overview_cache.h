/* GET /jobs/overview, which dashboards, operators and scripts poll: the text of all jobs, made once per
 * change of any job, with holes for the durations of those that run.  An answer copies the text and
 * fills the holes in, so that it is current to the millisecond and costs no more than the copy.
 * Thread: any (lock: overview_cache, a leaf). */
#ifndef FLINC_JOBMANAGER_REST_OVERVIEW_CACHE_H
#define FLINC_JOBMANAGER_REST_OVERVIEW_CACHE_H

#include "common/base/vec.h"
#include "jobmanager/dispatcher/dispatcher.h"
#include <pthread.h>

struct overview_text;
struct overview_cache {
    pthread_mutex_t lock;
    struct overview_text *text; /* Owns a reference; under lock */
};
void overview_cache_init(struct overview_cache *c);
void overview_cache_fini(struct overview_cache *c);
/* Appends {"jobs":[...]}. */
void overview_cache_append(struct overview_cache *c, struct dispatcher *d, int64_t now_ms,
                           struct str *out);

/* The text of these jobs, and its copy at a moment; apart for tests. */
struct overview_text *overview_text_new(const struct job_overviews *jobs, uint64_t version);
void overview_text_unref(struct overview_text *t);
void overview_text_append(const struct overview_text *t, int64_t now_ms, struct str *out);

#endif
