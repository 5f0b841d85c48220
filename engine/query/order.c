/* See order.h.  Rows are sorted by eight bytes of a key, by radix; where those are equal, by the next key in the same way, or by a merge
 * sort that compares cells: where the bytes do not decide, and for few rows. */
#include "engine/query/order.h"

#include "engine/data/codec.h"

#include <math.h>

struct item {
    uint64_t prefix;
    uint32_t row, pad;
};

int query_order_check(const struct op_context *ctx, const struct query_order *o,
                      const struct schema *schema, struct error *err)
{
    for (uint32_t k = 0; k < o->n; k++) {
        TRY(query_check_columns(ctx, schema, &o->keys[k]->column, 1, err));
        const struct field *f = &schema->fields[o->keys[k]->column];
        if (!key_type_is_ordered(f->type)) {
            return error_set(err, ERR_UNSUPPORTED,
                             "operator '%s': column '%s' has a type without an order",
                             ctx->spec->name, f->name);
        }
    }
    return 0;
}

/* ---- cells ------------------------------------------------------------------------------------------ */

static int order_reals(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a > b) - (a < b);
}

static struct slice text_of(const struct column *c, uint32_t row)
{
    struct slice s = column_get_bytes(c, row);
    while (c->type->id == TYPE_CHAR && s.len > 0 && s.data[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

static int order_lists(const struct column *a, uint32_t row_a, const struct column *b,
                       uint32_t row_b)
{
    const int32_t *x = COLUMN_VALUES(a, const int32_t) + row_a;
    const int32_t *y = COLUMN_VALUES(b, const int32_t) + row_b;
    const int32_t n = x[1] - x[0], m = y[1] - y[0];
    for (int32_t i = 0; i < MIN(n, m); i++) {
        const int order = query_cells_order(&a->children[0], (uint32_t)(x[0] + i), &b->children[0],
                                            (uint32_t)(y[0] + i));
        if (order != 0) {
            return order;
        }
    }
    return (n > m) - (n < m);
}

int query_cells_order(const struct column *a, uint32_t row_a, const struct column *b,
                      uint32_t row_b)
{
    const bool null_a = column_is_null(a, row_a), null_b = column_is_null(b, row_b);
    if (null_a || null_b) {
        return null_b - null_a; /* NULL inside of values is below all */
    }
    switch (a->type->layout) {
    case LAYOUT_NULL:
        return 0;
    case LAYOUT_BIT:
        return column_get_bool(a, row_a) - column_get_bool(b, row_b);
    case LAYOUT_F32:
        return order_reals((double)COLUMN_VALUES(a, const float)[row_a],
                           (double)COLUMN_VALUES(b, const float)[row_b]);
    case LAYOUT_F64:
        return order_reals(COLUMN_VALUES(a, const double)[row_a],
                           COLUMN_VALUES(b, const double)[row_b]);
    case LAYOUT_I128: {
        const __int128 x = COLUMN_VALUES(a, const __int128)[row_a];
        const __int128 y = COLUMN_VALUES(b, const __int128)[row_b];
        return (x > y) - (x < y);
    }
    case LAYOUT_TS_NANO: {
        const struct ts_nano x = COLUMN_VALUES(a, const struct ts_nano)[row_a];
        const struct ts_nano y = COLUMN_VALUES(b, const struct ts_nano)[row_b];
        return x.millis != y.millis ? (x.millis < y.millis ? -1 : 1)
                                    : (x.nanos > y.nanos) - (x.nanos < y.nanos);
    }
    case LAYOUT_VIEW: {
        const int order = slice_compare(text_of(a, row_a), text_of(b, row_b));
        return (order > 0) - (order < 0);
    }
    case LAYOUT_LIST:
        return order_lists(a, row_a, b, row_b);
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < a->n_children; i++) {
            const int order = query_cells_order(&a->children[i], row_a, &b->children[i], row_b);
            if (order != 0) {
                return order;
            }
        }
        return 0;
    default: {
        const int64_t x = column_get_int(a, row_a), y = column_get_int(b, row_b);
        return (x > y) - (x < y);
    }
    }
}

int query_order_compare(const struct query_order *o, uint32_t from, const struct batch *a,
                        uint32_t row_a, const struct batch *b, uint32_t row_b)
{
    for (uint32_t k = from; k < o->n; k++) {
        const Flinc__SortKey *key = o->keys[k];
        const struct column *x = &a->columns[key->column], *y = &b->columns[key->column];
        const bool null_x = column_is_null(x, row_a), null_y = column_is_null(y, row_b);
        if (null_x || null_y) {
            if (null_x != null_y) {
                return null_x == key->nulls_last ? 1 : -1;
            }
            continue;
        }
        const int order = query_cells_order(x, row_a, y, row_b);
        if (order != 0) {
            return key->descending ? -order : order;
        }
    }
    return 0;
}

/* ---- prefixes --------------------------------------------------------------------------------------- */

static uint64_t real_prefix(double v)
{
    uint64_t bits;
    v = v == 0 ? 0 : isnan(v) ? (double)NAN : v;
    memcpy(&bits, &v, sizeof(bits));
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint64_t text_prefix(struct slice s)
{
    uint64_t prefix = 0;
    memcpy(&prefix, s.data, MIN(s.len, sizeof(prefix)));
    return __builtin_bswap64(prefix);
}

static inline uint64_t int_prefix(int64_t v)
{
    return (uint64_t)v ^ UINT64_C(1) << 63;
}

static uint64_t prefix_of(const struct column *c, uint32_t row)
{
    switch (c->type->layout) {
    case LAYOUT_BIT:
        return column_get_bool(c, row);
    case LAYOUT_F32:
        return real_prefix((double)COLUMN_VALUES(c, const float)[row]);
    case LAYOUT_F64:
        return real_prefix(COLUMN_VALUES(c, const double)[row]);
    case LAYOUT_I128:
        return int_prefix((int64_t)(COLUMN_VALUES(c, const __int128)[row] >> 64));
    case LAYOUT_TS_NANO:
        return int_prefix(COLUMN_VALUES(c, const struct ts_nano)[row].millis);
    case LAYOUT_VIEW:
        return text_prefix(text_of(c, row));
    case LAYOUT_NULL:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return 0;
    default:
        return int_prefix(column_get_int(c, row));
    }
}

/* Are values with equal prefixes equal? */
static bool prefix_decides(const struct data_type *t)
{
    switch (t->layout) {
    case LAYOUT_BIT:
    case LAYOUT_I8:
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
    case LAYOUT_F32:
    case LAYOUT_F64:
        return true;
    default:
        return false;
    }
}

/* ---- sorting ---------------------------------------------------------------------------------------- */

struct sorting {
    const struct query_order *order;
    const struct query_rows *rows;
    uint32_t from; /* of the merge sort: the first key to be compared */
};

static inline int compare_rows(const struct sorting *s, uint32_t a, uint32_t b)
{
    return query_order_compare(s->order, s->from, s->rows->batches[a >> QUERY_ROWS_SHIFT],
                               query_rows_at(a), s->rows->batches[b >> QUERY_ROWS_SHIFT],
                               query_rows_at(b));
}

/* By the bytes of the prefix, lowest first; stable.  Returns where the result is: one of the two. */
static struct item *radix_sort(struct item *items, struct item *other, uint64_t n)
{
    uint32_t(*counts)[256] = mem_zalloc(8 * sizeof(*counts));
    for (uint64_t i = 0; i < n; i++) {
        for (uint32_t d = 0; d < 8; d++) {
            counts[d][items[i].prefix >> d * 8 & 255]++;
        }
    }
    for (uint32_t d = 0; d < 8; d++) {
        uint32_t at = 0, *count = counts[d];
        if (n == 0 || count[items[0].prefix >> d * 8 & 255] == n) {
            continue; /* all are equal here */
        }
        for (uint32_t k = 0; k < 256; k++) {
            const uint32_t here = count[k];
            count[k] = at;
            at += here;
        }
        for (uint64_t i = 0; i < n; i++) {
            other[count[items[i].prefix >> d * 8 & 255]++] = items[i];
        }
        struct item *swap = items;
        items = other;
        other = swap;
    }
    mem_free(counts);
    return items;
}

static void insertion_sort(const struct sorting *s, struct item *items, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        const struct item x = items[i];
        uint64_t k = i;
        for (; k > 0 && compare_rows(s, items[k - 1].row, x.row) > 0; k--) {
            items[k] = items[k - 1];
        }
        items[k] = x;
    }
}

static void merge(const struct sorting *s, struct item *items, uint64_t half, uint64_t n,
                  struct item *other)
{
    uint64_t a = 0, b = half, at = 0;
    memcpy(other, items, half * sizeof(*items));
    while (a < half && b < n) {
        items[at++] = compare_rows(s, other[a].row, items[b].row) <= 0 ? other[a++] : items[b++];
    }
    memcpy(items + at, other + a, (half - a) * sizeof(*items));
}

/* Stable; from the bottom up. */
static int merge_sort(const struct sorting *s, struct item *items, uint64_t n, struct item *other,
                      const struct op_context *ctx, struct error *err)
{
    enum { RUN = 16 };
    for (uint64_t at = 0; at < n; at += RUN) {
        insertion_sort(s, items + at, MIN(n - at, (uint64_t)RUN));
    }
    for (uint64_t width = RUN; width < n; width *= 2) {
        TRY(query_check_cancelled(ctx, err));
        for (uint64_t at = 0; at + width < n; at += 2 * width) {
            merge(s, items + at, width, MIN(n - at, 2 * width), other);
        }
    }
    return 0;
}

static const struct column *cell_of(const struct sorting *s, uint32_t k, uint32_t row)
{
    return query_rows_column(s->rows, s->order->keys[k]->column, row);
}

/* Prefixes of key k; items with a value come first then, those without behind them, each in their order.  Returns how many
 * have one. */
static uint64_t split_nulls(const struct sorting *s, uint32_t k, struct item *items, uint64_t n,
                            struct item *other)
{
    const uint64_t flip = s->order->keys[k]->descending ? ~UINT64_C(0) : 0;
    uint64_t values = 0, nulls = 0;
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t id = items[i].row, row = query_rows_at(id);
        const struct column *c = cell_of(s, k, id);
        if (column_is_null(c, row)) {
            other[nulls++] = (struct item){.row = id};
        } else {
            items[values++] = (struct item){.prefix = prefix_of(c, row) ^ flip, .row = id};
        }
    }
    memcpy(items + values, other, nulls * sizeof(*items));
    return values;
}

static int sort_by(struct sorting *s, uint32_t k, struct item *items, uint64_t n,
                   struct item *other, const struct op_context *ctx, struct error *err);

/* Runs of equal prefixes: by the keys behind, or by cells where the prefix does not decide. */
static int sort_ties(struct sorting *s, uint32_t k, struct item *items, uint64_t n,
                     struct item *other, const struct op_context *ctx, struct error *err)
{
    const uint32_t column = s->order->keys[k]->column;
    const bool is_decided = prefix_decides(s->rows->builder.schema->fields[column].type);
    for (uint64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && items[to].prefix == items[from].prefix; to++) {
        }
        if (to - from > 1 && is_decided) {
            TRY(sort_by(s, k + 1, items + from, to - from, other, ctx, err));
        } else if (to - from > 1) {
            s->from = k;
            TRY(merge_sort(s, items + from, to - from, other, ctx, err));
        }
    }
    return 0;
}

