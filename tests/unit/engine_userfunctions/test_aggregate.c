/* Aggregate functions whose states point to memory: added, merged as bytes and as groups, reset, dropped. */
#include "sample_library.h"

#include "engine/data/builder.h"
#include "engine/expr/aggregate.h"

#include <string.h>

struct world {
    struct buffer_pool *buffers;
    struct data_type *text, *bytes;
    struct aggregate *a;
    struct error err;
};

static struct aggregate *make(struct world *w, bool is_merging)
{
    const struct data_type *arg = is_merging ? w->bytes : w->text;
    const struct aggregate_options o = {.function = sample_function("least_text"),
                                        .args = &arg,
                                        .n_args = 1,
                                        .result = w->text,
                                        .is_merging = is_merging,
                                        .pool = w->buffers};
    struct aggregate *a = NULL;
    assert_int_equal(aggregate_new(&o, &a, &w->err), 0);
    return a;
}

static void world_init(struct world *w)
{
    *w = (struct world){.err = ERROR_INIT};
    w->buffers = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    w->text = type_new_string(true);
    w->bytes = type_new_sized(TYPE_VARBINARY, INT32_MAX, false);
    w->a = make(w, false);
}

static void world_fini(struct world *w)
{
    aggregate_free(w->a);
    type_unref(w->text);
    type_unref(w->bytes);
    buffer_pool_close(w->buffers);
}

static struct batch *texts(struct world *w, const char *const *items, uint32_t n)
{
    const char *name = "s";
    struct data_type *type = type_ref(w->text);
    struct schema *schema = schema_new(&name, &type, 1);
    struct builder b;
    builder_init(&b, w->buffers, schema, BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        builder_begin(&b);
        if (items[i] == NULL) {
            builder_put_null(&b, 0);
        } else {
            assert_int_equal(builder_put_bytes(&b, 0, items[i], strlen(items[i]), NULL), 0);
        }
        builder_end_row(&b);
    }
    struct batch *made = builder_finish(&b);
    builder_fini(&b);
    schema_unref(schema);
    return made;
}

static void add(struct world *w, const char *const *items, const uint32_t *groups, uint32_t n)
{
    struct batch *b = texts(w, items, n);
    const struct column *column = &b->columns[0];
    const struct aggregate_rows in = {.args = &column, .groups = groups, .n = n};
    assert_int_equal(aggregate_add(w->a, &in, &w->err), 0);
    batch_unref(b);
}

/* A column of one batch, to be filled. */
static struct batch *empty(struct world *w, struct data_type *type)
{
    const char *name = "c";
    struct data_type *t = type_ref(type);
    struct schema *schema = schema_new(&name, &t, 1);
    struct batch *b = batch_new(w->buffers, schema);
    schema_unref(schema);
    return b;
}

static void expect(struct world *w, struct aggregate *a, uint32_t group, const char *want)
{
    struct batch *b = empty(w, w->text);
    assert_int_equal(aggregate_result(a, &group, 1, w->buffers, &b->columns[0], &w->err), 0);
    b->n_rows = b->n_sel = 1;
    assert_int_equal(column_is_null(&b->columns[0], 0), want == NULL);
    if (want != NULL) {
        assert_true(slice_eq_cstr(column_get_bytes(&b->columns[0], 0), want));
    }
    batch_unref(b);
}

static const char *const items[] = {"pear", NULL, "a fruit with a long name", "fig",
                                    "an apple a day keeps"};
static const uint32_t groups[] = {0, 0, 1, 2, 1};

static void test_results(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    aggregate_reserve(w.a, 4);
    add(&w, items, groups, 5);
    expect(&w, w.a, 0, "pear");
    expect(&w, w.a, 1, "an apple a day keeps");
    expect(&w, w.a, 2, "fig");
    expect(&w, w.a, 3, NULL);
    assert_false(aggregate_can_retract(w.a));
    aggregate_reset(w.a, 1, 2);
    expect(&w, w.a, 0, "pear");
    expect(&w, w.a, 1, NULL);
    aggregate_clear(w.a);
    aggregate_reserve(w.a, 1);
    expect(&w, w.a, 0, NULL);
    world_fini(&w);
}

static void test_groups_merged(void **state)
{
    static const uint32_t to[] = {0, 3}, from[] = {2, 1};
    struct world w;
    (void)state;
    world_init(&w);
    aggregate_reserve(w.a, 4);
    add(&w, items, groups, 5);
    aggregate_merge_groups(w.a, to, from, 2);
    expect(&w, w.a, 0, "fig");
    expect(&w, w.a, 3, "an apple a day keeps");
    world_fini(&w);
}

static void test_partial_results(void **state)
{
    static const uint32_t all[] = {0, 1, 2, 3}, into[] = {0, 1, 0, 2};
    struct world w;
    (void)state;
    world_init(&w);
    aggregate_reserve(w.a, 4);
    add(&w, items, groups, 5);
    struct batch *b = empty(&w, w.bytes);
    assert_int_equal(aggregate_n_accumulators(w.a), 1);
    assert_int_equal(aggregate_accumulate(w.a, all, 4, w.buffers, &b->columns[0], &w.err), 0);
    b->n_rows = b->n_sel = 4;
    struct aggregate *merging = make(&w, true);
    const struct column *column = &b->columns[0];
    const struct aggregate_rows in = {.args = &column, .groups = into, .n = 4};
    aggregate_reserve(merging, 3);
    assert_int_equal(aggregate_merge(merging, &in, &w.err), 0);
    expect(&w, merging, 0, "fig");
    expect(&w, merging, 1, "an apple a day keeps");
    expect(&w, merging, 2, NULL);
    aggregate_free(merging);
    batch_unref(b);
    world_fini(&w);
}

static void test_damaged_partial_result(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    struct batch *b = texts(&w, (const char *const[]){""}, 1);
    struct aggregate *merging = make(&w, true);
    const struct column *column = &b->columns[0];
    const struct aggregate_rows in = {.args = &column, .n = 1};
    aggregate_reserve(merging, 1);
    assert_int_equal(aggregate_merge(merging, &in, &w.err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(w.err.message, "loading a state: a state without bytes"));
    aggregate_free(merging);
    batch_unref(b);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_groups_merged),
        cmocka_unit_test(test_partial_results),
        cmocka_unit_test(test_damaged_partial_result),
    };
    sample_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
