/* The timer service against a plain list of timers, and its rules one by one. */
#include "common/base/failpoint.h"
#include "engine/state/timers/timers.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

#include <stdlib.h>

enum { KEYS = 40, MODEL_TIMERS_MAX = 1 << 16 };

static const uint32_t key_columns[] = {1};

struct fixture {
    struct buffer_pool *pool;
    struct schema *input, *keys; /* the key is the second column of the input */
    struct keyed_backend *backend;
    struct timer_service *timers;
    struct batch *batch; /* one row per key */
};
static struct fixture_disk fixture_disk;
static uint32_t n_opened;

static struct batch *rows_of_keys(struct fixture *f)
{
    struct builder b;
    builder_init(&b, f->pool, f->input, BATCH_ROWS_MAX);
    for (int64_t i = 0; i < KEYS; i++) {
        char text[40];
        snprintf(text, sizeof(text), i % 2 == 0 ? "%lld" : "a key of more than twelve bytes %lld",
                 (long long)i);
        builder_put_f64(&b, 0, 0.5);
        if (f->keys->fields[0].type->id == TYPE_BIGINT) {
            builder_put_i64(&b, 1, i);
        } else {
            put_text(&b, 1, i == 7 ? NULL : text);
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    batch_hash_keys(f->pool, batch, key_columns, 1);
    builder_fini(&b);
    return batch;
}

static struct fixture setup(struct buffer_pool *pool, const char *key_type)
{
    struct fixture f = {.pool = pool};
    char text[80];
    snprintf(text, sizeof(text), "ROW<v DOUBLE NOT NULL, k %s>", key_type);
    f.input = parse_schema(text);
    snprintf(text, sizeof(text), "ROW<k %s>", key_type);
    f.keys = parse_schema(text);
    assert_ok(keyed_backend_new(
        fixture_backend,
        &(struct keyed_backend_options){.operator_name = "Timers",
                                        .pool = pool,
                                        .max_parallelism = 128,
                                        .last_group = 127,
                                        .disk = fixture_disk_init(&fixture_disk, n_opened++)},
        &f.backend, &err));
    assert_ok(timer_service_new(
        f.backend, &(struct timer_service_options){.name = "test", .key_schema = f.keys}, &f.timers,
        &err));
    f.batch = rows_of_keys(&f);
    return f;
}

static void teardown(struct fixture *f)
{
    timer_service_free(f->timers);
    keyed_backend_free(f->backend);
    batch_unref(f->batch);
    schema_unref(f->input);
    schema_unref(f->keys);
}

static void begin(struct fixture *f)
{
    assert_ok(timer_service_begin(f->timers, f->batch, key_columns, &err));
}

static void add(struct fixture *f, uint32_t row, int64_t name_space, int64_t time_ms)
{
    assert_ok(timer_service_add(f->timers, TIMER_EVENT, row, name_space, time_ms, &err));
}

static void delete (struct fixture *f, uint32_t row, int64_t name_space, int64_t time_ms)
{
    assert_ok(timer_service_delete(f->timers, TIMER_EVENT, row, name_space, time_ms, &err));
}

static void settle(struct fixture *f)
{
    assert_ok(timer_service_settle(f->timers, &err));
}

static bool fire(struct fixture *f, int64_t limit_ms, struct timer *ret)
{
    struct error err = ERROR_INIT;
    int rc = timer_service_fire(f->timers, TIMER_EVENT, limit_ms, ret, &err);
    if (rc < 0) {
        fail_msg("fire: %s", err.message);
    }
    return rc == 1;
}

static int64_t number_of(const struct timer *t)
{
    return COLUMN_VALUES(&t->batch->columns[0], const int64_t)[t->row];
}

/* With a backend that pages some may not be at hand. */
static void check_count(const struct fixture *f, uint64_t n)
{
    uint64_t count = timer_service_count(f->timers, TIMER_EVENT);
    assert_true(fixture_evicts_always ? count <= n : count == n);
}

/* "key:namespace@time ..." of all that fires. */
static void check_fires(struct fixture *f, int64_t limit_ms, const char *expected)
{
    STR_AUTO text = STR_INIT;
    struct timer t;
    while (fire(f, limit_ms, &t)) {
        str_printf(&text, "%lld:%lld@%lld ", (long long)number_of(&t), (long long)t.name_space,
                   (long long)t.time_ms);
    }
    assert_string_equal(str_cstr(&text), expected);
}

/* ---- rules --------------------------------------------------------------------------------------- */

static void timers_are_there_once(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    begin(&f);
    add(&f, 3, 0, 20);
    add(&f, 3, 0, 20);
    add(&f, 3, 1, 20);
    add(&f, 2, 0, 10);
    assert_int_equal(timer_service_next_time(f.timers, TIMER_EVENT), 10);
    settle(&f);
    begin(&f);
    add(&f, 3, 0, 20);
    settle(&f);
    check_count(&f, 3);
    assert_int_equal(timer_service_count(f.timers, TIMER_PROCESSING), 0);
    assert_int_equal(timer_service_next_time(f.timers, TIMER_PROCESSING), TIMER_NONE);
    check_fires(&f, 9, "");
    check_fires(&f, 19, "2:0@10 ");
    check_fires(&f, 20, "3:0@20 3:1@20 ");
    check_fires(&f, INT64_MAX, "");
    check_count(&f, 0);
    assert_int_equal(keyed_backend_bytes(f.backend) > 0, 1);
    teardown(&f);
}

static void deleted_timers_do_not_fire(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    begin(&f);
    add(&f, 1, 0, 10);
    delete (&f, 1, 0, 10); /* waits to be added */
    delete (&f, 2, 0, 10); /* was never there */
    add(&f, 3, 0, 10);
    add(&f, 3, 0, 11);
    settle(&f);
    begin(&f);
    delete (&f, 3, 0, 10);
    delete (&f, 3, 0, 10);
    add(&f, 4, 0, 10);
    delete (&f, 4, 1, 10); /* another namespace */
    add(&f, 2, 0, 10);     /* again */
    settle(&f);
    begin(&f);
    delete (&f, 4, 0, 10);
    add(&f, 4, 0, 10); /* there twice in the order of time */
    settle(&f);
    check_count(&f, 3);
    check_fires(&f, 100, "4:0@10 2:0@10 3:0@11 ");
    teardown(&f);
}

/* Set while others fire, for a time that is due: in the same round, in order. */
static void timers_of_the_same_round(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    struct timer t;
    begin(&f);
    add(&f, 1, 0, 10);
    add(&f, 2, 0, 30);
    add(&f, 3, 0, 40);
    add(&f, 3, 0, 41);
    settle(&f);
    assert_true(fire(&f, 40, &t));
    assert_int_equal(number_of(&t), 1);
    add(&f, t.row, 7, 20);  /* due, before the next */
    add(&f, t.row, 7, 5);   /* overdue */
    add(&f, t.row, 0, 10);  /* itself again */
    add(&f, t.row, 7, 100); /* later */
    assert_true(fire(&f, 40, &t));
    assert_int_equal(t.time_ms, 5);
    assert_true(fire(&f, 40, &t));
    assert_int_equal(t.time_ms, 10);
    assert_true(fire(&f, 40, &t));
    assert_int_equal(t.time_ms, 20);
    assert_int_equal(number_of(&t), 1);
    assert_true(fire(&f, 40, &t));
    assert_int_equal(number_of(&t), 2);
    settle(&f); /* as an operator that stops here */
    assert_int_equal(timer_service_next_time(f.timers, TIMER_EVENT), 40);
    assert_true(fire(&f, 40, &t));
    assert_int_equal(number_of(&t), 3);
    assert_false(fire(&f, 40, &t));
    check_fires(&f, 1000, "3:0@41 1:7@100 ");
    teardown(&f);
}

static void what_fires_may_delete_what_is_due(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    struct timer t;
    begin(&f);
    add(&f, 1, 0, 10);
    add(&f, 1, 0, 20);
    add(&f, 1, 0, 30);
    settle(&f);
    assert_true(fire(&f, 40, &t));
    delete (&f, t.row, 0, 20);
    delete (&f, t.row, 0, 10); /* it fires, so it is set no more */
    check_fires(&f, 40, "1:0@30 ");
    teardown(&f);
}

/* A timer is set and deleted under the key of its own row, whatever key was at hand before. */
static void FLINK_26063_timers_are_removed_under_their_own_key(void **state)
{
    static const bool planted[] = {true, false};
    for (size_t i = 0; i < ARRAY_LEN(planted); i++) {
        struct fixture f = setup(*state, "BIGINT NOT NULL");
        if (planted[i]) {
            assert_ok(failpoint_configure("planted.timers.delete_under_another_key=error", &err));
        }
        begin(&f);
        for (uint32_t row = 0; row < 4; row++) {
            add(&f, row, 0, 10);
        }
        settle(&f);
        begin(&f);
        delete (&f, 3, 0, 10);
        delete (&f, 1, 0, 10);
        settle(&f);
        failpoint_clear_all();
        if (planted[i]) {
            assert_int_not_equal(timer_service_count(f.timers, TIMER_EVENT), 2);
        } else {
            check_fires(&f, 10, "0:0@10 2:0@10 ");
        }
        teardown(&f);
    }
}

static void kinds_are_apart(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    struct timer t;
    begin(&f);
    add(&f, 1, 0, 10);
    assert_ok(timer_service_add(f.timers, TIMER_PROCESSING, 2, 0, 5, &err));
    settle(&f);
    assert_int_equal(timer_service_next_time(f.timers, TIMER_PROCESSING), 5);
    check_fires(&f, 100, "1:0@10 ");
    struct error err = ERROR_INIT;
    assert_int_equal(timer_service_fire(f.timers, TIMER_PROCESSING, 4, &t, &err), 0);
    assert_int_equal(timer_service_fire(f.timers, TIMER_PROCESSING, 5, &t, &err), 1);
    assert_int_equal(number_of(&t), 2);
    assert_int_equal(timer_service_fire(f.timers, TIMER_PROCESSING, 5, &t, &err), 0);
    teardown(&f);
}

static void many_are_taken_at_once(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    uint16_t rows[KEYS];
    int64_t times[KEYS], spaces[KEYS];
    for (uint32_t i = 0; i < KEYS; i++) {
        rows[i] = (uint16_t)(KEYS - 1 - i);
        times[i] = 100 - (int64_t)i;
        spaces[i] = i;
    }
    begin(&f);
    for (int64_t round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < KEYS; i++) {
            times[i] += 1000;
        }
        assert_ok(timer_service_add_rows(f.timers, TIMER_EVENT, rows, spaces, times, KEYS, &err));
    }
    assert_ok(timer_service_delete_rows(f.timers, TIMER_EVENT, rows, spaces, times, 10, &err));
    uint32_t n = 0;
    int64_t last_ms = 0;
    for (;;) {
        struct timer_batch due;
        assert_ok(timer_service_take(f.timers, TIMER_EVENT, INT64_MAX, &due, &err));
        if (due.batch == NULL) {
            break;
        }
        for (uint32_t i = 0; i < due.n; i++) {
            uint32_t row = due.rows[i];
            int64_t key = COLUMN_VALUES(&due.batch->columns[0], const int64_t)[row];
            assert_true(due.times_ms[row] >= last_ms);
            last_ms = due.times_ms[row];
            assert_int_equal(due.name_spaces[row], KEYS - 1 - key);
            uint64_t hash = ((const uint64_t *)(const void *)due.batch->hashes->data)[row];
            assert_int_equal(hash, key_hash_i64(key));
        }
        n += due.n;
        batch_unref(due.batch);
    }
    assert_int_equal(n, 100 * KEYS - 10);
    check_count(&f, 0);
    teardown(&f);
}

/* What a new service over the same state finds is what a restored one finds. */
static void an_order_is_made_anew(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    begin(&f);
    for (int64_t i = 0; i < 5000; i++) {
        add(&f, (uint32_t)(i % KEYS), 0, (i * 7919) % 5000);
    }
    settle(&f);
    timer_service_free(f.timers);
    assert_ok(timer_service_new(
        f.backend, &(struct timer_service_options){.name = "test", .key_schema = f.keys}, &f.timers,
        &err));
    check_count(&f, 5000);
    struct timer t;
    for (int64_t i = 0; i < 5000; i++) {
        assert_true(fire(&f, INT64_MAX - 1, &t));
        assert_int_equal(t.time_ms, i);
    }
    assert_false(fire(&f, INT64_MAX - 1, &t));
    teardown(&f);
}

/* Time-outs that are moved on with every record leave no heap of deleted timers. */
static void deleted_timers_are_cleaned_up(void **state)
{
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    for (int64_t i = 0; i < 100000; i += KEYS) {
        begin(&f);
        for (uint32_t row = 0; row < KEYS; row++) {
            delete (&f, row, 0, 1000000 + i - KEYS);
            add(&f, row, 0, 1000000 + i);
        }
        settle(&f);
    }
    check_count(&f, KEYS);
    assert_true(buffer_pool_out_bytes(*state) < 16 * 1024 * 1024);
    struct timer t;
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_true(fire(&f, INT64_MAX, &t));
    }
    assert_false(fire(&f, INT64_MAX, &t));
    teardown(&f);
}

