/* Rows of a SELECT, from the sink to the client: every row once, whatever is lost, repeated or restarted. */
#include "tests/unit/client_submit/collect_world.h"

#include "common/base/failpoint.h"

struct client {
    struct world *w;
    struct buffer_pool *pool;
    struct schema *schema;
    struct result_fetcher *f;
    struct vec rows; /* of int64_t: what was told */
    struct error err;
};

static void client_init(struct client *c, struct world *w, uint64_t kept_bytes)
{
    struct error err = ERROR_INIT;
    *c = (struct client){.w = w, .rows = VEC_INIT(int64_t)};
    c->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "client"});
    if (schema_parse(SLICE_LIT("ROW<v BIGINT>"), &c->schema, &err) < 0) {
        fail_msg("%s", err.message);
    }
    c->f = result_fetcher_new(&(struct result_fetcher_options){
        .source = {w, world_ask, world_cancel},
        .schema = c->schema,
        .pool = c->pool,
        .kept_bytes = kept_bytes,
    });
}

static void client_fini(struct client *c)
{
    result_fetcher_close(c->f);
    assert_int_equal(buffer_pool_out_count(c->pool), 0);
    buffer_pool_close(c->pool);
    schema_unref(c->schema);
    vec_fini(&c->rows);
}

/* One call; the rows that it brings are added. */
static int client_next(struct client *c)
{
    struct batch *b = NULL;
    error_clear(&c->err);
    int rc = result_fetcher_next(c->f, 0, &b, &c->err);
    if (rc == RESULT_ROWS) {
        for (uint32_t i = 0; i < b->n_sel; i++) {
            *VEC_PUSH(&c->rows, int64_t) =
                COLUMN_VALUES(&b->columns[0], const int64_t)[batch_row(b, i)];
        }
        batch_unref(b);
    }
    return rc;
}

/* All that can be had now. */
static void client_drain(struct client *c)
{
    int rc;
    while ((rc = client_next(c)) == RESULT_ROWS) {
    }
    if (rc < 0) {
        fail_msg("%s", c->err.message);
    }
}

static void assert_prefix_of_truth(const struct client *c)
{
    assert_true(c->rows.len <= c->w->truth.len);
    for (size_t i = 0; i < c->rows.len; i++) {
        assert_int_equal(*VEC_AT(&c->rows, int64_t, i), *VEC_AT(&c->w->truth, int64_t, i));
    }
}

static void assert_all(const struct client *c)
{
    assert_int_equal(c->rows.len, c->w->truth.len);
    assert_prefix_of_truth(c);
}

static void to_the_end(struct client *c)
{
    int rc = 0;
    for (int i = 0; i < 10000 && rc != RESULT_END; i++) {
        rc = client_next(c);
        if (rc < 0) {
            fail_msg("%s", c->err.message);
        }
    }
    assert_int_equal(rc, RESULT_END);
    assert_int_equal(client_next(c), RESULT_END); /* again */
}

/* ---- without checkpoints -------------------------------------------------------------------------- */

static void rows_come_at_once_and_the_last_ones_outlive_the_job(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    assert_int_equal(client_next(&c), RESULT_TIMEOUT);
    world_push(&w, 10);
    client_drain(&c);
    assert_int_equal(c.rows.len, 10);
    assert_string_equal(result_fetcher_status(c.f), "RUNNING");
    world_push(&w, 7);
    world_end_input(&w);
    world_finish(&w);
    to_the_end(&c);
    assert_all(&c);
    assert_true(result_fetcher_job_ended(c.f));
    client_fini(&c);
    assert_false(w.cancelled); /* it had ended */
    world_fini(&w);
}

static void no_rows_at_all(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    world_end_input(&w);
    assert_int_equal(client_next(&c), RESULT_TIMEOUT);
    world_finish(&w);
    to_the_end(&c);
    assert_int_equal(c.rows.len, 0);
    client_fini(&c);
    world_fini(&w);
}

static void a_restart_behind_the_first_row_is_an_error(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    client_drain(&c);
    world_restart(&w, true); /* no row was told: it goes on */
    world_push(&w, 3);
    client_drain(&c);
    assert_int_equal(c.rows.len, 3);
    assert_int_equal(result_fetcher_restarts(c.f), 1);
    world_restart(&w, true);
    assert_int_equal(client_next(&c), ERR_STATE);
    assert_non_null(strstr(c.err.message, "execution.checkpointing.interval"));
    assert_int_equal(client_next(&c), ERR_STATE); /* it stays so */
    client_fini(&c);
    assert_true(w.cancelled);
    world_fini(&w);
}

