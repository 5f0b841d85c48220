/* The resource manager's own structs, and what its files offer each other.  Everything here runs on the
 * resource manager's thread unless said otherwise.
 *
 *   resourcemanager.c  start, end, jobs, the public calls as operations of the mailbox
 *   streams.c          streams of task managers before and after they register, fencing
 *   registration.c     who may register, and as what
 *   taskmanagers.c     their states; grace, loss, heartbeats
 *   sender.c           the way to one task manager over changing streams
 *   slots.c            the slot table and its states
 *   resources.c        what task managers have, what of it is free
 *   matching.c         which job gets which slot
 *   reconcile.c        comparing the slot table with what a task manager reports
 *   relays.c           links between job masters and workers over those streams
 *   queries.c          questions to task managers
 *   overview.c         what others may see */
#ifndef FLINC_JOBMANAGER_RESOURCEMANAGER_RESOURCEMANAGER_INTERNAL_H
#define FLINC_JOBMANAGER_RESOURCEMANAGER_RESOURCEMANAGER_INTERNAL_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "common/rpc/error_info.h"
#include "common/rpc/transport.h"
#include "jobmanager/resourcemanager/resourcemanager.h"
#include <pthread.h>

#define RM_TOPIC "flinc.resourcemanager"

enum {
    RM_TASK_MANAGERS_MAX = 10000,
    RM_SLOTS_PER_TASK_MANAGER_MAX = 65536,
    RM_ID_BYTES_MAX = 255,         /* of a resource id, a host, an address */
    RM_NOBODIES_MAX = 1024,        /* streams that have not registered */
    RM_REGISTER_WITHIN_MS = 10000, /* or the stream is closed */
    RM_EARLY_MESSAGES_MAX = 16,    /* on a stream whose channel is not added yet */
    RM_HELD_MESSAGES_MAX = 4096,   /* to a task manager in grace */
    RM_QUERIES_MAX = 4096,
    RM_REQUEST_RESEND_MS = 1000, /* of a slot, until it is answered */
    RM_REQUEST_TRIES_MAX = 3,    /* then another slot is taken */
    RM_OFFER_WITHIN_MS = 330000, /* of an accepted request: the worker starts, blobs come */
    RM_AVOID_MS = 10000,         /* a task manager that was in trouble */
    RM_RETRY_MIN_MS = 100,       /* after a refused request; doubles */
    RM_RETRY_MAX_MS = 5000,
    RM_LIST_DELAY_MS = 50, /* news of heartbeats reach the list so late at most */
    RM_LIST_SMALL = 64,    /* slots in all, up to which changes reach it at once */
};

/* mailbox_op.kind of the resource manager's operations; sender -> resource manager. */
enum resourcemanager_op {
    RM_OP_STREAM_ADDED,   /* server */
    RM_OP_STREAM_MESSAGE, /* task manager */
    RM_OP_STREAM_CLOSED,  /* task manager's channel */
    RM_OP_DECLARE,        /* job master */
    RM_OP_RELEASE,        /* job master */
    RM_OP_RELAY_CLOSED,   /* job master */
    RM_OP_REMOVE_JOB,     /* dispatcher */
    RM_OP_QUERY,          /* REST */
    RM_OP_PROBED,         /* prober */
};

/* ---- jobs -------------------------------------------------------------------------------------- */

/* Slots of one kind that a job wants. */
struct rm_need {
    struct resource_profile *profile; /* Owns; NULL: any static slot */
    uint32_t required, n_slots;       /* n_slots: REQUESTED and ACTIVE */
    uint64_t told; /* rm->changes when the job heard last that they are not to be had */
};

/* A job that may want slots.  Counted: by the table, operations in the mailbox, slots and relays. */
struct rm_job {
    _Atomic uint32_t refs;
    struct resourcemanager *rm;
    struct resourcemanager_job spec; /* what it points to: until `removed` */
    bool removed;
    bool listed;           /* in rm->wanting */
    struct rm_need *needs; /* Owns; by kind; NULL: it has never wanted any */
    uint32_t n_needs;
    uint32_t next_worker; /* number of its next link */
    char hex[ID_HEX_LEN + 1];
};
struct rm_job *rm_job_ref(struct rm_job *job);
void rm_job_unref(void *job);                       /* NULL is fine */
uint32_t rm_job_required(const struct rm_job *job); /* slots of all kinds */
/* The job with this id whose master has this token, or NULL. */
struct rm_job *rm_job_find(struct resourcemanager *rm, const ProtobufCBinaryData *job_id,
                           const ProtobufCBinaryData *token);

