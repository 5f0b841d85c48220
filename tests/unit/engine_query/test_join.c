/* flinc.query.hash_join and flinc.query.nested_loop_join. */
#include "common/base/clock.h"
#include "engine/query/query.h"
#include "tests/unit/engine_query/expressions.h"

#include <stdio.h>

#define LEFT "ROW<a INT, b STRING>"
#define RIGHT "ROW<c INT, d STRING>"
#define BOTH "ROW<a INT, b STRING, c INT, d STRING>"

enum type {
    INNER = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER,
    LEFT_OUTER = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT,
    RIGHT_OUTER = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT,
    FULL = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL,
    SEMI = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI,
    ANTI = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI,
};

struct join {
    enum type type;
    bool has_key, null_equal, null_aware;
    const char *condition; /* over a, b, c, d; NULL: none */
};

static struct harness *join(const struct join *j)
{
    Flinc__QueryJoinConfig config = FLINC__QUERY_JOIN_CONFIG__INIT;
    struct expressions e;
    uint32_t key = 0, condition;
    protobuf_c_boolean null_equal = j->null_equal;
    expressions_init(&e, BOTH);
    config.type = (Flinc__QueryJoinType)j->type;
    if (j->has_key) {
        config.left_keys = config.right_keys = &key;
        config.n_left_keys = config.n_right_keys = config.n_null_equal = 1;
        config.null_equal = &null_equal;
    }
    if (j->condition != NULL) {
        condition = expressions_add(&e, j->condition);
        config.conditions = &condition;
        config.n_conditions = 1;
    }
    config.exprs = expressions_list(&e);
    config.null_aware = j->null_aware;
    struct harness *h = opened(&(struct harness_options){
        .desc = j->has_key ? &query_hash_join : &query_nested_loop_join,
        .input_schemas = {LEFT, RIGHT},
        .output_schemas = {j->type == SEMI || j->type == ANTI ? LEFT : BOTH},
        .config = &config.base,
    });
    expressions_fini(&e);
    return h;
}

/* Both orders of ends give the same rows, sorted as text. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted_lines(const char *text)
{
    char *copy = mem_strdup(text), *save = NULL;
    size_t n = 0, cap = 16;
    char **lines = mem_alloc(cap * sizeof(char *));
    struct str out = STR_INIT;
    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (n == cap) {
            cap *= 2;
            lines = mem_realloc(lines, cap * sizeof(char *));
        }
        lines[n++] = line;
    }
    qsort(lines, n, sizeof(*lines), by_text);
    for (size_t i = 0; i < n; i++) {
        str_printf(&out, "%s%s", i > 0 ? "\n" : "", lines[i]);
    }
    mem_free(copy);
    mem_free(lines);
    str_append_cstr(&out, "");
    return str_take(&out);
}

static void check(const struct join *j, const char *left, const char *right, const char *rows)
{
    for (uint32_t order = 0; order < 3; order++) {
        struct harness *h = join(j);
        const uint32_t first = order % 2;
        if (order < 2) { /* all held, then one ends */
            must(harness_push_rows(h, 0, left, &err));
            must(harness_push_rows(h, 1, right, &err));
        } else { /* the right one ends before the left one begins */
            must(harness_push_rows(h, 1, right, &err));
        }
        must(harness_end_of_input(h, order < 2 ? first : 1, &err));
        if (order == 2) {
            must(harness_push_rows(h, 0, left, &err));
        }
        must(harness_end_of_input(h, order < 2 ? 1 - first : 0, &err));
        char *got = sorted_lines(harness_rows(h, 0)), *want = sorted_lines(rows);
        assert_string_equal(got != NULL ? got : "", want != NULL ? want : "");
        mem_free(got);
        mem_free(want);
        harness_free(h);
    }
}

static const char *const left_rows =
    "1, one\n2, two\nNULL, none\n2, deux\n4, a word of some length";
static const char *const right_rows = "2, zwei\n2, dos\n3, drei\nNULL, nichts\n4, vier";

