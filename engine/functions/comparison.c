/* = <> < <= > >=, IS [NOT] DISTINCT FROM. */
#include "engine/functions/functions.h"

#include "engine/expr/equality.h"
#include "engine/expr/type_rules.h"

/* ---- fixed width ------------------------------------------------------------------------------------ */

/* Loops over all rows write bytes that are packed to bits 4,096 rows at a time; over chosen rows, bits one by one. */
#define COMPARE_ROWS(f, left, right, op)                                  \
    do {                                                                  \
        if ((f)->rows == NULL) {                                          \
            uint8_t bytes[BATCH_ROWS_MAX];                                \
            for (uint32_t i = 0; i < (f)->n; i++) {                       \
                bytes[i] = (left)op(right);                               \
            }                                                             \
            expr_pack_bits((f)->out->column.values->data, bytes, (f)->n); \
        } else {                                                          \
            uint8_t *bits = (f)->out->column.values->data;                \
            for (uint32_t k = 0; k < (f)->n; k++) {                       \
                const uint32_t i = (f)->rows[k];                          \
                bits[i >> 3] |= (uint8_t)(((left)op(right)) << (i & 7));  \
            }                                                             \
        }                                                                 \
    } while (0)

#define COMPARE_KERNEL(name, ctype, op)                                 \
    static int name(struct expr_frame *f, struct error *err)            \
    {                                                                   \
        const ctype *restrict a = EXPR_VALUES(f->args[0], const ctype); \
        const ctype *restrict b = EXPR_VALUES(f->args[1], const ctype); \
        if (f->args[0]->is_constant && f->args[1]->is_constant) {       \
            const ctype x = a[0], y = b[0];                             \
            COMPARE_ROWS(f, x, y, op);                                  \
        } else if (f->args[1]->is_constant) {                           \
            const ctype y = b[0];                                       \
            COMPARE_ROWS(f, a[i], y, op);                               \
        } else if (f->args[0]->is_constant) {                           \
            const ctype x = a[0];                                       \
            COMPARE_ROWS(f, x, b[i], op);                               \
        } else {                                                        \
            COMPARE_ROWS(f, a[i], b[i], op);                            \
        }                                                               \
        return 0;                                                       \
    }

