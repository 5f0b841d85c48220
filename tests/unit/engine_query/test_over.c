/* flinc.query.over. */
#include "common/base/clock.h"
#include "engine/functions/functions.h"
#include "engine/query/query.h"
#include "tests/unit/engine_query/expressions.h"

#include <inttypes.h>
#include <stdio.h>

enum { UNBOUNDED = INT32_MAX, CURRENT = 0 };

/* "SUM(1) BIGINT", with a frame: rows before (negative) or behind the current one; UNBOUNDED. */
struct call {
    const char *function, *type;
    const char *args; /* "12" */
    bool is_range, is_distinct;
    int lower, upper; /* lower: -UNBOUNDED */
};

struct over {
    const char *input, *output, *partition;
    uint32_t order;
    bool descending, nulls_last, has_order;
    const struct call *calls;
    uint32_t n_calls;
};

static void set_bound(struct expressions *e, int value, Flinc__OverBound *ret)
{
    flinc__over_bound__init(ret);
    if (value == -UNBOUNDED || value == UNBOUNDED) {
        ret->kind = value < 0 ? FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING
                              : FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_FOLLOWING;
    } else if (value == CURRENT) {
        ret->kind = FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    } else {
        ret->kind = value < 0 ? FLINC__OVER_BOUND_KIND__OVER_PRECEDING
                              : FLINC__OVER_BOUND_KIND__OVER_FOLLOWING;
        const struct expr *literal = expr_integer(e->pool, TYPE_INTEGER, abs(value));
        must(expr_writer_add(e->writer, literal, &ret->value, &err));
    }
}

static struct harness *over(const struct over *o)
{
    Flinc__OverConfig config = FLINC__OVER_CONFIG__INIT;
    Flinc__SortKey key = FLINC__SORT_KEY__INIT, *keys[] = {&key};
    Flinc__OverCall calls[16], *pointers[16];
    Flinc__AggregateCall aggregates[16];
    Flinc__OverBound lower[16], upper[16];
    uint32_t partition[4], args[16][4];
    struct expressions e;
    expressions_init(&e, o->input);
    for (; o->partition[config.n_partition] != '\0'; config.n_partition++) {
        partition[config.n_partition] = (uint32_t)(o->partition[config.n_partition] - '0');
    }
    config.partition = partition;
    key.column = o->order;
    key.descending = o->descending;
    key.nulls_last = o->nulls_last;
    config.order = keys;
    config.n_order = o->has_order;
    for (uint32_t i = 0; i < o->n_calls; i++) {
        const struct call *c = &o->calls[i];
        flinc__over_call__init(&calls[i]);
        flinc__aggregate_call__init(&aggregates[i]);
        aggregates[i].function = (char *)c->function;
        aggregates[i].type = (char *)c->type;
        aggregates[i].args = args[i];
        aggregates[i].distinct = c->is_distinct;
        for (; c->args[aggregates[i].n_args] != '\0'; aggregates[i].n_args++) {
            args[i][aggregates[i].n_args] = (uint32_t)(c->args[aggregates[i].n_args] - '0');
        }
        set_bound(&e, c->lower, &lower[i]);
        set_bound(&e, c->upper, &upper[i]);
        calls[i].call = &aggregates[i];
        calls[i].unit =
            c->is_range ? FLINC__OVER_FRAME_UNIT__OVER_RANGE : FLINC__OVER_FRAME_UNIT__OVER_ROWS;
        calls[i].lower = &lower[i];
        calls[i].upper = &upper[i];
        pointers[i] = &calls[i];
    }
    config.calls = pointers;
    config.n_calls = o->n_calls;
    config.exprs = expressions_list(&e);
    struct harness *h = opened(&(struct harness_options){
        .desc = &query_over,
        .input_schemas = {o->input},
        .output_schemas = {o->output},
        .config = &config.base,
    });
    expressions_fini(&e);
    return h;
}

static void check_end(struct harness *h, const char *rows)
{
    must(harness_end_of_input(h, 0, &err));
    assert_string_equal(harness_rows(h, 0), rows);
    harness_free(h);
}

