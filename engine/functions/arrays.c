/* Functions of arrays: elements found, added, removed, sorted; arrays as sets. */
#include "engine/functions/functions.h"

#include "engine/expr/equality.h"
#include "engine/expr/type_rules.h"
#include "engine/functions/cells.h"
#include "engine/functions/text.h"

#include <stdlib.h>

/* ---- places ----------------------------------------------------------------------------------------- */

static int run_contains(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row)) {
            expr_set_null(f, row);
            continue;
        }
        const struct cells list = cells_at(f, 0, row);
        const uint32_t at = cells_find(&list, &f->args[1]->column, expr_at(f->args[1], row));
        expr_put_bool(f, row, at < list.n);
    }
    return 0;
}

static int infer_contains(const struct expr_function *function, struct expr_pool *pool,
                          const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                          struct error *err)
{
    *ret = type_new(TYPE_BOOLEAN, args[0]->type->nullable);
    return 0;
}

static int run_position(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        const uint32_t at = cells_find(&list, &f->args[1]->column, expr_at(f->args[1], row));
        expr_put_int(f, row, at < list.n ? at + 1 : 0);
    }
    return 0;
}

/* ---- elements added and removed --------------------------------------------------------------------- */

/* The array (or NULL) of the first argument, whatever the second one is. */
static int infer_edited(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    *ret = type_ref(args[0]->type);
    return 0;
}

static ALWAYS_INLINE int run_put(struct expr_frame *f, bool is_first)
{
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row)) {
            cells_put_null(f, row);
            continue;
        }
        const struct cells list = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        if (!is_first) {
            cells_add(&out, &list, 0, list.n);
        }
        builder_add_cells(out.builder, out.items, &f->args[1]->column, expr_at(f->args[1], row), 1);
        if (is_first) {
            cells_add(&out, &list, 0, list.n);
        }
        cells_end(&out);
    }
    return 0;
}
static int run_append(struct expr_frame *f, struct error *err)
{
    return run_put(f, false);
}
static int run_prepend(struct expr_frame *f, struct error *err)
{
    return run_put(f, true);
}

static int run_remove(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row)) {
            cells_put_null(f, row);
            continue;
        }
        const struct cells list = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        for (uint32_t i = 0; i < list.n; i++) {
            if (!expr_cells_equal(list.items, list.from + i, &f->args[1]->column,
                                  expr_at(f->args[1], row))) {
                cells_add(&out, &list, i, 1);
            }
        }
        cells_end(&out);
    }
    return 0;
}

static int run_reverse(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        for (uint32_t i = list.n; i > 0; i--) {
            cells_add(&out, &list, i - 1, 1);
        }
        cells_end(&out);
    }
    return 0;
}

/* A place from 1, from the end when it is negative; 0 counts as 1. */
static int64_t place_in(int64_t at, uint32_t n)
{
    return at == 0 ? 1 : at < 0 ? (int64_t)n + at + 1 : at;
}

static int run_slice(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        int64_t from = place_in(expr_int(f, 1, row), list.n);
        int64_t to = f->n_args > 2 ? place_in(expr_int(f, 2, row), list.n) : list.n;
        from = MAX(from, (int64_t)1);
        to = MIN(to, (int64_t)list.n);
        if (from <= to) {
            cells_add(&out, &list, (uint32_t)from - 1, (uint32_t)(to - from + 1));
        }
        cells_end(&out);
    }
    return 0;
}

/* ---- order ------------------------------------------------------------------------------------------ */

struct sorting {
    const struct column *items;
    bool is_descending, nulls_first;
};

static int compare_cells(const void *a, const void *b, void *arg)
{
    const struct sorting *s = arg;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const bool x_null = column_is_null(s->items, x), y_null = column_is_null(s->items, y);
    if (x_null || y_null) {
        return x_null == y_null ? 0 : x_null == s->nulls_first ? -1 : 1;
    }
    const int order = expr_cells_compare(s->items, x, s->items, y);
    return s->is_descending ? -order : order;
}

static int run_sort(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        const bool is_ascending = f->n_args < 2 || expr_bool(f, 1, row);
        struct sorting s = {.items = list.items, .is_descending = !is_ascending};
        s.nulls_first = f->n_args > 2 ? expr_bool(f, 2, row) : is_ascending;
        uint32_t *places = arena_alloc(f->context->arena, (list.n + 1) * sizeof(*places));
        for (uint32_t i = 0; i < list.n; i++) {
            places[i] = list.from + i;
        }
        qsort_r(places, list.n, sizeof(*places), compare_cells, &s);
        struct cells_out out = cells_begin(f, row);
        for (uint32_t i = 0; i < list.n; i++) {
            cells_add(&out, &list, places[i] - list.from, 1);
        }
        cells_end(&out);
    }
    return 0;
}

