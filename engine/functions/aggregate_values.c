/* MIN, MAX, FIRST_VALUE, LAST_VALUE, SINGLE_VALUE: one value per group.
 *
 * Whole numbers of up to 64 bits are kept as int64, reals as double, strings and nested values as bytes of the heap (nested ones
 * by the value codec).  Flink: MinAggFunction, FirstValueAggFunction, SingleValueAggFunction.  */
#include "engine/functions/aggregates.h"

#include "engine/data/codec.h"

#include <math.h>

enum mode { MODE_MIN, MODE_MAX, MODE_FIRST, MODE_LAST, MODE_SINGLE };
enum { HAS_NOTHING, HAS_VALUE, HAS_NULL };

struct small_value {
    int64_t v, has;
};
struct real_value {
    double v;
    int64_t has;
};
struct wide_value {
    __int128 v;
    int64_t has, pad;
};
struct time_value {
    struct ts_nano v;
    int64_t has;
};
struct bytes_value {
    char *data;
    uint32_t len, cap; /* cap 0: another's bytes, not to be written over */
    int64_t has;
};

/* ---- which value stays ------------------------------------------------------------------------------ */

static inline int order_small(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}
static inline int order_real(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a > b) - (a < b);
}
static inline int order_wide(__int128 a, __int128 b)
{
    return (a > b) - (a < b);
}
static inline int order_time(struct ts_nano a, struct ts_nano b)
{
    return a.millis != b.millis ? order_small(a.millis, b.millis) : order_small(a.nanos, b.nanos);
}

/* Does the new value take the place of the one that is there? */
static ALWAYS_INLINE bool takes_place(enum mode mode, int64_t has, int order)
{
    if (has == HAS_NOTHING) {
        return true;
    }
    return mode == MODE_MIN ? order < 0 : mode == MODE_MAX ? order > 0 : mode == MODE_LAST;
}

static int too_many(struct error *err)
{
    return error_set(
        err, ERR_INVALID_ARGUMENT,
        "SingleValueAggFunction received more than one element: a scalar subquery gave more than "
        "one row");
}

/* ---- loops ------------------------------------------------------------------------------------------ */

#define VALUE_LOOP(ctype, state, order)                                    \
    {                                                                      \
        struct state *restrict s = AGGREGATE_STATES(a, struct state);      \
        const ctype *restrict v = COLUMN_VALUES(in->args[0], const ctype); \
        for (uint32_t i = 0; i < in->n; i++) {                             \
            struct state *x = &s[in->groups[i]];                           \
            const ctype y = v[in->rows[i]];                                \
            if (takes_place(mode, x->has, order(y, (x->v)))) {             \
                x->v = y;                                                  \
                x->has = HAS_VALUE;                                        \
            }                                                              \
        }                                                                  \
        return;                                                            \
    }

static void set_bytes(struct aggregate *a, struct bytes_value *x, struct slice bytes)
{
    if (bytes.len > x->cap) {
        x->cap = (uint32_t)MIN(bytes.len + bytes.len / 4, (size_t)UINT32_MAX);
        x->data = aggregate_heap_get(&a->heap, x->cap);
    }
    if (bytes.len > 0) {
        memcpy(x->data, bytes.data, bytes.len);
    }
    x->len = (uint32_t)bytes.len;
    x->has = HAS_VALUE;
}

static ALWAYS_INLINE void add_bools(struct aggregate *a, const struct aggregate_rows *in,
                                    enum mode mode)
{
    struct small_value *s = AGGREGATE_STATES(a, struct small_value);
    for (uint32_t i = 0; i < in->n; i++) {
        struct small_value *x = &s[in->groups[i]];
        const int64_t y = column_get_bool(in->args[0], in->rows[i]);
        if (takes_place(mode, x->has, order_small(y, x->v))) {
            *x = (struct small_value){y, HAS_VALUE};
        }
    }
}

static ALWAYS_INLINE void add_bytes(struct aggregate *a, const struct aggregate_rows *in,
                                    enum mode mode)
{
    struct bytes_value *s = AGGREGATE_STATES(a, struct bytes_value);
    for (uint32_t i = 0; i < in->n; i++) {
        struct bytes_value *x = &s[in->groups[i]];
        const struct slice y = column_get_bytes(in->args[0], in->rows[i]);
        const int order =
            x->has && mode <= MODE_MAX ? slice_compare(y, slice_make(x->data, x->len)) : 0;
        if (takes_place(mode, x->has, order)) {
            set_bytes(a, x, y);
        }
    }
}

static void add_nested(struct aggregate *a, const struct aggregate_rows *in, enum mode mode)
{
    struct bytes_value *s = AGGREGATE_STATES(a, struct bytes_value);
    STR_AUTO text = STR_INIT;
    for (uint32_t i = 0; i < in->n; i++) {
        struct bytes_value *x = &s[in->groups[i]];
        if (takes_place(mode, x->has, 0)) {
            str_clear(&text);
            value_encode(in->args[0], in->rows[i], &text);
            set_bytes(a, x, str_slice(&text));
        }
    }
}

