/* The execution graph: the job graph at run time.  Job -> vertices -> subtasks -> the current attempt
 * of each (its execution), and the regions that restart together.
 *
 *   CREATED ─► SCHEDULED ─► DEPLOYING ─► INITIALIZING ─► RUNNING ─► FINISHED
 *      │           │            │             │             │
 *      ▼           ▼            └─────────────┴──────┬──────┘
 *   CANCELED ◄─────┴───────────── CANCELING ◄────────┘        any that is not terminal ─► FAILED
 *
 * A restart makes a new attempt with a new random id in place of the old one, so that whatever a
 * worker still says about the old one meets no execution.
 * Thread: the job master's.  Lifetime: the job master's.
 * Flink: ExecutionGraph, ExecutionJobVertex, ExecutionVertex, Execution. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_EXECUTION_GRAPH_H
#define FLINC_JOBMANAGER_JOBMASTER_EXECUTION_GRAPH_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/graph/slot_kinds.h"
#include "jobmanager/jobmaster/attempts.h"

enum { EXECUTION_STATES = 9 };

const char *execution_state_name(Flinc__ExecutionState state); /* "RUNNING" */
bool execution_state_is_terminal(Flinc__ExecutionState state);
bool execution_state_may_move(Flinc__ExecutionState from, Flinc__ExecutionState to);

/* Numbers of the last event between a coordinator and one attempt, in each direction. */
struct event_channel {
    uint64_t sent, received;
};

/* An event that waits until its attempt is acknowledged. */
struct waiting_event {
    uint32_t coordinator; /* number in the vertex */
    uint8_t *data;        /* Owns */
    size_t size;
};

/* One attempt to run a subtask. */
struct execution {
    struct subtask *subtask; /* Borrows */
    struct flinc_id id;
    uint32_t number; /* of the attempt, from 0 */
    Flinc__ExecutionState state;
    struct slot slot;                   /* set from DEPLOYING on */
    struct place *place;                /* counted; as slot; NULL: in one process */
    struct attempt_failure *failure;    /* counted; FAILED: why */
    bool io_complete;                   /* its last counters are final */
    int64_t since_ms[EXECUTION_STATES]; /* wall clock at which it came into each state; 0: never */
    uint64_t deploy_round;        /* number of the state request that follows its deployment */
    uint64_t events_asked;        /* events sent to it before the newest state request */
    struct event_channel *events; /* Owns; by coordinator of the vertex; NULL: none */
    struct vec waiting_events;    /* of struct waiting_event */
};

/* Counters of a task; see TaskIoMetrics. */
struct task_counters {
    uint64_t bytes_in, bytes_out, records_in, records_out, busy_ms, idle_ms, backpressured_ms;
};

/* A user accumulator of one subtask. */
struct task_accumulator {
    char *name, *type; /* Owns */
    int64_t long_value;
    double double_value;
};

/* An ended attempt that a newer one has replaced. */
struct prior_attempt {
    struct flinc_id id, allocation_id;
    uint32_t number;
    Flinc__ExecutionState state;
    int64_t since_ms[EXECUTION_STATES];
    struct place *place;             /* counted */
    struct attempt_failure *failure; /* counted */
    struct task_counters counters;
    bool io_complete;
    struct vec accumulators; /* of struct task_accumulator */
};

struct subtask {
    struct execution_vertex *vertex; /* Borrows */
    uint32_t index;
    uint32_t region;
    struct execution execution; /* the current attempt */
    struct vec prior;           /* of struct prior_attempt; oldest first */
    /* What the current attempt last reported.  Under the lock of the job's snapshot. */
    struct task_counters counters;
    struct vec accumulators; /* of struct task_accumulator */
};

struct execution_vertex {
    const Flinc__JobVertex *spec; /* Borrows */
    uint32_t number;
    uint32_t first_slot; /* subtask i runs in slot first_slot + i of the job */
    uint32_t first_coordinator, n_coordinators;
    struct subtask *subtasks; /* Borrows: in the graph's */
    uint32_t n_subtasks;
    bool is_source;
    uint32_t *in_edges, *out_edges; /* Owns; numbers of JobGraph.edges */
    uint32_t n_in_edges, n_out_edges;
};

