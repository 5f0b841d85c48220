/* STDDEV_POP, STDDEV_SAMP, VAR_POP, VAR_SAMP.
 *
 * Of integers in whole numbers, as Flink computes them from sums of squares; of others by Welford's method, whose parts
 * are added as Chan, Golub and LeVeque do. */
#include "engine/functions/aggregates.h"

#include "engine/expr/type_rules.h"
#include "engine/values/decimal.h"

#include <math.h>

enum { SETTING_ROOT = 1, SETTING_SAMPLE = 2 };

struct int_moments {
    int64_t n, pad;
    __int128 sum, squares;
};

struct real_moments {
    int64_t n;
    double mean, m2;
};

/* ---- integers --------------------------------------------------------------------------------------- */

static int int_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct int_moments *s = AGGREGATE_STATES(a, struct int_moments);
    for (uint32_t i = 0; i < in->n; i++) {
        const int64_t v = column_get_int(in->args[0], in->rows[i]);
        struct int_moments *x = &s[in->groups[i]];
        x->n++;
        x->sum += v;
        x->squares =
            (__int128)((unsigned __int128)x->squares + (unsigned __int128)((__int128)v * v));
    }
    return 0;
}

static int int_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct int_moments *s = AGGREGATE_STATES(a, struct int_moments);
    for (uint32_t i = 0; i < in->n; i++) {
        struct int_moments *x = &s[in->groups[i]];
        x->n += COLUMN_VALUES(in->args[0], const int64_t)[in->rows[i]];
        x->sum += COLUMN_VALUES(in->args[1], const __int128)[in->rows[i]];
        x->squares =
            (__int128)((unsigned __int128)x->squares +
                       (unsigned __int128)COLUMN_VALUES(in->args[2], const __int128)[in->rows[i]]);
    }
    return 0;
}

static void int_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                             uint32_t n)
{
    struct int_moments *s = AGGREGATE_STATES(a, struct int_moments);
    for (uint32_t i = 0; i < n; i++) {
        s[to[i]].n += s[from[i]].n;
        s[to[i]].sum += s[from[i]].sum;
        s[to[i]].squares =
            (__int128)((unsigned __int128)s[to[i]].squares + (unsigned __int128)s[from[i]].squares);
    }
}

static int int_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                          struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct int_moments *s = AGGREGATE_STATES(a, const struct int_moments);
    for (uint32_t k = 0; k < 3; k++) {
        aggregate_column(pool, &ret[k], n);
    }
    for (uint32_t i = 0; i < n; i++) {
        COLUMN_VALUES(&ret[0], int64_t)[i] = s[groups[i]].n;
        COLUMN_VALUES(&ret[1], __int128)[i] = s[groups[i]].sum;
        COLUMN_VALUES(&ret[2], __int128)[i] = s[groups[i]].squares;
    }
    return 0;
}

static int64_t int_value(const struct aggregate *a, const struct int_moments *x)
{
    const int64_t divisor = (a->setting & SETTING_SAMPLE) != 0 ? x->n - 1 : x->n;
    __int128 square;
    int64_t variance;
    if (__builtin_mul_overflow(x->sum, x->sum, &square)) {
        const long double mean = (long double)x->sum / (long double)x->n;
        variance = (int64_t)(((long double)x->squares - mean * (long double)x->sum) /
                             (long double)divisor);
    } else {
        variance = (int64_t)((x->squares - square / x->n) / divisor);
    }
    return (a->setting & SETTING_ROOT) != 0 ? (int64_t)sqrt((double)variance) : variance;
}

static int int_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                      struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct int_moments *s = AGGREGATE_STATES(a, const struct int_moments);
    const int64_t least = (a->setting & SETTING_SAMPLE) != 0 ? 2 : 1;
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        if (s[groups[i]].n < least) {
            aggregate_set_null(pool, ret, i, n);
        } else {
            aggregate_put_int(ret, i, int_value(a, &s[groups[i]]));
        }
    }
    return 0;
}

static const struct aggregate_kernels int_kernels = {
    .add = int_add,
    .merge = int_merge,
    .merge_groups = int_merge_groups,
    .accumulate = int_accumulate,
    .result = int_result,
};

/* ---- others ----------------------------------------------------------------------------------------- */

static double real_at(const struct column *c, uint32_t row)
{
    switch (c->type->layout) {
    case LAYOUT_F32:
        return (double)COLUMN_VALUES(c, const float)[row];
    case LAYOUT_F64:
        return COLUMN_VALUES(c, const double)[row];
    case LAYOUT_I128:
        return decimal_to_double(
            (struct decimal){COLUMN_VALUES(c, const __int128)[row], c->type->scale});
    default:
        return decimal_to_double((struct decimal){column_get_int(c, row), c->type->scale});
    }
}