/* ---- streams and the way out --------------------------------------------------------------------- */

struct rm_stream {
    struct resourcemanager *rm;
    char *name, *peer;           /* Owns */
    struct rpc_channel *channel; /* Owns; NULL until it is added */
    bool over;                   /* broken before it was added */
    struct rm_tm *tm;            /* Borrows; who registered on it; NULL: nobody yet */
    uint64_t register_timer;
    struct vec early; /* of ProtobufCMessage *, owned: came before the channel was added */
};

/* Sends to one task manager, whatever stream it has.  Counted: by the task manager and by relays.
 * Thread: any (lock; a leaf but for the channel's own). */
struct rm_sender {
    _Atomic uint32_t refs;
    struct flinc_id leader;
    pthread_mutex_t lock;
    struct rpc_channel *channel; /* Borrows; NULL: in grace, messages are held */
    bool lost;
    struct vec held; /* of struct rm_held */
};
struct rm_sender *rm_sender_new(const struct flinc_id *leader);
struct rm_sender *rm_sender_ref(struct rm_sender *s);
void rm_sender_unref(struct rm_sender *s);
/* Puts version and leader on the message and sends it, or holds it while there is no stream. */
int rm_sender_send(struct rm_sender *s, Flinc__MasterToTaskManager *m,
                   struct error *err) MUST_CHECK;
/* The new stream: `first` goes before what was held. */
int rm_sender_attach(struct rm_sender *s, struct rpc_channel *channel,
                     Flinc__MasterToTaskManager *first, struct error *err) MUST_CHECK;
void rm_sender_detach(struct rm_sender *s);
void rm_sender_lose(struct rm_sender *s); /* for good */

/* ---- slots --------------------------------------------------------------------------------------- */

/*
 *            request                  offer                      release, lost link
 *   FREE ───────────────► REQUESTED ─────────► ACTIVE ───────────────────────────┐
 *    ▲ │                    │  │ given up                                        ▼
 *    │ │ foreign allocation │  └─────────────────────────────────────────────► FREEING
 *    │ └────────────────────┼───────────────────────────────────────────────────►│
 *    └──────────────────────┴── refused, freed, reported free ◄──────────────────┘
 */
enum rm_slot_state {
    RM_SLOT_FREE,
    RM_SLOT_REQUESTED,
    RM_SLOT_ACTIVE,
    RM_SLOT_FREEING,
    RM_SLOT_STATES
};
const char *rm_slot_state_name(enum rm_slot_state state);

struct rm_slot {
    struct rm_tm *tm; /* Borrows */
    uint32_t index;   /* from tm->n_slots on: a dynamic slot */
    uint32_t kind;    /* of the job's needs; REQUESTED and ACTIVE */
    /* Owns; what a dynamic slot is worth, unless FREE; NULL: the default profile (a static slot), or not known. */
    struct resource_profile *profile;
    enum rm_slot_state state;   /* written by rm_slot_transition() only */
    struct flinc_id allocation; /* unless FREE */
    struct rm_job *job;         /* counted; REQUESTED and ACTIVE */
    struct rm_relay *relay;     /* Borrows; ACTIVE */
    /* The heartbeat that was sent last when it came into its state: a report that answers an older one
     * says nothing about it. */
    uint64_t since_heartbeat;
    uint64_t timer; /* REQUESTED */
    uint32_t tries;
    bool accepted; /* REQUESTED: the task manager has it, the offer is to come */
};