static void all_types_by_key(void **state)
{
    check(&(struct join){.type = INNER, .has_key = true}, left_rows, right_rows,
          "+I[2, two, 2, zwei]\n+I[2, two, 2, dos]\n+I[2, deux, 2, zwei]\n+I[2, deux, 2, dos]\n"
          "+I[4, a word of some length, 4, vier]");
    check(&(struct join){.type = LEFT_OUTER, .has_key = true}, left_rows, right_rows,
          "+I[2, two, 2, zwei]\n+I[2, two, 2, dos]\n+I[2, deux, 2, zwei]\n+I[2, deux, 2, dos]\n"
          "+I[4, a word of some length, 4, vier]\n+I[1, one, null, null]\n+I[null, none, null, "
          "null]");
    check(&(struct join){.type = RIGHT_OUTER, .has_key = true}, left_rows, right_rows,
          "+I[2, two, 2, zwei]\n+I[2, two, 2, dos]\n+I[2, deux, 2, zwei]\n+I[2, deux, 2, dos]\n"
          "+I[4, a word of some length, 4, vier]\n+I[null, null, 3, drei]\n+I[null, null, null, "
          "nichts]");
    check(&(struct join){.type = FULL, .has_key = true}, left_rows, right_rows,
          "+I[2, two, 2, zwei]\n+I[2, two, 2, dos]\n+I[2, deux, 2, zwei]\n+I[2, deux, 2, dos]\n"
          "+I[4, a word of some length, 4, vier]\n+I[1, one, null, null]\n+I[null, none, null, "
          "null]\n"
          "+I[null, null, 3, drei]\n+I[null, null, null, nichts]");
    check(&(struct join){.type = SEMI, .has_key = true}, left_rows, right_rows,
          "+I[2, two]\n+I[2, deux]\n+I[4, a word of some length]");
    check(&(struct join){.type = ANTI, .has_key = true}, left_rows, right_rows,
          "+I[1, one]\n+I[null, none]");
}

static void conditions_beside_the_key(void **state)
{
    const char *const condition = "b <> 'two' AND d <> 'dos'";
    check(&(struct join){.type = INNER, .has_key = true, .condition = condition}, left_rows,
          right_rows, "+I[2, deux, 2, zwei]\n+I[4, a word of some length, 4, vier]");
    check(&(struct join){.type = FULL, .has_key = true, .condition = condition}, left_rows,
          right_rows,
          "+I[2, deux, 2, zwei]\n+I[4, a word of some length, 4, vier]\n+I[1, one, null, null]\n"
          "+I[2, two, null, null]\n+I[null, none, null, null]\n+I[null, null, 2, dos]\n"
          "+I[null, null, 3, drei]\n+I[null, null, null, nichts]");
    check(&(struct join){.type = SEMI, .has_key = true, .condition = condition}, left_rows,
          right_rows, "+I[2, deux]\n+I[4, a word of some length]");
    check(&(struct join){.type = ANTI, .has_key = true, .condition = condition}, left_rows,
          right_rows, "+I[1, one]\n+I[null, none]\n+I[2, two]");
}

static void nulls_that_are_equal(void **state)
{
    check(&(struct join){.type = INNER, .has_key = true, .null_equal = true}, "NULL, a\n1, b",
          "NULL, c\n2, d", "+I[null, a, null, c]");
}

static void not_in(void **state)
{
    const struct join j = {.type = ANTI, .has_key = true, .null_aware = true};
    check(&j, "1, a\n2, b\nNULL, c", "2, x\n3, y", "+I[1, a]");
    check(&j, "1, a\n2, b", "2, x\nNULL, y", "");
}

static void loops_without_a_key(void **state)
{
    check(&(struct join){.type = INNER}, "1, a\n2, b", "3, c\n4, d",
          "+I[1, a, 3, c]\n+I[1, a, 4, d]\n+I[2, b, 3, c]\n+I[2, b, 4, d]");
    check(&(struct join){.type = FULL, .condition = "a > c"}, "1, a\n5, b\nNULL, n", "3, c\n9, d",
          "+I[5, b, 3, c]\n+I[1, a, null, null]\n+I[null, n, null, null]\n+I[null, null, 9, d]");
    check(&(struct join){.type = SEMI, .condition = "a > c"}, "1, a\n5, b", "3, c\n4, d",
          "+I[5, b]");
}

