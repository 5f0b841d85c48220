/* What is common to all aggregates: states, NULLs, the heap. */
#include "engine/expr/aggregate_kernels.h"

#include "engine/data/codec.h"

#include <inttypes.h>

enum { HEAP_BLOCK_BYTES = 64 * 1024, GROUPS_FIRST = 64 };

/* Row numbers 0, 1, ... and group 0, for batches without them. */
static uint16_t identity[BATCH_ROWS_MAX];
static const uint32_t zeros[BATCH_ROWS_MAX];

static void __attribute__((constructor)) fill_identity(void)
{
    for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
        identity[i] = (uint16_t)i;
    }
}

/* ---- heap ------------------------------------------------------------------------------------------- */

void *aggregate_heap_get(struct aggregate_heap *h, uint64_t size)
{
    size = (MAX(size, UINT64_C(1)) + 7) &
           ~UINT64_C(7); /* of nothing as well: the first block may not be there */
    if (size > h->left) {
        struct buffer *block = buffer_get(h->pool, MAX(size, (uint64_t)HEAP_BLOCK_BYTES));
        if (h->n_blocks == h->cap_blocks) {
            h->cap_blocks = MAX(h->cap_blocks * 2, 16u);
            h->blocks = mem_realloc(h->blocks, h->cap_blocks * sizeof(struct buffer *));
        }
        h->blocks[h->n_blocks++] = block;
        h->bytes += block->capacity;
        h->next = (char *)block->data;
        h->left = block->capacity;
    }
    void *p = h->next;
    h->next += size;
    h->left -= size;
    return p;
}

static void heap_clear(struct aggregate_heap *h)
{
    for (uint32_t i = 0; i < h->n_blocks; i++) {
        buffer_unref(h->blocks[i]);
    }
    h->n_blocks = 0;
    h->left = 0;
    h->bytes = 0;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static const struct data_type *value_type(const struct aggregate_options *o)
{
    if (o->n_args == 0) {
        return NULL;
    }
    if (!o->is_merging) {
        return o->args[0];
    }
    const struct aggregate_desc *desc = o->function->aggregate;
    return desc->value_of != NULL ? desc->value_of(o->args[0], o->result) : o->result;
}

static int check_merging(const struct aggregate *a, const struct aggregate_options *o,
                         struct error *err)
{
    bool same = o->n_args == a->n_accumulators;
    for (uint32_t i = 0; same && i < o->n_args; i++) {
        same = o->args[i]->id == a->accumulators[i]->id &&
               o->args[i]->layout == a->accumulators[i]->layout;
    }
    if (!same) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: what comes are not its accumulators: %" PRIu32 " columns, %" PRIu32
                         " are expected",
                         o->function->name, o->n_args, a->n_accumulators);
    }
    return 0;
}

int aggregate_new(const struct aggregate_options *options, struct aggregate **ret,
                  struct error *err)
{
    const struct expr_function *f = options->function;
    if (f->kind != EXPR_AGGREGATE || f->aggregate == NULL || options->n_args > AGGREGATE_ARGS_MAX) {
        return error_set(err, ERR_UNSUPPORTED, "%s cannot be computed as an aggregate", f->name);
    }
    struct aggregate *a = MEM_NEW(struct aggregate);
    const struct data_type *value = value_type(options);
    a->desc = f->aggregate;
    a->function = f;
    a->arg = value != NULL ? type_ref(value) : NULL;
    a->result = type_ref(options->result);
    a->n_args = options->n_args;
    a->arg_types = options->args;
    a->n_strict = MIN(options->n_args, 1u);
    a->is_merging = options->is_merging;
    a->pool = options->pool;
    a->heap.pool = options->pool;
    int rc = a->desc->bind(a, err);
    if (rc == 0 && a->is_merging) {
        rc = check_merging(a, options, err);
    }
    a->arg_types = NULL;
    if (rc < 0) {
        aggregate_free(a);
        return rc;
    }
    ASSERT(a->state_bytes > 0 && a->state_bytes <= AGGREGATE_STATE_MAX && a->state_bytes % 8 == 0);
    *ret = a;
    return 0;
}

