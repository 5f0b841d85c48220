/* The simulation: the production Dispatcher, ResourceManager, JobMasters and task managers in one thread, on a
 * manual clock, over links that lose, double and delay, with workers that are rows of a table and a storage for
 * checkpoints that is a table, too.  Everything random comes from one seed, so a run that fails fails again.
 *
 *   sim_link.c     connections between a task manager and the job manager
 *   sim_host.c     workers and their tasks
 *   sim_tasks.c    what tasks do at checkpoints
 *   sim_storage.c  the files of checkpoints
 *   sim_snapshots.c  which snapshots there are, and what must hold of them
 *   sim_cluster.c  the job manager and the task managers, their deaths and births, stepping
 *   sim_check.c    what must hold, at any time and after healing
 *   sim_main.c     what happens, seed by seed
 *   sim_fiber.c    threads of the product as fibers, on the same clock
 *   sim_zk.c       an ensemble of ZooKeeper servers and its client library
 *   sim_fs.c       the storage as a file system of common/fs
 *   sim_jm.c       job managers with high availability: processes
 *   sim_ha.c       what must hold of leaders, and of what they write down
 *   sim_ha_main.c  what happens to a cluster with high availability
 *   sim_planted.c  bugs that it must find
 *
 * Thread: one. */
#ifndef FLINC_TESTS_SIM_SIM_H
#define FLINC_TESTS_SIM_SIM_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "common/loop/executor.h"
#include "jobmanager/checkpoint/checkpoint_files.h"
#include "jobmanager/dispatcher/dispatcher.h"
#include "jobmanager/process/leadership.h"
#include "taskmanager/manager/taskmanager.h"
#include "tests/sim/sim_fiber.h"
#include "tests/sim/sim_zk.h"

enum {
    SIM_FILES_GO_MS = 30 * 1000, /* within that files of a job that has ended are deleted */
    SIM_JMS_MAX = 3,
    SIM_NODES_MAX = 4,
    SIM_SLOTS_MAX = 4,
    SIM_JOBS_MAX = 14,
    SIM_VERTICES = 2, /* of every job */
    SIM_PARALLELISM_MAX = 4,
    SIM_ROUNDS_MAX = 100000, /* of everybody, in one step */
    SIM_REPLAYS = 16,        /* messages kept per node and direction, to come again too late */
    SIM_GHOSTS = 8,          /* ended tasks of a host that speak once more */
};

struct sim;
struct sim_node;

/* Something that is not understood as it should be: says so with the seed, and ends the process. */
#define SIM_CHECK(s, expr) ((expr) ? (void)0 : sim_failed((s), __FILE__, __LINE__, #expr))
void sim_failed(const struct sim *s, const char *file, int line, const char *what) NORETURN;

/* ---- links ---------------------------------------------------------------------------------------- */

struct sim_message {
    ProtobufCMessage *message; /* Owns */
    int64_t at_ms;             /* when it arrives */
};

/* The stream of a node, cut in the middle. */
struct sim_link {
    struct sim_node *node;
    struct sim_jm *jm;                 /* NULL: the only job manager */
    struct rpc_channel *to_tm, *to_jm; /* Owns */
    struct vec up, down;               /* of struct sim_message; in order */
    bool over;                         /* an end has closed it */
};
int sim_link_open(struct sim_node *node, const struct rpc_end_options *end,
                  struct rpc_channel **ret_channel, struct error *err) MUST_CHECK;
void sim_link_cut(struct sim_node *node);
/* Passes on what is due; returns how many messages. */
size_t sim_link_step(struct sim_node *node);
/* A message of long ago comes once more. */
void sim_link_replay(struct sim_node *node);
/* All that is remembered of the leadership before this one comes once more, in both directions. */
void sim_link_replay_stale(struct sim_node *node);
/* The job manager is gone: what was said to it and by it is stale from now on. */
void sim_link_leader_gone(struct sim_node *node);
void sim_link_forget(struct sim_node *node);

