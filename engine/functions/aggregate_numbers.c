/* COUNT, SUM, AVG, and deviations: what they keep per group, and their loops.
 *
 * Integers wrap at 64 bits, and so at the width of the result; decimals are added with 38 digits, and are NULL once those are not
 * enough; FLOAT is added as DOUBLE.  Deviations of integers are computed in whole numbers, as Flink's rewriting to sums of squares
 * does it, others by Welford's method. */
#include "engine/functions/aggregates.h"

#include "engine/expr/type_rules.h"
#include "engine/values/decimal.h"

#include <math.h>

static void set_accumulator(struct aggregate *a, uint32_t i, struct data_type *take_type)
{
    a->accumulators[i] = take_type;
    a->n_accumulators = MAX(a->n_accumulators, i + 1);
}

/* ---- COUNT ------------------------------------------------------------------------------------------ */

static int count_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    int64_t *restrict s = AGGREGATE_STATES(a, int64_t);
    for (uint32_t i = 0; i < in->n; i++) {
        s[in->groups[i]]++;
    }
    return 0;
}

static int count_retract(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    int64_t *restrict s = AGGREGATE_STATES(a, int64_t);
    for (uint32_t i = 0; i < in->n; i++) {
        s[in->groups[i]]--;
    }
    return 0;
}

static int count_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    int64_t *restrict s = AGGREGATE_STATES(a, int64_t);
    const int64_t *restrict v = COLUMN_VALUES(in->args[0], const int64_t);
    for (uint32_t i = 0; i < in->n; i++) {
        s[in->groups[i]] += v[in->rows[i]];
    }
    return 0;
}

static void count_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                               uint32_t n)
{
    int64_t *s = AGGREGATE_STATES(a, int64_t);
    for (uint32_t i = 0; i < n; i++) {
        s[to[i]] += s[from[i]];
    }
}

static int count_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                        struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const int64_t *restrict s = AGGREGATE_STATES(a, const int64_t);
    aggregate_column(pool, ret, n);
    int64_t *restrict out = COLUMN_VALUES(ret, int64_t);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = s[groups[i]];
    }
    return 0;
}

static const struct aggregate_kernels count_kernels = {
    .add = count_add,
    .retract = count_retract,
    .merge = count_merge,
    .merge_groups = count_merge_groups,
    .accumulate = count_result,
    .result = count_result,
};

static int bind_count(struct aggregate *a, struct error *err)
{
    a->kernels = &count_kernels;
    a->state_bytes = sizeof(int64_t);
    a->n_strict = a->n_args; /* all of them */
    set_accumulator(a, 0, type_new(TYPE_BIGINT, false));
    return 0;
}

const struct aggregate_desc aggregate_count = {.bind = bind_count};

/* ---- SUM, AVG of integers --------------------------------------------------------------------------- */

enum { SETTING_AVG = 1, SETTING_ZERO = 2 }; /* of sums: a mean; 0 when there is nothing */

struct int_sum {
    int64_t sum, n;
};

/* `sign` is 1 or -1. */
#define INT_LOOP(ctype)                                                                           \
    {                                                                                             \
        const ctype *restrict v = COLUMN_VALUES(in->args[0], const ctype);                        \
        for (uint32_t i = 0; i < in->n; i++) {                                                    \
            struct int_sum *x = &s[in->groups[i]];                                                \
            x->sum =                                                                              \
                (int64_t)((uint64_t)x->sum + (uint64_t)sign * (uint64_t)(int64_t)v[in->rows[i]]); \
            x->n += sign;                                                                         \
        }                                                                                         \
        return 0;                                                                                 \
    }

static ALWAYS_INLINE int int_sum_by(struct aggregate *a, const struct aggregate_rows *in,
                                    int64_t sign)
{
    struct int_sum *restrict s = AGGREGATE_STATES(a, struct int_sum);
    switch (in->args[0]->type->layout) {
    case LAYOUT_I8:
        INT_LOOP(int8_t)
    case LAYOUT_I16:
        INT_LOOP(int16_t)
    case LAYOUT_I32:
        INT_LOOP(int32_t)
    default:
        INT_LOOP(int64_t)
    }
}