static void numbers_of_rows(void **state)
{
    const struct call calls[] = {
        {"ROW_NUMBER", "BIGINT NOT NULL", "", false, false, -UNBOUNDED, CURRENT},
        {"RANK", "BIGINT NOT NULL", "", false, false, -UNBOUNDED, CURRENT},
        {"DENSE_RANK", "BIGINT NOT NULL", "", false, false, -UNBOUNDED, CURRENT},
        {"PERCENT_RANK", "DOUBLE NOT NULL", "", false, false, -UNBOUNDED, CURRENT},
        {"CUME_DIST", "DOUBLE NOT NULL", "", false, false, -UNBOUNDED, CURRENT},
        {"NTILE", "INT NOT NULL", "2", false, false, -UNBOUNDED, CURRENT},
    };
    struct harness *h = over(&(struct over){
        "ROW<k STRING, v INT, two INT>",
        "ROW<k STRING, v INT, two INT, a BIGINT, b BIGINT, c BIGINT, d DOUBLE, e DOUBLE, f INT>",
        "0", 1, false, false, true, calls, ARRAY_LEN(calls)});
    check_rows(h, 0, "x, 3, 2\ny, 1, 2\nx, 1, 2\nx, 1, 2", "");
    check_rows(h, 0, "x, 2, 2\nx, 9, 2", "");
    check_end(h, "+I[x, 1, 2, 1, 1, 1, 0.0, 0.4, 1]\n+I[x, 1, 2, 2, 1, 1, 0.0, 0.4, 1]\n"
                 "+I[x, 2, 2, 3, 3, 2, 0.5, 0.6, 1]\n+I[x, 3, 2, 4, 4, 3, 0.75, 0.8, 2]\n"
                 "+I[x, 9, 2, 5, 5, 4, 1.0, 1.0, 2]\n+I[y, 1, 2, 1, 1, 1, 0.0, 1.0, 1]");
}

static void neighbours(void **state)
{
    const struct call calls[] = {
        {"LAG", "STRING", "1", false, false, -UNBOUNDED, CURRENT},
        {"LEAD", "STRING", "12", false, false, -UNBOUNDED, CURRENT},
        {"LEAD", "STRING", "123", false, false, -UNBOUNDED, CURRENT},
    };
    struct harness *h =
        over(&(struct over){"ROW<v INT, s STRING, two INT, d STRING>",
                            "ROW<v INT, s STRING, two INT, d STRING, a STRING, b STRING, c STRING>",
                            "", 0, false, false, true, calls, ARRAY_LEN(calls)});
    check_rows(h, 0, "2, two, 2, none\n1, one, 2, none\n3, NULL, 2, none", "");
    check_end(h, "+I[1, one, 2, none, null, null, null]\n+I[2, two, 2, none, one, null, none]\n"
                 "+I[3, null, 2, none, two, null, none]");
}

static void frames_of_strings(void **state)
{
    const struct call calls[] = {
        {"MIN", "STRING", "1", false, false, -1, 1},
        {"MAX", "STRING", "1", false, false, -UNBOUNDED, CURRENT},
        {"LISTAGG", "STRING", "1", false, false, -1, CURRENT},
        {"FIRST_VALUE", "STRING", "1", false, false, CURRENT, UNBOUNDED},
    };
    struct harness *h = over(&(struct over){
        "ROW<v INT, s STRING>", "ROW<v INT, s STRING, a STRING, b STRING, c STRING, d STRING>", "",
        0, false, false, true, calls, ARRAY_LEN(calls)});
    check_rows(h, 0, "1, a fourth long string\n2, c\n3, NULL\n4, b\n5, a third long string", "");
    check_end(h, "+I[1, a fourth long string, a fourth long string, a fourth long string, "
                 "a fourth long string, a fourth long string]\n"
                 "+I[2, c, a fourth long string, c, a fourth long string,c, c]\n"
                 "+I[3, null, b, c, c, b]\n"
                 "+I[4, b, a third long string, c, b, b]\n"
                 "+I[5, a third long string, a third long string, c, b,a third long string, "
                 "a third long string]");
}