static void a_second_client_is_told_that_rows_are_gone(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client first, second;
    (void)state;
    world_init(&w, 1);
    client_init(&first, &w, 0);
    world_push(&w, 3);
    client_drain(&first);
    client_drain(&first); /* acknowledges */
    client_init(&second, &w, 0);
    assert_int_equal(client_next(&second), ERR_STATE);
    assert_non_null(strstr(second.err.message, "another client"));
    second.f = result_fetcher_free(second.f);
    client_fini(&second);
    client_fini(&first);
    world_fini(&w);
}

static void failure_and_cancellation_of_the_job(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    world_push(&w, 3);
    client_drain(&c);
    w.failure = "division by zero in line 3";
    int rc = client_next(&c);
    assert_int_equal(rc, ERR_USER_CODE);
    assert_non_null(strstr(c.err.message, "division by zero in line 3"));
    client_fini(&c);
    w.failure = NULL;
    client_init(&c, &w, 0);
    w.cancelled = true;
    assert_int_equal(client_next(&c), ERR_CANCELLED);
    client_fini(&c);
    world_fini(&w);
}

static void a_token_ends_the_fetch(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    result_fetcher_free(c.f);
    struct cancel_token *token = cancel_token_new();
    c.f = result_fetcher_new(&(struct result_fetcher_options){
        .source = {&w, world_ask, world_cancel},
        .schema = c.schema,
        .pool = c.pool,
        .cancel = token,
    });
    assert_int_equal(client_next(&c), RESULT_TIMEOUT);
    cancel_token_cancel(token);
    assert_int_equal(client_next(&c), ERR_CANCELLED);
    client_fini(&c);
    cancel_token_unref(token);
    world_fini(&w);
}

static void a_cluster_out_of_reach_for_too_long(void **state)
{
    struct world w = {.lose_one_in = 1};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    result_fetcher_free(c.f);
    c.f = result_fetcher_new(&(struct result_fetcher_options){
        .source = {&w, world_ask, world_cancel},
        .schema = c.schema,
        .pool = c.pool,
        .outage_ms = 1,
    });
    int rc;
    while ((rc = client_next(&c)) == RESULT_TIMEOUT) {
    }
    assert_int_equal(rc, ERR_UNAVAILABLE);
    client_fini(&c);
    world_fini(&w);
}

/* ---- back pressure ---------------------------------------------------------------------------------- */

static void a_full_sink_waits_for_the_client(void **state)
{
    struct world w = {.batch_bytes = 1024, .buffer_bytes = 4096};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    for (int i = 0; i < 100 && !w.is_full; i++) {
        world_push(&w, 10);
    }
    assert_true(w.is_full);
    size_t kept = w.truth.len;
    world_push(&w, 10); /* is not taken */
    assert_int_equal(w.truth.len, kept);
    client_drain(&c);
    assert_int_equal(c.rows.len, kept);
    assert_false(w.is_full);
    world_push(&w, 2000); /* a batch that is larger than an answer comes in pieces */
    client_drain(&c);
    assert_all(&c);
    client_fini(&c);
    world_fini(&w);
}

/* ---- with checkpoints ------------------------------------------------------------------------------- */

static void rows_are_told_when_a_checkpoint_covers_them(void **state)
{
    struct world w = {.flags = OP_FLAG_CHECKPOINTS};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    world_push(&w, 10);
    client_drain(&c);
    assert_int_equal(c.rows.len, 0);
    world_take_checkpoint(&w);
    world_push(&w, 5);
    client_drain(&c);
    assert_int_equal(c.rows.len, 0);
    world_complete_checkpoint(&w);
    world_notify(&w);
    client_drain(&c);
    assert_int_equal(c.rows.len, 10);
    world_restart(&w, false);
    world_push(&w, 6); /* others than the five */
    client_drain(&c);
    assert_int_equal(c.rows.len, 10);
    world_end_input(&w);
    client_drain(&c);
    assert_int_equal(c.rows.len, 10); /* the job may yet fail */
    world_finish(&w);
    to_the_end(&c);
    assert_all(&c);
    assert_int_equal(c.rows.len, 16);
    client_fini(&c);
    world_fini(&w);
}

