/* The source: projections give what the whole rows have, subtasks and restarts make every event once. */
#include "nexmark_fixture.h"

#include "common/base/clock.h"
#include "tests/unit/engine_operators/state_fixture.h"

enum { EVENTS = 20500 };
#define OPTIONS PAIRS("connector", "nexmark", "events.num", "20500")

/* Cells by event, as text, of what is scanned. */
struct cells {
    struct str text[EVENTS];
    uint64_t n;
};
static struct cells whole;

static void forget(struct cells *c)
{
    for (size_t i = 0; i < EVENTS; i++) {
        str_fini(&c->text[i]);
    }
    c->n = 0;
}

static int drain(struct harness *h)
{
    struct error err = ERROR_INIT;
    int rc;
    while ((rc = harness_poll(h, &err)) == OP_DONE) {
    }
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    return rc;
}

static void take_whole(void *arg, uint32_t output, struct batch *b)
{
    struct cells *c = arg;
    for (uint32_t i = 0; i < b->n_rows; i++) {
        batch_print_row(b, i, &c->text[c->n++]);
    }
    batch_unref(b);
}

/* Column `arg` of a projection: the row that it is cut out of is row `at` of the whole. */
static void test_projections(void **state)
{
    static const struct table_path paths[] = {
        {2, {3, 6}}, {2, {3, 0}}, {2, {2, 2}}, {1, {3}},    {2, {1, 3}}, {1, {0}},
        {2, {3, 4}}, {2, {2, 6}}, {2, {2, 7}}, {2, {3, 2}}, {2, {1, 7}}, {2, {2, 9}},
        {2, {2, 0}}, {2, {3, 1}}, {2, {1, 0}}, {2, {2, 4}}, {2, {3, 3}}, {2, {3, 5}},
    };
    struct nexmark_test all, one;
    static struct cells two;

    /* The same columns alone and all together. */
    nexmark_test_open(&all, OPTIONS,
                      &(struct table_scan){.columns = paths, .n_columns = ARRAY_LEN(paths)});
    struct harness *h = nexmark_harness(
        &all, (struct harness_options){.on_batch = take_whole, .on_batch_arg = &whole});
    assert_int_equal(drain(h), OP_END);
    harness_free(h);
    assert_int_equal(whole.n, EVENTS);
    static struct str rows[EVENTS];
    for (size_t p = 0; p < ARRAY_LEN(paths); p++) {
        nexmark_test_open(&one, OPTIONS,
                          &(struct table_scan){.columns = &paths[p], .n_columns = 1});
        h = nexmark_harness(&one,
                            (struct harness_options){.on_batch = take_whole, .on_batch_arg = &two});
        assert_int_equal(drain(h), OP_END);
        harness_free(h);
        assert_int_equal(two.n, EVENTS);
        for (size_t i = 0; i < EVENTS; i++) { /* "+I[x]" -> ", x" */
            str_append_cstr(&rows[i], p > 0 ? ", " : "+I[");
            str_append(&rows[i], two.text[i].data + 3, two.text[i].len - 4);
        }
        forget(&two);
        nexmark_test_close(&one);
    }
    for (size_t i = 0; i < EVENTS; i++) {
        str_append_char(&rows[i], ']');
        assert_string_equal(rows[i].data, whole.text[i].data);
        str_fini(&rows[i]);
    }
    forget(&whole);
    nexmark_test_close(&all);
}

static uint64_t count_kinds(uint32_t mask, uint32_t *ret_batches)
{
    const struct table_path type = {1, {0}}, bid = {2, {3, 0}}, person = {2, {1, 1}};
    const struct table_path columns[] = {type, bid, person};
    struct table_literal values[3];
    uint32_t n = 0;
    struct nexmark_test t;
    struct data_type *integer = type_new(TYPE_INTEGER, false);
    for (int64_t k = 0; k < 3; k++) {
        if ((mask >> k & 1) != 0) {
            values[n++] = (struct table_literal){.type = integer, .whole = k};
        }
    }
    struct table_predicate p = {
        .column = type, .compare = TABLE_IN, .n_values = n, .values = values};
    nexmark_test_open(
        &t, OPTIONS,
        &(struct table_scan){.columns = columns, .n_columns = 3, .filters = &p, .n_filters = 1});
    struct harness *h = nexmark_harness(&t, (struct harness_options){.subtask = 0});
    assert_int_equal(drain(h), OP_END);
    uint64_t rows = harness_row_count(h, 0);
    const char *text = harness_rows(h, 0);
    for (uint32_t k = 0; rows > 0 && k < 3; k++) {
        char part[8] = {'+', 'I', '[', (char)('0' + k), ','};
        assert_int_equal(strstr(text, part) != NULL, mask >> k & 1);
    }
    *ret_batches = (uint32_t)harness_batch_count(h, 0);
    harness_free(h);
    nexmark_test_close(&t);
    type_unref(integer);
    return rows;
}

static void test_filters(void **state)
{
    uint32_t batches;
    assert_int_equal(count_kinds(0, &batches), 0);
    assert_int_equal(count_kinds(1, &batches), EVENTS / 50);
    assert_int_equal(batches, 1); /* rows of a rare kind are gathered */
    assert_int_equal(count_kinds(2, &batches), EVENTS / 50 * 3);
    assert_int_equal(count_kinds(4, &batches), EVENTS / 50 * 46);
    assert_int_equal(count_kinds(5, &batches), EVENTS / 50 * 47);
    assert_int_equal(count_kinds(7, &batches), EVENTS);
}