/* ---- workers ---------------------------------------------------------------------------------------- */

/* A file of keyed state, as its task knows it. */
struct sim_segment {
    char *uri; /* Owns */
    uint64_t checkpoint_id;
    bool is_base;
};

/* Segments that make up the state as of a checkpoint: a base, then changes. */
struct sim_chain {
    uint64_t checkpoint_id;
    struct vec segments; /* Owns; of struct sim_segment */
};

/* A file with sections of several checkpoints (engine/snapshot/merging.h). */
enum { SIM_MERGED_IDS = 8 };
struct sim_merged {
    char uri[300]; /* "": none */
    uint64_t since;
    uint64_t acknowledged[SIM_MERGED_IDS]; /* the last checkpoints with a section in it */
    uint32_t n;
};

struct sim_task {
    struct flinc_id attempt, allocation;
    bool bounded; /* it finishes some time */
    uint32_t vertex, subtask, attempt_number, first_group, last_group;
    struct flinc_id edge_id; /* of its input */
    Flinc__PartitionerKind edge;
    int64_t counter;        /* its state */
    uint64_t last_barrier;  /* checkpoints up to here are not taken again */
    uint64_t stop_at;       /* it finishes when this one is complete; 0: none */
    struct sim_chain chain; /* confirmed: what increments build upon */
    struct vec taken;       /* of struct sim_chain; not confirmed yet */
    struct sim_chain older; /* restored, or the first: perhaps deleted, or not the job's own */
    struct sim_merged merged;
};

struct sim_worker {
    struct sim_host *host;
    struct flinc_id job_id, incarnation, token;
    bool ready, linked, ending;
    struct vec tasks; /* of struct sim_task */
};

enum sim_tell_kind { SIM_TELL_READY, SIM_TELL_MESSAGE, SIM_TELL_GONE };
struct sim_tell {
    enum sim_tell_kind kind;
    int64_t at_ms;
    struct flinc_id job_id, incarnation;
    struct error why;
    uint8_t *bytes; /* Owns */
    size_t size;
};

/* A task that has ended, of which an acknowledgement may still come. */
struct sim_ghost {
    struct flinc_id job_id, attempt;
    uint32_t vertex, subtask, attempt_number, first_group, last_group;
};

struct sim_host {
    struct sim_node *node;
    struct worker_host_callbacks callbacks;
    struct vec late;    /* of struct sim_tell *, owned; each comes at its time */
    struct vec ghosts;  /* of struct sim_ghost; the newest SIM_GHOSTS */
    struct vec workers; /* of struct sim_worker *, owned */
    struct vec tells;   /* of struct sim_tell *, owned; in order */
};
extern const struct taskmanager_worker_ops sim_host_ops;
void sim_host_init(struct sim_host *h, struct sim_node *node);
void sim_host_fini(struct sim_host *h);
size_t sim_host_step(struct sim_host *h);
struct sim_worker *sim_host_find(const struct sim_host *h, const struct flinc_id *job_id);
/* Some task of some worker finishes (when it is bounded) or fails. */
void sim_host_finish_some(struct sim_host *h);
void sim_host_fail_some(struct sim_host *h);
void sim_host_crash_some(struct sim_host *h);
uint32_t sim_host_tasks(const struct sim_host *h, const struct flinc_id *job_id);
enum sim_saying { SIM_SAY_SOON, SIM_SAY_LATE };
void sim_host_say(struct sim_worker *w, Flinc__WorkerToMaster *m, enum sim_saying when);
/* The task at this place is over. */
void sim_host_end_task(struct sim_worker *w, size_t i, Flinc__ExecutionState state);

/* ---- tasks at checkpoints ------------------------------------------------------------------------------ */

struct sim_job;
void sim_task_init(struct sim_worker *w, struct sim_task *t, const Flinc__DeployTasks *d,
                   const Flinc__SubtaskDeployment *spec);
