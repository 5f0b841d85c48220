/* The datagen source: values of all types, sequences, NULLs, rates, subtasks and restarts. */
#include "datagen_fixture.h"

#include "common/base/clock.h"
#include "tests/unit/engine_operators/state_fixture.h"

#define EVERY                                                                                      \
    "ROW<b BOOLEAN, i1 TINYINT, i2 SMALLINT, i4 INT, i8 BIGINT, f FLOAT, d DOUBLE, d9 DECIMAL(9, " \
    "2), d30 DECIMAL(30, 5), c CHAR(5), v VARCHAR(7), s STRING, y BYTES, by BINARY(20), dt DATE, " \
    "t TIME(0), ts TIMESTAMP(3), ts6 TIMESTAMP(6), ts9 TIMESTAMP(9), z TIMESTAMP_LTZ(3), ym "      \
    "INTERVAL YEAR TO MONTH, ds INTERVAL DAY TO SECOND, r ROW<x INT, y STRING>, a ARRAY<INT>, aa " \
    "ARRAY<ARRAY<STRING>>, m MAP<INT, STRING>, mb MAP<BOOLEAN, INT>, ms MULTISET<STRING>>"

/* The harness validates every batch. */
static void test_every_type(void **state)
{
    struct datagen_test t;

    datagen_test_open(&t, EVERY,
                      PAIRS("connector", "datagen", "number-of-rows", "5000", "fields.r.y.length",
                            "3", "fields.aa.length", "2", "fields.aa.element.length", "4",
                            "fields.s.var-len", "true", "fields.m.key.max", "1", "fields.m.key.min",
                            "0", "fields.i4.null-rate", "0.5", "fields.a.null-rate", "0.5",
                            "fields.a.element.null-rate", "0.5"),
                      &TABLE_SCAN_ALL);
    struct harness *h = datagen_harness(&t, (struct harness_options){.subtask = 0});
    assert_int_equal(datagen_drain(h), OP_END);
    assert_int_equal(harness_row_count(h, 0), 5000);
    harness_free(h);
    datagen_test_close(&t);
}

struct seen {
    uint64_t rows, nulls;
    int64_t least, most;
    int32_t shortest, longest;
};

static void look(void *arg, uint32_t output, struct batch *b)
{
    struct seen *s = arg;

    for (uint32_t i = 0; i < b->n_rows; i++) {
        s->rows++;
        if (column_is_null(&b->columns[0], i)) {
            s->nulls++;
            continue;
        }
        int64_t v = column_get_int(&b->columns[0], i);
        s->least = MIN(s->least, v);
        s->most = MAX(s->most, v);
        if (b->n_columns > 1) {
            struct slice text = column_get_bytes(&b->columns[1], i);
            s->shortest = MIN(s->shortest, (int32_t)text.len);
            s->longest = MAX(s->longest, (int32_t)text.len);
            for (size_t k = 0; k < text.len; k++) {
                assert_non_null(strchr("0123456789abcdef", text.data[k]));
            }
        }
    }
    batch_unref(b);
}

static void test_ranges(void **state)
{
    struct datagen_test t;
    struct seen s = {.least = INT64_MAX, .most = INT64_MIN, .shortest = INT32_MAX};

    datagen_test_open(&t, "ROW<a INT, b STRING>",
                      PAIRS("connector", "datagen", "number-of-rows", "20000", "fields.a.min", "-3",
                            "fields.a.max", "7", "fields.a.null-rate", "0.25", "fields.b.length",
                            "20", "fields.b.var-len", "true"),
                      &TABLE_SCAN_ALL);
    struct harness *h =
        datagen_harness(&t, (struct harness_options){.on_batch = look, .on_batch_arg = &s});
    assert_int_equal(datagen_drain(h), OP_END);
    harness_free(h);
    datagen_test_close(&t);
    assert_int_equal(s.rows, 20000);
    assert_in_range(s.nulls, 4500, 5500);
    assert_int_equal(s.least, -3);
    assert_int_equal(s.most, 7);
    assert_int_equal(s.shortest, 1);
    assert_int_equal(s.longest, 20);
}

static void test_sequences(void **state)
{
    struct datagen_test t;

    datagen_test_open(
        &t, "ROW<a INT, b STRING, c DECIMAL(6, 2), d DOUBLE, e DECIMAL(30, 1), f CHAR(3)>",
        PAIRS("connector", "datagen", "fields.a.kind", "sequence", "fields.a.start", "-1",
              "fields.a.end", "1", "fields.b.kind", "sequence", "fields.b.start", "99",
              "fields.b.end", "200", "fields.c.kind", "sequence", "fields.c.start", "-2",
              "fields.c.end", "200", "fields.d.kind", "sequence", "fields.d.start", "1",
              "fields.d.end", "200", "fields.e.kind", "sequence", "fields.e.start", "5",
              "fields.e.end", "200", "fields.f.kind", "sequence", "fields.f.start", "9",
              "fields.f.end", "200"),
        &TABLE_SCAN_ALL);
    assert_true(t.node.bounded);
    struct harness *h = datagen_harness(&t, (struct harness_options){.subtask = 0});
    assert_int_equal(datagen_drain(h), OP_END);
    assert_string_equal(harness_rows(h, 0), "+I[-1, 99, -2.00, 1.0, 5.0, 9  ]\n"
                                            "+I[0, 100, -1.00, 2.0, 6.0, 10 ]\n"
                                            "+I[1, 101, 0.00, 3.0, 7.0, 11 ]");
    harness_free(h);
    datagen_test_close(&t);
}