#define COMPARE_KERNELS(suffix, ctype)     \
    COMPARE_KERNEL(eq_##suffix, ctype, ==) \
    COMPARE_KERNEL(ne_##suffix, ctype, !=) \
    COMPARE_KERNEL(lt_##suffix, ctype, <)  \
    COMPARE_KERNEL(le_##suffix, ctype, <=) \
    COMPARE_KERNEL(gt_##suffix, ctype, >)  \
    COMPARE_KERNEL(ge_##suffix, ctype, >=)

COMPARE_KERNELS(i8, int8_t)
COMPARE_KERNELS(i16, int16_t)
COMPARE_KERNELS(i32, int32_t)
COMPARE_KERNELS(i64, int64_t)
COMPARE_KERNELS(i128, __int128)
COMPARE_KERNELS(f32, float)
COMPARE_KERNELS(f64, double)

enum comparison { EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, COMPARISON_COUNT };

#define KERNELS_OF(suffix)                                                           \
    {                                                                                \
        eq_##suffix, ne_##suffix, lt_##suffix, le_##suffix, gt_##suffix, ge_##suffix \
    }
static const expr_kernel fixed_kernels[][COMPARISON_COUNT] = {
    [LAYOUT_I8] = KERNELS_OF(i8),     [LAYOUT_I16] = KERNELS_OF(i16),
    [LAYOUT_I32] = KERNELS_OF(i32),   [LAYOUT_I64] = KERNELS_OF(i64),
    [LAYOUT_I128] = KERNELS_OF(i128), [LAYOUT_F32] = KERNELS_OF(f32),
    [LAYOUT_F64] = KERNELS_OF(f64),
};

/* ---- others ----------------------------------------------------------------------------------------- */

static ALWAYS_INLINE bool holds(enum comparison c, int order)
{
    switch (c) {
    case EQUAL:
        return order == 0;
    case NOT_EQUAL:
        return order != 0;
    case LESS:
        return order < 0;
    case LESS_EQUAL:
        return order <= 0;
    case GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* = and <> of strings and a short constant: two words of a view tell. */
static void compare_short(struct expr_frame *f, const struct view *x, struct view y, bool wanted)
{
    uint8_t *bits = f->out->column.values->data;
    const uint64_t y0 = (uint64_t)y.word0 << 32 | (uint32_t)y.len, y1 = y.word1;
    if (f->rows == NULL) {
        uint8_t bytes[BATCH_ROWS_MAX];
        for (uint32_t i = 0; i < f->n; i++) {
            const uint64_t x0 = (uint64_t)x[i].word0 << 32 | (uint32_t)x[i].len;
            bytes[i] = (uint8_t)((((x0 ^ y0) | (x[i].word1 ^ y1)) == 0) == wanted);
        }
        expr_pack_bits(bits, bytes, f->n);
        return;
    }
    for (uint32_t k = 0; k < f->n; k++) {
        const uint32_t i = f->rows[k];
        const uint64_t x0 = (uint64_t)x[i].word0 << 32 | (uint32_t)x[i].len;
        const bool same = ((x0 ^ y0) | (x[i].word1 ^ y1)) == 0;
        bits[i >> 3] |= (uint8_t)((same == wanted) << (i & 7));
    }
}

/* Strings: views of equal length and prefix are looked at further. */
static ALWAYS_INLINE int compare_bytes(struct expr_frame *f, enum comparison c)
{
    const struct expr_vector *a = f->args[0], *b = f->args[1];
    const struct view *x = EXPR_VALUES(a, const struct view),
                      *y = EXPR_VALUES(b, const struct view);
    if ((c == EQUAL || c == NOT_EQUAL) && !a->is_constant && b->is_constant && view_is_inline(y)) {
        compare_short(f, x, *y, c == EQUAL);
        return 0;
    }
    for (EXPR_ROWS(f, row)) {
        const uint32_t i = expr_at(a, row), k = expr_at(b, row);
        bool result;
        if (c == EQUAL || c == NOT_EQUAL) {
            const bool may_equal = x[i].len == y[k].len && x[i].word0 == y[k].word0;
            const bool same = may_equal && (x[i].len <= VIEW_INLINE_MAX
                                                ? x[i].word1 == y[k].word1
                                                : slice_eq(column_get_bytes(&a->column, i),
                                                           column_get_bytes(&b->column, k)));
            result = same == (c == EQUAL);
        } else {
            result = holds(
                c, slice_compare(column_get_bytes(&a->column, i), column_get_bytes(&b->column, k)));
        }
        expr_put_bool(f, row, result);
    }
    return 0;
}

static int compare_timestamps(struct ts_nano a, struct ts_nano b)
{
    if (a.millis != b.millis) {
        return a.millis < b.millis ? -1 : 1;
    }
    return (a.nanos > b.nanos) - (a.nanos < b.nanos);
}

static ALWAYS_INLINE int compare_nanos(struct expr_frame *f, enum comparison c)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_bool(
            f, row,
            holds(c, compare_timestamps(expr_timestamp(f, 0, row), expr_timestamp(f, 1, row))));
    }
    return 0;
}

static ALWAYS_INLINE int compare_booleans(struct expr_frame *f, enum comparison c)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_bool(f, row, holds(c, expr_bool(f, 0, row) - expr_bool(f, 1, row)));
    }
    return 0;
}

/* Arrays, maps, multisets, rows: = and <> alone.  NULL inside is equal to NULL. */
static ALWAYS_INLINE int compare_nested(struct expr_frame *f, enum comparison c)
{
    for (EXPR_ROWS(f, row)) {
        const bool same = expr_cells_equal(&f->args[0]->column, expr_at(f->args[0], row),
                                           &f->args[1]->column, expr_at(f->args[1], row));
        expr_put_bool(f, row, same == (c == EQUAL));
    }
    return 0;
}

#define OTHER_KERNELS(c, suffix)                                          \
    static int bytes_##suffix(struct expr_frame *f, struct error *err)    \
    {                                                                     \
        return compare_bytes(f, c);                                       \
    }                                                                     \
    static int nanos_##suffix(struct expr_frame *f, struct error *err)    \
    {                                                                     \
        return compare_nanos(f, c);                                       \
    }                                                                     \
    static int booleans_##suffix(struct expr_frame *f, struct error *err) \
    {                                                                     \
        return compare_booleans(f, c);                                    \
    }
OTHER_KERNELS(EQUAL, eq)
OTHER_KERNELS(NOT_EQUAL, ne)
OTHER_KERNELS(LESS, lt)
OTHER_KERNELS(LESS_EQUAL, le)
OTHER_KERNELS(GREATER, gt)
OTHER_KERNELS(GREATER_EQUAL, ge)

static int nested_eq(struct expr_frame *f, struct error *err)
{
    return compare_nested(f, EQUAL);
}
static int nested_ne(struct expr_frame *f, struct error *err)
{
    return compare_nested(f, NOT_EQUAL);
}

static const struct {
    expr_kernel bytes, nanos, booleans, nested;
    const char *name;
} other_kernels[COMPARISON_COUNT] = {
    {bytes_eq, nanos_eq, booleans_eq, nested_eq, "="},
    {bytes_ne, nanos_ne, booleans_ne, nested_ne, "<>"},
    {bytes_lt, nanos_lt, booleans_lt, NULL, "<"},
    {bytes_le, nanos_le, booleans_le, NULL, "<="},
    {bytes_gt, nanos_gt, booleans_gt, NULL, ">"},
    {bytes_ge, nanos_ge, booleans_ge, NULL, ">="},
};

static int bind_comparison(struct expr_binding *b, struct error *err)
{
    const enum type_layout layout = b->call->args[0]->type->layout;
    enum comparison c = EQUAL;
    while (strcmp(other_kernels[c].name, b->call->function->name) != 0) {
        c++;
    }
    switch (layout) {
    case LAYOUT_BIT:
        b->kernel = other_kernels[c].booleans;
        break;
    case LAYOUT_VIEW:
        b->kernel = other_kernels[c].bytes;
        break;
    case LAYOUT_TS_NANO:
        b->kernel = other_kernels[c].nanos;
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
    case LAYOUT_NULL:
        b->kernel = other_kernels[c].nested;
        break;
    default:
        b->kernel = fixed_kernels[layout][c];
        b->flags |= EXPR_FN_DENSE;
        break;
    }
    return 0;
}

/* ---- IS DISTINCT FROM ------------------------------------------------------------------------------- */

static ALWAYS_INLINE int run_distinct(struct expr_frame *f, bool wanted)
{
    for (EXPR_ROWS(f, row)) {
        const bool a = expr_arg_is_null(f, 0, row), b = expr_arg_is_null(f, 1, row);
        const bool same = a || b ? a == b
                                 : expr_cells_equal(&f->args[0]->column, expr_at(f->args[0], row),
                                                    &f->args[1]->column, expr_at(f->args[1], row));
        expr_put_bool(f, row, same == wanted);
    }
    return 0;
}

static int run_is_distinct(struct expr_frame *f, struct error *err)
{
    return run_distinct(f, false);
}
static int run_is_not_distinct(struct expr_frame *f, struct error *err)
{
    return run_distinct(f, true);
}

/* ---- GREATEST, LEAST, NULLIF ------------------------------------------------------------------------ */

static int run_extreme(struct expr_frame *f, bool wants_greatest)
{
    for (EXPR_ROWS(f, row)) {
        uint32_t best = 0;
        for (uint32_t k = 1; k < f->n_args; k++) {
            const int order =
                expr_cells_compare(&f->args[k]->column, expr_at(f->args[k], row),
                                   &f->args[best]->column, expr_at(f->args[best], row));
            best = (wants_greatest ? order > 0 : order < 0) ? k : best;
        }
        expr_put_arg(f, row, best);
    }
    return 0;
}
static int run_greatest(struct expr_frame *f, struct error *err)
{
    return run_extreme(f, true);
}
static int run_least(struct expr_frame *f, struct error *err)
{
    return run_extreme(f, false);
}

#define COMPARISON(op, args, words, sample)                                           \
    {                                                                                 \
        .name = (op), .signatures = args ", " args, .result = "BOOLEAN",              \
        .flags = EXPR_FN_OPERATOR, .bind = bind_comparison, .category = "comparison", \
        .text = (words), .example = (sample)                                          \
    }

static const struct expr_function rows[] = {
    COMPARISON("=", "COMPARABLE", "TRUE when the values are equal.", "1 = 1.0 -- TRUE"),
    COMPARISON("<>", "COMPARABLE", "TRUE when the values are not equal.", "'a' <> 'a ' -- TRUE"),
    COMPARISON("<", "ORDERED", "TRUE when the first value is smaller.", "'B' < 'a' -- TRUE"),
    COMPARISON("<=", "ORDERED", "TRUE when the first value is not greater.", "2 <= 2 -- TRUE"),
    COMPARISON(">", "ORDERED", "TRUE when the first value is greater.",
               "DATE '2020-01-02' > DATE '2020-01-01' -- TRUE"),
    COMPARISON(">=", "ORDERED", "TRUE when the first value is not smaller.", "2 >= 3 -- FALSE"),
    {.name = "IS DISTINCT FROM",
     .signatures = "COMPARABLE, COMPARABLE",
     .result = "BOOLEAN NOT NULL",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .kernel = run_is_distinct,
     .category = "comparison",
     .text = "TRUE when the values are not equal; NULL is equal to NULL.",
     .example = "1 IS DISTINCT FROM CAST(NULL AS INT) -- TRUE"},
    {.name = "IS NOT DISTINCT FROM",
     .signatures = "COMPARABLE, COMPARABLE",
     .result = "BOOLEAN NOT NULL",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .kernel = run_is_not_distinct,
     .category = "comparison",
     .text = "TRUE when the values are equal; NULL is equal to NULL.",
     .example = "CAST(NULL AS INT) IS NOT DISTINCT FROM CAST(NULL AS INT) -- TRUE"},
    {.name = "GREATEST",
     .signatures = "ORDERED...",
     .result = "=T",
     .kernel = run_greatest,
     .category = "conditional",
     .text = "The greatest of the arguments; NULL when one is NULL.",
     .example = "GREATEST(1, 3, 2) -- 3"},
    {.name = "LEAST",
     .signatures = "ORDERED...",
     .result = "=T",
     .kernel = run_least,
     .category = "conditional",
     .text = "The smallest of the arguments; NULL when one is NULL.",
     .example = "LEAST(1, 3, 2) -- 1"},
};

const struct expr_functions functions_comparison = FUNCTIONS_TABLE(rows);
