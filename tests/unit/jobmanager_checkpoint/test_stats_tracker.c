/* Statistics: what is given out does not change any more, histories end, summaries are right. */
#include "jobmanager/checkpoint/stats_tracker.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
#include <math.h>

struct world {
    Flinc__JobGraph *graph;
    struct checkpoint_config config;
    struct stats_tracker t;
};

static void open_world(struct world *w, uint32_t history)
{
    *w = (struct world){.graph = graph_word_count(), .config = {.history = history}};
    stats_tracker_init(&w->t, w->graph, &w->config);
}

static void close_world(struct world *w)
{
    stats_tracker_fini(&w->t);
    flinc__job_graph__free_unpacked(w->graph, NULL);
}

static void begin(struct world *w, uint64_t id)
{
    stats_tracker_begin(&w->t, &(struct stats_begin){.checkpoint_id = id, .trigger_ms = 1000});
}

static void ack(struct world *w, uint64_t id, uint32_t subtask, uint64_t bytes)
{
    Flinc__CheckpointTaskStats s = FLINC__CHECKPOINT_TASK_STATS__INIT;
    s.state_bytes = bytes;
    s.written_bytes = bytes / 2;
    stats_tracker_ack(&w->t, id, 1, subtask, &s, 1000 + (int64_t)bytes);
}

static void complete(struct world *w, uint64_t id)
{
    stats_tracker_complete(&w->t, id, &(struct stats_completed){"/chk", 10, 3000});
}

static void test_what_was_given_out_stays(void **state)
{
    struct world w;
    open_world(&w, 10);
    begin(&w, 1);
    const struct checkpoint_stats *first = stats_tracker_get(&w.t);
    ack(&w, 1, 0, 100);
    ack(&w, 1, 0, 999); /* a second one counts for nothing */
    const struct checkpoint_stats *second = stats_tracker_get(&w.t);
    complete(&w, 1);
    const struct checkpoint_stats *third = stats_tracker_get(&w.t);
    stats_tracker_discarded(&w.t, 1);
    const struct checkpoint_stats *fourth = stats_tracker_get(&w.t);

    assert_int_equal(first->history[0]->n_acknowledged, 0);
    assert_int_equal(checkpoint_details_duration_ms(first->history[0]), -1);
    assert_int_equal(second->history[0]->n_acknowledged, 1);
    assert_int_equal(second->history[0]->state_bytes, 100);
    assert_int_equal(second->history[0]->vertices[1].subtasks[0].written_bytes, 50);
    assert_int_equal(second->history[0]->status, CHECKPOINT_STATUS_IN_PROGRESS);
    assert_int_equal(third->history[0]->status, CHECKPOINT_STATUS_COMPLETED);
    assert_int_equal(checkpoint_details_duration_ms(third->history[0]), 100);
    assert_false(third->latest_completed->discarded);
    assert_true(fourth->latest_completed->discarded);
    assert_int_equal(atomic_load(&w.t.gauges.last_size_bytes), 50);
    close_world(&w); /* they live on */
    assert_string_equal(fourth->latest_completed->path, "/chk");
    checkpoint_stats_unref(first);
    checkpoint_stats_unref(second);
    checkpoint_stats_unref(third);
    checkpoint_stats_unref(fourth);
}

static void test_histories_end(void **state)
{
    struct world w;
    struct error why = ERROR_INIT;
    error_set(&why, ERR_TIMEOUT, "it took too long");
    open_world(&w, 3);
    for (uint64_t id = 1; id <= 10; id++) {
        begin(&w, id);
        if (id == 2) {
            stats_tracker_fail(&w.t, id, &why, 2000);
        } else if (id < 10) {
            ack(&w, id, 0, id);
            complete(&w, id);
        }
    }
    const struct checkpoint_stats *s = stats_tracker_get(&w.t);
    assert_int_equal(s->n_history, 4); /* and the one in progress */
    assert_int_equal(s->history[0]->id, 10);
    assert_int_equal(s->history[3]->id, 7);
    assert_null(checkpoint_stats_find(s, 1));
    assert_string_equal(checkpoint_stats_find(s, 2)->failure, "it took too long");
    assert_int_equal(s->counts.total, 10);
    assert_int_equal(s->counts.completed, 8);
    assert_int_equal(s->counts.failed, 1);
    assert_int_equal(s->counts.in_progress, 1);
    assert_int_equal(s->state_bytes.n, 8);
    assert_int_equal(s->state_bytes.min, 1);
    assert_int_equal(s->state_bytes.max, 9);
    checkpoint_stats_unref(s);
    close_world(&w);
}

static void test_summaries(void **state)
{
    struct checkpoint_summary s;
    int64_t values[] = {50, 10, 40, 20, 30};
    checkpoint_summarize(values, 5, &s);
    assert_int_equal(s.min, 10);
    assert_int_equal(s.max, 50);
    assert_int_equal(s.avg, 30);
    assert_true(s.p50 == 30 && s.p90 > 45 && s.p999 <= 50);
    checkpoint_summarize(values, 0, &s);
    assert_true(s.min == 0 && isnan(s.p50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_given_out_stays),
        cmocka_unit_test(test_histories_end),
        cmocka_unit_test(test_summaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
