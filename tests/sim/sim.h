/* The simulation: the production Dispatcher, ResourceManager, JobMasters and task managers in one thread, on a
 * manual clock, over links that lose, double and delay, with workers that are rows of a table.  Everything random
 * comes from one seed, so a run that fails fails again.
 *
 *   sim_link.c     connections between a task manager and the job manager
 *   sim_host.c     workers and their tasks
 *   sim_cluster.c  the job manager and the task managers, their deaths and births, stepping
 *   sim_check.c    what must hold, at any time and after healing
 *   sim_main.c     what happens, seed by seed
 *   sim_planted.c  bugs that it must find
 *
 * Thread: one. */
#ifndef FLINC_TESTS_SIM_SIM_H
#define FLINC_TESTS_SIM_SIM_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "common/loop/executor.h"
#include "jobmanager/dispatcher/dispatcher.h"
#include "taskmanager/manager/taskmanager.h"

enum {
    SIM_NODES_MAX = 4,
    SIM_SLOTS_MAX = 4,
    SIM_JOBS_MAX = 10,
    SIM_VERTICES = 2,        /* of every job */
    SIM_ROUNDS_MAX = 100000, /* of everybody, in one step */
    SIM_REPLAYS = 16,        /* messages kept per node and direction, to come again too late */
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

struct sim_task {
    struct flinc_id attempt, allocation;
    bool bounded; /* it finishes some time */
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

struct sim_host {
    struct sim_node *node;
    struct worker_host_callbacks callbacks;
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

/* ---- the cluster -------------------------------------------------------------------------------------- */

struct sim_node { /* a machine with a task manager */
    struct sim *s;
    uint32_t number, n_slots;
    char id[32], slots_text[16];
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

struct sim_job {
    struct flinc_id id;
    uint32_t n_tasks;
    bool bounded, submitted, cancelled;
    int rc;                 /* of the submission; 1: not answered yet */
    bool noted;             /* it ran in full */
    int64_t noted_restarts; /* by then */
};

struct sim_totals { /* of all seeds: that something happened */
    uint64_t jobs, ended, restarts, losses, reconnects, fenced, steps, jm_restarts;
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
    int64_t down_until_ms, rm_frozen_until_ms, d_frozen_until_ms;
    bool lossy;
    struct sim_node nodes[SIM_NODES_MAX];
    uint32_t n_nodes;
    struct sim_job jobs[SIM_JOBS_MAX];
    uint32_t n_jobs;
    struct sim_totals *totals; /* Borrows */
};

int64_t sim_now_ms(const struct sim *s); /* monotonic */
bool sim_chance(struct sim *s, uint32_t percent);
uint32_t sim_below(struct sim *s, uint32_t n);

void sim_init(struct sim *s, uint64_t seed, struct sim_totals *totals);
void sim_fini(struct sim *s);
void sim_start_jm(struct sim *s);
void sim_crash_jm(struct sim *s);
void sim_start_tm(struct sim_node *node);
void sim_crash_tm(struct sim_node *node);
void sim_submit(struct sim *s);
void sim_cancel(struct sim *s, struct sim_job *job);
/* Moves the clock, and runs everybody who is not frozen until there is nothing to do. */
void sim_step(struct sim *s, int64_t ms);

/* ---- what must hold -------------------------------------------------------------------------------------- */

/* At any time. */
void sim_check_always(struct sim *s);
/* NULL: both sides agree and every job runs, waits for slots that are not there, or has ended; else what is
 * missing. */
const char *sim_unsettled(struct sim *s);
/* NULL: no job, no worker, every slot free; else what is left. */
const char *sim_left_over(struct sim *s);
/* Notes which jobs run in full and how often they were restarted; later: NULL when they still run so. */
void sim_note_running(struct sim *s);
const char *sim_disturbed(struct sim *s);

/* ---- proofs ------------------------------------------------------------------------------------------------ */

/* Runs seeds with one planted bug after the other, each in a process of its own, until the bug is found; returns
 * how many were not found within n seeds. */
int sim_planted(uint64_t first, uint64_t n, void (*run)(uint64_t seed, struct sim_totals *totals));

#endif