/* ---- subtasks and restarts -------------------------------------------------------------------------- */

static uint8_t seen[EVENTS];

/* Times tell the numbers of the events: at 1000 events per second each has its own. */
static void take_number(void *arg, uint32_t output, struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        for (uint32_t c = 0; c < b->n_columns; c++) {
            if (!column_is_null(&b->columns[c], i)) {
                int64_t k = column_get_int(&b->columns[c], i) - 1700006350000 - 1;
                assert_in_range(k, 0, EVENTS - 1);
                seen[k]++;
            }
        }
    }
    batch_unref(b);
}

static const struct table_path times[] = {{2, {1, 6}}, {2, {2, 5}}, {2, {3, 5}}};
#define TIMES (&(struct table_scan){.columns = times, .n_columns = 3})
#define SLOW PAIRS("connector", "nexmark", "events.num", "20500", "first-event.rate", "1000")

static void expect_all_once(void)
{
    for (size_t i = 0; i < EVENTS; i++) {
        assert_int_equal(seen[i], 1);
    }
    memset(seen, 0, sizeof(seen));
}

static void test_subtasks(void **state)
{
    struct nexmark_test t;
    nexmark_test_open(&t, SLOW, TIMES);
    for (uint32_t i = 0; i < 3; i++) {
        struct harness *h = nexmark_harness(
            &t, (struct harness_options){.on_batch = take_number, .subtask = i, .parallelism = 3});
        assert_int_equal(drain(h), OP_END);
        harness_free(h);
    }
    expect_all_once();
    nexmark_test_close(&t);
}

/* Stops each subtask somewhere, goes on with another parallelism. */
static void test_restart(void **unused)
{
    struct error err = ERROR_INIT;
    struct nexmark_test t;
    nexmark_test_open(&t, SLOW, TIMES);
    for (uint32_t polls = 0; polls < 6; polls++) {
        nexmark_rows_max = 300; /* breaks blocks off */
        struct job_state state = {.n = 2};
        for (uint32_t i = 0; i < 2; i++) {
            struct harness *h = nexmark_harness(
                &t,
                (struct harness_options){.on_batch = take_number, .subtask = i, .parallelism = 2});
            for (uint32_t k = 0; k < polls; k++) {
                assert_int_equal(harness_poll(h, &err), OP_DONE);
            }
            expect_ok(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                                       &state.subtasks[i], &err),
                      &err);
            harness_free(h);
        }
        nexmark_rows_max = 0;
        for (uint32_t i = 0; i < 3; i++) {
            Flinc__OperatorSubtaskState *dealt = deal(&state, i, 3);
            struct harness *h =
                nexmark_harness(&t, (struct harness_options){.on_batch = take_number,
                                                             .subtask = i,
                                                             .parallelism = 3,
                                                             .flags = OP_FLAG_RESTORED,
                                                             .restore = dealt,
                                                             .restore_checkpoint = 1});
            assert_int_equal(drain(h), OP_END);
            harness_free(h);
            flinc__operator_subtask_state__free_unpacked(dealt, NULL);
        }
        job_state_clear(&state);
        expect_all_once();
    }
    nexmark_test_close(&t);
}

static void test_rate(void **state)
{
    struct clock_manual clock;
    struct nexmark_test t;
    struct error err = ERROR_INIT;

    clock_manual_init(&clock);
    nexmark_test_open(&t, PAIRS("connector", "nexmark", "rate-limit", "1000"), TIMES);
    assert_false(t.node.bounded);
    struct harness *h = nexmark_harness(&t, (struct harness_options){.clock = &clock.base});
    assert_int_equal(harness_poll(h, &err), OP_IDLE);
    assert_true(harness_take_wake_delay(h) > 0);
    clock_manual_advance_ms(&clock, 100);
    assert_int_equal(harness_poll(h, &err), OP_DONE);
    assert_int_equal(harness_row_count(h, 0), 100);
    assert_int_equal(harness_poll(h, &err), OP_IDLE);
    harness_free(h);
    nexmark_test_close(&t);
}

static void test_keep_alive(void **state)
{
    struct nexmark_test t;
    nexmark_test_open(&t, PAIRS("connector", "nexmark", "events.num", "10", "keep-alive", "true"),
                      TIMES);
    assert_false(t.node.bounded);
    struct harness *h = nexmark_harness(&t, (struct harness_options){.subtask = 0});
    assert_int_equal(drain(h), OP_IDLE);
    assert_int_equal(harness_row_count(h, 0), 10);
    harness_free(h);
    nexmark_test_close(&t);
}

static void test_endless(void **state)
{
    struct error err = ERROR_INIT;
    struct nexmark_test t;
    nexmark_test_open(&t, PAIRS("connector", "nexmark"), TIMES);
    struct harness *h =
        nexmark_harness(&t, (struct harness_options){.subtask = 1, .parallelism = 2});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(harness_poll(h, &err), OP_DONE);
    }
    assert_int_equal(harness_row_count(h, 0), 5 * 2000);
    harness_free(h);
    nexmark_test_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_projections), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_subtasks),    cmocka_unit_test(test_restart),
        cmocka_unit_test(test_rate),        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_endless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
