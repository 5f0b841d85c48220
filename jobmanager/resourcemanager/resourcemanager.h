/* The resource manager: which task managers there are, which slots they have, who may use them.  A component
 * of the job manager process; the other end of every task manager's stream (proto/cluster.proto).
 *
 * Job masters declare how many slots they need (it is their slot_provider); it picks free slots, asks the
 * task managers for them, takes their offers, connects masters with workers by links over the task managers'
 * streams, and finds out silent deaths by heartbeats.  A stream that ends is suspicion: the task manager
 * has resourcemanager.reconnect-grace (300 ms) to come back under the same instance id, unless the prober
 * finds that nobody listens at its data address any more.
 *
 * It runs equally over gRPC and over in-memory channels (the simulation).
 * Flink: ResourceManager (standalone), FineGrainedSlotManager, DefaultDeclarativeSlotPool.
 * Lifetime: new, start, ..., free (job masters have ended before). */
#ifndef FLINC_JOBMANAGER_RESOURCEMANAGER_RESOURCEMANAGER_H
#define FLINC_JOBMANAGER_RESOURCEMANAGER_RESOURCEMANAGER_H

#include "common/metrics/registry.h"
#include "jobmanager/jobmaster/jobmaster.h"
#include "proto/cluster.pb-c.h"

enum { CLUSTER_PROTOCOL_VERSION = 1 };

/* Finds out soon that the process of a task manager is gone.  Flink has no such thing: it waits for TCP. */
struct resourcemanager_prober {
    void *arg;
    /* Looks for at most `within_ms` whether anybody listens at `address` (host:port), of a process that was
     * seen to come from `peer`.  Posts `op` to `mailbox` (its control lane) when everybody refuses, and drops
     * it when that is not certain.  Must not block.  Thread: the resource manager's. */
    void (*probe)(void *arg, const char *address, const char *peer, int64_t within_ms,
                  struct mailbox *mailbox, const struct mailbox_op *op);
};

struct resourcemanager;
struct resourcemanager_options {
    const struct conf *conf; /* Borrows */
    enum component_mode mode;
    const struct clock *clock;            /* Borrows; NULL: clock_system */
    uint64_t seed;                        /* of allocation ids; 0: from the system */
    struct flinc_id leader;               /* fencing token of this leadership */
    struct metric_group *metrics;         /* Borrows; the job manager's group; may be NULL */
    struct resourcemanager_prober prober; /* .probe NULL: only time tells */
};
int resourcemanager_new(const struct resourcemanager_options *options, struct resourcemanager **ret,
                        struct error *err) MUST_CHECK;
int resourcemanager_start(struct resourcemanager *rm, struct error *err) MUST_CHECK;
/* Says goodbye to the task managers (Disconnect), closes their streams, frees. */
struct resourcemanager *resourcemanager_free(struct resourcemanager *rm);
struct component *resourcemanager_component(struct resourcemanager *rm);

/* ---- streams of task managers; thread: any ------------------------------------------------------ */

/* The job manager's end of a new stream, then the channel itself.  Until it registers (bounded by 10 s) it
 * is nobody. */
void resourcemanager_get_end(struct resourcemanager *rm, const char *peer,
                             struct rpc_end_options *ret_end);
void resourcemanager_add_stream(struct resourcemanager *rm, struct rpc_channel *take_channel);

/* ---- jobs; thread: any but the resource manager's ------------------------------------------------ */

/* What task managers need to know of a job; borrowed until resourcemanager_remove_job(). */
struct resourcemanager_job {
    struct jobmaster *jm;
    struct flinc_id job_id, master_token;
    const char *name;
    Flinc__BlobRef *const *blobs;
    size_t n_blobs;
    Flinc__KeyValue *const *config;
    size_t n_config;
};
const struct slot_provider *resourcemanager_slots(struct resourcemanager *rm);
/* Before the job master starts. */
void resourcemanager_add_job(struct resourcemanager *rm, const struct resourcemanager_job *job);
/* After it ended, before it is freed; waits. */
void resourcemanager_remove_job(struct resourcemanager *rm, struct jobmaster *jm);

/* ---- what others may see; thread: any ------------------------------------------------------------ */

struct slot_usage { /* the slots of one job on one task manager */
    struct flinc_id job_id;
    uint32_t n_slots, n_tasks;
    uint64_t rss_bytes;
    Flinc__ResourceProfile
        *dynamic; /* of n_dynamic of the slots; the others have the default profile */
    uint32_t n_dynamic;
};
struct taskmanager_details {
    char *id, *host, *rpc_address, *data_address; /* Owns */
    uint32_t data_port, pid;
    int64_t last_heartbeat_ms; /* wall clock */
    uint32_t n_slots, n_free;  /* of the default profile */
    uint32_t assigned_tasks;
    Flinc__ResourceProfile slot_profile, total_profile, free_profile;
    Flinc__MemoryConfiguration memory;
    Flinc__HardwareDescription hardware;
    struct slot_usage *usages;
    uint32_t n_usages;
};
/* A snapshot of all, oldest registration first; counted. */
struct taskmanager_list {
    _Atomic uint32_t refs;
    struct taskmanager_details *items;
    uint32_t n;
    uint32_t n_slots, n_free;
};
const struct taskmanager_list *resourcemanager_list(struct resourcemanager *rm);
void taskmanager_list_unref(const struct taskmanager_list *list);
struct resource_overview {
    uint32_t n_task_managers, n_slots, n_free;
};
void resourcemanager_get_overview(struct resourcemanager *rm,
                                  struct resource_overview *ret); /* cheap */

/* Asks a task manager; waits on the calling thread (not a component's).  ERR_NOT_FOUND: no such task
 * manager; ERR_TIMEOUT; ERR_UNAVAILABLE: lost meanwhile; or its own error. */
int resourcemanager_query(struct resourcemanager *rm, const char *tm_id, Flinc__Query *query,
                          int64_t timeout_ms, Flinc__QueryAnswer **ret_answer,
                          struct error *err) MUST_CHECK;
/* All at once: answers in the order of `list` (NULL where none came), the caller frees each. */
void resourcemanager_query_all(struct resourcemanager *rm, Flinc__Query *query, int64_t timeout_ms,
                               const struct taskmanager_list *list,
                               Flinc__QueryAnswer **ret_answers);

struct resourcemanager_stats { /* what was not acted on, and why */
    uint64_t messages_fenced, messages_malformed, registrations, registrations_refused, reconnects,
        lost_by_heartbeat, lost_by_stream, lost_by_probe, offers_refused;
};
void resourcemanager_get_stats(struct resourcemanager *rm, struct resourcemanager_stats *ret);

#endif