void rm_slot_init(struct rm_slot *s, struct rm_tm *tm, uint32_t index);
/* The slot with this allocation, or NULL. */
struct rm_slot *rm_slot_find(struct resourcemanager *rm, const ProtobufCBinaryData *allocation);
/* For the need of this kind. */
void rm_slot_request(struct rm_slot *s, struct rm_job *job, uint32_t kind);
/* The task manager offers it: REQUESTED -> ACTIVE. */
void rm_slot_activate(struct rm_slot *s, struct rm_relay *relay);
/* Gives it up and tells the task manager: -> FREEING. */
void rm_slot_give_up(struct rm_slot *s, const char *reason);
/* ACTIVE -> FREEING: its worker is gone, and its job knows; the task manager frees it. */
void rm_slot_expect_free(struct rm_slot *s);
/* The task manager has freed it: -> FREE. */
void rm_slot_freed(struct rm_slot *s);
/* FREE -> FREEING: taken under an allocation that nobody here knows.  `profile` may be NULL. */
void rm_slot_foreign(struct rm_slot *s, const struct flinc_id *allocation,
                     const struct resource_profile *profile);
void rm_slot_send_free(struct rm_slot *s, const char *reason);
void rm_slot_on_answer(struct rm_tm *tm, const Flinc__SlotRequestAnswer *answer);
void rm_slot_on_freed(struct rm_tm *tm, const Flinc__SlotFreed *freed);
void rm_slot_on_offer(struct rm_tm *tm, const Flinc__OfferSlots *offer);

/* Gives free slots to jobs that need them. */
void rm_match(struct resourcemanager *rm);
/* Has another task manager, which was in no trouble, room for a slot like this one? */
bool rm_is_free_elsewhere(const struct rm_slot *than);
/* The request failed at the task manager: others first for a while, and it only after a pause. */
void rm_tm_in_trouble(struct rm_tm *tm);
/* What a task manager says of its slots: in a heartbeat that answers number `upto`, or (UINT64_MAX) when it
 * has registered again and nothing is under way any more. */
void rm_reconcile_slots(struct rm_tm *tm, const Flinc__SlotReport *report, uint64_t upto);

/* ---- task managers ------------------------------------------------------------------------------- */

/*
 *                   registers               stream ends
 *   UNREGISTERED ──────────────► REGISTERED ───────────► GRACE
 *                                  │     ▲ same instance   │
 *                                  │     └─────────────────┤
 *                 heartbeat        ▼                       │ time is over,
 *                 time-out,       LOST ◄───────────────────┘ nobody listens
 *                 goodbye, another instance of its name                */
enum rm_tm_state {
    RM_TM_UNREGISTERED,
    RM_TM_REGISTERED,
    RM_TM_GRACE,
    RM_TM_LOST,
    RM_TM_STATES,
};
const char *rm_tm_state_name(enum rm_tm_state state);
bool rm_tm_may_move(enum rm_tm_state from, enum rm_tm_state to);

struct rm_usage { /* of a heartbeat */
    struct flinc_id job_id;
    uint32_t n_tasks;
    uint64_t rss_bytes;
};

struct rm_tm {
    struct resourcemanager *rm;
    char *id; /* Owns; resource id */
    struct flinc_id instance;
    enum rm_tm_state state;   /* written by rm_tm_transition() only */
    Flinc__Register *info;    /* Owns; its last registration */
    struct rm_stream *stream; /* REGISTERED; owned by rm->streams */
    struct rm_sender *sender; /* counted */
    struct rm_slot *slots;    /* Owns; the static ones */
    uint32_t n_slots, n_free; /* of them */
    struct vec
        dynamic; /* of struct rm_slot *, owned; by index from n_slots on; FREE ones are used again */
    uint32_t n_dynamic;                          /* of them, not FREE */
    struct resource_profile total, slot_profile; /* as registered; of all, of a static slot */
    struct resource_profile taken;               /* by dynamic slots */
    struct vec relays;                           /* of struct rm_relay *, counted */
    uint64_t heartbeat_number;
    int64_t last_heartbeat_ns; /* monotonic; its last answer */
    int64_t last_heartbeat_ms; /* wall clock */
    uint32_t assigned_tasks;
    uint64_t free_memory;
    struct vec usages; /* of struct rm_usage */
    uint64_t deadline_timer, grace_timer;
    /* Trouble: see matching.c */
    int64_t avoid_until_ms, retry_at_ms; /* monotonic */
    uint32_t n_troubles;                 /* since its last good offer */
};

