/* flinc.query.hash_aggregate and flinc.query.expand. */
#include "common/base/clock.h"
#include "engine/functions/functions.h"
#include "engine/query/query.h"
#include "proto/query.pb-c.h"
#include "tests/unit/engine_query/expressions.h"

#include <inttypes.h>

/* "SUM(1) BIGINT", "COUNT() BIGINT NOT NULL", "SUM(DISTINCT 1,2 FILTER 3) INT"; behind 9 come : ; < */
static void read_call(struct arena *arena, const char *text, Flinc__AggregateCall *ret)
{
    const char *open = strchr(text, '('), *close = strchr(text, ')');
    flinc__aggregate_call__init(ret);
    ret->function = arena_strndup(arena, text, (size_t)(open - text));
    ret->args = arena_alloc(arena, 8 * sizeof(uint32_t));
    ret->type = arena_strdup(arena, close + 2);
    for (const char *p = open + 1; p < close; p++) {
        if (strncmp(p, "DISTINCT ", 9) == 0) {
            ret->distinct = true;
            p += 8;
        } else if (strncmp(p, "FILTER ", 7) == 0) {
            ret->has_filter = true;
            ret->filter = (uint32_t)(p[7] - '0');
            p += 7;
        } else if (*p >= '0' && *p <= '<') {
            ret->args[ret->n_args++] = (uint32_t)(*p - '0');
        }
    }
}

struct options {
    const char *input, *output;
    const char *keys; /* "01" */
    const char *const *calls;
    Flinc__AggregatePhase phase;
    void (*on_batch)(void *arg, uint32_t output, struct batch *take_batch);
    void *arg;
};

static struct harness *aggregate_new_harness(const struct options *o, bool is_open)
{
    Flinc__HashAggregateConfig config = FLINC__HASH_AGGREGATE_CONFIG__INIT;
    Flinc__AggregateCall calls[16], *pointers[16];
    uint32_t keys[8];
    struct arena arena;
    struct harness *h = NULL;
    functions_register_builtin();
    arena_init(&arena, 0);
    for (; o->keys[config.n_keys] != '\0'; config.n_keys++) {
        keys[config.n_keys] = (uint32_t)(o->keys[config.n_keys] - '0');
    }
    for (; o->calls[config.n_calls] != NULL; config.n_calls++) {
        read_call(&arena, o->calls[config.n_calls], &calls[config.n_calls]);
        pointers[config.n_calls] = &calls[config.n_calls];
    }
    config.keys = keys;
    config.calls = pointers;
    config.phase = o->phase;
    must(harness_new(&(struct harness_options){.desc = &query_hash_aggregate,
                                               .input_schemas = {o->input},
                                               .output_schemas = {o->output},
                                               .config = &config.base,
                                               .on_batch = o->on_batch,
                                               .on_batch_arg = o->arg},
                     &h, &err));
    if (is_open) {
        must(harness_open(h, &err));
    }
    arena_fini(&arena);
    return h;
}

static struct harness *aggregate(const char *input, const char *output, const char *keys,
                                 const char *const *calls)
{
    return aggregate_new_harness(&(struct options){input, output, keys, calls, 0, NULL, NULL},
                                 true);
}

static void check_end(struct harness *h, const char *rows)
{
    must(harness_end_of_input(h, 0, &err));
    assert_string_equal(harness_rows(h, 0), rows);
    harness_free(h);
}

static void groups_come_at_the_end(void **state)
{
    struct harness *h =
        aggregate("ROW<k STRING, v INT>",
                  "ROW<k STRING, n BIGINT, m BIGINT, s INT, a INT, l INT, g INT>", "0",
                  (const char *[]){"COUNT() BIGINT NOT NULL", "COUNT(1) BIGINT NOT NULL",
                                   "SUM(1) INT", "AVG(1) INT", "MIN(1) INT", "MAX(1) INT", NULL});
    check_rows(h, 0, "a, 1\nb, 5\na, 4\nNULL, 7\nb, NULL", "");
    check_rows(h, 0, "a longer key than twelve, NULL\nNULL, 1", "");
    check_end(h, "+I[a, 2, 2, 5, 2, 1, 4]\n+I[b, 2, 1, 5, 5, 5, 5]\n+I[null, 2, 2, 8, 4, 1, 7]\n"
                 "+I[a longer key than twelve, 1, 0, null, null, null, null]");
}