/*
 *   IDLE ──► WAITING ──► DEPLOYED
 *    ▲ │        │           │
 *    │ └────────┼───────────┤
 *    │          ▼           ▼
 *    └───── RESTARTING   (any) ──► ENDING            */
enum region_state {
    REGION_IDLE,       /* its attempts are new */
    REGION_WAITING,    /* for slots */
    REGION_DEPLOYED,   /* until all its tasks have finished, or one fails */
    REGION_RESTARTING, /* its tasks are being cancelled, or the restart delay is running */
    REGION_ENDING,     /* the job ends: its tasks are being cancelled */
    REGION_STATES,
};
const char *region_state_name(enum region_state state);
bool region_state_may_move(enum region_state from, enum region_state to);

/* Subtasks that pipelined edges connect.  Flink: PipelinedRegion. */
struct region {
    struct jobmaster *jm; /* Borrows; for timers */
    uint32_t number;
    enum region_state state;
    struct subtask **subtasks;   /* Borrows: in the graph's table; topological order */
    uint32_t n_subtasks, n_live; /* live: in a state that is not terminal */
    uint64_t slot_timer;         /* WAITING: slot.request.timeout */
    int64_t slot_deadline_ms;    /* WAITING: monotonic; when slot_timer is due */
    uint64_t restart_timer;      /* RESTARTING: the delay is running */
    bool restart_due;            /* RESTARTING: the delay is over */
};

/* Caller's memory. */
struct execution_graph {
    const Flinc__JobGraph *spec;       /* Borrows */
    struct execution_vertex *vertices; /* Owns */
    uint32_t n_vertices;
    struct region *regions; /* Owns */
    uint32_t n_regions;
    struct subtask *subtasks;         /* Owns; vertex by vertex */
    struct subtask **region_subtasks; /* Owns; region by region */
    uint32_t n_subtasks, n_live, n_finished;
    uint32_t n_slots;
    uint32_t *slot_kinds;    /* Owns; by slot */
    struct slot_kinds kinds; /* of the spec */
    uint32_t n_coordinators;
    struct map attempts; /* id -> the execution; current attempts only */
};

/* What restarts together: jobmanager.execution.failover-strategy, in the order of its values. */
enum failover_strategy {
    FAILOVER_REGION, /* what pipelined edges connect */
    FAILOVER_FULL,   /* the job is one region */
};

/* The graph with a first attempt of every subtask. */
void execution_graph_init(struct execution_graph *g, const Flinc__JobGraph *spec,
                          enum failover_strategy strategy, struct jobmaster *jm, struct rng *rng,
                          int64_t now_ms);
void execution_graph_fini(struct execution_graph *g);
/* The parallelisms of the spec have changed, and all attempts have ended or are new: all is made anew, in one
 * region.  Subtasks that stay keep their prior attempts; all attempts have the number of the next run. */
void execution_graph_rescale(struct execution_graph *g, struct jobmaster *jm, struct rng *rng,
                             int64_t now_ms);
/* The current attempt with this id, or NULL. */
struct execution *execution_graph_find(const struct execution_graph *g, const uint8_t id[16]);
/* Replaces the ended attempt of a subtask by a new one. */
void execution_graph_new_attempt(struct execution_graph *g, struct subtask *subtask,
                                 struct rng *rng, int64_t now_ms);
void region_transition(struct region *r, enum region_state to);
struct region *execution_region(struct execution_graph *g, const struct execution *e);
/* Is something known to a worker of it, so that a worker has to be told when it is cancelled? */
bool execution_is_on_worker(const struct execution *e);
/* "Flat Map (2/4)".  Returns buf. */
const char *execution_task_name(const struct execution *e, char *buf, size_t size);
void execution_drop_waiting_events(struct execution *e);
void subtask_drop_accumulators(struct subtask *subtask);
void task_accumulators_fini(struct vec *accumulators); /* of struct task_accumulator */

#endif
