/* LISTAGG, ARRAY_AGG, COLLECT: all values of a group, in the order in which they come, as a chain in the heap.
 *
 * Flink: ListAggFunction, ArrayAggFunction, CollectAggFunction. */
#include "engine/functions/aggregates.h"

#include "common/base/map.h"
#include "engine/data/codec.h"

/* A value: its bytes behind it (strings as they are, others by the value codec). */
struct item {
    struct item *next;
    uint32_t len;
    uint32_t is_null;
    char bytes[];
};

struct chain {
    struct item *first, *last;
    int64_t n;
};

static void append(struct aggregate *a, struct chain *c, struct slice bytes, bool is_null)
{
    struct item *item = aggregate_heap_get(&a->heap, sizeof(*item) + bytes.len);
    *item = (struct item){.len = (uint32_t)bytes.len, .is_null = is_null};
    if (bytes.len > 0) {
        memcpy(item->bytes, bytes.data, bytes.len);
    }
    if (c->last != NULL) {
        c->last->next = item;
    } else {
        c->first = item;
    }
    c->last = item;
    c->n++;
}

static void append_cell(struct aggregate *a, struct chain *c, const struct column *column,
                        uint32_t row, struct str *scratch)
{
    if (column_is_null(column, row)) {
        append(a, c, slice_make(NULL, 0), true);
    } else if (column->type->layout == LAYOUT_VIEW) {
        append(a, c, column_get_bytes(column, row), false);
    } else {
        str_clear(scratch);
        value_encode(column, row, scratch);
        append(a, c, str_slice(scratch), false);
    }
}

static int list_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct chain *s = AGGREGATE_STATES(a, struct chain);
    STR_AUTO scratch = STR_INIT;
    for (uint32_t i = 0; i < in->n; i++) {
        append_cell(a, &s[in->groups[i]], in->args[0], in->rows[i], &scratch);
    }
    return 0;
}

static void list_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                              uint32_t n)
{
    struct chain *s = AGGREGATE_STATES(a, struct chain);
    for (uint32_t i = 0; i < n; i++) {
        const struct item *end = s[from[i]].last;
        for (const struct item *x = s[from[i]].first; x != NULL; x = x == end ? NULL : x->next) {
            append(a, &s[to[i]], slice_make(x->bytes, x->len), x->is_null);
        }
    }
}

static int array_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct chain *s = AGGREGATE_STATES(a, struct chain);
    STR_AUTO scratch = STR_INIT;
    for (uint32_t i = 0; i < in->n; i++) {
        const struct column *c = in->args[0];
        const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + in->rows[i];
        for (int32_t k = offsets[0]; !column_is_null(c, in->rows[i]) && k < offsets[1]; k++) {
            append_cell(a, &s[in->groups[i]], &c->children[0], (uint32_t)k, &scratch);
        }
    }
    return 0;
}

/* ---- items into columns ------------------------------------------------------------------------------ */

/* Items come back through a builder of one value. */
struct unpacking {
    struct schema *schema; /* Owns a ref */
    struct builder one;
};

static void unpacking_init(struct unpacking *u, struct buffer_pool *pool,
                           const struct data_type *element)
{
    const char *name = "v";
    struct data_type *type = type_with_nullable(element, true);
    u->schema = schema_new(&name, &type, 1);
    builder_init(&u->one, pool, u->schema, 1);
}

static void unpacking_fini(struct unpacking *u)
{
    builder_fini(&u->one);
    schema_unref(u->schema);
}

static int add_item(struct unpacking *u, struct builder *b, struct builder_column *to,
                    const struct item *x, struct error *err)
{
    if (x->is_null) {
        builder_add_null(b, to);
        return 0;
    }
    if (u->schema->fields[0].type->layout == LAYOUT_VIEW) {
        return builder_add_bytes(b, to, x->bytes, x->len, err);
    }
    builder_begin(&u->one);
    TRY(value_decode(x->bytes, x->len, &u->one, 0, err));
    builder_end_row(&u->one);
    struct batch *row = builder_finish(&u->one);
    builder_add_cells(b, to, &row->columns[0], 0, 1);
    batch_unref(row);
    return 0;
}