static void without_keys_there_is_one_group(void **state)
{
    const char *const calls[] = {"COUNT() BIGINT NOT NULL", "SUM(0) DOUBLE",
                                 "$SUM0(0) DOUBLE NOT NULL", "MAX(0) DOUBLE", NULL};
    const char *const output = "ROW<n BIGINT, s DOUBLE, z DOUBLE, g DOUBLE>";
    struct harness *h = aggregate("ROW<v DOUBLE>", output, "", calls);
    check_end(h, "+I[0, null, 0.0, null]");
    h = aggregate("ROW<v DOUBLE>", output, "", calls);
    check_rows(h, 0, "1.5\n2.25", "");
    check_end(h, "+I[2, 3.75, 3.75, 2.25]");
}

static void distinct_and_filter(void **state)
{
    struct harness *h =
        aggregate("ROW<k INT, v INT, f BOOLEAN>",
                  "ROW<k INT, a BIGINT, b INT, c BIGINT, d BIGINT, e INT>", "0",
                  (const char *[]){"COUNT(DISTINCT 1) BIGINT NOT NULL", "SUM(DISTINCT 1) INT",
                                   "COUNT(FILTER 2) BIGINT NOT NULL",
                                   "COUNT(DISTINCT 1 FILTER 2) BIGINT NOT NULL",
                                   "SUM(1 FILTER 2) INT", NULL});
    check_rows(h, 0, "1, 5, true\n1, 5, false\n2, 5, NULL\n1, 6, true", "");
    check_rows(h, 0, "1, 5, true\n2, NULL, true\n2, 9, false\n2, 5, true", "");
    check_end(h, "+I[1, 2, 11, 3, 2, 16]\n+I[2, 2, 14, 2, 1, 5]");
}

static void decimals_and_deviations(void **state)
{
    struct harness *h = aggregate(
        "ROW<v DECIMAL(10, 2), d DOUBLE, i INT>",
        "ROW<s DECIMAL(38, 2), a DECIMAL(38, 6), p DOUBLE, q DOUBLE, r DOUBLE, t INT, u INT>", "",
        (const char *[]){"SUM(0) DECIMAL(38, 2)", "AVG(0) DECIMAL(38, 6)", "STDDEV_POP(1) DOUBLE",
                         "VAR_SAMP(1) DOUBLE", "VAR_POP(1) DOUBLE", "VAR_POP(2) INT",
                         "STDDEV_SAMP(2) INT", NULL});
    check_rows(h, 0, "110, 1, 1\n220, 3, 3\n340, NULL, 8", "");
    check_end(h, "+I[6.70, 2.233333, 1.0, 2.0, 1.0, 8, 3]");
}

static void too_many_digits_are_null(void **state)
{
    struct harness *h = aggregate("ROW<v DECIMAL(38, 0)>", "ROW<s DECIMAL(38, 0)>", "",
                                  (const char *[]){"SUM(0) DECIMAL(38, 0)", NULL});
    struct builder b;
    __int128 v = 1;
    for (int i = 0; i < 38; i++) {
        v *= i == 0 ? 9 : 10;
    }
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 0);
    for (int i = 0; i < 3; i++) {
        builder_put_i128(&b, 0, v);
        builder_end_row(&b);
    }
    must(harness_push(h, 0, builder_finish(&b), &err));
    builder_fini(&b);
    check_end(h, "+I[null]");
}

