/* Jobs of random shape with checkpoints at random, torn down at random and restored from the last complete
 * one, to an end that must be that of a run without failures: each row counted exactly once.
 *
 * FLINC_TEST_ROUNDS jobs (default 12), FLINC_TEST_SEED. */
#include "common/base/failpoint.h"
#include "tests/unit/taskmanager_worker/test_job.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 30000, STEPS_MAX = 30000 };

#define UNALIGNED FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_UNALIGNED
#define UNTIL_TIMEOUT FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_ALIGNED_UNTIL_TIMEOUT

static struct stateful_counts counts;
static bool all_unaligned; /* where they may be */
static char interval[] = "1 min", interval_key[] = "execution.checkpointing.interval";
static char mode[] = "AT_LEAST_ONCE", mode_key[] = "execution.checkpointing.mode";
static char small_buffers[][2][64] = {
    {"task.batch.processing-time", "20000 ns"},
    {"taskmanager.memory.segment-size", "4 kb"},
    {"taskmanager.network.memory.buffers-per-channel", "1"},
    {"taskmanager.network.memory.floating-buffers-per-gate", "0"},
};

/* One job of the test. */
struct run {
    struct test_cluster cluster;
    struct rng rng;
    struct job job;
    char directory[256];
    uint64_t next_id, pending_id, complete_id;
    uint32_t n_restores, n_complete, n_declined;
    uint64_t persisted_bytes; /* in flight, of complete checkpoints */
    bool is_at_least_once;
    bool is_unaligned;
    bool is_small; /* channels of 4 KB, parts of a few rows */
};

static struct job_vertex vertex(struct rng *rng, const char *kind, const char *name, int64_t copies)
{
    struct job_vertex v = {
        .name = name,
        .parallelism = 1 + (uint32_t)rng_below(rng, 3),
        .n_operators = 1,
        .operators = {{.kind = kind,
                       .name = name,
                       .n_outputs = strstr(kind, "count") == NULL,
                       .stateful = {.rows = ROWS,
                                    .batch_rows = 1 + (int64_t)rng_below(rng, 300),
                                    .copies = copies,
                                    .counts = &counts}}},
    };
    return v;
}

/* Two kinds of sources, one behind a map (chained to it, or by an edge), into one operator of two inputs. */
static void make_job(struct run *r)
{
    struct job *job = &r->job;
    struct rng *rng = &r->rng;
    job->vertices[0] = vertex(rng, "stateful.source", "Left", 0);
    job->vertices[1] = vertex(rng, "stateful.source", "Right", 0);
    job->vertices[2] = vertex(rng, "stateful.map", "Map", 0);
    job->n_vertices = 4;
    if (rng_below(rng, 2) == 0) {
        job->vertices[1].operators[1] = vertex(rng, "stateful.map", "Chained map", 0).operators[0];
        job->vertices[1].n_operators = 2;
    }
    uint32_t copies = job->vertices[0].parallelism + job->vertices[1].parallelism;
    job->vertices[3] = vertex(rng, "stateful.co_count", "Count", copies);
    static const Flinc__PartitionerKind kinds[] = {PARTITION(REBALANCE), PARTITION(HASH),
                                                   PARTITION(RESCALE), PARTITION(SHUFFLE)};
    job->edges[0] = (struct job_edge){
        .source = 0, .target = 2, .kind = kinds[rng_below(rng, ARRAY_LEN(kinds))]};
    job->edges[1] = (struct job_edge){.source = 2, .target = 3, .kind = PARTITION(HASH)};
    job->edges[2] = (struct job_edge){.source = 1,
                                      .source_operator = job->vertices[1].n_operators - 1,
                                      .target = 3,
                                      .target_input = 1,
                                      .kind = PARTITION(HASH)};
    job->n_edges = 3;
    if (rng_below(rng, 2) == 0) {
        job->config[job->n_config].key = interval_key;
        job->config[job->n_config++].value = interval;
    }
    if (r->is_at_least_once) {
        job->config[job->n_config].key = mode_key;
        job->config[job->n_config++].value = mode;
    }
    /* Batches come in parts then: of them, too, what is left is in flight. */
    for (size_t i = 0; r->is_small && i < ARRAY_LEN(small_buffers); i++) {
        job->config[job->n_config].key = small_buffers[i][0];
        job->config[job->n_config++].value = small_buffers[i][1];
    }
}

static bool all_terminal(const struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (!job_task_is_terminal(&c->tasks[i])) {
            return false;
        }
    }
    return true;
}