/* Rows that a subtask makes depend on their numbers only. */
static void test_projection(void **state)
{
    static const struct table_path second[] = {{1, {1}}};
    struct datagen_test all, one;
    const char *const options[] = {"connector",
                                   "datagen",
                                   "number-of-rows",
                                   "3",
                                   "fields.a.kind",
                                   "sequence",
                                   "fields.a.start",
                                   "1",
                                   "fields.a.end",
                                   "9",
                                   NULL};

    datagen_test_open(&all, "ROW<a INT, b BIGINT>", options, &TABLE_SCAN_ALL);
    struct harness *h = datagen_harness(&all, (struct harness_options){.subtask = 0});
    assert_int_equal(datagen_drain(h), OP_END);
    STR_AUTO whole = STR_INIT;
    str_append_cstr(&whole, harness_rows(h, 0));
    harness_free(h);
    datagen_test_close(&all);
    datagen_test_open(&one, "ROW<a INT, b BIGINT>", options,
                      &(struct table_scan){.columns = second, .n_columns = 1});
    h = datagen_harness(&one, (struct harness_options){.subtask = 0});
    assert_int_equal(datagen_drain(h), OP_END);
    const char *from = strstr(str_cstr(&whole), "[1, ");
    assert_non_null(from);
    assert_memory_equal(harness_rows(h, 0) + 3, from + 4, 12);
    harness_free(h);
    datagen_test_close(&one);
}

static void test_limit(void **state)
{
    struct datagen_test t;

    datagen_test_open(&t, "ROW<a INT>", PAIRS("connector", "datagen"),
                      &(struct table_scan){.has_limit = true, .limit = 5000});
    assert_true(t.node.bounded);
    struct harness *h = datagen_harness(&t, (struct harness_options){.subtask = 0});
    assert_int_equal(datagen_drain(h), OP_END);
    assert_int_equal(harness_row_count(h, 0), 5000);
    harness_free(h);
    datagen_test_close(&t);
}

static void test_rate_and_time(void **state)
{
    struct clock_manual clock;
    struct datagen_test t;
    struct error err = ERROR_INIT;

    clock_manual_init(&clock);
    datagen_test_open(&t, "ROW<d DATE, t TIME(3), s TIMESTAMP(3), z TIMESTAMP_LTZ(6)>",
                      PAIRS("connector", "datagen"), &TABLE_SCAN_ALL);
    t.config->rows_per_second = 10;
    struct harness *h = datagen_harness(&t, (struct harness_options){.clock = &clock.base});
    assert_int_equal(harness_poll(h, &err), OP_IDLE);
    clock_manual_advance_ms(&clock, 100);
    assert_int_equal(harness_poll(h, &err), OP_DONE);
    assert_string_equal(
        harness_rows(h, 0),
        "+I[2001-09-09, 01:46:40.100, 2001-09-09T01:46:40.100, 2001-09-09T01:46:40.100Z]");
    assert_int_equal(harness_poll(h, &err), OP_IDLE);
    harness_free(h);
    datagen_test_close(&t);
}

/* ---- restarts ---------------------------------------------------------------------------------------- */

enum { NUMBERS = 10000 };
static uint8_t made[NUMBERS];

static void take_number(void *arg, uint32_t output, struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int64_t v = column_get_int(&b->columns[0], batch_row(b, i));
        assert_in_range(v, 0, NUMBERS - 1);
        made[v]++;
    }
    batch_unref(b);
}

static void test_restart(void **unused)
{
    struct error err = ERROR_INIT;
    struct datagen_test t;
    struct job_state state = {.n = 2};

    datagen_test_open(&t, "ROW<a INT>",
                      PAIRS("connector", "datagen", "fields.a.kind", "sequence", "fields.a.start",
                            "0", "fields.a.end", "9999"),
                      &TABLE_SCAN_ALL);
    for (uint32_t i = 0; i < 2; i++) {
        struct harness *h = datagen_harness(
            &t, (struct harness_options){.on_batch = take_number, .subtask = i, .parallelism = 2});
        assert_int_equal(harness_poll(h, &err), OP_DONE);
        expect_ok(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                                   &state.subtasks[i], &err),
                  &err);
        harness_free(h);
    }
    for (uint32_t i = 0; i < 3; i++) {
        Flinc__OperatorSubtaskState *dealt = deal(&state, i, 3);
        struct harness *h = datagen_harness(&t, (struct harness_options){.on_batch = take_number,
                                                                         .subtask = i,
                                                                         .parallelism = 3,
                                                                         .flags = OP_FLAG_RESTORED,
                                                                         .restore = dealt,
                                                                         .restore_checkpoint = 1});
        assert_int_equal(datagen_drain(h), OP_END);
        harness_free(h);
        flinc__operator_subtask_state__free_unpacked(dealt, NULL);
    }
    job_state_clear(&state);
    for (int i = 0; i < NUMBERS; i++) {
        assert_int_equal(made[i], 1);
    }
    datagen_test_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_sequences),  cmocka_unit_test(test_projection),
        cmocka_unit_test(test_limit),      cmocka_unit_test(test_rate_and_time),
        cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
