/* Checkpoints of tasks: acknowledgements, declines, cancellation, notices, ends, stops; each against what a
 * run without failures gives. */
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
static struct job make_job(const struct stateful_config *config)
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

static int setup(void **state)
{
    memset(&counts, 0, sizeof(counts));
    cluster_open(&cluster, NULL);
    *state = &cluster;
    return 0;
}

static int teardown(void **state)
{
    failpoint_clear_all();
    cluster_close(&cluster);
    return 0;
}

static void hold(void)
{
    atomic_store(&counts.hold, true);
}

static void release(void)
{
    atomic_store(&counts.hold, false);
}

static bool all_running(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].attempt == c->attempt && job_task_state(&c->tasks[i]) != STATE(RUNNING)) {
            return false;
        }
    }
    return true;
}

static bool all_started(struct test_cluster *c)
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

static bool is_complete(struct test_cluster *c)
{
    return cluster_is_complete(c, wanted);
}

static bool is_answered(struct test_cluster *c)
{
    return cluster_n_acks(c, wanted) + cluster_n_declines(c, wanted) == c->n_tasks;
}

static bool is_declined(struct test_cluster *c)
{
    return cluster_n_declines(c, wanted) > 0;
}

static bool all_reached_end(struct test_cluster *c)
{
    return c->n_end_of_data == TASKS;
}

static bool counts_ended(struct test_cluster *c)
{
    return atomic_load(&counts.ended) >= 3;
}

/* What operators count wakes nobody but those who wait for it. */
static void run_until_counted(struct test_cluster *c, bool (*fn)(struct test_cluster *c))
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

static bool all_hold(struct test_cluster *c)
{
    return atomic_load(&counts.rows_out) == SOURCES * ROWS / 2;
}

static void trigger(struct test_cluster *c, const struct job *job, uint64_t id)
{
    wanted = id;
    cluster_trigger(c, job, &(struct test_checkpoint){.id = id});
}

static void stop_with(struct test_cluster *c, const struct job *job, uint64_t id,
                      Flinc__CheckpointStop stop)
{
    wanted = id;
    cluster_trigger(
        c, job,
        &(struct test_checkpoint){.id = id,
                                  .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                                  .stop = stop});
}

static void deploy(struct test_cluster *c, const struct job *job)
{
    cluster_deploy(c, job, JOB_SINKS_FIRST);
    cluster_run_until(c, all_started);
}

/* All rows were counted, each key once per source. */
static void assert_right(void)
{
    assert_int_equal(atomic_load(&counts.keys), ROWS);
    assert_int_equal(atomic_load(&counts.wrong), 0);
    assert_int_equal(atomic_load(&counts.late), 0);
    assert_int_equal(atomic_load(&counts.max_watermarks), 3);
}

/* Cancels everything, and deploys the job again from a checkpoint. */
static void restore(struct test_cluster *c, const struct job *job, uint64_t id)
{
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    atomic_store(&counts.keys, 0);
    atomic_store(&counts.wrong, 0);
    atomic_store(&counts.ended, 0);
    atomic_store(&counts.max_watermarks, 0);
    c->attempt++;
    c->restore_id = id;
    cluster_deploy(c, job, JOB_SINKS_FIRST);
}

/* ---- a checkpoint --------------------------------------------------------------------------------- */

static void test_acknowledged_and_restored(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    trigger(c, &job, 1);
    cluster_run_until(c, is_complete);
    assert_int_equal(cluster_n_acks(c, 1), TASKS);
    assert_int_equal(cluster_n_declines(c, 1), 0);
    const Flinc__CheckpointAck *source = cluster_ack(c, 1, 0, 0);
    assert_int_equal(source->snapshot->n_operators, 1);
    assert_int_equal(source->snapshot->operators[0]->n_operator_state, 1);
    assert_int_equal(source->snapshot->operators[0]->n_keyed, 0);
    assert_true(source->stats->state_bytes > 0);
    assert_int_equal(cluster_ack(c, 1, 1, 0)->snapshot->n_operators, 0);
    const Flinc__CheckpointAck *count = cluster_ack(c, 1, 2, 1);
    assert_int_equal(count->snapshot->operators[0]->n_keyed, 1);
    assert_false(count->snapshot->finished);
    assert_true(count->stats->ack_ms > 0);
    assert_int_equal(atomic_load(&counts.prepared), TASKS);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    release();
    run_until_counted(c, counts_ended); /* it goes further than the checkpoint */
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_right();
}