static int real_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct real_moments *s = AGGREGATE_STATES(a, struct real_moments);
    for (uint32_t i = 0; i < in->n; i++) {
        struct real_moments *x = &s[in->groups[i]];
        const double v = real_at(in->args[0], in->rows[i]), delta = v - x->mean;
        x->n++;
        x->mean += delta / (double)x->n;
        x->m2 += delta * (v - x->mean);
    }
    return 0;
}

static void real_join(struct real_moments *x, const struct real_moments *y)
{
    if (y->n == 0) {
        return;
    }
    const double n = (double)(x->n + y->n), delta = y->mean - x->mean;
    x->m2 += y->m2 + delta * delta * (double)x->n * (double)y->n / n;
    x->mean += delta * (double)y->n / n;
    x->n += y->n;
}

static int real_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct real_moments *s = AGGREGATE_STATES(a, struct real_moments);
    for (uint32_t i = 0; i < in->n; i++) {
        const struct real_moments y = {
            .n = COLUMN_VALUES(in->args[0], const int64_t)[in->rows[i]],
            .mean = COLUMN_VALUES(in->args[1], const double)[in->rows[i]],
            .m2 = COLUMN_VALUES(in->args[2], const double)[in->rows[i]],
        };
        real_join(&s[in->groups[i]], &y);
    }
    return 0;
}

static void real_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                              uint32_t n)
{
    struct real_moments *s = AGGREGATE_STATES(a, struct real_moments);
    for (uint32_t i = 0; i < n; i++) {
        real_join(&s[to[i]], &s[from[i]]);
    }
}

static int real_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                           struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct real_moments *s = AGGREGATE_STATES(a, const struct real_moments);
    for (uint32_t k = 0; k < 3; k++) {
        aggregate_column(pool, &ret[k], n);
    }
    for (uint32_t i = 0; i < n; i++) {
        COLUMN_VALUES(&ret[0], int64_t)[i] = s[groups[i]].n;
        COLUMN_VALUES(&ret[1], double)[i] = s[groups[i]].mean;
        COLUMN_VALUES(&ret[2], double)[i] = s[groups[i]].m2;
    }
    return 0;
}

static bool put_real(const struct aggregate *a, struct column *c, uint32_t row, double v)
{
    const struct data_type *t = a->result;
    __int128 unscaled;
    if (t->id != TYPE_DECIMAL) {
        aggregate_put_real(c, row, v);
        return true;
    }
    if (!decimal_from_double(v, (struct decimal_type){t->precision, t->scale}, &unscaled)) {
        return false;
    }
    aggregate_put_wide(c, row, unscaled);
    return true;
}

static int real_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                       struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct real_moments *s = AGGREGATE_STATES(a, const struct real_moments);
    const int64_t less = (a->setting & SETTING_SAMPLE) != 0 ? 1 : 0;
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct real_moments *x = &s[groups[i]];
        const double variance = x->n > less ? x->m2 / (double)(x->n - less) : 0;
        const double v = (a->setting & SETTING_ROOT) != 0 ? sqrt(variance) : variance;
        if (x->n <= less || !put_real(a, ret, i, v)) {
            aggregate_set_null(pool, ret, i, n);
        }
    }
    return 0;
}

static const struct aggregate_kernels real_kernels = {
    .add = real_add,
    .merge = real_merge,
    .merge_groups = real_merge_groups,
    .accumulate = real_accumulate,
    .result = real_result,
};

static int bind_moments(struct aggregate *a, uint64_t setting)
{
    const bool is_whole = type_is_integer(a->result);
    a->setting = setting;
    a->kernels = is_whole ? &int_kernels : &real_kernels;
    a->state_bytes = is_whole ? sizeof(struct int_moments) : sizeof(struct real_moments);
    a->n_accumulators = 3;
    a->accumulators[0] = type_new(TYPE_BIGINT, false);
    for (uint32_t i = 1; i < 3; i++) {
        a->accumulators[i] = is_whole ? type_new_precision(TYPE_DECIMAL, 38, 0, false)
                                      : type_new(TYPE_DOUBLE, false);
    }
    return 0;
}

static int bind_stddev_pop(struct aggregate *a, struct error *err)
{
    return bind_moments(a, SETTING_ROOT);
}
static int bind_stddev_samp(struct aggregate *a, struct error *err)
{
    return bind_moments(a, SETTING_ROOT | SETTING_SAMPLE);
}
static int bind_var_pop(struct aggregate *a, struct error *err)
{
    return bind_moments(a, 0);
}
static int bind_var_samp(struct aggregate *a, struct error *err)
{
    return bind_moments(a, SETTING_SAMPLE);
}

const struct aggregate_desc aggregate_stddev_pop = {.bind = bind_stddev_pop};
const struct aggregate_desc aggregate_stddev_samp = {.bind = bind_stddev_samp};
const struct aggregate_desc aggregate_var_pop = {.bind = bind_var_pop};
const struct aggregate_desc aggregate_var_samp = {.bind = bind_var_samp};