static void an_empty_input(void **state)
{
    const struct {
        struct join j;
        const char *rows;
    } all[] = {
        {{.type = INNER, .has_key = true}, ""},
        {{.type = LEFT_OUTER, .has_key = true}, "+I[1, a, null, null]"},
        {{.type = RIGHT_OUTER, .has_key = true}, ""},
        {{.type = ANTI, .has_key = true}, "+I[1, a]"},
        {{.type = ANTI, .has_key = true, .null_aware = true}, "+I[1, a]"},
        {{.type = LEFT_OUTER}, "+I[1, a, null, null]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct harness *h = join(&all[i].j);
        must(harness_push_rows(h, 0, "1, a", &err));
        must(harness_end_of_input(h, i % 2 == 0, &err));
        must(harness_end_of_input(h, i % 2 != 0, &err));
        assert_string_equal(harness_rows(h, 0), all[i].rows);
        harness_free(h);
    }
}

static void retractions_are_refused(void **state)
{
    struct harness *h = join(&(struct join){.type = INNER, .has_key = true});
    must_fail(harness_push_rows(h, 1, "+U 1, a", &err), ERR_UNSUPPORTED, "+U");
    harness_free(h);
}

/* ---- at random -------------------------------------------------------------------------------------- */

enum { NULL_KEY = -1 };

static void put_rows(struct harness *h, uint32_t input, const int *keys, int from, int n)
{
    struct builder b;
    builder_init(&b, harness_pool(h), harness_input_schema(h, input), BATCH_ROWS_MAX);
    for (int i = from; i < from + n; i++) {
        struct error err = ERROR_INIT;
        char text[40];
        const int len = snprintf(text, sizeof(text), "row %d of this input", i);
        if (keys[i] == NULL_KEY) {
            builder_put_null(&b, 0);
        } else {
            builder_put_i64(&b, 0, keys[i]);
        }
        assert_int_equal(builder_put_bytes(&b, 1, text, (size_t)len, &err), 0);
        builder_end_row(&b);
    }
    if (n > 0) {
        must(harness_push(h, input, builder_finish(&b), &err));
    }
    builder_fini(&b);
}

static void expect_row(struct str *out, const int *left, int l, const int *right, int r,
                       bool is_semi)
{
    str_append_cstr(out, "+I[");
    for (int side = 0; side < (is_semi ? 1 : 2); side++) {
        const int row = side == 0 ? l : r, *keys = side == 0 ? left : right;
        str_append_cstr(out, side == 1 ? ", " : "");
        if (row < 0) {
            str_append_cstr(out, "null, null");
        } else if (keys[row] == NULL_KEY) {
            str_printf(out, "null, row %d of this input", row);
        } else {
            str_printf(out, "%d, row %d of this input", keys[row], row);
        }
    }
    str_append_cstr(out, "]\n");
}

/* The condition is that the rows' numbers differ in their last digit: MOD of the text is not at hand, so a <> 7. */
static void expect(const struct join *j, const int *left, int n_left, const int *right, int n_right,
                   struct str *out)
{
    bool *met = mem_zalloc((size_t)n_right + 1);
    const bool is_semi = j->type == SEMI || j->type == ANTI;
    for (int l = 0; l < n_left; l++) {
        bool any = false;
        for (int r = 0; r < n_right; r++) {
            const bool are_equal = left[l] == right[r] && (left[l] != NULL_KEY || j->null_equal);
            if (are_equal && (j->condition == NULL || (left[l] != NULL_KEY && left[l] != 7))) {
                any = met[r] = true;
                if (!is_semi) {
                    expect_row(out, left, l, right, r, false);
                }
            }
        }
        if (is_semi ? any == (j->type == SEMI)
                    : !any && (j->type == LEFT_OUTER || j->type == FULL)) {
            expect_row(out, left, l, right, -1, is_semi);
        }
    }
    for (int r = 0; r < n_right; r++) {
        if (!met[r] && (j->type == RIGHT_OUTER || j->type == FULL)) {
            expect_row(out, left, -1, right, r, false);
        }
    }
    mem_free(met);
}

static void random_joins(void **state)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (int round = 0; round < 48; round++) {
        const struct join j = {
            .type = (enum type)(round % 6),
            .has_key = true,
            .null_equal = round % 4 == 1,
            .condition = round % 3 == 0 ? "a <> 7" : NULL,
        };
        const int n[2] = {(int)rng_below(&rng, 700), (int)rng_below(&rng, 700)};
        const uint64_t range = 1 + rng_below(&rng, 300);
        int *keys[2];
        for (int i = 0; i < 2; i++) {
            keys[i] = mem_alloc(((size_t)n[i] + 1) * sizeof(int));
            for (int k = 0; k < n[i]; k++) {
                keys[i][k] = rng_below(&rng, 15) == 0 ? NULL_KEY : (int)rng_below(&rng, range);
            }
        }
        struct harness *h = join(&j);
        int at[2] = {0, 0};
        bool ended[2] = {false, false};
        while (!ended[0] || !ended[1]) {
            const uint32_t input = ended[0] ? 1 : ended[1] ? 0 : (uint32_t)rng_below(&rng, 2);
            const int some = MIN(n[input] - at[input], (int)rng_below(&rng, 200));
            put_rows(h, input, keys[input], at[input], some);
            at[input] += some;
            if (at[input] == n[input]) {
                ended[input] = true;
                must(harness_end_of_input(h, input, &err));
            }
        }
        struct str wanted = STR_INIT;
        expect(&j, keys[0], n[0], keys[1], n[1], &wanted);
        char *got = sorted_lines(harness_rows(h, 0)), *want = sorted_lines(str_cstr(&wanted));
        assert_string_equal(got != NULL ? got : "", want != NULL ? want : "");
        mem_free(got);
        mem_free(want);
        str_fini(&wanted);
        mem_free(keys[0]);
        mem_free(keys[1]);
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_by_key),        cmocka_unit_test(conditions_beside_the_key),
        cmocka_unit_test(nulls_that_are_equal),    cmocka_unit_test(not_in),
        cmocka_unit_test(loops_without_a_key),     cmocka_unit_test(an_empty_input),
        cmocka_unit_test(retractions_are_refused), cmocka_unit_test(random_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