/* Those on disk come a stretch at a time, even where all are of one time and one key; and what fires may set more of that
 * time. */
static void many_of_one_time(void **state)
{
    enum { ROUNDS = 150, SETS_AGAIN = 30 };
    struct fixture f = setup(*state, "BIGINT NOT NULL");
    uint8_t *fired = MEM_NEW_ARRAY(uint8_t, KEYS * (2 * ROUNDS));
    uint32_t n = 0, n_again = 0, most = 0;
    memset(fired, 0, KEYS * (2 * ROUNDS));
    for (int64_t round = 0; round < ROUNDS; round++) {
        begin(&f);
        for (uint32_t row = 0; row < KEYS; row++) {
            add(&f, row % 8 == 0 ? row : 1, row % 8 == 0 ? round : row * ROUNDS + round, 50);
            add(&f, row, round, 60 + round);
            delete (&f, row, round, 60 + round);
        }
        settle(&f);
    }
    struct timer t;
    const uint32_t expected = ROUNDS * KEYS;
    while (fire(&f, 50, &t)) {
        int64_t key = number_of(&t);
        uint32_t at = (uint32_t)(key == 1 ? t.name_space : key * ROUNDS + t.name_space);
        if (t.name_space >= 0) {
            assert_int_equal(fired[at]++, 0);
        }
        if (t.name_space >= 0 && n_again < SETS_AGAIN) {
            add(&f, t.row, -1 - (int64_t)n_again++, 50);
        }
        n++;
        most = MAX(most, (uint32_t)timer_service_count(f.timers, TIMER_EVENT));
    }
    assert_int_equal(n, expected + SETS_AGAIN);
    assert_true(most <= (fixture_evicts_always ? BATCH_ROWS_MAX / 4 : expected + SETS_AGAIN));
    check_count(&f, 0);
    mem_free(fired);
    teardown(&f);
}