static void lists_and_values(void **state)
{
    struct harness *h = aggregate(
        "ROW<k INT, v STRING, s STRING>",
        "ROW<k INT, a STRING, b STRING, c ARRAY<STRING>, d MULTISET<STRING> NOT NULL, e STRING, "
        "f STRING, g STRING, h STRING, i BIGINT>",
        "0",
        (const char *[]){"LISTAGG(1) STRING", "LISTAGG(1,2) STRING", "ARRAY_AGG(1) ARRAY<STRING>",
                         "COLLECT(1) MULTISET<STRING> NOT NULL", "FIRST_VALUE(1) STRING",
                         "LAST_VALUE(1) STRING", "MIN(1) STRING", "MAX(1) STRING",
                         "APPROX_COUNT_DISTINCT(1) BIGINT NOT NULL", NULL});
    check_rows(h, 0, "1, b, -\n1, NULL, -\n1, a string of more than twelve, -\n2, NULL, -\n1, b, -",
               "");
    check_end(h,
              "+I[1, b,a string of more than twelve,b, b-a string of more than twelve-b, "
              "[b, null, a string of more than twelve, b], "
              "{b=2, a string of more than twelve=1}, b, b, a string of more than twelve, b, 2]\n"
              "+I[2, null, null, [null], {}, null, null, null, null, 0]");
}

static void a_single_value_is_single(void **state)
{
    const char *const calls[] = {"SINGLE_VALUE(0) INT", NULL};
    struct harness *h = aggregate("ROW<v INT>", "ROW<v INT>", "", calls);
    check_end(h, "+I[null]");
    h = aggregate("ROW<v INT>", "ROW<v INT>", "", calls);
    check_rows(h, 0, "7", "");
    check_end(h, "+I[7]");
    h = aggregate("ROW<v INT>", "ROW<v INT>", "", calls);
    must_fail(harness_push_rows(h, 0, "7\nNULL", &err), ERR_INVALID_ARGUMENT,
              "more than one element");
    harness_free(h);
}

static void keys_of_all_types(void **state)
{
    struct harness *h =
        aggregate("ROW<a BOOLEAN, b TINYINT, c DOUBLE, d TIMESTAMP(3), e DECIMAL(10, 1), "
                  "f CHAR(3)>",
                  "ROW<a BOOLEAN, b TINYINT, c DOUBLE, d TIMESTAMP(3), e DECIMAL(10, 1), "
                  "f CHAR(3), n BIGINT>",
                  "012345", (const char *[]){"COUNT() BIGINT NOT NULL", NULL});
    check_rows(h, 0,
               "true, 1, -0.0, 5, 25, ab\ntrue, 1, 0.0, 5, 25, 'ab '\nNULL, NULL, NULL, NULL, "
               "NULL, NULL\nfalse, 1, 0.0, 5, 25, ab\nNULL, NULL, NULL, NULL, NULL, NULL",
               "");
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), 3);
    harness_free(h);
}

static void retractions_are_refused(void **state)
{
    struct harness *h = aggregate("ROW<v INT>", "ROW<v INT>", "0", (const char *[]){NULL});
    must_fail(harness_push_rows(h, 0, "+I 1\n-U 1", &err), ERR_UNSUPPORTED, "-U");
    harness_free(h);
}

static void memory_has_an_end(void **state)
{
    struct mem_budget budget;
    struct harness *h =
        aggregate_new_harness(&(struct options){"ROW<v BIGINT>", "ROW<v BIGINT>", "0",
                                                (const char *[]){NULL}, 0, NULL, NULL},
                              false);
    int rc = 0;
    mem_budget_init(&budget, "managed memory", 256 * 1024, NULL);
    harness_context(h)->state_budget = &budget;
    must(harness_open(h, &err));
    for (int i = 0; i < 100000 && rc == 0; i += 4) {
        char rows[200];
        struct error err = ERROR_INIT;
        (void)snprintf(rows, sizeof(rows), "%d\n%d\n%d\n%d", i, i + 1, i + 2, i + 3);
        rc = harness_push_rows(h, 0, rows, &err);
        if (rc < 0) {
            assert_int_equal(rc, ERR_LIMIT);
            assert_non_null(strstr(err.message, "taskmanager.memory.managed.size"));
            assert_non_null(strstr(err.message, "'Test' (flinc.query.hash_aggregate)"));
        }
    }
    assert_int_equal(rc, ERR_LIMIT);
    harness_free(h);
    assert_int_equal(budget.used_bytes, 0);
}

/* ---- two steps give what one gives ------------------------------------------------------------------ */