/* A valid registration of somebody new, or of one who is known. */
struct rm_tm *rm_tm_add(struct rm_stream *stream, Flinc__Register *take_info);
void rm_tm_return(struct rm_tm *tm, struct rm_stream *stream, Flinc__Register *take_info);
/* Its stream has ended: it may come back. */
void rm_tm_suspect(struct rm_tm *tm);
/* Asks the prober about one in grace.  `peer` is where its stream came from. */
void rm_tm_probe(struct rm_tm *tm, const char *peer);
/* It is gone with all it had.  Frees it. */
void rm_tm_lose(struct rm_tm *tm, const struct error *why);
void rm_tm_on_heartbeat(struct rm_tm *tm, const Flinc__HeartbeatToMaster *heartbeat);
void rm_tm_free(struct rm_tm *tm);
int rm_tm_send(struct rm_tm *tm, Flinc__MasterToTaskManager *m, struct error *err) MUST_CHECK;
void rm_heartbeats_start(struct resourcemanager *rm);
struct rm_tm *rm_tm_find(struct resourcemanager *rm, const char *id);

/* ---- resources.c ----------------------------------------------------------------------------------- */

/* Static and dynamic slots by index. */
static inline uint32_t rm_tm_n_rows(const struct rm_tm *tm)
{
    return tm->n_slots + (uint32_t)tm->dynamic.len;
}
static inline struct rm_slot *rm_tm_row(const struct rm_tm *tm, uint32_t index)
{
    return index < tm->n_slots ? &tm->slots[index] : vec_ptr(&tm->dynamic, index - tm->n_slots);
}
/* The row of a dynamic slot, made when it is not there; `index` is below RM_SLOTS_PER_TASK_MANAGER_MAX. */
struct rm_slot *rm_tm_make_row(struct rm_tm *tm, uint32_t index);
/* Takes over the profiles of tm->info, which were checked. */
void rm_tm_read_profiles(struct rm_tm *tm);
void rm_tm_get_free(const struct rm_tm *tm, struct resource_profile *ret);
/* Can a slot like this (NULL: of the default profile) be had there now? */
bool rm_tm_has_room(const struct rm_tm *tm, const struct resource_profile *profile);
/* The row that the slot would have; rm_tm_has_room(). */
struct rm_slot *rm_tm_pick_row(struct rm_tm *tm, const struct resource_profile *profile);
/* A dynamic slot, which is FREE, is to be worth this; without network memory it gets a share of it. */
void rm_slot_set_profile(struct rm_slot *s, const struct resource_profile *profile);
/* Slots as others count them: those of the default profile that could be had without dynamic slots. */
uint32_t rm_tm_n_shown_free(const struct rm_tm *tm);
/* The job lacks slots of this kind: lets it know once what there is. */
void rm_tell_short(struct resourcemanager *rm, struct rm_job *job, uint32_t kind);

/* ---- streams.c, registration.c -------------------------------------------------------------------- */

struct rm_stream *rm_stream_new(struct resourcemanager *rm, const char *peer);
void rm_stream_added(struct resourcemanager *rm, struct rpc_channel *take_channel);
/* Closes its channel and frees it.  Its task manager, if any, has let go of it. */
void rm_stream_remove(struct rm_stream *s);
void rm_stream_fini(struct rm_stream *s);
void rm_stream_on_message(void *target, ProtobufCMessage *message);
void rm_stream_on_closed(void *target, const struct error *why);
/* The first message of a stream; may free the stream.  Takes `info` out of the message. */
void rm_register(struct rm_stream *s, Flinc__TaskManagerToMaster *m);

/* ---- relays.c -------------------------------------------------------------------------------------- */

/* A link between a job master and its worker at a task manager: the transport of the job master's channel.
 * Counted: by that channel, and by the task manager's list.
 * Thread: any (lock guards `channel` and is held over deliveries, so that none meets a freed channel). */