/* The same, to the end and the right result; without checkpoints after the end. */
static void run_restored(struct test_cluster *c, const char *directory)
{
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    wanted = 1;
    cluster_trigger(c, &job, &(struct test_checkpoint){.id = 1, .directory = directory});
    cluster_run_until(c, is_complete);
    release();
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_right();
}

static void test_result_after_restore(void **state)
{
    run_restored(*state, NULL);
}

/* It is answered, or comes too late. */
static bool is_over(struct test_cluster *c)
{
    uint32_t n_terminal = 0;
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        n_terminal += job_task_is_terminal(&c->tasks[i]);
    }
    return is_answered(c) || n_terminal == c->n_tasks;
}

static void test_checkpoint_under_way_all_the_time(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    deploy(c, &job);
    for (uint64_t id = 1; id < 10; id++) {
        trigger(c, &job, id);
        cluster_run_until(c, is_over);
        cluster_notify(c, NOTICE(COMPLETE), id);
    }
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

/* ---- failures ------------------------------------------------------------------------------------- */

static void test_snapshot_fails(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    job.vertices[2].operators[0].stateful.fail = STATEFUL_FAIL_SNAPSHOT;
    deploy(c, &job);
    trigger(c, &job, 1);
    cluster_run_until(c, is_answered);
    release();
    assert_int_equal(cluster_n_acks(c, 1), 4);
    assert_int_equal(cluster_n_declines(c, 1), 3);
    const Flinc__CheckpointDecline *d = vec_ptr(&c->declines, 0);
    assert_non_null(strstr(d->reason->message, "told to fail"));
    cluster_run_to_end(c); /* it lives on */
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void fail_at(struct test_cluster *c, const char *spec, uint32_t declines)
{
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    assert_int_equal(failpoint_configure(spec, NULL), 0);
    trigger(c, &job, 1);
    cluster_run_until(c, is_answered);
    assert_int_equal(cluster_n_declines(c, 1), declines);
    failpoint_clear_all();
    trigger(c, &job, 2);
    cluster_run_until(c, is_complete);
    release();
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void test_fails_before_the_snapshot(void **state)
{
    fail_at(*state, "task.checkpoint.before_snapshot=error,nth=3", 1);
}

static void test_fails_in_a_snapshot(void **state)
{
    fail_at(*state, "task.checkpoint.snapshot=error,nth=7", 1);
}

static void test_fails_while_writing(void **state)
{
    fail_at(*state, "task.checkpoint.write=error", TASKS);
}

static void test_fails_before_the_ack(void **state)
{
    fail_at(*state, "task.checkpoint.ack=error,nth=1", 1);
}

static void test_failing_prepare_fails_the_task(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    job.vertices[1].operators[0].stateful.fail = STATEFUL_FAIL_PREPARE;
    deploy(c, &job);
    trigger(c, &job, 1);
    while (job_task_state(cluster_task(c, 1, 0)) != STATE(FAILED)) {
        cluster_step(c);
    }
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    assert_non_null(strstr(cluster_task(c, 1, 0)->error.message, "told to fail"));
}

/* A task that is gone declines. */
static void test_trigger_after_the_end(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    deploy(c, &job);
    cluster_run_to_end(c);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        c->tasks[i].n_states--; /* the master has not heard yet */
    }
    trigger(c, &job, 1);
    cluster_run_until(c, is_declined);
    assert_int_equal(cluster_n_acks(c, 1), 0);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        c->tasks[i].n_states++;
    }
}

/* ---- several at a time ---------------------------------------------------------------------------- */

/* The first file of a checkpoint is not on disk before half a second is over. */
static const char SLOW_DISK[] = "snapshot.output.before_sync=delay:500,nth=1";

static char folder[256];

static int setup_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/flinc-checkpoint-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    return setup(state);
}