/* Rows that wait for a checkpoint are bounded at the client; then the sink keeps them, and waits. */
static void rows_that_wait_are_bounded(void **state)
{
    struct world w = {.flags = OP_FLAG_CHECKPOINTS, .batch_bytes = 1024, .buffer_bytes = 2048};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 8192);
    for (int i = 0; i < 1000 && !w.is_full; i++) {
        world_push(&w, 20);
        client_drain(&c);
    }
    assert_true(w.is_full);
    assert_int_equal(c.rows.len, 0);
    world_take_checkpoint(&w);
    world_complete_checkpoint(&w);
    world_notify(&w);
    client_drain(&c);
    assert_all(&c);
    assert_false(w.is_full);
    client_fini(&c);
    world_fini(&w);
}

static void restarts_that_the_client_has_missed(void **state)
{
    struct world w = {.flags = OP_FLAG_CHECKPOINTS};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    world_push(&w, 4);
    world_take_checkpoint(&w);
    world_complete_checkpoint(&w);
    world_push(&w, 6);
    client_drain(&c);
    assert_int_equal(c.rows.len, 0);
    /* The client has ten rows of run 1, of which four count. */
    world_restart(&w, true);
    world_push(&w, 3);
    world_take_checkpoint(&w);
    world_complete_checkpoint(&w);
    world_restart(&w, true);
    world_push(&w, 8);
    client_drain(&c);
    world_take_checkpoint(&w);
    world_complete_checkpoint(&w);
    world_notify(&w);
    client_drain(&c);
    assert_all(&c);
    assert_int_equal(c.rows.len, 15);
    client_fini(&c);
    world_fini(&w);
}

/* The sink had ended before the checkpoint: what it had handed over counts again. */
static void last_rows_come_out_of_a_checkpoint(void **state)
{
    struct world w = {.flags = OP_FLAG_CHECKPOINTS};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    world_push(&w, 5);
    world_end_input(&w);
    STR_AUTO saved = STR_INIT;
    must(w.c->desc->snapshot(w.c, 1, &saved, &err));
    client_drain(&c);
    assert_int_equal(c.rows.len, 0);
    w.c->desc->notify(w.c, OP_NOTICE_COMPLETE, 1);
    client_drain(&c);
    assert_int_equal(c.rows.len, 5); /* before the job ends */
    must(w.c->desc->reset(w.c, &err));
    must(w.c->desc->restore(w.c, 1, (const uint8_t *)saved.data, saved.len, &err));
    harness_free(w.h);
    must(harness_new(
        &(struct harness_options){.desc = &query_collect,
                                  .input_schemas = {"ROW<v BIGINT>"},
                                  .config =
                                      &(Flinc__CollectConfig)FLINC__COLLECT_CONFIG__INIT.base},
        &w.h, &err));
    must(harness_end_restored(w.h, &err));
    w.events_read = 0;
    world_pump(&w);
    world_finish(&w);
    to_the_end(&c);
    assert_all(&c);
    client_fini(&c);
    world_fini(&w);
}

/* ---- at random -------------------------------------------------------------------------------------- */

static void random_step(struct world *w)
{
    if (w->c == NULL) {
        return;
    }
    switch (rng_below(&w->rng, 12)) {
    case 0:
        world_take_checkpoint(w);
        break;
    case 1:
        world_complete_checkpoint(w);
        break;
    case 2:
        if (w->latest.id != 0) {
            world_notify(w);
        }
        break;
    case 3:
        world_restart(w, rng_below(&w->rng, 2) == 0);
        break;
    case 4:
        if (w->truth.len > 400) {
            world_end_input(w);
        }
        break;
    case 5:
        if (w->input_ended && rng_below(&w->rng, 4) == 0) {
            world_finish(w);
        }
        break;
    default:
        world_push(w, (uint32_t)rng_below(&w->rng, 20));
        break;
    }
}

static void one_random_fetch(uint64_t seed)
{
    struct world w = {.flags = OP_FLAG_CHECKPOINTS, .lose_one_in = 6, .while_waiting = random_step};
    struct client c;
    world_init(&w, seed);
    w.batch_bytes = 256 + rng_below(&w.rng, 1024);
    w.buffer_bytes = 1024 + rng_below(&w.rng, 4096);
    world_restart(&w, true); /* with these */
    client_init(&c, &w, 2048 + rng_below(&w.rng, 8192));
    int rc = 0;
    for (int i = 0; i < 20000 && rc != RESULT_END && w.run < WORLD_RUNS_MAX - 10; i++) {
        random_step(&w);
        rc = client_next(&c);
        if (rc < 0) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, c.err.message);
        }
        assert_prefix_of_truth(&c);
    }
    if (rc == RESULT_END) {
        assert_all(&c);
    }
    client_fini(&c);
    world_fini(&w);
}