/* Keeps what a checkpoint was acknowledged with; older ones are not asked for any more. */
static void look_at_checkpoint(struct run *r)
{
    struct test_cluster *c = &r->cluster;
    if (r->pending_id == 0) {
        return;
    }
    if (cluster_n_declines(c, r->pending_id) > 0) {
        cluster_notify(c, NOTICE(ABORTED), r->pending_id);
        r->n_declined++;
        r->pending_id = 0;
    } else if (cluster_is_complete(c, r->pending_id)) {
        r->complete_id = r->pending_id;
        for (uint32_t i = 0; i < c->n_tasks; i++) {
            const Flinc__CheckpointAck *ack =
                c->tasks[i].attempt == c->attempt
                    ? cluster_ack(c, r->pending_id, c->tasks[i].vertex, c->tasks[i].subtask)
                    : NULL;
            r->persisted_bytes += ack != NULL ? ack->stats->persisted_bytes : 0;
        }
        r->n_complete++;
        if (rng_below(&r->rng, 5) != 0) { /* else it is lost */
            cluster_notify(c, NOTICE(COMPLETE), r->pending_id);
        }
        r->pending_id = 0;
    }
}

static void begin_checkpoint(struct run *r)
{
    struct test_checkpoint checkpoint = {
        .id = ++r->next_id,
        .kind = rng_below(&r->rng, 4) == 0 ? FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL
                                           : FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
        .directory = rng_below(&r->rng, 2) == 0 ? r->directory : NULL,
    };
    if (r->is_unaligned) {
        checkpoint.alignment = rng_below(&r->rng, 3) == 0 ? UNTIL_TIMEOUT : UNALIGNED;
        checkpoint.aligned_timeout_ms = 1 + rng_below(&r->rng, 20);
    }
    if (r->pending_id != 0) { /* the master gives up the one before */
        cluster_notify(&r->cluster, NOTICE(ABORTED), r->pending_id);
    }
    r->pending_id = checkpoint.id;
    cluster_trigger(&r->cluster, &r->job, &checkpoint);
}

static void begin_attempt(struct run *r)
{
    struct test_cluster *c = &r->cluster;
    atomic_store(&counts.keys, 0);
    atomic_store(&counts.wrong, 0);
    c->attempt++;
    c->n_end_of_data = 0;
    c->restore_id = r->complete_id;
    c->restore_directory = r->directory;
    r->pending_id = 0;
    cluster_deploy(c, &r->job, rng_below(&r->rng, 2) == 0 ? JOB_SINKS_FIRST : JOB_SOURCES_FIRST);
}

/* A wait of at most a millisecond for something to happen. */
static void step(struct run *r)
{
    uint32_t ticket = event_count_prepare(&counts.changed);
    cluster_step(&r->cluster);
    event_count_wait(&counts.changed, ticket, (int64_t)rng_below(&r->rng, 1000000));
}

static void tear_down(struct run *r)
{
    cluster_cancel_all(&r->cluster);
    while (!all_terminal(&r->cluster)) {
        step(r);
    }
}

/* What is known when nothing moves any more. */
static void print_stuck(const struct run *r)
{
    const struct test_cluster *c = &r->cluster;
    print_message("stuck: checkpoint %llu pending, %u acknowledged it, %u ends of data\n",
                  (unsigned long long)r->pending_id, cluster_n_acks(c, r->pending_id),
                  c->n_end_of_data);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt) {
            print_message("vertex %u subtask %u: state %d, asked for %llu, last acknowledged: ",
                          t->vertex, t->subtask, job_task_state(t), (unsigned long long)t->owes);
            uint64_t last = 0;
            for (uint64_t id = 1; id <= r->next_id; id++) {
                last = cluster_ack(c, id, t->vertex, t->subtask) != NULL ? id : last;
            }
            print_message("%llu\n", (unsigned long long)last);
        }
    }
}

/* True: it came to its end. */
static bool run_attempt(struct run *r, uint64_t give_up_after)
{
    struct test_cluster *c = &r->cluster;
    for (uint64_t i = 0; !all_terminal(c); i++) {
        if (i >= give_up_after) {
            tear_down(r);
            return false;
        }
        step(r);
        if (i == STEPS_MAX) {
            print_stuck(r);
            fail_msg("a job does not come to its end");
        }
        look_at_checkpoint(r);
        if (c->n_end_of_data > 0 || rng_below(&r->rng, 12) == 0) {
            if (r->pending_id == 0 || rng_below(&r->rng, 20) == 0) {
                begin_checkpoint(r);
            }
        }
    }
    return true;
}