/* ---- columns ---------------------------------------------------------------------------------------- */

/* Calls `put` for each group, to end a row of a builder of the column. */
static int build(struct aggregate *a, const uint32_t *groups, uint32_t n, struct buffer_pool *pool,
                 struct column *ret, const struct data_type *element,
                 int (*put)(struct aggregate *a, const struct chain *c, struct unpacking *u,
                            struct builder *b, struct error *err),
                 struct error *err)
{
    const struct chain *s = AGGREGATE_STATES(a, const struct chain);
    struct unpacking u;
    struct builder b;
    int rc = 0;
    unpacking_init(&u, pool, element);
    builder_init_column(&b, pool, ret->type, false);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        builder_begin(&b);
        rc = put(a, &s[groups[i]], &u, &b, err);
        builder_end_row(&b);
    }
    unpacking_fini(&u);
    return builder_fini_column(&b, rc, ret);
}

static int put_array(struct aggregate *a, const struct chain *c, struct unpacking *u,
                     struct builder *b, struct error *err)
{
    struct builder_column *items = builder_child_of(builder_column_of(b, 0), 0);
    for (const struct item *x = c->first; x != NULL; x = x->next) {
        TRY(add_item(u, b, items, x, err));
    }
    if (c->n == 0 && a->result->nullable && a->setting == 0) {
        builder_put_null(b, 0);
    } else {
        builder_put_nested(b, 0);
    }
    return 0;
}

static int array_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                        struct buffer_pool *pool, struct column *ret, struct error *err)
{
    return build(a, groups, n, pool, ret, ret->type->children[0], put_array, err);
}

static int put_multiset(struct aggregate *a, const struct chain *c, struct unpacking *u,
                        struct builder *b, struct error *err)
{
    struct builder_column *top = builder_column_of(b, 0);
    struct map counts;
    int rc = 0;
    map_init(&counts, NULL);
    for (const struct item *x = c->first; x != NULL; x = x->next) {
        const uintptr_t before = (uintptr_t)map_find_bytes(&counts, x->bytes, x->len);
        map_put_bytes(&counts, x->bytes, x->len, (void *)(before + 1));
    }
    MAP_FOREACH (&counts, e) {
        struct item *x = aggregate_heap_get(&a->heap, sizeof(*x) + e->key_len);
        *x = (struct item){.len = (uint32_t)e->key_len};
        memcpy(x->bytes, e->key, e->key_len);
        rc = rc == 0 ? add_item(u, b, builder_child_of(top, 0), x, err) : rc;
        builder_add_i64(b, builder_child_of(top, 1), (int64_t)(uintptr_t)e->value);
    }
    builder_put_nested(b, 0);
    map_fini(&counts);
    return rc;
}

static int multiset_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                           struct buffer_pool *pool, struct column *ret, struct error *err)
{
    return build(a, groups, n, pool, ret, a->arg, put_multiset, err);
}

/* ---- LISTAGG ---------------------------------------------------------------------------------------- */

/* The separator is the same in all rows; it is kept with the aggregate, behind its own zero. */
static void keep_separator(struct aggregate *a, const struct column *c, uint32_t row)
{
    if (a->setting == 0) {
        const struct slice s =
            column_is_null(c, row) ? slice_make("", 0) : column_get_bytes(c, row);
        a->text = mem_strndup(s.data, s.len);
        a->setting = 1;
    }
}

static int listagg_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    if (a->n_args > 1) {
        keep_separator(a, in->args[1], in->rows[0]);
    }
    return list_add(a, in, err);
}

