/* Values put together and taken apart: ARRAY, MAP, MULTISET, ROW, a[i], m[k], CARDINALITY, ELEMENT. */
#include "engine/functions/functions.h"

#include "engine/expr/equality.h"
#include "engine/functions/cells.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- ARRAY, MAP, MULTISET --------------------------------------------------------------------------- */

static int infer_array(const struct expr_function *function, struct expr_pool *pool,
                       const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                       struct error *err)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    struct data_type *element = type_with_nullable(args[0]->type, nullable);
    *ret = function->name[0] == 'A' ? type_new_array(element, false)
                                    : type_new_multiset(element, false);
    return 0;
}

static void add_arg(struct expr_frame *f, struct builder *b, struct builder_column *to, uint32_t k,
                    uint32_t row)
{
    builder_add_cells(b, to, &f->args[k]->column, expr_at(f->args[k], row), 1);
}

static bool args_equal(const struct expr_frame *f, uint32_t a, uint32_t b, uint32_t row)
{
    return expr_cells_equal(&f->args[a]->column, expr_at(f->args[a], row), &f->args[b]->column,
                            expr_at(f->args[b], row));
}

static int run_array(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct cells_out out = cells_begin(f, row);
        for (uint32_t k = 0; k < f->n_args; k++) {
            add_arg(f, out.builder, out.items, k, row);
        }
        cells_end(&out);
    }
    return 0;
}

/* Is there an equal argument among k % step, ... before k? */
static bool is_repeated(const struct expr_frame *f, uint32_t k, uint32_t step, uint32_t row)
{
    for (uint32_t i = k % step; i < k; i += step) {
        if (args_equal(f, i, k, row)) {
            return true;
        }
    }
    return false;
}

static int run_multiset(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct cells_out out = cells_begin(f, row);
        for (uint32_t k = 0; k < f->n_args; k++) {
            int64_t n = 0;
            if (is_repeated(f, k, 1, row)) {
                continue;
            }
            for (uint32_t i = k; i < f->n_args; i++) {
                n += args_equal(f, i, k, row);
            }
            add_arg(f, out.builder, out.items, k, row);
            builder_add_i64(out.builder, out.values, n);
        }
        cells_end(&out);
    }
    return 0;
}

/* Keys and values came to common types before: every second type is the same. */
static int infer_map(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    bool nullable[2] = {false, false};
    if (n_args == 0 || n_args % 2 != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "MAP has keys and values in turn, not %" PRIu32 " arguments", n_args);
    }
    for (uint32_t i = 0; i < n_args; i++) {
        nullable[i % 2] |= args[i]->type->nullable;
    }
    *ret = type_new_map(type_with_nullable(args[0]->type, nullable[0]),
                        type_with_nullable(args[1]->type, nullable[1]), false);
    return 0;
}

/* A key that comes again has the last value, at the first place. */
static int run_map(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct cells_out out = cells_begin(f, row);
        for (uint32_t k = 0; k < f->n_args; k += 2) {
            uint32_t last = k;
            if (is_repeated(f, k, 2, row)) {
                continue;
            }
            for (uint32_t i = k + 2; i < f->n_args; i += 2) {
                last = args_equal(f, i, k, row) ? i : last;
            }
            add_arg(f, out.builder, out.items, k, row);
            add_arg(f, out.builder, out.values, last + 1, row);
        }
        cells_end(&out);
    }
    return 0;
}

/* ---- ROW -------------------------------------------------------------------------------------------- */

static int infer_row(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    struct arena arena;
    if (n_args == 0 || n_args > TYPE_CHILDREN_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "A ROW has 1 to %d fields, not %" PRIu32,
                         TYPE_CHILDREN_MAX, n_args);
    }
    arena_init(&arena, 0);
    struct data_type **types = arena_alloc(&arena, n_args * sizeof(*types));
    const char **names = arena_alloc(&arena, n_args * sizeof(*names));
    for (uint32_t i = 0; i < n_args; i++) {
        char *name = arena_alloc(&arena, 20);
        (void)snprintf(name, 20, "EXPR$%" PRIu32, i);
        names[i] = name;
        types[i] = type_ref(args[i]->type);
    }
    *ret = type_new_row(types, names, n_args, false);
    arena_fini(&arena);
    return 0;
}

static int run_row(struct expr_frame *f, struct error *err)
{
    for (uint32_t k = 0; k < f->n_args; k++) {
        expr_put_child(f, k, k);
    }
    return 0;
}

/* ---- a[i], m[k] ------------------------------------------------------------------------------------- */

static int refuse_item(const struct expr *const *args, struct error *err)
{
    STR_AUTO text = STR_INIT;
    type_print(args[0]->type, &text);
    str_append_cstr(&text, ">[<");
    type_print(args[1]->type, &text);
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "Cannot apply 'ITEM' to arguments of type '<%s>]'. Supported form(s): "
                     "<ARRAY>[<INTEGER>], <MAP>[<ANY>]",
                     str_cstr(&text));
}