void sim_task_fini(struct sim_task *t);
void sim_hear_trigger(struct sim_worker *w, const Flinc__TriggerCheckpoint *trigger);
void sim_hear_notice(struct sim_worker *w, const Flinc__NotifyCheckpoint *notice);

/* ---- the storage of checkpoints ------------------------------------------------------------------------ */

struct sim_file {
    uint8_t *bytes; /* Owns; of metadata; NULL: a file of a task, or a folder */
    size_t size;
    struct flinc_id job_id;
    int64_t made_ms;
    uint32_t refs;     /* snapshots that are kept */
    bool was_complete; /* a complete checkpoint had it */
    bool heard;        /* its job's checkpointer knew it */
    bool excused;      /* nobody is to blame when it stays: its deletion failed */
    uint64_t
        writer; /* the leadership that made it (sim_jm.epoch); 0: a task, or no high availability */
};
void sim_storage_init(struct sim *s);
void sim_storage_fini(struct sim *s);
extern const struct checkpoint_files sim_storage_files; /* arg: to be set */
/* A task writes a file; a name that was used before fails the run. */
void sim_storage_put(struct sim *s, const char *path, const struct flinc_id *job_id);
/* Another name for it.  Takes the file. */
void sim_storage_move(struct sim *s, const char *path, struct sim_file *f);
/* A file, or all that is below a folder: goes, or is not to blame for staying. */
void sim_storage_delete(struct sim *s, const char *path, bool all);
void sim_storage_excuse(struct sim *s, const char *path, bool all);
struct sim_file *sim_storage_find(const struct sim *s, const char *path);
/* What lies in a folder's _metadata; NULL: nothing.  Freed by the caller. */
Flinc__CheckpointMetadata *sim_storage_metadata(const struct sim *s, const char *directory);

/* ---- snapshots ----------------------------------------------------------------------------------------- */

/* What a task's state says: who gave it, when. */
struct sim_state {
    uint64_t checkpoint_id;
    uint32_t vertex, subtask, attempt_number, pad;
    int64_t counter;
};
/* False: the blob is a file, or none. */
bool sim_state_read(const Flinc__StateBlob *blob, struct sim_state *ret);

/* A snapshot that is (or was) complete. */
struct sim_run;
struct sim_snapshot {
    struct flinc_id job_id;
    const struct sim_run *run; /* in which it was completed; NULL: in none that was seen */
    bool subsumed;             /* its job master keeps it no more */
    bool counts;               /* somebody was told of it, or has recovered from it */
    uint64_t id;
    int64_t generation[SIM_PARALLELISM_MAX]; /* by region: attempt number of its tasks; -1: none */
    uint32_t parallelism, parallelism_of[SIM_VERTICES]; /* of the job, of each vertex */
    uint32_t in_flight;            /* a bit for each subtask to which something was */
    Flinc__PartitionerKind edge;   /* on this */
    bool start;                    /* the job started from it */
    bool savepoint, bounded, held; /* held: its files must stay */
    bool used, claimed;            /* a job started from it; as its owner */
    char *directory;               /* Owns */
    struct vec uris;               /* of char *, owned; all its files */
};

/* A savepoint that somebody asked for. */
struct sim_ask {
    struct sim *s;
    struct flinc_id job_id;
    uint32_t parallelism, n_answers;
    bool bounded, stop;
    struct sim_jm *jm; /* who was asked; NULL: the only job manager */
    int64_t at_ms;     /* when */
    bool lost;         /* who was asked has died */
};

/* Looks at what job masters have completed, checks it, and notes what is kept. */
void sim_snapshots_observe(struct sim *s);
void sim_snapshots_fini(struct sim *s);
/* A task is deployed: what it is to restore from is the newest that its generation may know. */
void sim_check_restore(struct sim *s, const struct flinc_id *job_id, const struct flinc_id *token,
                       const Flinc__JobVertex *vertex, const Flinc__SubtaskDeployment *spec);