static void an_empty_input_and_no_order(void **state)
{
    const struct call calls[] = {{"SUM", "INT", "0", true, false, -UNBOUNDED, CURRENT}};
    const struct over o = {"ROW<v INT>", "ROW<v INT, s INT>", "", 0, false, false, false, calls, 1};
    check_end(over(&o), "");
    struct harness *h = over(&o);
    check_rows(h, 0, "1\n2\nNULL", "");
    check_end(h, "+I[1, 3]\n+I[2, 3]\n+I[null, 3]");
}

/* ---- at random, against loops over loops ------------------------------------------------------------ */

enum { NO_VALUE = INT32_MIN };

struct row {
    int k, o, v, n;
};

static bool test_descending;

static int by_row(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->k != y->k) {
        return x->k < y->k ? -1 : 1;
    }
    if (x->o != y->o) { /* NULLs first either way */
        const bool is_null = x->o == NO_VALUE || y->o == NO_VALUE;
        return (x->o < y->o) == (is_null || !test_descending) ? -1 : 1;
    }
    return x->n - y->n;
}

/* Is row j in the frame of row i? */
static bool in_frame(const struct row *rows, int i, int j, const struct call *c)
{
    if (rows[i].k != rows[j].k) {
        return false;
    }
    if (!c->is_range) {
        return (c->lower == -UNBOUNDED || j - i >= c->lower) &&
               (c->upper == UNBOUNDED || j - i <= c->upper);
    }
    const bool i_null = rows[i].o == NO_VALUE, j_null = rows[j].o == NO_VALUE;
    if (i_null || j_null) {
        const bool are_peers = i_null && j_null;
        const bool is_before = j_null && !i_null; /* NULLs are first */
        return are_peers || (is_before ? c->lower == -UNBOUNDED : c->upper == UNBOUNDED);
    }
    const int d = test_descending ? rows[i].o - rows[j].o : rows[j].o - rows[i].o;
    return (c->lower == -UNBOUNDED || d >= c->lower) && (c->upper == UNBOUNDED || d <= c->upper);
}

static void expect_cell(const struct row *rows, int n, int i, const struct call *c, struct str *out)
{
    int64_t sum = 0, count = 0, least = INT64_MAX, distinct = 0;
    bool seen[64] = {false};
    for (int j = 0; j < n; j++) {
        if (rows[j].v == NO_VALUE || !in_frame(rows, i, j, c)) {
            continue;
        }
        sum += rows[j].v;
        count++;
        least = MIN(least, (int64_t)rows[j].v);
        distinct += !seen[rows[j].v];
        seen[rows[j].v] = true;
    }
    const bool is_count = strcmp(c->function, "COUNT") == 0;
    if (is_count) {
        str_printf(out, ", %" PRId64, c->is_distinct ? distinct : count);
    } else if (count == 0) {
        str_append_cstr(out, ", null");
    } else {
        str_printf(out, ", %" PRId64, strcmp(c->function, "SUM") == 0 ? sum : least);
    }
}

static void print_int(struct str *out, int v)
{
    if (v == NO_VALUE) {
        str_append_cstr(out, "null");
    } else {
        str_printf(out, "%d", v);
    }
}

static void put_int(struct builder *b, uint32_t column, int v)
{
    if (v == NO_VALUE) {
        builder_put_null(b, column);
    } else {
        builder_put_i64(b, column, v);
    }
}