static int infer_item(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    const struct data_type *t = args[0]->type;
    const struct expr *place = args[1];
    if (t->id == TYPE_MAP) {
        *ret = type_with_nullable(t->children[1], true);
        return 0;
    }
    if (t->id != TYPE_ARRAY || place->type->layout < LAYOUT_I8 ||
        place->type->layout > LAYOUT_I64) {
        return refuse_item(args, err);
    }
    if (place->kind == EXPR_LITERAL && !place->value.is_null && place->value.integer < 1) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Array element access needs an index starting at 1 but was %" PRId64 ".",
                         place->value.integer);
    }
    *ret = type_with_nullable(t->children[0], true);
    return 0;
}

static int run_array_item(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        const int64_t i = expr_int(f, 1, row);
        if (i < 1 || i > list.n) {
            cells_put_null(f, row);
        } else {
            TRY(cells_put(f, row, list.items, list.from + (uint32_t)i - 1, err));
        }
    }
    return 0;
}

static int run_map_item(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells map = cells_at(f, 0, row);
        const uint32_t i = cells_find(&map, &f->args[1]->column, expr_at(f->args[1], row));
        if (i == map.n) {
            cells_put_null(f, row);
        } else {
            TRY(cells_put(f, row, map.values, map.from + i, err));
        }
    }
    return 0;
}

static int bind_item(struct expr_binding *b, struct error *err)
{
    b->kernel = b->call->args[0]->type->id == TYPE_MAP ? run_map_item : run_array_item;
    return 0;
}

/* ---- CARDINALITY, ELEMENT --------------------------------------------------------------------------- */

static int run_cardinality(struct expr_frame *f, struct error *err)
{
    const bool has_counts = f->args[0]->column.type->id == TYPE_MULTISET;
    for (EXPR_ROWS(f, row)) {
        const struct cells c = cells_at(f, 0, row);
        int64_t n = has_counts ? 0 : c.n;
        for (uint32_t i = 0; has_counts && i < c.n; i++) {
            n += column_get_int(c.values, c.from + i);
        }
        expr_put_int(f, row, n);
    }
    return 0;
}

static int run_element(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        if (list.n > 1) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "ELEMENT: the array has more than one element: %" PRIu32, list.n);
        }
        if (list.n == 0) {
            cells_put_null(f, row);
        } else {
            TRY(cells_put(f, row, list.items, list.from, err));
        }
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define MADE "value construction and access"

static const struct expr_function rows[] = {
    {.name = "ARRAY",
     .signatures = "T...",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .infer = infer_array,
     .kernel = run_array,
     .category = MADE,
     .text = "An array of values, which come to a common type.",
     .example = "ARRAY[1, 2, 3] -- [1, 2, 3]"},
    {.name = "MULTISET",
     .signatures = "T...",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .infer = infer_array,
     .kernel = run_multiset,
     .category = MADE,
     .text = "A multiset of values: each with how often it comes.",
     .example = "MULTISET['a', 'b', 'a'] -- {a=2, b=1}"},
    {.name = "MAP",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .infer = infer_map,
     .kernel = run_map,
     .category = MADE,
     .text = "A map of keys and values in turn; of equal keys the last one counts.",
     .example = "MAP['a', 1, 'b', 2] -- {a=1, b=2}"},
    {.name = "ROW",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .infer = infer_row,
     .kernel = run_row,
     .category = MADE,
     .text = "A row of values.",
     .example = "ROW(1, 'a') -- (1, a)"},
    {.name = "ITEM",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_NULLABLE,
     .infer = infer_item,
     .bind = bind_item,
     .category = "collection",
     .text = "`array[i]`: the element at a place from 1; `map[key]`: the value of a key. NULL when "
             "there is none.",
     .example = "ARRAY['a', 'b'][2] -- b\nMAP['a', 1]['a'] -- 1"},
    {.name = "CARDINALITY",
     .signatures = "COLLECTION",
     .result = "INT",
     .kernel = run_cardinality,
     .category = "collection",
     .text = "The number of elements or entries.",
     .example = "CARDINALITY(ARRAY[1, 2, 3]) -- 3"},
    {.name = "ELEMENT",
     .signatures = "ARRAY",
     .result = "[1]",
     .flags = EXPR_FN_NULLABLE | EXPR_FN_CAN_FAIL,
     .kernel = run_element,
     .category = "collection",
     .text = "The only element of an array; NULL when it is empty, an error when there are more.",
     .example = "ELEMENT(ARRAY['a']) -- a"},
};

const struct expr_functions functions_construct = FUNCTIONS_TABLE(rows);