static void hand_on(void *arg, uint32_t output, struct batch *take_batch)
{
    must(harness_push(arg, 0, take_batch, &err));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted_lines(const char *text)
{
    char *copy = mem_strdup(text), *save = NULL, *lines[20000];
    size_t n = 0;
    struct str out = STR_INIT;
    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        lines[n++] = line;
    }
    qsort(lines, n, sizeof(*lines), by_text);
    for (size_t i = 0; i < n; i++) {
        str_printf(&out, "%s\n", lines[i]);
    }
    mem_free(copy);
    return str_take(&out);
}

static struct batch *random_rows(struct harness *h, struct rng *rng, uint32_t n)
{
    struct builder b;
    struct error err = ERROR_INIT;
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        const int len = snprintf(text, sizeof(text), "value number %d", (int)rng_below(rng, 50));
        builder_put_i64(&b, 0, (int64_t)rng_below(rng, 300));
        for (uint32_t k = 1; k < 6; k++) {
            if (rng_below(rng, 10) == 0) {
                builder_put_null(&b, k);
            } else if (k == 1) {
                builder_put_i64(&b, k, (int64_t)rng_below(rng, 1000) - 500);
            } else if (k == 2) {
                builder_put_f64(&b, k, (double)rng_below(rng, 64) / 4);
            } else if (k == 3) {
                assert_int_equal(
                    builder_put_bytes(&b, k, text + rng_below(rng, 9), (size_t)len - 9, &err), 0);
            } else if (k == 5) { /* all the same: their order is nobody's */
                assert_int_equal(builder_put_bytes(&b, k, "x", 1, &err), 0);
            } else {
                builder_put_i64(&b, k, (int64_t)rng_below(rng, 100000) - 50000);
            }
        }
        builder_end_row(&b);
    }
    struct batch *made = builder_finish(&b);
    builder_fini(&b);
    return made;
}

static void two_steps_are_one(void **state)
{
    static const char *const input = "ROW<k INT, i BIGINT, d DOUBLE, s STRING, e DECIMAL(12, 3), "
                                     "f STRING>";
    static const char *const accumulators =
        "ROW<k INT, a BIGINT, b BIGINT, c BIGINT, d DOUBLE, e BIGINT, f DECIMAL(38, 3), g BIGINT, "
        "h STRING, i BIGINT, j VARBINARY(2147483647), l STRING, m STRING>";
    static const char *const output = "ROW<k INT, a BIGINT, b BIGINT, c DOUBLE, d DECIMAL(38, 6), "
                                      "e STRING, f BIGINT, g BIGINT, h STRING>";
    static const char *const adds[] = {"COUNT(1) BIGINT NOT NULL",
                                       "SUM(1) BIGINT",
                                       "AVG(2) DOUBLE",
                                       "AVG(4) DECIMAL(38, 6)",
                                       "MIN(3) STRING",
                                       "MAX(1) BIGINT",
                                       "APPROX_COUNT_DISTINCT(1) BIGINT NOT NULL",
                                       "LISTAGG(5) STRING",
                                       NULL};
    static const char *const merges[] = {"COUNT(1) BIGINT NOT NULL",
                                         "SUM(2,3) BIGINT",
                                         "AVG(4,5) DOUBLE",
                                         "AVG(6,7) DECIMAL(38, 6)",
                                         "MIN(8) STRING",
                                         "MAX(9) BIGINT",
                                         "APPROX_COUNT_DISTINCT(:) BIGINT NOT NULL",
                                         "LISTAGG(;,<) STRING",
                                         NULL};
    const struct options plain = {input, output, "0", adds, 0, NULL, NULL};
    struct options first = plain, second = plain;
    first.output = second.input = accumulators;
    first.phase = FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL;
    second.calls = merges;
    second.phase = FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL;
    struct rng rng;
    rng_init(&rng, 11);
    struct harness *global = aggregate_new_harness(&second, true);
    first.on_batch = hand_on;
    first.arg = global;
    struct harness *a = aggregate_new_harness(&first, true),
                   *b = aggregate_new_harness(&first, true);
    struct harness *single = aggregate_new_harness(&plain, true);
    for (int i = 0; i < 20; i++) {
        struct batch *rows = random_rows(single, &rng, 1 + (uint32_t)rng_below(&rng, 500));
        must(harness_push(i % 2 == 0 ? a : b, 0, batch_ref(rows), &err));
        must(harness_push(single, 0, rows, &err));
    }
    must(harness_end_of_input(a, 0, &err));
    must(harness_end_of_input(b, 0, &err));
    must(harness_end_of_input(global, 0, &err));
    must(harness_end_of_input(single, 0, &err));
    char *x = sorted_lines(harness_rows(global, 0)), *y = sorted_lines(harness_rows(single, 0));
    assert_string_equal(x, y);
    mem_free(x);
    mem_free(y);
    harness_free(a);
    harness_free(b);
    harness_free(global);
    harness_free(single);
}