/* ---- model ---------------------------------------------------------------------------------------- */

struct model_timer {
    uint32_t key;
    int64_t name_space, time_ms;
};
struct model {
    struct model_timer timers[MODEL_TIMERS_MAX];
    uint32_t n;
    uint32_t row_key[KEYS]; /* of the batch */
};
static struct model model;

static uint32_t model_find(uint32_t key, int64_t name_space, int64_t time_ms)
{
    for (uint32_t i = 0; i < model.n; i++) {
        const struct model_timer *t = &model.timers[i];
        if (t->key == key && t->name_space == name_space && t->time_ms == time_ms) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void model_set(uint32_t key, int64_t name_space, int64_t time_ms, bool there)
{
    uint32_t i = model_find(key, name_space, time_ms);
    if (there && i == UINT32_MAX) {
        model.timers[model.n++] = (struct model_timer){key, name_space, time_ms};
    } else if (!there && i != UINT32_MAX) {
        model.timers[i] = model.timers[--model.n];
    }
}

static int64_t model_least(void)
{
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < model.n; i++) {
        least = MIN(least, model.timers[i].time_ms);
    }
    return least;
}

/* Sets or deletes at random, near to `around_ms`. */
static void random_change(struct fixture *f, struct rng *rng, uint32_t row, uint32_t key,
                          int64_t around_ms)
{
    int64_t name_space = (int64_t)rng_below(rng, 2);
    int64_t time_ms = around_ms - 20 + (int64_t)rng_below(rng, 100);
    bool there = rng_below(rng, 3) > 0;
    if (!there && model.n > 0 && rng_below(rng, 2) == 0) {
        /* One that is there, when it is of this key. */
        const struct model_timer *t = &model.timers[rng_below(rng, model.n)];
        name_space = t->key == key ? t->name_space : name_space;
        time_ms = t->key == key ? t->time_ms : time_ms;
    }
    if (there) {
        add(f, row, name_space, time_ms);
    } else {
        delete (f, row, name_space, time_ms);
    }
    model_set(key, name_space, time_ms, there);
}

static uint32_t key_of(const struct timer *t)
{
    const struct column *c = &t->batch->columns[0];
    if (column_is_null(c, t->row)) {
        return 7;
    }
    struct slice s = column_get_bytes(c, t->row);
    char text[64] = "";
    memcpy(text, s.data, MIN(s.len, sizeof(text) - 1));
    const char *last = strrchr(text, ' ');
    return (uint32_t)strtoul(last != NULL ? last : text, NULL, 10);
}

/* Now and then a new service over the same state, as after a restore. */
static void reopen(struct fixture *f)
{
    timer_service_free(f->timers);
    assert_ok(timer_service_new(
        f->backend, &(struct timer_service_options){.name = "test", .key_schema = f->keys},
        &f->timers, &err));
}

static void the_model_agrees(void **state)
{
    struct fixture f = setup(*state, "STRING");
    struct rng rng;
    int64_t watermark_ms = 0;
    rng_init(&rng, 5);
    model.n = 0;
    for (int round = 0; round < (int)fixture_steps(20000); round++) {
        begin(&f);
        for (uint64_t i = rng_below(&rng, 40); i > 0; i--) {
            uint32_t row = (uint32_t)rng_below(&rng, KEYS);
            random_change(&f, &rng, row, row, watermark_ms);
        }
        settle(&f);
        if (rng_below(&rng, 50) == 0) {
            reopen(&f);
        }
        check_count(&f, model.n);
        watermark_ms += (int64_t)rng_below(&rng, 30);
        struct timer t;
        while (fire(&f, watermark_ms, &t)) {
            uint32_t key = key_of(&t);
            assert_int_equal(t.time_ms, model_least());
            assert_int_not_equal(model_find(key, t.name_space, t.time_ms), UINT32_MAX);
            model_set(key, t.name_space, t.time_ms, false);
            if (rng_below(&rng, 4) == 0) {
                random_change(&f, &rng, t.row, key, watermark_ms);
            }
            if (rng_below(&rng, 10) == 0) {
                settle(&f);
            }
        }
        assert_true(model_least() > watermark_ms);
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_are_there_once, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(deleted_timers_do_not_fire, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(timers_of_the_same_round, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(what_fires_may_delete_what_is_due, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(FLINK_26063_timers_are_removed_under_their_own_key,
                                        pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(kinds_are_apart, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(many_are_taken_at_once, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(an_order_is_made_anew, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(deleted_timers_are_cleaned_up, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_model_agrees, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(many_of_one_time, pool_setup, pool_teardown),
        EVICTING_TEST(timers_are_there_once),
        EVICTING_TEST(deleted_timers_do_not_fire),
        EVICTING_TEST(timers_of_the_same_round),
        EVICTING_TEST(what_fires_may_delete_what_is_due),
        EVICTING_TEST(kinds_are_apart),
        EVICTING_TEST(many_are_taken_at_once),
        EVICTING_TEST(an_order_is_made_anew),
        EVICTING_TEST(deleted_timers_are_cleaned_up),
        EVICTING_TEST(the_model_agrees),
        EVICTING_TEST(many_of_one_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