static int teardown_folder(void **state)
{
    char command[300];
    teardown(state);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command);
}

static void trigger_in_folder(struct test_cluster *c, const struct job *job, uint64_t id,
                              Flinc__CheckpointKind kind, Flinc__CheckpointStop stop)
{
    cluster_trigger(
        c, job,
        &(struct test_checkpoint){.id = id, .kind = kind, .stop = stop, .directory = folder});
}

static bool first_is_complete(struct test_cluster *c)
{
    return cluster_n_acks(c, 1) == TASKS;
}

static uint32_t files_left(void)
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

/* What was written of a checkpoint that is declined then goes. */
static void test_declined_leaves_no_file(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    assert_int_equal(failpoint_configure("task.checkpoint.ack=error", NULL), 0);
    wanted = 1;
    trigger_in_folder(c, &job, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                      FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    cluster_run_until(c, is_answered);
    assert_int_equal(cluster_n_declines(c, 1), TASKS);
    while (files_left() > 0) { /* the executor deletes them */
        sched_yield();
    }
    failpoint_clear_all();
    release();
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

/* Checkpoint 1 is being written when others are triggered: all complete, in their order. */
static void overlap(struct test_cluster *c, const struct job *job, Flinc__CheckpointKind kind,
                    uint64_t last)
{
    hold();
    deploy(c, job);
    assert_int_equal(failpoint_configure(SLOW_DISK, NULL), 0);
    for (uint64_t id = 1; id <= last; id++) {
        trigger_in_folder(c, job, id,
                          id == 1 ? FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL : kind,
                          FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    }
    wanted = last;
    cluster_run_until(c, is_complete);
    assert_int_equal(c->declines.len, 0);
    for (uint64_t id = 1; id <= last; id++) { /* none overtook another */
        assert_int_equal(cluster_n_acks(c, id), TASKS);
    }
    release();
    for (uint64_t id = 1; id <= last; id++) {
        cluster_notify(c, NOTICE(COMPLETE), id);
    }
    c->restore_directory = folder;
    restore(c, job, last);
    cluster_run_to_end(c);
    assert_int_equal(c->declines.len, 0);
    assert_right();
    c->restore_directory = NULL;
}

static void test_increments_overlap(void **state)
{
    struct job job = make_job(&HELD);
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, 2);
}

static void test_many_overlap(void **state)
{
    struct job job = make_job(&HELD);
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, 6);
}

static void test_savepoint_during_a_checkpoint(void **state)
{
    struct job job = make_job(&HELD);
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL, 2);
}

static void test_overlap_at_least_once(void **state)
{
    static char key[] = "execution.checkpointing.mode", mode[] = "AT_LEAST_ONCE";
    struct job job = make_job(&HELD);
    job.config[0].key = key;
    job.config[0].value = mode;
    job.n_config = 1;
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, 2);
}

static void start_slow_pair(struct test_cluster *c, const struct job *job,
                            Flinc__CheckpointStop stop)
{
    hold();
    deploy(c, job);
    assert_int_equal(failpoint_configure(SLOW_DISK, NULL), 0);
    trigger_in_folder(c, job, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                      FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    trigger_in_folder(c, job, 2,
                      stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE
                          ? FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL
                          : FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                      stop);
}

/* The one that waits is given up: the first completes, and the data goes on. */
static void test_queued_is_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    cluster_notify(c, NOTICE(ABORTED), 2);
    cluster_run_until(c, first_is_complete);
    release();
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(c->declines.len, 0);
    assert_right();
}