static int refuse_order(const struct expr_function *function, const struct data_type *t,
                        struct error *err)
{
    STR_AUTO text = STR_INIT;
    type_print(t, &text);
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "Cannot apply '%s' to arguments of type '%s(<%s>)': its elements have no "
                     "order",
                     function->name, function->name, str_cstr(&text));
}

static bool has_order(const struct data_type *array)
{
    return !type_is_constructed(array->children[0]) && array->children[0]->id != TYPE_RAW;
}

static int infer_sort(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    TRY(cells_infer_array(function, pool, args, n_args, ret, err));
    if (!has_order(args[0]->type)) {
        type_unref(*ret);
        return refuse_order(function, args[0]->type, err);
    }
    return 0;
}

static int infer_extreme(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    if (!has_order(args[0]->type)) {
        return refuse_order(function, args[0]->type, err);
    }
    *ret = type_with_nullable(args[0]->type->children[0], true);
    return 0;
}

static ALWAYS_INLINE int run_extreme(struct expr_frame *f, int wanted, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        uint32_t best = UINT32_MAX;
        for (uint32_t i = list.from; i < list.from + list.n; i++) {
            if (!column_is_null(list.items, i) &&
                (best == UINT32_MAX ||
                 expr_cells_compare(list.items, i, list.items, best) * wanted > 0)) {
                best = i;
            }
        }
        if (best == UINT32_MAX) {
            expr_set_null(f, row);
        } else {
            TRY(cells_put(f, row, list.items, best, err));
        }
    }
    return 0;
}
static int run_max(struct expr_frame *f, struct error *err)
{
    return run_extreme(f, 1, err);
}
static int run_min(struct expr_frame *f, struct error *err)
{
    return run_extreme(f, -1, err);
}

/* ---- sets ------------------------------------------------------------------------------------------- */

/* Is element i of the list equal to one before it? */
static bool is_repeated(const struct cells *list, uint32_t i)
{
    const struct cells before = {.items = list->items, .from = list->from, .n = i};
    return cells_find(&before, list->items, list->from + i) < i;
}

static bool is_in(const struct cells *list, const struct cells *of, uint32_t i)
{
    return cells_find(list, of->items, of->from + i) < list->n;
}

enum set_operation { SET_DISTINCT, SET_UNION, SET_EXCEPT, SET_INTERSECT };

static ALWAYS_INLINE int run_set(struct expr_frame *f, enum set_operation op)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells a = cells_at(f, 0, row);
        const struct cells b = op == SET_DISTINCT ? (struct cells){0} : cells_at(f, 1, row);
        struct cells_out out = cells_begin(f, row);
        for (uint32_t i = 0; i < a.n; i++) {
            const bool is_wanted =
                op == SET_DISTINCT || op == SET_UNION || is_in(&b, &a, i) == (op == SET_INTERSECT);
            if (is_wanted && !is_repeated(&a, i)) {
                cells_add(&out, &a, i, 1);
            }
        }
        for (uint32_t i = 0; op == SET_UNION && i < b.n; i++) {
            if (!is_in(&a, &b, i) && !is_repeated(&b, i)) {
                cells_add(&out, &b, i, 1);
            }
        }
        cells_end(&out);
    }
    return 0;
}
static int run_distinct(struct expr_frame *f, struct error *err)
{
    return run_set(f, SET_DISTINCT);
}
static int run_union(struct expr_frame *f, struct error *err)
{
    return run_set(f, SET_UNION);
}
static int run_except(struct expr_frame *f, struct error *err)
{
    return run_set(f, SET_EXCEPT);
}
static int run_intersect(struct expr_frame *f, struct error *err)
{
    return run_set(f, SET_INTERSECT);
}

static int run_concat(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct cells_out out = cells_begin(f, row);
        for (uint32_t k = 0; k < f->n_args; k++) {
            const struct cells list = cells_at(f, k, row);
            cells_add(&out, &list, 0, list.n);
        }
        cells_end(&out);
    }
    return 0;
}

/* ---- ARRAY_JOIN ------------------------------------------------------------------------------------- */

