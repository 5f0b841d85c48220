/* What the tests of checkpoints of tasks share: source (2) -> map (2) -> hash -> count (3), whose sources wait in
 * the middle when they are told to, and what a run without failures gives. */
#ifndef FLINC_TESTS_WORKER_CHECKPOINT_FIXTURE_H
#define FLINC_TESTS_WORKER_CHECKPOINT_FIXTURE_H

#include "common/base/failpoint.h"
#include "tests/unit/taskmanager_worker/test_job.h"
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20000, SOURCES = 2, TASKS = 7 };

static struct stateful_counts counts;
static struct test_cluster cluster;
static char interval[] = "1 min", interval_key[] = "execution.checkpointing.interval";

/* source (2) -> map (2) -> hash -> count (3), and another source vertex's rows as they are. */
static inline struct job make_job(const struct stateful_config *config)
{
    struct job job = {.n_vertices = 3, .n_edges = 2};
    static const char *const kinds[] = {"stateful.source", "stateful.map", "stateful.count"};
    static const char *const names[] = {"Source", "Map", "Count"};
    for (uint32_t i = 0; i < 3; i++) {
        job.vertices[i] = (struct job_vertex){
            .name = names[i],
            .parallelism = i == 2 ? 3 : SOURCES,
            .n_operators = 1,
            .operators =
                {{.kind = kinds[i], .name = names[i], .n_outputs = i < 2, .stateful = *config}},
        };
        job.vertices[i].operators[0].stateful.counts = &counts;
        job.vertices[i].operators[0].stateful.copies = SOURCES;
        job.vertices[i].operators[0].stateful.fail = STATEFUL_FAIL_NOT;
    }
    job.edges[0] = (struct job_edge){.source = 0, .target = 1, .kind = PARTITION(REBALANCE)};
    job.edges[1] = (struct job_edge){.source = 1, .target = 2, .kind = PARTITION(HASH)};
    job.config[0].key = interval_key;
    job.config[0].value = interval;
    return job;
}

static const struct stateful_config PLAIN = {.rows = ROWS, .batch_rows = 100};
/* Waits in the middle until it is released. */
static const struct stateful_config HELD = {.rows = ROWS, .batch_rows = 100, .hold_at = ROWS / 2};

static inline int setup(void **state)
{
    memset(&counts, 0, sizeof(counts));
    cluster_open(&cluster, NULL);
    *state = &cluster;
    return 0;
}

static inline int teardown(void **state)
{
    failpoint_clear_all();
    cluster_close(&cluster);
    return 0;
}

static inline void hold(void)
{
    atomic_store(&counts.hold, true);
}

static inline void release(void)
{
    atomic_store(&counts.hold, false);
}

static inline bool all_running(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].attempt == c->attempt && job_task_state(&c->tasks[i]) != STATE(RUNNING)) {
            return false;
        }
    }
    return true;
}

static inline bool all_started(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].attempt == c->attempt && !job_task_is_terminal(&c->tasks[i]) &&
            job_task_state(&c->tasks[i]) != STATE(RUNNING)) {
            return false;
        }
    }
    return true;
}

static uint64_t wanted;

static inline bool is_complete(struct test_cluster *c)
{
    return cluster_is_complete(c, wanted);
}

static inline bool is_answered(struct test_cluster *c)
{
    return cluster_n_acks(c, wanted) + cluster_n_declines(c, wanted) == c->n_tasks;
}

static inline bool is_declined(struct test_cluster *c)
{
    return cluster_n_declines(c, wanted) > 0;
}

static inline bool all_reached_end(struct test_cluster *c)
{
    return c->n_end_of_data == TASKS;
}

static inline bool counts_ended(struct test_cluster *c)
{
    return atomic_load(&counts.ended) >= 3;
}

/* What operators count wakes nobody but those who wait for it. */
static inline void run_until_counted(struct test_cluster *c, bool (*fn)(struct test_cluster *c))
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&counts.changed);
        cluster_step(c);
        if (fn(c)) {
            event_count_cancel(&counts.changed);
            return;
        }
        event_count_wait(&counts.changed, ticket, 1000000);
    }
}

static inline bool all_hold(struct test_cluster *c)
{
    return atomic_load(&counts.rows_out) == SOURCES * ROWS / 2;
}

static inline void trigger(struct test_cluster *c, const struct job *job, uint64_t id)
{
    wanted = id;
    cluster_trigger(c, job, &(struct test_checkpoint){.id = id});
}

static inline void stop_with(struct test_cluster *c, const struct job *job, uint64_t id,
                             Flinc__CheckpointStop stop)
{
    wanted = id;
    cluster_trigger(
        c, job,
        &(struct test_checkpoint){.id = id,
                                  .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                                  .stop = stop});
}

static inline void deploy(struct test_cluster *c, const struct job *job)
{
    cluster_deploy(c, job, JOB_SINKS_FIRST);
    cluster_run_until(c, all_started);
}

/* All rows were counted, each key once per source. */
static inline void assert_right(void)
{
    assert_int_equal(atomic_load(&counts.keys), ROWS);
    assert_int_equal(atomic_load(&counts.wrong), 0);
    assert_int_equal(atomic_load(&counts.late), 0);
    assert_int_equal(atomic_load(&counts.max_watermarks), 3);
}

static inline void cancel_to_the_end(struct test_cluster *c)
{
    cluster_cancel_all(c);
    cluster_run_to_end(c);
}

/* Cancels everything, and deploys the job again from a checkpoint. */
static inline void restore(struct test_cluster *c, const struct job *job, uint64_t id)
{
    cancel_to_the_end(c);
    atomic_store(&counts.keys, 0);
    atomic_store(&counts.wrong, 0);
    atomic_store(&counts.ended, 0);
    atomic_store(&counts.max_watermarks, 0);
    c->attempt++;
    c->restore_id = id;
    cluster_deploy(c, job, JOB_SINKS_FIRST);
}

/* ---- with files ----------------------------------------------------------------------------------- */

static char folder[256];

static inline int setup_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/flinc-checkpoint-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    return setup(state);
}

static inline int teardown_folder(void **state)
{
    char command[300];
    teardown(state);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command);
}

static inline void trigger_in_folder(struct test_cluster *c, const struct job *job, uint64_t id,
                                     Flinc__CheckpointKind kind, Flinc__CheckpointStop stop)
{
    cluster_trigger(
        c, job,
        &(struct test_checkpoint){.id = id, .kind = kind, .stop = stop, .directory = folder});
}

static inline uint32_t files_left(void)
{
    uint32_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

/* The executor deletes what nobody needs. */
static inline void wait_until_empty(void)
{
    while (files_left() > 0) {
        sched_yield();
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define CASE_IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup_folder, teardown_folder)

#endif