static int listagg_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct chain *s = AGGREGATE_STATES(a, struct chain);
    STR_AUTO scratch = STR_INIT;
    for (uint32_t i = 0; i < in->n; i++) {
        if (!column_is_null(in->args[0], in->rows[i])) {
            keep_separator(a, in->args[1], in->rows[i]);
            append_cell(a, &s[in->groups[i]], in->args[0], in->rows[i], &scratch);
        }
    }
    return 0;
}

static int put_joined(struct aggregate *a, const struct chain *c, struct unpacking *u,
                      struct builder *b, struct error *err)
{
    STR_AUTO text = STR_INIT;
    if (c->n == 0) {
        builder_put_null(b, 0);
        return 0;
    }
    for (const struct item *x = c->first; x != NULL; x = x->next) {
        if (x != c->first) {
            str_append_cstr(&text, a->setting != 0 ? a->text : ",");
        }
        str_append(&text, x->bytes, x->len);
    }
    return builder_put_bytes(b, 0, text.data, text.len, err);
}

static int listagg_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                          struct buffer_pool *pool, struct column *ret, struct error *err)
{
    return build(a, groups, n, pool, ret, a->arg, put_joined, err);
}

static int put_separator(struct aggregate *a, const struct chain *c, struct unpacking *u,
                         struct builder *b, struct error *err)
{
    const char *text = a->setting != 0 ? a->text : ",";
    return builder_put_bytes(b, 0, text, strlen(text), err);
}

static int listagg_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                              struct buffer_pool *pool, struct column *ret, struct error *err)
{
    TRY(build(a, groups, n, pool, &ret[0], a->arg, put_joined, err));
    return build(a, groups, n, pool, &ret[1], a->arg, put_separator, err);
}

/* ---- binding ---------------------------------------------------------------------------------------- */

static const struct aggregate_kernels array_kernels = {
    .add = list_add,
    .merge = array_merge,
    .merge_groups = list_merge_groups,
    .accumulate = array_result,
    .result = array_result,
};
static const struct aggregate_kernels multiset_kernels = {
    .add = list_add,
    .merge = array_merge,
    .merge_groups = list_merge_groups,
    .accumulate = array_result,
    .result = multiset_result,
};
static const struct aggregate_kernels listagg_kernels = {
    .add = listagg_add,
    .merge = listagg_merge,
    .merge_groups = list_merge_groups,
    .accumulate = listagg_accumulate,
    .result = listagg_result,
};

/* The value of lists is what they are lists of. */
static const struct data_type *element_of(const struct data_type *accumulator,
                                          const struct data_type *result)
{
    return result->n_children > 0 ? result->children[0] : result;
}

static int bind_list(struct aggregate *a, const struct aggregate_kernels *kernels,
                     struct error *err)
{
    if (a->arg->layout == LAYOUT_NULL) {
        return error_set(err, ERR_UNSUPPORTED, "%s of untyped NULLs", a->function->name);
    }
    a->kernels = kernels;
    a->state_bytes = sizeof(struct chain);
    a->n_accumulators = 1;
    a->accumulators[0] = type_new_array(type_with_nullable(a->arg, true), true);
    return 0;
}

static int bind_array_agg(struct aggregate *a, struct error *err)
{
    a->n_strict = 0;
    return bind_list(a, &array_kernels, err);
}

static int bind_collect(struct aggregate *a, struct error *err)
{
    return bind_list(a, &multiset_kernels, err);
}

static int bind_listagg(struct aggregate *a, struct error *err)
{
    a->kernels = &listagg_kernels;
    a->state_bytes = sizeof(struct chain);
    a->n_accumulators = 2;
    a->accumulators[0] = type_new_string(true);
    a->accumulators[1] = type_new_string(false);
    return 0;
}

const struct aggregate_desc aggregate_array_agg = {.bind = bind_array_agg, .value_of = element_of};
const struct aggregate_desc aggregate_collect = {.bind = bind_collect, .value_of = element_of};
const struct aggregate_desc aggregate_listagg = {.bind = bind_listagg};