/* The one that is written is given up: the next one is taken. */
static void test_written_is_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    cluster_notify(c, NOTICE(ABORTED), 1);
    wanted = 2;
    cluster_run_until(c, is_complete);
    assert_int_equal(c->declines.len, 0);
    release();
    cluster_run_to_end(c);
    assert_right();
}

static void test_stop_during_a_checkpoint(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    wanted = 2;
    cluster_run_until(c, is_complete);
    release();
    cluster_notify(c, NOTICE(COMPLETE), 2);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    c->restore_directory = folder;
    restore(c, &job, 2);
    cluster_run_to_end(c);
    assert_right();
    c->restore_directory = NULL;
}

static void test_cancelled_while_queued(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    for (int i = 0; i < 3; i++) {
        cluster_step(c);
    }
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    release();
}

static void test_cancelled_at_any_point(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    for (uint64_t id = 1; id < 9; id++) {
        deploy(c, &job);
        trigger(c, &job, id);
        for (uint64_t i = 0; i < id; i++) {
            cluster_step(c);
        }
        cluster_cancel_all(c);
        cluster_run_to_end(c);
        c->attempt++;
    }
}

/* ---- notices -------------------------------------------------------------------------------------- */

static bool all_told(struct test_cluster *c)
{
    return atomic_load(&counts.completes) == TASKS;
}

static void test_complete_stands_for_all_before(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    for (uint64_t id = 1; id < 4; id++) {
        trigger(c, &job, id);
        cluster_run_until(c, is_complete);
    }
    cluster_notify(c, NOTICE(COMPLETE), 3);
    run_until_counted(c, all_told);
    assert_int_equal(atomic_load(&counts.last_complete), 3);
    /* Overtaken and repeated ones tell nothing. */
    cluster_notify(c, NOTICE(COMPLETE), 2);
    cluster_notify(c, NOTICE(COMPLETE), 3);
    release();
    cluster_run_to_end(c);
    assert_int_equal(atomic_load(&counts.completes), TASKS);
    assert_right();
}

/* What is newer than the notice comes first: the next increment builds on the one that is kept. */
static void test_barrier_tells_what_is_complete(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    for (uint64_t id = 8; id < 11; id++) {
        wanted = id;
        /* Of 7 this attempt knows nothing: an earlier one took it. */
        cluster_trigger(c, &job, &(struct test_checkpoint){.id = id, .latest_completed = id - 1});
        cluster_run_until(c, is_complete);
        assert_int_equal(atomic_load(&counts.completes), (id - 8) * TASKS);
    }
    assert_int_equal(atomic_load(&counts.last_complete), 9);
    cluster_notify(c, NOTICE(COMPLETE), 9); /* late */
    release();
    cluster_run_to_end(c);
    assert_int_equal(atomic_load(&counts.completes), 2 * TASKS);
    assert_right();
}

static bool all_aborted(struct test_cluster *c)
{
    return atomic_load(&counts.aborts) >= TASKS;
}

static void test_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    cluster_notify(c, NOTICE(ABORTED), 1); /* before its barriers */
    run_until_counted(c, all_aborted);
    trigger(c, &job, 1);
    trigger(c, &job, 2);
    cluster_run_until(c, is_complete);
    assert_int_equal(cluster_n_acks(c, 1), 0);
    cluster_notify(c, NOTICE(ABORTED), 2); /* after them */
    release();
    cluster_run_to_end(c);
    assert_right();
}

static void test_failing_notify_fails_the_task(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    job.vertices[2].operators[0].stateful.fail = STATEFUL_FAIL_NOTIFY;
    deploy(c, &job);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    while (job_task_state(cluster_task(c, 2, 0)) != STATE(FAILED)) {
        cluster_step(c);
    }
    cluster_cancel_all(c);
    cluster_run_to_end(c);
}

/* ---- ends ----------------------------------------------------------------------------------------- */