static int int_sum_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return int_sum_by(a, in, 1);
}

static int int_sum_retract(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return int_sum_by(a, in, -1);
}

static int int_sum_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct int_sum *restrict s = AGGREGATE_STATES(a, struct int_sum);
    const int64_t *restrict sums = COLUMN_VALUES(in->args[0], const int64_t);
    const int64_t *restrict counts = COLUMN_VALUES(in->args[1], const int64_t);
    for (uint32_t i = 0; i < in->n; i++) {
        struct int_sum *x = &s[in->groups[i]];
        x->sum = (int64_t)((uint64_t)x->sum + (uint64_t)sums[in->rows[i]]);
        x->n += counts[in->rows[i]];
    }
    return 0;
}

static void int_sum_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                                 uint32_t n)
{
    struct int_sum *s = AGGREGATE_STATES(a, struct int_sum);
    for (uint32_t i = 0; i < n; i++) {
        s[to[i]].sum = (int64_t)((uint64_t)s[to[i]].sum + (uint64_t)s[from[i]].sum);
        s[to[i]].n += s[from[i]].n;
    }
}

static int int_sum_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                              struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct int_sum *s = AGGREGATE_STATES(a, const struct int_sum);
    aggregate_column(pool, &ret[0], n);
    aggregate_column(pool, &ret[1], n);
    for (uint32_t i = 0; i < n; i++) {
        COLUMN_VALUES(&ret[0], int64_t)[i] = s[groups[i]].sum;
        COLUMN_VALUES(&ret[1], int64_t)[i] = s[groups[i]].n;
    }
    return 0;
}

static int int_sum_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                          struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct int_sum *s = AGGREGATE_STATES(a, const struct int_sum);
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct int_sum *x = &s[groups[i]];
        if (x->n == 0) {
            if (a->setting != SETTING_ZERO) {
                aggregate_set_null(pool, ret, i, n);
            }
            continue;
        }
        aggregate_put_int(ret, i, a->setting == SETTING_AVG ? x->sum / x->n : x->sum);
    }
    return 0;
}

static const struct aggregate_kernels int_sum_kernels = {
    .add = int_sum_add,
    .retract = int_sum_retract,
    .merge = int_sum_merge,
    .merge_groups = int_sum_merge_groups,
    .accumulate = int_sum_accumulate,
    .result = int_sum_result,
};

/* ---- SUM, AVG of decimals --------------------------------------------------------------------------- */

struct wide_sum {
    __int128 sum;
    int64_t n;
    int64_t is_over; /* digits were not enough */
};

static inline void wide_plus(struct wide_sum *x, __int128 v)
{
    x->is_over |= __builtin_add_overflow(x->sum, v, &x->sum) || !decimal_fits(x->sum, 38);
}

#define WIDE_LOOP(ctype)                                                   \
    {                                                                      \
        const ctype *restrict v = COLUMN_VALUES(in->args[0], const ctype); \
        for (uint32_t i = 0; i < in->n; i++) {                             \
            struct wide_sum *x = &s[in->groups[i]];                        \
            wide_plus(x, sign *(__int128)v[in->rows[i]]);                  \
            x->n += sign;                                                  \
        }                                                                  \
        return 0;                                                          \
    }

static ALWAYS_INLINE int wide_sum_by(struct aggregate *a, const struct aggregate_rows *in, int sign)
{
    struct wide_sum *restrict s = AGGREGATE_STATES(a, struct wide_sum);
    if (in->args[0]->type->layout == LAYOUT_I128) {
        WIDE_LOOP(__int128)
    }
    WIDE_LOOP(int64_t)
}

static int wide_sum_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return wide_sum_by(a, in, 1);
}