static void drop_groups(struct aggregate *a, uint32_t from, uint32_t n)
{
    if (n > 0 && a->kernels != NULL && a->kernels->drop != NULL) {
        a->kernels->drop(a, from, n);
    }
}

struct aggregate *aggregate_free(struct aggregate *a)
{
    if (a != NULL) {
        drop_groups(a, 0, a->n_groups);
        if (a->free_user != NULL) {
            a->free_user(a->user);
        }
        heap_clear(&a->heap);
        mem_free(a->heap.blocks);
        buffer_unref(a->states);
        for (uint32_t i = 0; i < AGGREGATE_ACCUMULATORS_MAX; i++) {
            type_unref(a->accumulators[i]);
        }
        type_unref((struct data_type *)a->arg);
        type_unref((struct data_type *)a->result);
        mem_free(a->text);
        mem_free(a->kept_rows);
        mem_free(a->kept_groups);
        mem_free(a);
    }
    return NULL;
}

int aggregate_accumulators(const struct expr_function *function,
                           const struct data_type *const *args, uint32_t n_args,
                           const struct data_type *result, struct data_type **ret_types,
                           uint32_t *ret_n, struct error *err)
{
    const struct aggregate_options options = {
        .function = function, .args = args, .n_args = n_args, .result = result};
    struct aggregate *a = NULL;
    TRY(aggregate_new(&options, &a, err));
    for (uint32_t i = 0; i < a->n_accumulators; i++) {
        ret_types[i] = type_ref(a->accumulators[i]);
    }
    *ret_n = a->n_accumulators;
    aggregate_free(a);
    return 0;
}

uint32_t aggregate_n_accumulators(const struct aggregate *a)
{
    return a->n_accumulators;
}

bool aggregate_can_retract(const struct aggregate *a)
{
    return a->kernels->retract != NULL;
}

uint64_t aggregate_bytes(const struct aggregate *a)
{
    return (a->states != NULL ? a->states->capacity : 0) + a->heap.bytes;
}

/* ---- groups ----------------------------------------------------------------------------------------- */

void aggregate_reserve(struct aggregate *a, uint32_t n_groups)
{
    if (n_groups > a->cap_groups) {
        const uint64_t wanted = MAX((uint64_t)a->cap_groups * 2, (uint64_t)n_groups);
        const uint64_t cap = MAX(wanted, (uint64_t)GROUPS_FIRST);
        const uint64_t bytes = cap * a->state_bytes;
        if (a->states == NULL) {
            a->states = buffer_get(a->pool, bytes);
        } else {
            a->states->size = (uint64_t)a->n_groups * a->state_bytes;
            a->states = buffer_grow(a->pool, a->states, bytes);
        }
        a->cap_groups = (uint32_t)MIN(cap, (uint64_t)UINT32_MAX);
    }
    if (n_groups > a->n_groups) {
        memset(a->states->data + (size_t)a->n_groups * a->state_bytes, 0,
               (size_t)(n_groups - a->n_groups) * a->state_bytes);
        a->n_groups = n_groups;
    }
}

void aggregate_reset(struct aggregate *a, uint32_t from, uint32_t n)
{
    ASSERT(from + n <= a->n_groups);
    drop_groups(a, from, n);
    memset(a->states->data + (size_t)from * a->state_bytes, 0, (size_t)n * a->state_bytes);
}

void aggregate_clear(struct aggregate *a)
{
    drop_groups(a, 0, a->n_groups);
    a->n_groups = 0;
    heap_clear(&a->heap);
}

/* ---- batches ---------------------------------------------------------------------------------------- */

/* The rows without a NULL in any argument, into the scratch arrays. */
static void keep_valid(struct aggregate *a, const struct aggregate_rows *in, uint32_t n_args,
                       struct aggregate_rows *ret)
{
    uint32_t kept = 0;
    if (a->kept_rows == NULL) {
        a->kept_rows = mem_alloc(BATCH_ROWS_MAX * sizeof(*a->kept_rows));
        a->kept_groups = mem_alloc(BATCH_ROWS_MAX * sizeof(*a->kept_groups));
    }
    for (uint32_t i = 0; i < in->n; i++) {
        bool is_null = false;
        for (uint32_t k = 0; k < n_args; k++) {
            is_null |= column_is_null(in->args[k], in->rows[i]);
        }
        a->kept_rows[kept] = in->rows[i];
        a->kept_groups[kept] = in->groups[i];
        kept += !is_null;
    }
    ret->rows = a->kept_rows;
    ret->groups = a->kept_groups;
    ret->n = kept;
}