static int run_join(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct cells list = cells_at(f, 0, row);
        bool is_first = true;
        str_clear(&text);
        for (uint32_t i = list.from; i < list.from + list.n; i++) {
            const bool is_null = column_is_null(list.items, i);
            if (is_null && f->n_args < 3) {
                continue;
            }
            if (!is_first) {
                str_append_slice(&text, expr_bytes(f, 1, row));
            }
            str_append_slice(&text,
                             is_null ? expr_bytes(f, 2, row) : column_get_bytes(list.items, i));
            is_first = false;
        }
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define ARRAY_ROW(function, args, run, words, sample, ...)                                 \
    {                                                                                      \
        .name = (function), .signatures = args, .kernel = (run), .category = "collection", \
        .text = (words), .example = (sample), __VA_ARGS__                                  \
    }

static const struct expr_function rows[] = {
    ARRAY_ROW("ARRAY_CONTAINS", "T[], T", run_contains, "Is the value among the elements?",
              "ARRAY_CONTAINS(ARRAY[1, 2], 2) -- TRUE", .flags = EXPR_FN_OWN_NULLS,
              .infer = infer_contains),
    ARRAY_ROW("ARRAY_POSITION", "T[], T", run_position,
              "The place of the first element that is equal, from 1; 0 when there is none.",
              "ARRAY_POSITION(ARRAY['a', 'b'], 'b') -- 2", .result = "INT"),
    ARRAY_ROW("ARRAY_APPEND", "T[], T", run_append, "The array with a value behind its last.",
              "ARRAY_APPEND(ARRAY[1, 2], 3) -- [1, 2, 3]", .flags = EXPR_FN_OWN_NULLS,
              .infer = infer_edited),
    ARRAY_ROW("ARRAY_PREPEND", "T[], T", run_prepend, "The array with a value before its first.",
              "ARRAY_PREPEND(ARRAY[1, 2], 3) -- [3, 1, 2]", .flags = EXPR_FN_OWN_NULLS,
              .infer = infer_edited),
    ARRAY_ROW("ARRAY_REMOVE", "T[], T", run_remove,
              "The array without the elements that are equal to a value.",
              "ARRAY_REMOVE(ARRAY[1, 2, 1], 1) -- [2]", .flags = EXPR_FN_OWN_NULLS,
              .infer = infer_edited),
    ARRAY_ROW("ARRAY_REVERSE", "ARRAY", run_reverse, "The elements from the last to the first.",
              "ARRAY_REVERSE(ARRAY[1, 2, 3]) -- [3, 2, 1]", .infer = cells_infer_array),
    ARRAY_ROW(
        "ARRAY_SLICE", "ARRAY, INT, INT?", run_slice,
        "The elements from a place to another one, from 1; negative places count from the end.",
        "ARRAY_SLICE(ARRAY['a', 'b', 'c', 'd'], 2, 3) -- [b, c]", .infer = cells_infer_array),
    ARRAY_ROW(
        "ARRAY_SORT", "ARRAY, BOOLEAN?, BOOLEAN?", run_sort,
        "The elements in order: ascending unless the second argument is FALSE; the third one "
        "says whether NULLs come first.",
        "ARRAY_SORT(ARRAY[3, 1, 2]) -- [1, 2, 3]\nARRAY_SORT(ARRAY[3, 1, 2], FALSE) -- [3, 2, "
        "1]",
        .infer = infer_sort),
    ARRAY_ROW("ARRAY_MAX", "ARRAY", run_max, "The greatest element; NULL when there is none.",
              "ARRAY_MAX(ARRAY[1, 3, 2]) -- 3", .flags = EXPR_FN_NULLABLE, .infer = infer_extreme),
    ARRAY_ROW("ARRAY_MIN", "ARRAY", run_min, "The smallest element; NULL when there is none.",
              "ARRAY_MIN(ARRAY[2, 1, 3]) -- 1", .flags = EXPR_FN_NULLABLE, .infer = infer_extreme),
    ARRAY_ROW("ARRAY_DISTINCT", "ARRAY", run_distinct, "Each element once, in order.",
              "ARRAY_DISTINCT(ARRAY[1, 2, 1]) -- [1, 2]", .infer = cells_infer_array),
    ARRAY_ROW("ARRAY_UNION", "T, T", run_union, "The elements of both arrays, each once.",
              "ARRAY_UNION(ARRAY[1, 2], ARRAY[2, 3]) -- [1, 2, 3]", .infer = cells_infer_array),
    ARRAY_ROW("ARRAY_EXCEPT", "T, T", run_except,
              "The elements of the first array that are not in the second one, each once.",
              "ARRAY_EXCEPT(ARRAY[1, 2, 1], ARRAY[2]) -- [1]", .infer = cells_infer_array),
    ARRAY_ROW("ARRAY_INTERSECT", "T, T", run_intersect,
              "The elements of the first array that are in the second one, too, each once.",
              "ARRAY_INTERSECT(ARRAY[1, 2, 3], ARRAY[3, 2]) -- [2, 3]", .infer = cells_infer_array),
    ARRAY_ROW("ARRAY_CONCAT", "T...", run_concat, "The arrays, one behind the other.",
              "ARRAY_CONCAT(ARRAY[1], ARRAY[2, 3]) -- [1, 2, 3]", .infer = cells_infer_array),
    ARRAY_ROW("ARRAY_JOIN", "ARRAY<STRING>, STRING, STRING?", run_join,
              "The elements with a string between them; NULLs are left out, or are the third "
              "argument.",
              "ARRAY_JOIN(ARRAY['a', 'b'], '-') -- a-b", .result = "STRING"),
};

const struct expr_functions functions_arrays = FUNCTIONS_TABLE(rows);
