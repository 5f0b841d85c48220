/* APPROX_COUNT_DISTINCT: HyperLogLog with 1,024 registers of a byte, small counts by linear counting.
 *
 * Flajolet, Fusy, Gandouet, Meunier 2007; the hash has 64 bits, so that large counts need no correction.  Flink: the batch
 * planner's ApproximateCountDistinct. */
#include "engine/functions/aggregates.h"

#include "engine/data/hash.h"

#include <math.h>

enum { BITS = 10, REGISTERS = 1 << BITS };

static uint8_t *registers_of(struct aggregate *a, uint32_t group)
{
    uint8_t **s = AGGREGATE_STATES(a, uint8_t *);
    if (s[group] == NULL) {
        s[group] = aggregate_heap_get(&a->heap, REGISTERS);
        memset(s[group], 0, REGISTERS);
    }
    return s[group];
}

static int sketch_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    for (uint32_t i = 0; i < in->n; i++) {
        const uint64_t hash = key_hash_cell(in->args[0], in->rows[i]);
        const uint64_t rest = hash << BITS | UINT64_C(1) << (BITS - 1);
        uint8_t *r = &registers_of(a, in->groups[i])[hash >> (64 - BITS)];
        *r = MAX(*r, (uint8_t)(__builtin_clzll(rest) + 1));
    }
    return 0;
}

static void join(uint8_t *restrict to, const uint8_t *restrict from)
{
    for (uint32_t k = 0; k < REGISTERS; k++) {
        to[k] = MAX(to[k], from[k]);
    }
}

static int sketch_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    for (uint32_t i = 0; i < in->n; i++) {
        const struct slice bytes = column_get_bytes(in->args[0], in->rows[i]);
        if (column_is_null(in->args[0], in->rows[i])) {
            continue;
        }
        if (bytes.len != REGISTERS) {
            return error_set(err, ERR_CORRUPT, "a sketch of %zu bytes", bytes.len);
        }
        join(registers_of(a, in->groups[i]), (const uint8_t *)bytes.data);
    }
    return 0;
}

static void sketch_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                                uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (AGGREGATE_STATES(a, uint8_t *)[from[i]] != NULL) {
            uint8_t *registers = registers_of(a, to[i]);
            join(registers, AGGREGATE_STATES(a, uint8_t *)[from[i]]);
        }
    }
}

static int sketch_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                             struct buffer_pool *pool, struct column *ret, struct error *err)
{
    struct buffer *data = buffer_get(pool, (uint64_t)n * REGISTERS);
    aggregate_column(pool, ret, n);
    data->size = (uint64_t)n * REGISTERS;
    for (uint32_t i = 0; i < n; i++) {
        struct view *v = &COLUMN_VALUES(ret, struct view)[i];
        const uint8_t *registers = registers_of(a, groups[i]);
        uint8_t *to = data->data + (size_t)i * REGISTERS;
        memcpy(to, registers, REGISTERS);
        *v = (struct view){.len = REGISTERS, .buffer = 0, .offset = (int32_t)(i * REGISTERS)};
        memcpy(v->prefix, to, sizeof(v->prefix));
    }
    column_add_data(pool, ret, data);
    return 0;
}

static int64_t estimate(const uint8_t *registers)
{
    const double m = REGISTERS, alpha = 0.7213 / (1 + 1.079 / m);
    double sum = 0;
    uint32_t zeros = 0;
    for (uint32_t k = 0; k < REGISTERS; k++) {
        sum += ldexp(1, -(int)registers[k]);
        zeros += registers[k] == 0;
    }
    const double raw = alpha * m * m / sum;
    return llround(raw <= 2.5 * m && zeros > 0 ? m * log(m / zeros) : raw);
}

static int sketch_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                         struct buffer_pool *pool, struct column *ret, struct error *err)
{
    aggregate_column(pool, ret, n);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *registers = AGGREGATE_STATES(a, uint8_t *)[groups[i]];
        COLUMN_VALUES(ret, int64_t)[i] = registers != NULL ? estimate(registers) : 0;
    }
    return 0;
}

static const struct aggregate_kernels kernels = {
    .add = sketch_add,
    .merge = sketch_merge,
    .merge_groups = sketch_merge_groups,
    .accumulate = sketch_accumulate,
    .result = sketch_result,
};

static int bind_sketch(struct aggregate *a, struct error *err)
{
    a->kernels = &kernels;
    a->state_bytes = sizeof(uint8_t *);
    a->n_accumulators = 1;
    a->accumulators[0] = type_new_sized(TYPE_VARBINARY, TYPE_LENGTH_MAX, false);
    return 0;
}

const struct aggregate_desc aggregate_approx_count_distinct = {.bind = bind_sketch};