static int wide_sum_retract(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return wide_sum_by(a, in, -1);
}

/* A sum that is NULL though values were added is one whose digits were not enough. */
static int wide_sum_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct wide_sum *restrict s = AGGREGATE_STATES(a, struct wide_sum);
    const __int128 *sums = COLUMN_VALUES(in->args[0], const __int128);
    const int64_t *counts = COLUMN_VALUES(in->args[1], const int64_t);
    for (uint32_t i = 0; i < in->n; i++) {
        struct wide_sum *x = &s[in->groups[i]];
        if (column_is_null(in->args[0], in->rows[i])) {
            x->is_over |= counts[in->rows[i]] != 0;
        } else {
            wide_plus(x, sums[in->rows[i]]);
        }
        x->n += counts[in->rows[i]];
    }
    return 0;
}

static void wide_sum_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                                  uint32_t n)
{
    struct wide_sum *s = AGGREGATE_STATES(a, struct wide_sum);
    for (uint32_t i = 0; i < n; i++) {
        wide_plus(&s[to[i]], s[from[i]].sum);
        s[to[i]].is_over |= s[from[i]].is_over;
        s[to[i]].n += s[from[i]].n;
    }
}

static int wide_sum_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                               struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct wide_sum *s = AGGREGATE_STATES(a, const struct wide_sum);
    aggregate_column(pool, &ret[0], n);
    aggregate_column(pool, &ret[1], n);
    for (uint32_t i = 0; i < n; i++) {
        const struct wide_sum *x = &s[groups[i]];
        if (x->is_over) {
            aggregate_set_null(pool, &ret[0], i, n);
        } else {
            COLUMN_VALUES(&ret[0], __int128)[i] = x->sum;
        }
        COLUMN_VALUES(&ret[1], int64_t)[i] = x->n;
    }
    return 0;
}

static bool wide_value(const struct aggregate *a, const struct wide_sum *x, __int128 *ret)
{
    const struct decimal sum = {x->sum, a->arg->scale}, n = {x->n, 0};
    const struct decimal_type type = {a->result->precision, a->result->scale};
    return a->setting == SETTING_AVG ? decimal_divide(sum, n, type, ret)
                                     : decimal_rescale(sum, type, ret);
}

static int wide_sum_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                           struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct wide_sum *s = AGGREGATE_STATES(a, const struct wide_sum);
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct wide_sum *x = &s[groups[i]];
        __int128 v = 0;
        if (x->n == 0 ? a->setting != SETTING_ZERO : x->is_over || !wide_value(a, x, &v)) {
            aggregate_set_null(pool, ret, i, n);
        } else {
            aggregate_put_wide(ret, i, v);
        }
    }
    return 0;
}

static const struct aggregate_kernels wide_sum_kernels = {
    .add = wide_sum_add,
    .retract = wide_sum_retract,
    .merge = wide_sum_merge,
    .merge_groups = wide_sum_merge_groups,
    .accumulate = wide_sum_accumulate,
    .result = wide_sum_result,
};

/* ---- SUM, AVG of FLOAT and DOUBLE ------------------------------------------------------------------- */

struct real_sum {
    double sum;
    int64_t n;
};

#define REAL_LOOP(ctype)                                                   \
    {                                                                      \
        const ctype *restrict v = COLUMN_VALUES(in->args[0], const ctype); \
        for (uint32_t i = 0; i < in->n; i++) {                             \
            struct real_sum *x = &s[in->groups[i]];                        \
            x->sum += (double)v[in->rows[i]];                              \
            x->n++;                                                        \
        }                                                                  \
        return 0;                                                          \
    }

static int real_sum_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct real_sum *restrict s = AGGREGATE_STATES(a, struct real_sum);
    if (in->args[0]->type->layout == LAYOUT_F32) {
        REAL_LOOP(float)
    }
    REAL_LOOP(double)
}

