/* Dials task managers whose stream has ended, to know at once when their process is gone.
 *
 * A killed process refuses connections as soon as its kernel has closed its sockets; a machine or a network
 * that is gone says nothing, and a process that lives accepts.  Only refusal is a proof, and only where it is
 * certain that the one who refuses is the one who was meant.
 *
 * Lifetime: from before the resource manager until after it.  Two threads of its own, since names may be
 * looked up slowly. */
#ifndef FLINC_JOBMANAGER_PROCESS_PROBER_H
#define FLINC_JOBMANAGER_PROCESS_PROBER_H

#include "jobmanager/resourcemanager/resourcemanager.h"

enum {
    PROBER_THREADS = 2,
    PROBER_QUEUE_MAX = 1024, /* probes that wait; above, only time tells */
    PROBER_AGAIN_MS = 2,     /* after a connection that was accepted and closed */
};

enum probe_answer {
    PROBE_REFUSED, /* at every address that the host has */
    PROBE_UNKNOWN,
};
/* Blocks for about `within_ms`, or for as long as the host takes to be looked up.  Thread: any. */
enum probe_answer probe_address(const char *address, const char *peer, int64_t within_ms);

struct prober;
int prober_new(struct prober **ret, struct error *err) MUST_CHECK;
/* Waits for the probes that run.  NULL is fine; returns NULL. */
struct prober *prober_free(struct prober *p);
struct resourcemanager_prober prober_ops(struct prober *p);

#endif