static bool is_right(const struct run *r, uint64_t seed)
{
    if (atomic_load(&counts.keys) == ROWS &&
        (atomic_load(&counts.wrong) == 0 || r->is_at_least_once) &&
        atomic_load(&counts.late) == 0) {
        return true;
    }
    print_message("seed %llu: %lld keys, %lld of them wrong, %lld rows late, after %u restores of "
                  "%u complete checkpoints\n",
                  (unsigned long long)seed, (long long)atomic_load(&counts.keys),
                  (long long)atomic_load(&counts.wrong), (long long)atomic_load(&counts.late),
                  r->n_restores, r->n_complete);
    return false;
}

/* A task that had ended in the checkpoint that the last attempt began with does not count again. */
static bool had_ended(const struct run *r)
{
    for (uint32_t v = 3, i = 0; i < r->job.vertices[v].parallelism; i++) {
        const Flinc__CheckpointAck *ack =
            r->cluster.restore_id != 0 ? cluster_ack(&r->cluster, r->cluster.restore_id, v, i)
                                       : NULL;
        if (ack != NULL && ack->snapshot->finished) {
            return true;
        }
    }
    return false;
}

/* False: its result is wrong. */
static bool run_job(uint64_t seed, struct run *totals)
{
    static struct run r;
    const char *tmp = getenv("TMPDIR");
    memset(&r, 0, sizeof(r));
    memset(&counts, 0, sizeof(counts));
    rng_init(&r.rng, seed);
    snprintf(r.directory, sizeof(r.directory), "%s/flinc-once-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(r.directory));
    r.is_at_least_once = rng_below(&r.rng, 6) == 0 && !all_unaligned;
    r.is_unaligned = !r.is_at_least_once && (rng_below(&r.rng, 2) == 0 || all_unaligned);
    r.is_small = rng_below(&r.rng, 2) == 0 || all_unaligned;
    make_job(&r);
    cluster_open(&r.cluster, NULL);
    begin_attempt(&r);
    while (!run_attempt(&r, r.n_restores < 6 ? 5 + rng_below(&r.rng, 120) : UINT64_MAX)) {
        r.n_restores++;
        begin_attempt(&r);
    }
    for (uint32_t i = 0; i < r.cluster.n_tasks; i++) {
        const struct job_task *t = &r.cluster.tasks[i];
        assert_true(t->attempt < r.cluster.attempt || job_task_state(t) == STATE(FINISHED));
    }
    bool right = had_ended(&r) || is_right(&r, seed);
    totals->n_restores += r.n_restores;
    totals->n_complete += r.n_complete;
    totals->n_declined += r.n_declined;
    totals->persisted_bytes += r.persisted_bytes;
    cluster_close(&r.cluster);
    char command[300];
    snprintf(command, sizeof(command), "rm -r '%s'", r.directory);
    assert_int_equal(system(command), 0);
    return right;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_random_jobs(void **state)
{
    uint64_t seed = setting("FLINC_TEST_SEED", 1), rounds = setting("FLINC_TEST_ROUNDS", 12);
    static struct run totals;
    for (uint64_t i = 0; i < rounds; i++) {
        assert_true(run_job(seed + i, &totals));
    }
    print_message("%u restores, %u complete and %u declined checkpoints, %llu bytes in flight\n",
                  totals.n_restores, totals.n_complete, totals.n_declined,
                  (unsigned long long)totals.persisted_bytes);
}

/* The test would notice barriers that block nothing, and what was in flight lost or twice. */
static void test_notices_planted_bugs(void **state)
{
    static const char *const bugs[] = {"planted.skip_alignment=error",
                                       "planted.channel_state_dropped=error",
                                       "planted.channel_state_not_replayed=error",
                                       "planted.channel_state_twice=error",
                                       "planted.channel_state_parts_dropped=error",
                                       "planted.channel_state_replay_dropped=error"};
    for (size_t k = 0; k < ARRAY_LEN(bugs); k++) {
        static struct run totals;
        bool right = true;
        all_unaligned = strstr(bugs[k], "channel_state") != NULL;
        assert_int_equal(failpoint_configure(bugs[k], NULL), 0);
        for (uint64_t i = 0; right && i < 60; i++) {
            right = run_job(1 + i, &totals);
        }
        failpoint_clear_all();
        all_unaligned = false;
        if (right) {
            fail_msg("nobody noticed %s", bugs[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_jobs),
        cmocka_unit_test(test_notices_planted_bugs),
    };
    return cmocka_run_group_tests_name("exactly_once", tests, NULL, NULL);
}