static struct aggregate_rows complete(const struct aggregate_rows *in)
{
    struct aggregate_rows rows = *in;
    rows.rows = rows.rows != NULL ? rows.rows : identity;
    rows.groups = rows.groups != NULL ? rows.groups : zeros;
    ASSERT(rows.n <= BATCH_ROWS_MAX);
    return rows;
}

static bool has_nulls(const struct aggregate_rows *in, uint32_t n_args)
{
    for (uint32_t k = 0; k < n_args; k++) {
        if (in->args[k]->validity != NULL) {
            return true;
        }
    }
    return false;
}

static int run(struct aggregate *a, const struct aggregate_rows *in,
               int (*kernel)(struct aggregate *a, const struct aggregate_rows *in,
                             struct error *err),
               struct error *err)
{
    struct aggregate_rows rows = complete(in);
    if (has_nulls(&rows, a->n_strict)) {
        keep_valid(a, &rows, a->n_strict, &rows);
    }
    return rows.n > 0 ? kernel(a, &rows, err) : 0;
}

int aggregate_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return run(a, in, a->kernels->add, err);
}

int aggregate_retract(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    ASSERT(a->kernels->retract != NULL);
    return run(a, in, a->kernels->retract, err);
}

int aggregate_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    const struct aggregate_rows rows = complete(in);
    return rows.n > 0 ? a->kernels->merge(a, &rows, err) : 0;
}

void aggregate_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                            uint32_t n)
{
    a->kernels->merge_groups(a, to, from, n);
}

int aggregate_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                         struct buffer_pool *pool, struct column *ret, struct error *err)
{
    return a->kernels->accumulate(a, groups, n, pool, ret, err);
}

int aggregate_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                     struct buffer_pool *pool, struct column *ret, struct error *err)
{
    return a->kernels->result(a, groups, n, pool, ret, err);
}

/* ---- columns ---------------------------------------------------------------------------------------- */

void aggregate_column(struct buffer_pool *pool, struct column *ret, uint32_t n)
{
    const uint64_t bytes = column_values_bytes(ret->type, n);
    struct buffer *values = buffer_get(pool, bytes);
    memset(values->data, 0, bytes);
    values->size = bytes;
    column_set_values(ret, values);
}

void aggregate_set_null(struct buffer_pool *pool, struct column *c, uint32_t row, uint32_t n)
{
    if (c->validity == NULL) {
        const uint64_t bytes = (n + 7) / 8;
        struct buffer *bits = buffer_get(pool, bytes);
        memset(bits->data, 0xff, bytes);
        bits->size = bytes;
        if (n % 8 != 0) {
            bits->data[bytes - 1] = (uint8_t)((1u << (n % 8)) - 1);
        }
        column_set_validity(c, bits);
    }
    c->validity->data[row >> 3] &= (uint8_t) ~(1u << (row & 7));
}

int aggregate_put_encoded(struct buffer_pool *pool, struct column *ret, uint32_t n,
                          bool (*cell)(const void *arg, uint32_t i, struct slice *ret),
                          const void *arg, struct error *err)
{
    struct builder b;
    int rc = 0;
    builder_init_column(&b, pool, ret->type, true);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        struct slice bytes;
        builder_begin(&b);
        if (!cell(arg, i, &bytes)) {
            builder_put_null(&b, 0);
        } else if (ret->type->layout == LAYOUT_VIEW) {
            rc = builder_put_bytes(&b, 0, bytes.data, bytes.len, err);
        } else {
            rc = value_decode(bytes.data, bytes.len, &b, 0, err);
        }
        builder_end_row(&b);
    }
    return builder_fini_column(&b, rc, ret);
}
