/* The process as a candidate: it begins to lead when it is granted leadership, and ends to lead when that is revoked; in between it is a
 * standby.  A component of its own, as beginning and ending wait.
 *
 *   STANDBY ──granted──► LEADING ──revoked──► STANDBY        any ──failure to begin──► the process ends
 *
 * Without high availability it leads from the start on.  Lifetime: within that of the services.
 * Flink: DefaultDispatcherRunner, DispatcherLeaderProcess. */
#ifndef FLINC_JOBMANAGER_PROCESS_LEADERSHIP_H
#define FLINC_JOBMANAGER_PROCESS_LEADERSHIP_H

#include "jobmanager/process/services.h"

struct leadership_options {
    struct services *services; /* Borrows */
    /* On the leadership's thread: it leads now; it is about to end to lead. */
    int (*on_lead)(void *owner, struct error *err);
    void (*on_retire)(void *owner);
    /* It cannot lead, and the process must end: another one may be able to. */
    void (*on_failure)(void *owner, const struct error *why);
    void *owner;
};
struct leadership;
/* Without high availability it leads when this returns, or says why it does not. */
int leadership_start(const struct leadership_options *options, struct leadership **ret,
                     struct error *err) MUST_CHECK;
/* Ends to lead, then resigns, so that the next leader finds everything at rest.  NULL is fine. */
struct leadership *leadership_stop(struct leadership *l);

#endif
