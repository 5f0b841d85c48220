/* flinc.query.sort. */
#include "common/base/clock.h"
#include "engine/query/query.h"
#include "proto/query.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

/* "0", "1 desc last": column, order, place of NULLs. */
static struct harness *sort(const char *schema, const char *const *keys, int64_t offset,
                            int64_t fetch)
{
    Flinc__SortConfig config = FLINC__SORT_CONFIG__INIT;
    Flinc__SortKey items[4], *pointers[4];
    for (; *keys != NULL; keys++) {
        Flinc__SortKey *key = pointers[config.n_keys] = &items[config.n_keys];
        config.n_keys++;
        flinc__sort_key__init(key);
        key->column = (uint32_t)((*keys)[0] - '0');
        key->descending = strstr(*keys, "desc") != NULL;
        key->nulls_last = strstr(*keys, "last") != NULL;
    }
    config.keys = pointers;
    config.offset = offset;
    config.has_fetch = fetch >= 0;
    config.fetch = fetch;
    return opened(&(struct harness_options){
        .desc = &query_sort,
        .input_schemas = {schema},
        .output_schemas = {schema},
        .config = &config.base,
    });
}

static void check_end(struct harness *h, const char *rows)
{
    must(harness_end_of_input(h, 0, &err));
    assert_string_equal(harness_rows(h, 0), rows);
    harness_free(h);
}

static void rows_come_in_order(void **state)
{
    struct harness *h = sort("ROW<a INT, b STRING>", (const char *[]){"0", "1 desc", NULL}, 0, -1);
    check_rows(h, 0, "3, x\n1, a\nNULL, q\n1, b", "");
    check_rows(h, 0, "-5, y\nNULL, r\n1, ab\n1, a string longer than twelve\n1, NULL", "");
    check_end(h, "+I[null, r]\n+I[null, q]\n+I[-5, y]\n+I[1, null]\n+I[1, b]\n+I[1, ab]\n"
                 "+I[1, a string longer than twelve]\n+I[1, a]\n+I[3, x]");
}

static void nulls_last_and_descending(void **state)
{
    struct harness *h = sort("ROW<a DOUBLE, b INT>", (const char *[]){"0 desc last", NULL}, 0, -1);
    check_rows(h, 0, "-0.0, 1\nNULL, 2\n2.5, 3\n0.0, 4\n-7.5, 5\nNULL, 6", "");
    check_end(h, "+I[2.5, 3]\n+I[-0.0, 1]\n+I[0.0, 4]\n+I[-7.5, 5]\n+I[null, 2]\n+I[null, 6]");
}

static void long_strings_that_begin_alike(void **state)
{
    struct harness *h = sort("ROW<a STRING>", (const char *[]){"0 last", NULL}, 0, -1);
    check_rows(
        h, 0, "the same beginning b\nthe same beginning\nNULL\nthe same beginning a\nthe same", "");
    check_end(h, "+I[the same]\n+I[the same beginning]\n+I[the same beginning a]\n"
                 "+I[the same beginning b]\n+I[null]");
}

static void offset_and_fetch(void **state)
{
    struct harness *h = sort("ROW<a INT>", (const char *[]){"0", NULL}, 1, 2);
    check_rows(h, 0, "5\n4\n3\n2\n1", "");
    check_end(h, "+I[2]\n+I[3]");
    h = sort("ROW<a INT>", (const char *[]){"0", NULL}, 0, 0);
    check_rows(h, 0, "5\n4", "");
    check_end(h, "");
    h = sort("ROW<a INT>", (const char *[]){"0", NULL}, 7, -1);
    check_rows(h, 0, "5\n4", "");
    check_end(h, "");
}

static void retractions_are_refused(void **state)
{
    struct harness *h = sort("ROW<a INT>", (const char *[]){"0", NULL}, 0, -1);
    must_fail(harness_push_rows(h, 0, "-D 1", &err), ERR_UNSUPPORTED, "-D");
    harness_free(h);
}

struct pair {
    int64_t a, b; /* INT64_MIN: NULL */
    int n;
};

static int by_pair(const void *x, const void *y)
{
    const struct pair *p = x, *q = y;
    if (p->a != q->a) {
        return p->a < q->a ? -1 : 1; /* NULLs first */
    }
    if (p->b != q->b) {
        const bool is_null = p->b == INT64_MIN || q->b == INT64_MIN; /* last, and descending */
        return is_null ? (p->b == INT64_MIN ? 1 : -1) : (p->b > q->b ? -1 : 1);
    }
    return p->n - q->n;
}

static void put(struct builder *b, uint32_t column, int64_t v)
{
    if (v == INT64_MIN) {
        builder_put_null(b, column);
    } else {
        builder_put_i64(b, column, v);
    }
}

/* Against qsort, with and without a fetch; equal rows stay in their order. */
static void random_rows(void **state)
{
    enum { ROWS = 60000 };
    struct pair *pairs = MEM_NEW_ARRAY(struct pair, ROWS);
    for (int round = 0; round < 4; round++) {
        const int64_t fetch = (int64_t[]){-1, 10, 9000, 59999}[round], offset = round;
        const uint64_t range = (uint64_t[]){100, 1000000, 20, 60000}[round];
        struct harness *h = sort("ROW<a BIGINT, b INT, n INT>",
                                 (const char *[]){"0", "1 desc last", NULL}, offset, fetch);
        struct rng rng;
        struct builder b;
        rng_init(&rng, (uint64_t)round);
        builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 1000);
        for (int i = 0; i < ROWS; i++) {
            pairs[i] = (struct pair){
                rng_below(&rng, 20) == 0 ? INT64_MIN
                                         : (int64_t)(rng_below(&rng, range)) - (int64_t)range / 2,
                rng_below(&rng, 10) == 0 ? INT64_MIN : (int64_t)rng_below(&rng, 5), i};
            put(&b, 0, pairs[i].a);
            put(&b, 1, pairs[i].b);
            put(&b, 2, i);
            builder_end_row(&b);
            if (builder_is_full(&b)) {
                must(harness_push(h, 0, builder_finish(&b), &err));
            }
        }
        builder_fini(&b);
        qsort(pairs, ROWS, sizeof(*pairs), by_pair);
        must(harness_end_of_input(h, 0, &err));
        const int64_t n = fetch < 0 ? ROWS - offset : MIN(fetch, ROWS - offset);
        assert_int_equal(harness_row_count(h, 0), n);
        struct slice rest = slice_cstr(harness_rows(h, 0)), line;
        for (int64_t i = 0; slice_next(&rest, '\n', &line); i++) {
            const char *comma = memrchr(line.data, ',', line.len);
            assert_int_equal(atoi(comma + 1), pairs[offset + i].n);
        }
        harness_free(h);
    }
    mem_free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_order),
        cmocka_unit_test(nulls_last_and_descending),
        cmocka_unit_test(long_strings_that_begin_alike),
        cmocka_unit_test(offset_and_fetch),
        cmocka_unit_test(retractions_are_refused),
        cmocka_unit_test(random_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