static void test_final_checkpoint(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    job.n_config = 1;
    deploy(c, &job);
    cluster_run_until(c, all_reached_end);
    assert_right();
    assert_true(all_running(c));
    trigger(c, &job, 5);
    cluster_run_until(c, is_complete);
    assert_true(cluster_ack(c, 5, 2, 0)->snapshot->finished);
    assert_true(cluster_ack(c, 5, 0, 1)->snapshot->finished);
    cluster_notify(c, NOTICE(COMPLETE), 4); /* an older one is not enough */
    cluster_step(c);
    assert_true(all_running(c));
    cluster_notify(c, NOTICE(COMPLETE), 5);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    /* Restored from it, everything ends at once. */
    restore(c, &job, 5);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.rows_out), SOURCES * ROWS);
}

/* FLINK-21133 and the like: a checkpoint that began before the end does not end the task. */
static void test_final_checkpoint_must_follow_the_end(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    job.n_config = 1;
    hold();
    deploy(c, &job);
    trigger(c, &job, 1);
    cluster_run_until(c, is_complete);
    release();
    cluster_run_until(c, all_reached_end);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    cluster_step(c);
    assert_true(all_running(c));
    trigger(c, &job, 2);
    cluster_run_until(c, is_complete);
    cluster_notify(c, NOTICE(COMPLETE), 2);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void test_stop_suspend(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release(); /* the sources are paused */
    cluster_notify(c, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.ended), 0);
    assert_int_equal(atomic_load(&counts.max_watermarks), 0);
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_right();
}

/* The end of what feeds a task comes before the notice of its savepoint: it is told before it ends. */
static void test_stop_suspend_without_notice(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release();
    cluster_notify_first(c, 1, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.completes), TASKS);
}

static void test_stop_suspend_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release();
    cluster_notify(c, NOTICE(ABORTED), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void test_stop_drain(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    run_until_counted(c, all_hold);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN);
    cluster_run_until(c, is_complete);
    assert_int_equal(atomic_load(&counts.max_watermarks), 3);
    assert_int_equal(atomic_load(&counts.ended), 3);
    assert_true(cluster_ack(c, 1, 0, 0)->snapshot->finished);
    assert_true(all_running(c));
    cluster_notify(c, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.wrong), 0);
    release();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define CASE_IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup_folder, teardown_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_acknowledged_and_restored),
        CASE(test_result_after_restore),
        CASE(test_checkpoint_under_way_all_the_time),
        CASE(test_snapshot_fails),
        CASE(test_fails_before_the_snapshot),
        CASE(test_fails_in_a_snapshot),
        CASE(test_fails_while_writing),
        CASE(test_fails_before_the_ack),
        CASE(test_failing_prepare_fails_the_task),
        CASE(test_trigger_after_the_end),
        CASE_IN_FOLDER(test_declined_leaves_no_file),
        CASE_IN_FOLDER(test_increments_overlap),
        CASE_IN_FOLDER(test_many_overlap),
        CASE_IN_FOLDER(test_savepoint_during_a_checkpoint),
        CASE_IN_FOLDER(test_overlap_at_least_once),
        CASE_IN_FOLDER(test_queued_is_aborted),
        CASE_IN_FOLDER(test_written_is_aborted),
        CASE_IN_FOLDER(test_stop_during_a_checkpoint),
        CASE_IN_FOLDER(test_cancelled_while_queued),
        CASE(test_cancelled_at_any_point),
        CASE(test_complete_stands_for_all_before),
        CASE(test_barrier_tells_what_is_complete),
        CASE(test_aborted),
        CASE(test_failing_notify_fails_the_task),
        CASE(test_final_checkpoint),
        CASE(test_final_checkpoint_must_follow_the_end),
        CASE(test_stop_suspend),
        CASE(test_stop_suspend_without_notice),
        CASE(test_stop_suspend_aborted),
        CASE(test_stop_drain),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
