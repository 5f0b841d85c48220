/* flinc.query.unnest. */
#include "engine/query/query.h"
#include "tests/unit/engine_query/expressions.h"

struct unnest {
    const char *input, *output;
    const char *condition; /* over the output; NULL: none */
    bool with_ordinality, left;
};

/* The collection is column 1. */
static struct harness *unnest(const struct unnest *u)
{
    Flinc__UnnestConfig config = FLINC__UNNEST_CONFIG__INIT;
    struct expressions e;
    uint32_t condition;
    expressions_init(&e, u->output);
    const struct expr *collection = expr_input(e.pool, 1, type_ref(e.schema->fields[1].type));
    must(expr_writer_add(e.writer, collection, &config.collection, &err));
    if (u->condition != NULL) {
        condition = expressions_add(&e, u->condition);
        config.conditions = &condition;
        config.n_conditions = 1;
    }
    config.exprs = expressions_list(&e);
    config.with_ordinality = u->with_ordinality;
    config.left = u->left;
    struct harness *h = opened(&(struct harness_options){
        .desc = &query_unnest,
        .input_schemas = {u->input},
        .output_schemas = {u->output},
        .config = &config.base,
    });
    expressions_fini(&e);
    return h;
}

/* Row i has the id i and i % 4 elements 10 * i, 10 * i + 1, ...; row 4 is NULL, row 5 has a NULL in it. */
static void push_arrays(struct harness *h, int n)
{
    struct builder b;
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), BATCH_ROWS_MAX);
    for (int i = 0; i < n; i++) {
        builder_put_i64(&b, 0, i);
        if (i == 4) {
            builder_put_null(&b, 1);
        } else {
            struct builder_column *item = builder_child_of(builder_column_of(&b, 1), 0);
            for (int k = 0; k < i % 4; k++) {
                if (i == 5) {
                    builder_add_null(&b, item);
                } else {
                    builder_add_i64(&b, item, 10 * i + k);
                }
            }
            builder_put_nested(&b, 1);
        }
        builder_end_row(&b);
    }
    must(harness_push(h, 0, builder_finish(&b), &err));
    builder_fini(&b);
}

#define ARRAYS "ROW<i INT, a ARRAY<INT>>"

static void arrays(void **state)
{
    struct harness *h = unnest(&(struct unnest){
        ARRAYS, "ROW<i INT, a ARRAY<INT>, v INT, o INT NOT NULL>", NULL, true, false});
    push_arrays(h, 6);
    assert_string_equal(harness_rows(h, 0),
                        "+I[1, [10], 10, 1]\n+I[2, [20, 21], 20, 1]\n"
                        "+I[2, [20, 21], 21, 2]\n+I[3, [30, 31, 32], 30, 1]\n"
                        "+I[3, [30, 31, 32], 31, 2]\n+I[3, [30, 31, 32], 32, 3]\n"
                        "+I[5, [null], null, 1]");
    harness_free(h);
}

static void left_with_a_condition(void **state)
{
    struct harness *h = unnest(&(struct unnest){ARRAYS, "ROW<i INT, a ARRAY<INT>, v INT>",
                                                "v <> 10 AND v < 31", false, true});
    push_arrays(h, 6);
    assert_string_equal(
        harness_rows(h, 0),
        "+I[2, [20, 21], 20]\n+I[2, [20, 21], 21]\n+I[3, [30, 31, 32], 30]\n"
        "+I[0, [], null]\n+I[1, [10], null]\n+I[4, null, null]\n+I[5, [null], null]");
    harness_free(h);
}

static void more_elements_than_a_batch(void **state)
{
    struct harness *h =
        unnest(&(struct unnest){ARRAYS, "ROW<i INT, a ARRAY<INT>, v INT>", NULL, false, false});
    push_arrays(h, 4000);
    assert_int_equal(harness_row_count(h, 0), 6000);
    assert_true(harness_batch_count(h, 0) > 1);
    harness_free(h);
}

static void maps_rows_and_multisets(void **state)
{
    struct builder b;
    struct harness *h =
        unnest(&(struct unnest){"ROW<i INT, m MAP<INT, INT>>",
                                "ROW<i INT, m MAP<INT, INT>, k INT, v INT>", NULL, false, false});
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 0);
    builder_put_i64(&b, 0, 7);
    for (int k = 0; k < 2; k++) {
        builder_add_i64(&b, builder_child_of(builder_column_of(&b, 1), 0), k);
        builder_add_i64(&b, builder_child_of(builder_column_of(&b, 1), 1), k * 100);
    }
    builder_put_nested(&b, 1);
    builder_end_row(&b);
    must(harness_push(h, 0, builder_finish(&b), &err));
    builder_fini(&b);
    assert_string_equal(harness_rows(h, 0),
                        "+I[7, {0=0, 1=100}, 0, 0]\n+I[7, {0=0, 1=100}, 1, 100]");
    harness_free(h);

    h = unnest(&(struct unnest){"ROW<i INT, m MULTISET<INT>>",
                                "ROW<i INT, m MULTISET<INT>, v INT, o INT>", NULL, true, false});
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 0);
    builder_put_i64(&b, 0, 7);
    builder_add_i64(&b, builder_child_of(builder_column_of(&b, 1), 0), 5);
    builder_add_i64(&b, builder_child_of(builder_column_of(&b, 1), 1), 3);
    builder_put_nested(&b, 1);
    builder_end_row(&b);
    must(harness_push(h, 0, builder_finish(&b), &err));
    builder_fini(&b);
    assert_string_equal(harness_rows(h, 0),
                        "+I[7, {5=3}, 5, 1]\n+I[7, {5=3}, 5, 2]\n+I[7, {5=3}, 5, 3]");
    harness_free(h);

    h = unnest(&(struct unnest){"ROW<i INT, r ARRAY<ROW<x INT, y INT>>>",
                                "ROW<i INT, r ARRAY<ROW<x INT, y INT>>, x INT, y INT>", NULL, false,
                                false});
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), 0);
    builder_put_i64(&b, 0, 7);
    struct builder_column *row = builder_child_of(builder_column_of(&b, 1), 0);
    builder_add_i64(&b, builder_child_of(row, 0), 1);
    builder_add_i64(&b, builder_child_of(row, 1), 2);
    builder_add_nested(&b, row);
    builder_add_null(&b, row);
    builder_put_nested(&b, 1);
    builder_end_row(&b);
    must(harness_push(h, 0, builder_finish(&b), &err));
    builder_fini(&b);
    assert_int_equal(harness_row_count(h, 0), 2);
    assert_non_null(strstr(harness_rows(h, 0), "], 1, 2]\n"));
    assert_non_null(strstr(harness_rows(h, 0), "], null, null]"));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays),
        cmocka_unit_test(left_with_a_condition),
        cmocka_unit_test(more_elements_than_a_batch),
        cmocka_unit_test(maps_rows_and_multisets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