static ALWAYS_INLINE void add_by(struct aggregate *a, const struct aggregate_rows *in,
                                 enum mode mode)
{
    switch (in->args[0]->type->layout) {
    case LAYOUT_BIT:
        add_bools(a, in, mode);
        return;
    case LAYOUT_I8:
        VALUE_LOOP(int8_t, small_value, order_small)
    case LAYOUT_I16:
        VALUE_LOOP(int16_t, small_value, order_small)
    case LAYOUT_I32:
        VALUE_LOOP(int32_t, small_value, order_small)
    case LAYOUT_I64:
        VALUE_LOOP(int64_t, small_value, order_small)
    case LAYOUT_I128:
        VALUE_LOOP(__int128, wide_value, order_wide)
    case LAYOUT_F32:
        VALUE_LOOP(float, real_value, order_real)
    case LAYOUT_F64:
        VALUE_LOOP(double, real_value, order_real)
    case LAYOUT_TS_NANO:
        VALUE_LOOP(struct ts_nano, time_value, order_time)
    case LAYOUT_VIEW:
        add_bytes(a, in, mode);
        return;
    default:
        add_nested(a, in, mode);
        return;
    }
}

static int add_min(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    add_by(a, in, MODE_MIN);
    return 0;
}
static int add_max(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    add_by(a, in, MODE_MAX);
    return 0;
}
static int add_first(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    add_by(a, in, MODE_FIRST);
    return 0;
}
static int add_last(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    add_by(a, in, MODE_LAST);
    return 0;
}

/* `has` stands last in each state but that of 128 bits. */
static int64_t *has_of(struct aggregate *a, uint32_t group)
{
    char *state = (char *)a->states->data + (size_t)group * a->state_bytes;
    const size_t at = a->arg->layout == LAYOUT_I128 ? offsetof(struct wide_value, has)
                                                    : a->state_bytes - sizeof(int64_t);
    return (int64_t *)(void *)(state + at);
}

static int add_single(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    for (uint32_t i = 0; i < in->n; i++) {
        int64_t *has = has_of(a, in->groups[i]);
        if (*has != HAS_NOTHING) {
            return too_many(err);
        }
        if (column_is_null(in->args[0], in->rows[i])) {
            *has = HAS_NULL;
            continue;
        }
        const struct aggregate_rows one = {in->args, in->rows + i, in->groups + i, 1};
        add_by(a, &one, MODE_FIRST);
    }
    return 0;
}

/* Accumulators of groups without a value are NULL. */
static int merge_values(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    for (uint32_t i = 0; i < in->n; i++) {
        if (!column_is_null(in->args[0], in->rows[i])) {
            const struct aggregate_rows one = {in->args, in->rows + i, in->groups + i, 1};
            TRY(a->kernels->add(a, &one, err));
        }
    }
    return 0;
}

#define ORDER_OF_STATES(state, order) \
    order((((const struct state *)x)->v), (((const struct state *)y)->v))

static int order_states(const struct aggregate *a, const void *x, const void *y)
{
    const struct bytes_value *p = x, *q = y;
    switch (a->arg->layout) {
    case LAYOUT_I128:
        return ORDER_OF_STATES(wide_value, order_wide);
    case LAYOUT_F32:
    case LAYOUT_F64:
        return ORDER_OF_STATES(real_value, order_real);
    case LAYOUT_TS_NANO:
        return ORDER_OF_STATES(time_value, order_time);
    case LAYOUT_VIEW:
        return slice_compare(slice_make(p->data, p->len), slice_make(q->data, q->len));
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return 0;
    default:
        return ORDER_OF_STATES(small_value, order_small);
    }
}

static bool is_bytes(const struct data_type *t)
{
    return t->layout == LAYOUT_VIEW || t->layout == LAYOUT_LIST || t->layout == LAYOUT_MAP ||
           t->layout == LAYOUT_STRUCT;
}

static void merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from, uint32_t n)
{
    const enum mode mode = (enum mode)a->setting;
    for (uint32_t i = 0; i < n; i++) {
        char *x = (char *)a->states->data + (size_t)to[i] * a->state_bytes;
        char *y = (char *)a->states->data + (size_t)from[i] * a->state_bytes;
        const int64_t has_x = *has_of(a, to[i]), has_y = *has_of(a, from[i]);
        const int order = has_x && has_y && mode <= MODE_MAX ? order_states(a, y, x) : 0;
        if (has_y != HAS_NOTHING && takes_place(mode, has_x, order)) {
            memcpy(x, y, a->state_bytes);
            if (is_bytes(a->arg)) {
                /* Bytes of two groups: neither writes over them. */
                ((struct bytes_value *)(void *)x)->cap = ((struct bytes_value *)(void *)y)->cap = 0;
            }
        }
    }
}