static void every_row_once_whatever_happens(void **state)
{
    struct seeds seeds = seeds_from(1, UNDER_SANITIZER ? 20 : 60);
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        one_random_fetch(seed);
    }
}

/* ---- bad bytes -------------------------------------------------------------------------------------- */

static int ask_garbage(void *arg, struct slice request, int64_t timeout_ms, struct str *ret_answer,
                       struct error *err)
{
    (void)request;
    (void)timeout_ms;
    (void)err;
    str_append_cstr(ret_answer, arg);
    return 0;
}

static void damaged_answers_and_requests(void **state)
{
    struct world w = {.lose_one_in = 0};
    struct client c;
    (void)state;
    world_init(&w, 1);
    client_init(&c, &w, 0);
    result_fetcher_free(c.f);
    c.f = result_fetcher_new(&(struct result_fetcher_options){
        .source = {"\xff\xff\xff garbage", ask_garbage, NULL}, .schema = c.schema, .pool = c.pool});
    assert_int_equal(client_next(&c), ERR_CORRUPT);
    world_request(&w, SLICE_LIT("\xff\xff garbage"));
    assert_int_equal(w.answer_rc, ERR_INVALID_ARGUMENT);
    world_request(&w, SLICE_LIT("")); /* of no protocol */
    assert_int_equal(w.answer_rc, ERR_INVALID_ARGUMENT);
    assert_true(w.c->desc->on_event(w.c, 0, (const uint8_t *)"\xff", 1, NULL) < 0);
    assert_true(harness_send_event(w.h, (const uint8_t *)"\xff", 1, NULL) < 0);
    client_fini(&c);
    world_fini(&w);
}

/* A request that waits is answered when a newer one comes, and when the coordinator goes. */
static void a_request_that_waits_is_always_answered(void **state)
{
    struct world w = {.lose_one_in = 0};
    Flinc__CollectRequest r = FLINC__COLLECT_REQUEST__INIT;
    uint8_t bytes[128];
    (void)state;
    world_init(&w, 1);
    r.protocol = FLINC__COLLECT_PROTOCOL__COLLECT_PROTOCOL_1;
    r.wait_ms = 10000;
    r.max_bytes = 1000;
    w.c->desc->subtask_reset(w.c, 0, 0); /* the sink is not there */
    size_t size = flinc__collect_request__pack(&r, bytes);
    w.reply.answer = world_on_reply;
    w.c->desc->on_request(w.c, bytes, size, &w.reply);
    assert_false(w.answered);
    struct world other = {.reply = {world_on_reply}};
    w.c->desc->on_request(w.c, bytes, size, &other.reply);
    assert_true(w.answered);
    assert_false(other.answered);
    w.c->desc->close(w.c);
    assert_true(other.answered);
    assert_int_equal(other.answer_rc, 0);
    assert_int_equal(other.answer.len, 0); /* ask again */
    mem_free(STEAL(w.c));
    str_fini(&other.answer);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_at_once_and_the_last_ones_outlive_the_job),
        cmocka_unit_test(no_rows_at_all),
        cmocka_unit_test(a_restart_behind_the_first_row_is_an_error),
        cmocka_unit_test(a_second_client_is_told_that_rows_are_gone),
        cmocka_unit_test(failure_and_cancellation_of_the_job),
        cmocka_unit_test(a_token_ends_the_fetch),
        cmocka_unit_test(a_cluster_out_of_reach_for_too_long),
        cmocka_unit_test(a_full_sink_waits_for_the_client),
        cmocka_unit_test(rows_are_told_when_a_checkpoint_covers_them),
        cmocka_unit_test(rows_that_wait_are_bounded),
        cmocka_unit_test(restarts_that_the_client_has_missed),
        cmocka_unit_test(last_rows_come_out_of_a_checkpoint),
        cmocka_unit_test(every_row_once_whatever_happens),
        cmocka_unit_test(damaged_answers_and_requests),
        cmocka_unit_test(a_request_that_waits_is_always_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