/* All tasks of a job run: what was in flight in the checkpoint that they come from has gone to somebody. */
void sim_check_all_is_given(struct sim *s, const struct sim_job *job);
void sim_ask_savepoint(struct sim *s);
struct sim_job *sim_choose_job(struct sim *s); /* rather one that runs well; or NULL */
void sim_ask_savepoint_at(struct sim *s, struct sim_jm *jm, struct dispatcher *d,
                          const struct sim_job *job);
/* A pointer to a checkpoint is durable: its files must be there, and stay, unless it comes later than that of a newer one. */
void sim_snapshots_pointed(struct sim *s, struct sim_job *job, uint64_t id, const char *value,
                           size_t len, bool is_late);
/* Its pointer is gone; id 0: none of the job's is needed any more, or none of those that do not count. */
void sim_snapshots_released(struct sim *s, const struct sim_job *job, uint64_t id,
                            bool only_uncounted);
/* With high availability: all that need this shared file are subsumed, but their pointers go by another thread: who took over would
 * find a newer one, and restore that. */
bool sim_snapshots_let_go(const struct sim *s, const char *path);
/* Has somebody been told that this one is complete? */
bool sim_snapshots_counts(const struct sim *s, const struct sim_job *job, uint64_t id);
bool sim_goes_with_job(const struct sim_job *job, enum job_status status);
/* One that a new job may start from; NULL: none. */
struct sim_snapshot *sim_snapshots_choose(struct sim *s, bool bounded, bool claim);
/* A checkpoint of a job is under way. */
bool sim_any_pending(const struct sim *s);
bool sim_job_is_alive(const struct sim *s, const struct sim_job *job); /* it runs */
/* NULL: no file is left that should not be. */
const char *sim_files_left(struct sim *s);
/* NULL: all who asked were answered once. */
const char *sim_unanswered(struct sim *s);

/* ---- the cluster -------------------------------------------------------------------------------------- */

struct sim_node { /* a machine with a task manager */
    struct sim *s;
    struct sim_process process;
    struct ha *ha;       /* Owns; with high availability: who leads */
    struct sim_jm *last; /* whom it was connected to */
    uint32_t number, n_slots;
    char id[32], data_address[32], slots_text[16];
    struct conf conf;
    struct taskmanager *tm; /* Owns; NULL: dead */
    struct sim_host host;
    struct sim_link *link;           /* Owns; NULL: none */
    int64_t frozen_until_ms;         /* its process does nothing */
    int64_t cut_until_ms;            /* its network */
    bool ended;                      /* the task manager has ended itself */
    struct vec old_up, old_down;     /* of packed messages: struct sim_old */
    struct vec stale_up, stale_down; /* the same, of the leadership before */
};

/* Who got what was in flight, since tasks restore from this checkpoint. */
struct sim_given {
    uint64_t checkpoint_id;
    uint32_t parallelism;
    uint32_t in_flight;               /* what is to be given: as in the snapshot */
    uint32_t to[SIM_PARALLELISM_MAX]; /* by old subtask: who, from 1; 0: nobody */
};

/* A job under one job master. */
struct sim_run {
    struct flinc_id job_id, token; /* of the job master */
    uint64_t epoch;                /* leadership; 0: the only job manager's */
    bool began;                    /* what it recovered from is known */
    bool deposed;                  /* its leader was not, when it was first seen */
    uint64_t recovered;            /* the checkpoint that it recovered from */
    uint64_t newest;               /* completed */
    struct sim_given given;
    int64_t generation[SIM_PARALLELISM_MAX]; /* by region: the highest attempt number that was
                                                deployed; -1: none */
    bool has_restored;
};

/* What a cluster with high availability has written down of a job, by the transactions of ZooKeeper. */
struct sim_ledger {
    bool acked;   /* somebody was told that it was submitted */
    bool refused; /* that it was not */
    bool graph, ended, files_go;
    bool
        hurried; /* its leader ended soon after it: files that no checkpoint has any more may stay */
    enum job_status status; /* as it ended */
    uint64_t counter, newest, ended_epoch, cleaned_epoch;
    uint64_t writer_epoch,
        floor; /* the leadership that wrote a pointer last; the newest one when it began */
    int64_t ended_ms;
    uint32_t n_bounds[SIM_PARALLELISM_MAX + 1]; /* how often this upper bound was written down */
};