/* ---- results ---------------------------------------------------------------------------------------- */

struct kept_bytes {
    const struct bytes_value *states;
    const uint32_t *groups;
};

static bool kept_cell(const void *arg, uint32_t i, struct slice *ret)
{
    const struct kept_bytes *k = arg;
    const struct bytes_value *x = &k->states[k->groups[i]];
    *ret = (struct slice){x->data, x->len};
    return x->has == HAS_VALUE;
}

static int put_by_builder(struct aggregate *a, const uint32_t *groups, uint32_t n,
                          struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct kept_bytes kept = {AGGREGATE_STATES(a, const struct bytes_value), groups};
    return aggregate_put_encoded(pool, ret, n, kept_cell, &kept, err);
}

static void put_state(struct column *c, uint32_t row, const void *state)
{
    const struct small_value *small = state;
    switch (c->type->layout) {
    case LAYOUT_BIT:
        c->values->data[row >> 3] |= (uint8_t)((small->v != 0) << (row & 7));
        break;
    case LAYOUT_I128:
        COLUMN_VALUES(c, __int128)[row] = ((const struct wide_value *)state)->v;
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        aggregate_put_real(c, row, ((const struct real_value *)state)->v);
        break;
    case LAYOUT_TS_NANO:
        COLUMN_VALUES(c, struct ts_nano)[row] = ((const struct time_value *)state)->v;
        break;
    default:
        aggregate_put_int(c, row, small->v);
        break;
    }
}

static int put_values(struct aggregate *a, const uint32_t *groups, uint32_t n,
                      struct buffer_pool *pool, struct column *ret, struct error *err)
{
    if (is_bytes(a->arg)) {
        return put_by_builder(a, groups, n, pool, ret, err);
    }
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        if (*has_of(a, groups[i]) != HAS_VALUE) {
            aggregate_set_null(pool, ret, i, n);
        } else {
            put_state(ret, i, a->states->data + (size_t)groups[i] * a->state_bytes);
        }
    }
    return 0;
}

/* ---- binding ---------------------------------------------------------------------------------------- */

#define VALUE_KERNELS(adding)                                                 \
    {                                                                         \
        .add = (adding), .merge = merge_values, .merge_groups = merge_groups, \
        .accumulate = put_values, .result = put_values,                       \
    }
static const struct aggregate_kernels kernels[] = {
    [MODE_MIN] = VALUE_KERNELS(add_min),       [MODE_MAX] = VALUE_KERNELS(add_max),
    [MODE_FIRST] = VALUE_KERNELS(add_first),   [MODE_LAST] = VALUE_KERNELS(add_last),
    [MODE_SINGLE] = VALUE_KERNELS(add_single),
};

static int bind_value(struct aggregate *a, enum mode mode, struct error *err)
{
    a->setting = mode;
    a->kernels = &kernels[mode];
    switch (a->arg->layout) {
    case LAYOUT_NULL:
        return error_set(err, ERR_UNSUPPORTED, "%s of untyped NULLs", a->function->name);
    case LAYOUT_I128:
        a->state_bytes = sizeof(struct wide_value);
        break;
    case LAYOUT_TS_NANO:
        a->state_bytes = sizeof(struct time_value);
        break;
    default:
        a->state_bytes = is_bytes(a->arg) ? sizeof(struct bytes_value) : sizeof(struct small_value);
        break;
    }
    if (mode == MODE_SINGLE) { /* which cannot be cut in two */
        a->n_strict = 0;
        return 0;
    }
    a->n_accumulators = 1;
    a->accumulators[0] = type_with_nullable(a->arg, true);
    return 0;
}

static int bind_min(struct aggregate *a, struct error *err)
{
    return bind_value(a, MODE_MIN, err);
}
static int bind_max(struct aggregate *a, struct error *err)
{
    return bind_value(a, MODE_MAX, err);
}
static int bind_first(struct aggregate *a, struct error *err)
{
    return bind_value(a, MODE_FIRST, err);
}
static int bind_last(struct aggregate *a, struct error *err)
{
    return bind_value(a, MODE_LAST, err);
}
static int bind_single(struct aggregate *a, struct error *err)
{
    return bind_value(a, MODE_SINGLE, err);
}

const struct aggregate_desc aggregate_min = {.bind = bind_min};
const struct aggregate_desc aggregate_max = {.bind = bind_max};
const struct aggregate_desc aggregate_first_value = {.bind = bind_first};
const struct aggregate_desc aggregate_last_value = {.bind = bind_last};
const struct aggregate_desc aggregate_single_value = {.bind = bind_single};