struct rm_relay {
    _Atomic uint32_t refs;
    struct resourcemanager *rm;
    struct rm_sender *sender; /* counted */
    struct flinc_id job_id, incarnation;
    pthread_mutex_t lock;
    struct rpc_channel *channel; /* Borrows; NULL: the job master has freed it */
    _Atomic bool over;           /* ended by this side */
    /* The resource manager's: */
    struct rm_tm *tm;   /* Borrows; NULL: not listed any more */
    struct rm_job *job; /* counted */
    uint32_t number;    /* of the worker at its job master */
    uint32_t n_slots;   /* ACTIVE ones */
};
/* The relay to the job's worker of this incarnation; a link to an earlier one ends.  NULL: it cannot be
 * made. */
struct rm_relay *rm_relay_open(struct rm_tm *tm, struct rm_job *job,
                               const struct flinc_id *incarnation);
void rm_relay_on_message(struct rm_tm *tm, const Flinc__FromWorker *m);
void rm_relay_on_closed(struct rm_tm *tm, const Flinc__WorkerClosed *m);
/* The link is over for the job master. */
void rm_relay_end(struct rm_relay *r, const struct error *why);
/* Lets the worker know that nobody is at the other end. */
void rm_relay_close_worker(struct rm_relay *r, const char *reason);
void rm_relay_slot_gone(struct rm_relay *r);
void rm_relay_unref(void *relay);

/* ---- queries.c, overview.c --------------------------------------------------------------------------- */

void rm_query_on_answer(struct rm_tm *tm, Flinc__TaskManagerToMaster *m);
void rm_queries_fail(struct resourcemanager *rm, const struct rm_tm *tm, const struct error *why);
void rm_queries_sweep(struct resourcemanager *rm); /* of those whose asker has gone */
void rm_queries_fini(struct resourcemanager *rm);

/* Something that the list shows has changed. */
void rm_overview_changed(struct resourcemanager *rm);
void rm_overview_heartbeat(struct resourcemanager *rm); /* the same, less urgent */
void rm_overview_init(struct resourcemanager *rm, struct metric_group *metrics);
void rm_overview_fini(struct resourcemanager *rm);

void rm_id_copy(struct flinc_id *ret, const ProtobufCBinaryData *data);
ProtobufCBinaryData rm_id_data(const struct flinc_id *id);
bool rm_id_is(const ProtobufCBinaryData *data, const struct flinc_id *id);

/* Where a task manager tells of an error and does not say which. */
#define RM_NO_REASON "the task manager gave no reason"

struct rm_gauges { /* owned by the metric group; NULL without one */
    struct metric_gauge *registered, *pending, *slots_total, *slots_available;
};

struct resourcemanager {
    const struct conf *conf;
    const struct clock *clock;
    struct component *component; /* Owns */
    struct rng rng;
    struct flinc_id leader;
    struct slot_provider provider;
    struct resourcemanager_prober prober;
    int64_t heartbeat_interval_ms, heartbeat_timeout_ms, grace_ms;
    uint32_t slots_max;
    bool spread;            /* fewest used slots first */
    struct vec tms;         /* of struct rm_tm *, owned; oldest registration first */
    struct map tms_by_id;   /* resource id -> struct rm_tm * */
    struct map allocations; /* allocation id -> struct rm_slot * */
    struct vec wanting;     /* of struct rm_job *, counted; in the order of their first wish */
    struct map queries;     /* query id -> struct rm_query * */
    uint64_t next_query, heartbeat_timer, match_timer, list_timer;
    int64_t last_tick_ns;     /* of heartbeats */
    int64_t excused_until_ns; /* nobody is lost for silence before */
    bool matching;            /* rm_match() runs */
    uint64_t changes;         /* task managers that have come and gone, from 1 */
    /* Thread: any; under `lock`, a leaf: */
    pthread_mutex_t lock;
    struct map jobs;          /* address of the job master -> struct rm_job *, counted */
    struct map jobs_by_token; /* job id, token -> struct rm_job * */
    struct vec streams;       /* of struct rm_stream *, owned */
    uint64_t n_streams;       /* ever */
    const struct taskmanager_list *list;
    struct resource_overview overview;
    struct resourcemanager_stats stats;
    struct rm_gauges gauges;
};
void rm_count(struct resourcemanager *rm, uint64_t *stat); /* one of rm->stats, plus 1 */
int64_t rm_now_ms(const struct resourcemanager *rm);       /* monotonic */

#endif