struct sim_job {
    struct flinc_id id;
    struct sim_run run; /* under the only job manager */
    struct sim_ledger ledger;
    uint32_t n_tasks;
    bool bounded, submitted, cancelled;
    int rc;                 /* of the submission; 1: not answered yet */
    bool noted;             /* it ran in full */
    int64_t noted_restarts; /* by then */
    uint32_t parallelism;
    Flinc__PartitionerKind edge;
    bool by_regions; /* its edge is pointwise: every subtask number is a region */
    bool adaptive;   /* it runs with the slots that there are, at most `wanted` */
    uint32_t wanted; /* with high availability: as it was written down last */
    bool sized;      /* its second vertex runs in slots of this profile */
    struct resource_profile profile;
    enum sim_retention { SIM_DELETE, SIM_DELETE_ON_CANCEL, SIM_RETAIN } retention;
    bool incremental, orphaned; /* orphaned: its job manager died */
    bool calm_end;              /* it was cancelled when no checkpoint was under way */
    bool released;              /* its checkpoints may be deleted */
    uint64_t newest;            /* completed */
    uint64_t newest_at_heal;
    struct sim_snapshot *from;
    bool claims;
};

/* A process of a job manager, with high availability. */
struct sim_jm {
    struct sim *s;
    struct sim_process process;
    uint32_t number, n_clients;
    struct conf conf;
    struct services services;
    struct leadership *leadership; /* Owns */
    bool up, stops, failed;        /* failed: its process would end */
    bool listens, serves,
        retires;       /* to task managers; to clients; it frees what it has as a leader */
    uint64_t epoch;    /* counts leaderships; 0: it does not lead */
    int64_t starts_ms; /* when it comes back */
    int64_t cut_until_ms, storage_cut_until_ms;
};
void sim_jm_start(struct sim_jm *jm);
void sim_jm_stop(struct sim_jm *jm); /* in good order; jm->up says when it is done */
void sim_jm_crash(struct sim_jm *jm);

/* What a client asks of a job manager. */
struct sim_request {
    enum { SIM_SUBMIT, SIM_CANCEL, SIM_RESCALE, SIM_SAVEPOINT } kind;
    struct sim_jm *jm;
    struct sim_job *job;
    struct job_submission submission; /* Owns */
};
/* NULL, or one that serves nobody: it is as if it was never asked. */
void sim_request(struct sim_jm *jm, struct sim_request *take);

struct sim_totals { /* of all seeds: that something happened */
    uint64_t jobs, ended, restarts, losses, reconnects, fenced, steps, jm_restarts;
    uint64_t checkpoints, restored, savepoints, stops, started_from, files, rescales, sized;
    uint64_t leaders, recovered, expired, lost, transactions, fenced_writes, ends, switches;
    uint64_t hash; /* of all that happened */
};

struct sim {
    uint64_t seed;
    struct rng rng;
    struct clock_manual clock;
    struct conf conf;
    struct executor *executor;
    struct mailbox *mailbox; /* of links */
    struct resourcemanager *rm;
    struct dispatcher *d; /* NULL, as rm: the job manager is down */
    struct flinc_id leader;
    int64_t down_until_ms, rm_frozen_until_ms, d_frozen_until_ms, io_frozen_until_ms;
    bool lossy;
    bool reckless; /* tasks build upon files that they must not build upon */
    struct sim_node nodes[SIM_NODES_MAX];
    uint32_t n_nodes;
    struct sim_job jobs[SIM_JOBS_MAX];
    uint32_t n_jobs;
    int64_t quiet_ms; /* since then nothing of what went wrong is felt any more */
    struct checkpoint_files storage;
    struct map files;     /* by path: struct sim_file *, owned */
    struct map ever;      /* every path that there was */
    struct vec snapshots; /* of struct sim_snapshot *, owned */
    struct vec asks;      /* of struct sim_ask *, owned */
    uint64_t n_written;   /* names for tasks' files */
    bool has_ha;
    struct sim_fibers fibers;
    struct sim_zk zk;
    struct sim_jm jms[SIM_JMS_MAX];
    uint32_t n_jms;
    uint64_t n_epochs;
    struct vec runs;           /* Owns: of struct sim_run * */
    char said[600];            /* what a check says */
    struct sim_totals *totals; /* Borrows */
};

