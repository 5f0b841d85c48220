/* A job for the worker's tests, deployed by a job master made of a mailbox: it sends what a job master
 * sends and keeps what the worker answers.
 *
 * The worker is in manual mode unless asked otherwise: the test's thread is worker and master, the tasks
 * have threads of their own. */
#ifndef FLINC_TESTS_WORKER_TEST_JOB_H
#define FLINC_TESTS_WORKER_TEST_JOB_H

#include "common/rpc/transport.h"
#include "taskmanager/worker/worker.h"
#include "tests/unit/taskmanager_worker/test_operators.h"
#include "tests/unit/taskmanager_worker/test_stateful.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { JOB_OPERATORS_MAX = 4, JOB_VERTICES_MAX = 6, JOB_EDGES_MAX = 8, JOB_TASKS_MAX = 128 };

struct job_operator {
    const char *kind, *name;
    struct test_config config;
    uint32_t n_outputs;              /* 0 for a sink */
    struct stateful_config stateful; /* of kinds "stateful.*", instead of `config` */
};

/* Operators are chained one after the other by output 0 and input 0. */
struct job_vertex {
    const char *name;
    uint32_t parallelism;
    struct job_operator operators[JOB_OPERATORS_MAX];
    uint32_t n_operators;
};

struct job_edge {
    uint32_t source, source_operator, source_output;
    uint32_t target, target_operator, target_input;
    Flinc__PartitionerKind kind;
    const char *location; /* of all producers; NULL: this worker */
};

struct job {
    struct job_vertex vertices[JOB_VERTICES_MAX];
    uint32_t n_vertices;
    struct job_edge edges[JOB_EDGES_MAX];
    uint32_t n_edges;
    Flinc__KeyValue config[8];
    uint32_t n_config;
    Flinc__RuntimeMode mode;
};

/* What the master knows about an attempt. */
struct job_task {
    uint32_t vertex, subtask, attempt;
    Flinc__ExecutionState states[8]; /* as they were reported */
    uint32_t n_states;
    struct error error;
    uint64_t records_in, records_out, bytes_in, bytes_out;
    int64_t busy_ms, idle_ms, backpressured_ms;
    int64_t accumulated; /* of "rows" */
    bool refused;
    uint64_t owes; /* the last checkpoint that was triggered while it ran */
};

struct test_cluster {
    struct worker *worker;
    struct rpc_channel *channel; /* the master's end */
    struct mailbox *mailbox;     /* the master's */
    struct executor *io;
    struct mem_budget budget;
    struct metric_registry *metrics;
    bool manual;
    struct job_task tasks[JOB_TASKS_MAX];
    uint32_t n_tasks;
    uint32_t attempt;  /* of the tasks deployed next */
    struct str events; /* payloads of operator events, "subtask:sequence:payload;" */
    uint32_t n_reports;
    uint64_t last_report_id;
    uint32_t n_reported_tasks;
    struct vec acks, declines; /* Own: Flinc__CheckpointAck *, Flinc__CheckpointDecline * */
    uint32_t n_end_of_data;
    uint64_t restore_id;           /* deployments restore from this checkpoint; 0: afresh */
    const char *restore_directory; /* of its files; NULL: it has none */
    bool shutdown_done, worker_closed;
    uint8_t token[32]; /* the master's */
    size_t token_len;
    int threads_before, fds_before;
};

/* `options` may be NULL, or have what differs from a plain worker. */
void cluster_open(struct test_cluster *c, const struct worker_options *options);
/* The master takes so many messages before it is polled; 0: the default. */
void cluster_open_limited(struct test_cluster *c, const struct worker_options *options,
                          uint32_t master_limit);
/* The worker gets a new channel, to the master of this token; the one before is closed. */
void cluster_replace_master(struct test_cluster *c, const struct flinc_id *token);
/* Stops the worker; checks that no thread, buffer or descriptor is left. */
void cluster_close(struct test_cluster *c);

/* Sends the deployments of all vertices, sources last or first. */
enum job_order {
    JOB_SOURCES_FIRST,
    JOB_SINKS_FIRST,
};
void cluster_deploy(struct test_cluster *c, const struct job *job, enum job_order order);
void cluster_deploy_vertex(struct test_cluster *c, const struct job *job, uint32_t vertex);
struct job_task *cluster_task(struct test_cluster *c, uint32_t vertex, uint32_t subtask);
void cluster_cancel(struct test_cluster *c, const struct job_task *task);
void cluster_cancel_all(struct test_cluster *c);
void cluster_send_event(struct test_cluster *c, const struct job_task *task, uint32_t op,
                        const char *payload, uint64_t sequence);
void cluster_send(struct test_cluster *c, Flinc__MasterToWorker *message);

/* Runs worker (manual mode) and master until the condition holds. */
void cluster_run_until(struct test_cluster *c, bool (*fn)(struct test_cluster *c));
void cluster_run_to_end(struct test_cluster *c); /* all tasks are terminal or refused */
/* Runs what there is to do now. */
void cluster_step(struct test_cluster *c);

Flinc__ExecutionState job_task_state(const struct job_task *t);
bool job_task_is_terminal(const struct job_task *t);
/* All tasks ended so. */
void cluster_assert_all(const struct test_cluster *c, Flinc__ExecutionState state);
void job_attempt_id(const struct job_task *t, uint8_t ret_id[16]);
void job_operator_id(uint32_t vertex, uint32_t op, uint8_t ret_id[16]);

/* ---- checkpoints: test_checkpoints.c -------------------------------------------------------------- */

struct test_checkpoint {
    uint64_t id;
    Flinc__CheckpointKind kind;
    Flinc__CheckpointStop stop;
    const char *directory; /* NULL: all inline */
    uint64_t latest_completed;
    Flinc__CheckpointAlignment alignment;
    uint64_t aligned_timeout_ms;
};

/* What the master hears; copied. */
void cluster_take_ack(struct test_cluster *c, const Flinc__CheckpointAck *ack);
void cluster_take_decline(struct test_cluster *c, const Flinc__CheckpointDecline *decline);
void cluster_forget_checkpoints(struct test_cluster *c);
/* To all tasks that run and have no running task before them. */
void cluster_trigger(struct test_cluster *c, const struct job *job,
                     const struct test_checkpoint *checkpoint);
/* To all tasks of the present attempt. */
void cluster_notify(struct test_cluster *c, Flinc__CheckpointNotice notice, uint64_t id);
/* To the tasks of the first vertices alone. */
void cluster_notify_first(struct test_cluster *c, uint32_t n_vertices,
                          Flinc__CheckpointNotice notice, uint64_t id);
/* Acknowledgements, declines of a checkpoint. */
uint32_t cluster_n_acks(const struct test_cluster *c, uint64_t id);
uint32_t cluster_n_declines(const struct test_cluster *c, uint64_t id);
const Flinc__CheckpointAck *cluster_ack(const struct test_cluster *c, uint64_t id, uint32_t vertex,
                                        uint32_t subtask);
/* All tasks of the present attempt that ran when it was triggered have acknowledged it. */
bool cluster_is_complete(const struct test_cluster *c, uint64_t id);

#define NOTICE(name) FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_##name

/* source -> sink over one edge. */
struct job job_pipeline(Flinc__PartitionerKind kind, uint32_t sources, uint32_t sinks,
                        const struct test_config *source, const struct test_config *sink);

#define STATE(name) FLINC__EXECUTION_STATE__EXECUTION_##name
#define PARTITION(name) FLINC__PARTITIONER_KIND__PARTITION_##name

#endif