static void check_random(struct rng *rng, int n, uint64_t n_keys, const struct call *calls,
                         uint32_t n_calls)
{
    struct row *rows = MEM_NEW_ARRAY(struct row, (size_t)n + 1);
    test_descending = rng_below(rng, 2) == 0;
    struct harness *h = over(&(struct over){
        "ROW<k INT, o INT, v INT, n INT>",
        "ROW<k INT, o INT, v INT, n INT, a BIGINT, b INT, c INT, d INT, e BIGINT, f INT, g INT>",
        "0", 1, test_descending, false, true, calls, n_calls});
    struct builder b;
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 500);
    for (int i = 0; i < n; i++) {
        rows[i] = (struct row){(int)rng_below(rng, n_keys),
                               rng_below(rng, 12) == 0 ? NO_VALUE : (int)rng_below(rng, 30),
                               rng_below(rng, 6) == 0 ? NO_VALUE : (int)rng_below(rng, 64), i};
        put_int(&b, 0, rows[i].k);
        put_int(&b, 1, rows[i].o);
        put_int(&b, 2, rows[i].v);
        put_int(&b, 3, i);
        builder_end_row(&b);
        if (builder_is_full(&b) || i == n - 1) {
            must(harness_push(h, 0, builder_finish(&b), &err));
        }
    }
    builder_fini(&b);
    must(harness_end_of_input(h, 0, &err));
    qsort(rows, (size_t)n, sizeof(*rows), by_row);
    struct slice rest = slice_cstr(harness_rows(h, 0)), line;
    assert_int_equal(harness_row_count(h, 0), n);
    STR_AUTO want = STR_INIT;
    for (int i = 0; i < n; i++) {
        assert_true(slice_next(&rest, '\n', &line));
        str_clear(&want);
        str_printf(&want, "+I[%d, ", rows[i].k);
        print_int(&want, rows[i].o);
        str_append_cstr(&want, ", ");
        print_int(&want, rows[i].v);
        str_printf(&want, ", %d", rows[i].n);
        for (uint32_t k = 0; k < n_calls; k++) {
            expect_cell(rows, n, i, &calls[k], &want);
        }
        str_append_char(&want, ']');
        if (!slice_eq(line, str_slice(&want))) {
            fail_msg("row %d is %.*s, expected %s", i, (int)line.len, line.data, str_cstr(&want));
        }
    }
    mem_free(rows);
    harness_free(h);
}

static void random_frames(void **state)
{
    struct rng rng;
    rng_init(&rng, 9);
    for (int round = 0; round < 12; round++) {
        const bool is_range = round % 2 == 1;
        const int before = (int)rng_below(&rng, 6), behind = (int)rng_below(&rng, 6);
        const struct call calls[] = {
            {"COUNT", "BIGINT NOT NULL", "2", is_range, false, -before, behind},
            {"SUM", "INT", "2", is_range, false, -before - 1, behind},
            {"MIN", "INT", "2", is_range, false, -before, behind + 1},
            {"MIN", "INT", "2", is_range, false, -UNBOUNDED, CURRENT},
            {"COUNT", "BIGINT NOT NULL", "2", is_range, true, -before, UNBOUNDED},
            {"SUM", "INT", "2", is_range, false, CURRENT, UNBOUNDED},
            {"MIN", "INT", "2", is_range, false, 2, 4 + behind},
        };
        check_random(&rng, 1 + (int)rng_below(&rng, 400), 1 + rng_below(&rng, 40), calls,
                     ARRAY_LEN(calls));
    }
}

/* More than a chunk in one partition, and in many. */
static void several_chunks(void **state)
{
    const struct call calls[] = {
        {"COUNT", "BIGINT NOT NULL", "2", false, false, -3, CURRENT},
        {"SUM", "INT", "2", true, false, -UNBOUNDED, CURRENT},
        {"MIN", "INT", "2", false, false, -2, 2},
        {"MIN", "INT", "2", false, false, -UNBOUNDED, CURRENT},
        {"COUNT", "BIGINT NOT NULL", "2", false, true, -2, 2},
        {"SUM", "INT", "2", false, false, -UNBOUNDED, UNBOUNDED},
        {"MIN", "INT", "2", false, false, 1, 2},
    };
    struct rng rng;
    rng_init(&rng, 10);
    check_random(&rng, 5000, 1, calls, ARRAY_LEN(calls));
    check_random(&rng, 5000, 1500, calls, ARRAY_LEN(calls));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_rows),   cmocka_unit_test(neighbours),
        cmocka_unit_test(frames_of_strings), cmocka_unit_test(an_empty_input_and_no_order),
        cmocka_unit_test(random_frames),     cmocka_unit_test(several_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
