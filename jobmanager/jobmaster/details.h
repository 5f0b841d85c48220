/* Makes the details of the job when somebody asks: on the job master's thread, from its state as it is,
 * at a cost of O(tasks).  What never changes (names, plan, configuration) is made once and shared by all.
 * Thread: the job master's.  Flink: ArchivedExecutionGraph.createFrom. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_DETAILS_H
#define FLINC_JOBMANAGER_JOBMASTER_DETAILS_H

#include "jobmanager/jobmaster/job_details.h"

struct details_base;

/* Caller's memory. */
struct details_maker {
    struct details_base *base;        /* counted; what all details of the job share */
    const struct job_details *newest; /* counted; NULL: none yet */
    int64_t newest_ns;                /* monotonic time of its making */
    uint64_t round;                   /* counts makings; see struct copied */
    uint32_t prior_max;               /* jobmanager.execution.attempts-history-size */
};
void details_init(struct jobmaster *jm);
void details_fini(struct jobmaster *jm);
/* The graph has another shape. */
void details_rebuild(struct jobmaster *jm);
/* Something changed: the newest is not given out any more. */
void details_outdate(struct jobmaster *jm);
/* Counted for the caller. */
const struct job_details *details_get(struct jobmaster *jm);

#endif