/* By key k and those behind it. */
static int sort_by(struct sorting *s, uint32_t k, struct item *items, uint64_t n,
                   struct item *other, const struct op_context *ctx, struct error *err)
{
    enum { FEW = 64 }; /* not worth counting bytes */
    if (k == s->order->n || n < 2) {
        return 0;
    }
    if (n < FEW) {
        s->from = k;
        return merge_sort(s, items, n, other, ctx, err);
    }
    TRY(query_check_cancelled(ctx, err));
    const uint64_t values = split_nulls(s, k, items, n, other), nulls = n - values;
    const struct item *sorted = radix_sort(items, other, values);
    if (sorted != items) {
        memcpy(items, sorted, values * sizeof(*items));
    }
    TRY(sort_ties(s, k, items, values, other, ctx, err));
    TRY(sort_by(s, k + 1, items + values, nulls, other, ctx, err));
    if (!s->order->keys[k]->nulls_last && nulls > 0) {
        memcpy(other, items + values, nulls * sizeof(*items));
        memmove(items + nulls, items, values * sizeof(*items));
        memcpy(items, other, nulls * sizeof(*items));
    }
    return 0;
}

int query_order_sort(const struct query_order *o, const struct query_rows *rows,
                     const struct op_context *ctx, struct buffer_pool *pool, struct buffer **ret,
                     struct error *err)
{
    struct sorting s = {.order = o, .rows = rows};
    struct buffer *numbers = buffer_get(pool, (rows->n + 1) * sizeof(uint32_t));
    uint32_t *to = (uint32_t *)(void *)numbers->data;
    int rc = 0;
    struct buffer *items = buffer_get(pool, (rows->n + 1) * sizeof(struct item));
    struct buffer *other = buffer_get(pool, (rows->n + 1) * sizeof(struct item));
    struct item *sorted = (struct item *)(void *)items->data;
    for (uint32_t i = 0; i < rows->n; i++) {
        sorted[i].row = i;
    }
    rc = sort_by(&s, 0, sorted, rows->n, (struct item *)(void *)other->data, ctx, err);
    for (uint32_t i = 0; i < rows->n; i++) {
        to[i] = sorted[i].row;
    }
    buffer_unref(items);
    buffer_unref(other);
    if (rc < 0) {
        buffer_unref(numbers);
        return rc;
    }
    *ret = numbers;
    return 0;
}