static int real_sum_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct real_sum *restrict s = AGGREGATE_STATES(a, struct real_sum);
    for (uint32_t i = 0; i < in->n; i++) {
        struct real_sum *x = &s[in->groups[i]];
        x->sum += COLUMN_VALUES(in->args[0], const double)[in->rows[i]];
        x->n += COLUMN_VALUES(in->args[1], const int64_t)[in->rows[i]];
    }
    return 0;
}

static void real_sum_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                                  uint32_t n)
{
    struct real_sum *s = AGGREGATE_STATES(a, struct real_sum);
    for (uint32_t i = 0; i < n; i++) {
        s[to[i]].sum += s[from[i]].sum;
        s[to[i]].n += s[from[i]].n;
    }
}

static int real_sum_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                               struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct real_sum *s = AGGREGATE_STATES(a, const struct real_sum);
    aggregate_column(pool, &ret[0], n);
    aggregate_column(pool, &ret[1], n);
    for (uint32_t i = 0; i < n; i++) {
        COLUMN_VALUES(&ret[0], double)[i] = s[groups[i]].sum;
        COLUMN_VALUES(&ret[1], int64_t)[i] = s[groups[i]].n;
    }
    return 0;
}

static int real_sum_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                           struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct real_sum *s = AGGREGATE_STATES(a, const struct real_sum);
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct real_sum *x = &s[groups[i]];
        if (x->n == 0) {
            if (a->setting != SETTING_ZERO) {
                aggregate_set_null(pool, ret, i, n);
            }
            continue;
        }
        aggregate_put_real(ret, i, a->setting == SETTING_AVG ? x->sum / (double)x->n : x->sum);
    }
    return 0;
}

static const struct aggregate_kernels real_sum_kernels = {
    .add = real_sum_add,
    .merge = real_sum_merge,
    .merge_groups = real_sum_merge_groups,
    .accumulate = real_sum_accumulate,
    .result = real_sum_result,
};

static int bind_sums(struct aggregate *a, uint64_t setting, struct error *err)
{
    const struct data_type *t = a->arg;
    a->setting = setting;
    if (t->id == TYPE_DECIMAL) {
        a->kernels = &wide_sum_kernels;
        a->state_bytes = sizeof(struct wide_sum);
        set_accumulator(a, 0, type_new_precision(TYPE_DECIMAL, 38, t->scale, true));
    } else if (type_is_approximate(t)) {
        a->kernels = &real_sum_kernels;
        a->state_bytes = sizeof(struct real_sum);
        set_accumulator(a, 0, type_new(TYPE_DOUBLE, false));
    } else if (type_is_integer(t) || type_is_interval(t)) {
        a->kernels = &int_sum_kernels;
        a->state_bytes = sizeof(struct int_sum);
        set_accumulator(a, 0, type_new(TYPE_BIGINT, false));
    } else {
        return error_set(err, ERR_UNSUPPORTED, "%s takes numbers", a->function->name);
    }
    set_accumulator(a, 1, type_new(TYPE_BIGINT, false));
    return 0;
}

/* The scale of a decimal sum is that of the values. */
static const struct data_type *value_of_sum(const struct data_type *accumulator,
                                            const struct data_type *result)
{
    return accumulator->id == TYPE_DECIMAL ? accumulator : result;
}

static int bind_sum(struct aggregate *a, struct error *err)
{
    return bind_sums(a, 0, err);
}
static int bind_sum0(struct aggregate *a, struct error *err)
{
    return bind_sums(a, SETTING_ZERO, err);
}
static int bind_avg(struct aggregate *a, struct error *err)
{
    return bind_sums(a, SETTING_AVG, err);
}

const struct aggregate_desc aggregate_sum = {.bind = bind_sum, .value_of = value_of_sum};
const struct aggregate_desc aggregate_sum0 = {.bind = bind_sum0, .value_of = value_of_sum};
const struct aggregate_desc aggregate_avg = {.bind = bind_avg, .value_of = value_of_sum};
