/* The worker process: runs the tasks of one job for the task manager that started it.  Inside the room only.
 *
 * The main thread runs a loop with the socket to the task manager (descriptor 3), over which everything
 * comes: the hello with configuration, the budget, links of job masters whose messages pass through to
 * `struct worker`, data connections with their descriptors, questions.
 *
 *   WAITING ──hello──► READY ──WorkerStop──► STOPPING ──► exit 0
 *      any: the task manager is gone, a stuck task, memory over the budget ──► _exit
 *
 * Flink: a task manager that serves one job (TaskManagerRunner). */
#ifndef FLINC_TASKMANAGER_TASKWORKER_TASKWORKER_H
#define FLINC_TASKMANAGER_TASKWORKER_TASKWORKER_H

#include "common/loop/loop.h"
#include "common/metrics/process_metrics.h"
#include "common/rpc/transport.h"
#include "proto/worker.pb-c.h"
#include "taskmanager/worker/job_code.h"
#include "taskmanager/worker/worker.h"

enum {
    TASKWORKER_SOCKET_FD = 3,
    TASKWORKER_PROTOCOL = 1,      /* version of both envelopes */
    TASKWORKER_IO_THREADS = 4,    /* Flink: threads of state transfer, 4 for each backend */
    TASKWORKER_REPORT_MS = 10000, /* TaskReport to the job master, which asks when it needs newer */
    TASKWORKER_MEMORY_MS = 1000,  /* between two looks at the memory */
    TASKWORKER_HELLO_MS = 30000,  /* without a hello the process ends */
    TASKWORKER_FLUSH_MS = 20,     /* for last words */
    TASKWORKER_EXIT_LOST = 2,     /* exit status: the task manager is gone */
    TASKWORKER_EXIT_REFUSED = 3,  /* the hello makes no sense */
    TASKWORKER_EXIT_STUCK = 17,   /* a task did not end */
    TASKWORKER_EXIT_MEMORY = 18,  /* over the memory budget */
};
/* Anonymous memory beside the budget: code, stacks, control messages. */
#define TASKWORKER_OVERHEAD_BYTES ((uint64_t)48 * 1024 * 1024)

enum taskworker_state {
    TASKWORKER_WAITING,
    TASKWORKER_READY,
    TASKWORKER_STOPPING,
};

struct link;
struct network;

/* Thread: the main one's (the loop's), unless said otherwise. */
struct taskworker {
    enum taskworker_state state;
    int64_t start_ns;
    struct loop *loop;
    struct rpc_channel *manager;
    struct conf conf;
    struct flinc_id job_id, incarnation;
    char *job_name, *tm_id, *host;      /* Own */
    struct local_dirs local_state_dirs; /* Owns */
    char *state_dir;                    /* Owns; NULL: none was given */
    struct job_code code;
    struct metric_registry *metrics;
    struct metric_group *own_metrics; /* the process's, as a part of its task manager */
    struct process_metrics *process_metrics;
    struct executor *io;
    struct worker *worker;
    struct network *network;
    struct mem_budget total, pools, managed; /* pools and managed are parts of total */
    _Atomic uint32_t n_slots;                /* that those are for */
    pthread_t main_thread;
    bool stop_runs; /* the thread that waits for the tasks */
    pthread_t stopper;
    _Atomic bool dying;
    pthread_mutex_t link_lock; /* guards link; a leaf but for mailbox posts and sends */
    struct link *link;         /* the present one; NULL: none */
};

/* taskworker.c */
void taskworker_send(struct taskworker *tw, Flinc__WorkerToTaskManager *message);
/* Tells the task manager why, then ends the process with that status.  Thread: any; does not return when
 * it is not the main one. */
void taskworker_die(struct taskworker *tw, const struct error *why, int status);

/* messages.c: what the task manager says. */
void taskworker_on_message(void *target, ProtobufCMessage *take_message);
void taskworker_on_message_fd(void *target, ProtobufCMessage *take_message, int take_fd);
void taskworker_on_closed(void *target, const struct error *why);

/* link.c: the worker's channel to its job master, multiplexed over the socket. */
int taskworker_open_link(struct taskworker *tw, const Flinc__MasterLink *link,
                         struct error *err) MUST_CHECK;
void taskworker_deliver(struct taskworker *tw, const Flinc__LinkMessage *message);
void taskworker_close_link(struct taskworker *tw, const Flinc__MasterLinkClosed *closed);

/* memory.c */
void taskworker_set_budget(struct taskworker *tw, const Flinc__WorkerBudget *budget);
void taskworker_watch_memory(struct taskworker *tw);

/* queries.c */
void taskworker_answer(struct taskworker *tw, const Flinc__Query *query);
/* Writes the stacks of all threads to the log. */
void taskworker_log_stacks(void *taskworker);

/* network.c */
int taskworker_network_start(struct taskworker *tw, struct error *err) MUST_CHECK;
void taskworker_network_stop(struct taskworker *tw);
void taskworker_network_accept(struct taskworker *tw, int take_fd, const char *peer);
int taskworker_open_remote(void *arg, const char *location, const struct remote_input *input,
                           struct channel **ret_channel, struct error *err);

#endif