/* Against sums made in the test. */
static void many_groups(void **state)
{
    enum { KEYS = 50000, ROWS = 200000 };
    int64_t *sums = MEM_NEW_ARRAY(int64_t, KEYS), *counts = MEM_NEW_ARRAY(int64_t, KEYS);
    struct harness *h = aggregate("ROW<k BIGINT, v INT>", "ROW<k BIGINT, s INT, n BIGINT>", "0",
                                  (const char *[]){"SUM(1) INT", "COUNT() BIGINT NOT NULL", NULL});
    struct rng rng;
    struct builder b;
    uint32_t n_groups = 0;
    rng_init(&rng, 5);
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 2048);
    for (int i = 0; i < ROWS; i++) {
        const int64_t k = (int64_t)rng_below(&rng, KEYS), v = (int64_t)rng_below(&rng, 1000);
        builder_put_i64(&b, 0, k * INT64_C(1000000007));
        builder_put_i64(&b, 1, v);
        builder_end_row(&b);
        n_groups += counts[k]++ == 0;
        sums[k] += v;
        if (builder_is_full(&b)) {
            must(harness_push(h, 0, builder_finish(&b), &err));
        }
    }
    if (builder_rows(&b) > 0) {
        must(harness_push(h, 0, builder_finish(&b), &err));
    }
    builder_fini(&b);
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), n_groups);
    struct slice rest = slice_cstr(harness_rows(h, 0)), line;
    while (slice_next(&rest, '\n', &line)) {
        int64_t k, s, n;
        assert_int_equal(sscanf(line.data, "+I[%" SCNd64 ", %" SCNd64 ", %" SCNd64, &k, &s, &n), 3);
        k /= INT64_C(1000000007);
        assert_int_equal(s, sums[k]);
        assert_int_equal(n, counts[k]);
    }
    mem_free(sums);
    mem_free(counts);
    harness_free(h);
}

static void rows_are_repeated_by_set(void **state)
{
    Flinc__ExpandConfig config = FLINC__EXPAND_CONFIG__INIT;
    Flinc__ExpandConfig__Set sets[2] = {FLINC__EXPAND_CONFIG__SET__INIT,
                                        FLINC__EXPAND_CONFIG__SET__INIT};
    Flinc__ExpandConfig__Set *pointers[] = {&sets[0], &sets[1]};
    protobuf_c_boolean first[] = {true, true}, second[] = {false, true};
    sets[0].keep = first;
    sets[1].keep = second;
    sets[0].n_keep = sets[1].n_keep = 2;
    sets[1].id = 1;
    config.sets = pointers;
    config.n_sets = 2;
    struct harness *h = opened(&(struct harness_options){
        .desc = &query_expand,
        .input_schemas = {"ROW<a INT, b STRING>"},
        .output_schemas = {"ROW<a INT, b STRING, e BIGINT>"},
        .config = &config.base,
    });
    check_rows(h, 0, "1, x\n2, y", "+I[1, x, 0]\n+I[2, y, 0]\n+I[null, x, 1]\n+I[null, y, 1]");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_come_at_the_end),
        cmocka_unit_test(without_keys_there_is_one_group),
        cmocka_unit_test(distinct_and_filter),
        cmocka_unit_test(decimals_and_deviations),
        cmocka_unit_test(too_many_digits_are_null),
        cmocka_unit_test(lists_and_values),
        cmocka_unit_test(a_single_value_is_single),
        cmocka_unit_test(keys_of_all_types),
        cmocka_unit_test(retractions_are_refused),
        cmocka_unit_test(memory_has_an_end),
        cmocka_unit_test(two_steps_are_one),
        cmocka_unit_test(many_groups),
        cmocka_unit_test(rows_are_repeated_by_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