/* Of the cluster with one job manager, or with more: without a failure it returns. */
void sim_run_single(uint64_t seed, struct sim_totals *totals);
void sim_run_ha(uint64_t seed, struct sim_totals *totals);
/* Part of what happened: runs of the same seed say the same. */
void sim_trace(struct sim *s, uint64_t what);
void sim_trace_bytes(struct sim *s, const void *data, size_t size);

struct sim_job *sim_find_job(struct sim *s, const struct flinc_id *id); /* or NULL */

int64_t sim_now_ms(const struct sim *s); /* monotonic */
bool sim_chance(struct sim *s, uint32_t percent);
uint32_t sim_below(struct sim *s, uint32_t n);

void sim_init(struct sim *s, uint64_t seed, bool has_ha, struct sim_totals *totals);
void sim_fini(struct sim *s);
void sim_start_jm(struct sim *s);
void sim_crash_jm(struct sim *s);
void sim_start_tm(struct sim_node *node);
void sim_crash_tm(struct sim_node *node);
void sim_probe(void *arg, const char *address, const char *peer, int64_t within_ms,
               struct mailbox *mailbox, const struct mailbox_op *op);
void sim_submit(struct sim *s);
/* A new job; NULL: there are enough. */
struct sim_job *sim_make_job(struct sim *s, struct job_submission *ret);
/* Runs everybody who is not frozen until there is nothing to do. */
void sim_settle(struct sim *s);
void sim_cancel(struct sim *s, struct sim_job *job);
/* Other bounds for a job under the adaptive scheduler. */
void sim_rescale(struct sim *s, struct sim_job *job);
void sim_rescale_at(struct sim *s, struct dispatcher *d, struct sim_job *job);
/* With high availability: they were written down; must hold at any time; NULL: the leader's job master has what was written down last. */
void sim_bounds_written(struct sim *s, struct sim_job *job, const char *value, size_t len);
void sim_bounds_check_always(struct sim *s);
const char *sim_bounds_lost(struct sim *s, const struct sim_job *job);
/* Moves the clock, and runs everybody who is not frozen until there is nothing to do. */
void sim_step(struct sim *s, int64_t ms);

/* ---- what must hold -------------------------------------------------------------------------------------- */

/* At any time. */
void sim_check_always(struct sim *s);
/* NULL: both sides agree and every job runs, waits for slots that are not there, or has ended; else what is
 * missing. */
const char *sim_unsettled(struct sim *s);
/* Parts of it. */
const char *sim_check_slots(struct sim *s, uint32_t *ret_free);
const char *sim_check_places(const struct sim_node *node);
const char *sim_check_job(struct sim *s, const struct sim_job *job, bool *ret_waits);
bool sim_has_room_for(const struct sim *s, const struct sim_job *job);
uint32_t sim_count_tasks(const struct sim *s, const struct flinc_id *job_id);
/* NULL: no job, no worker, every slot free; else what is left. */
const char *sim_left_over(struct sim *s);
/* Notes which jobs run in full and how often they were restarted; later: NULL when they still run so. */
void sim_note_running(struct sim *s);
const char *sim_disturbed(struct sim *s);

/* ---- proofs ------------------------------------------------------------------------------------------------ */

/* Runs seeds with one planted bug after the other, each in a process of its own, until the bug is found; returns
 * how many were not found within n seeds. */
int sim_planted(uint64_t first, uint64_t n, const char *only);

#include "tests/sim/sim_ha.h"

#endif
