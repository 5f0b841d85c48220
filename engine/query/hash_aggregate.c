/* flinc.query.hash_aggregate: a row per group at the end of a bounded input.
 *
 * Groups come from a hash table of keys; each call adds the batch to its states by group number.  The local half gives its
 * accumulators on whenever it has many groups, so that it stays small; the global half adds accumulators, which the calls name
 * as their arguments.  Flink: BatchExecHashAggregate (local and global).  Thread: the task's. */
#include "engine/query/calls.h"
#include "engine/query/query.h"

#include "engine/data/hash.h"

enum { LOCAL_GROUPS_MAX = 128 * 1024 }; /* then what there is goes on */

struct hash_aggregate {
    struct operator base;
    Flinc__HashAggregateConfig *config; /* Owns */
    struct buffer_pool *memory;         /* Owns: groups and states */
    struct groups groups;
    struct query_calls calls;
    uint32_t *found; /* Owns: the group of each row of a batch */
    uint32_t next;   /* group that goes out next */
    bool is_emitting, is_ended;
};

static int check_output(const struct hash_aggregate *h, const struct op_context *ctx,
                        struct error *err)
{
    const struct schema *out = ctx->output_schemas[0];
    uint32_t n = h->groups.n_keys;
    const bool is_local = h->config->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL;
    for (uint32_t i = 0; i < h->calls.n; i++) {
        const struct aggregate *a = h->calls.items[i].aggregate;
        const uint32_t n_columns = is_local ? a->n_accumulators : 1;
        if (is_local && (n_columns == 0 || h->calls.items[i].is_distinct)) {
            return error_set(err, ERR_UNSUPPORTED,
                             "operator '%s': %s%s cannot be computed in two steps", ctx->spec->name,
                             a->function->name,
                             h->calls.items[i].is_distinct ? "(DISTINCT ...)" : "");
        }
        for (uint32_t k = 0; k < n_columns; k++, n++) {
            const struct data_type *type = is_local ? a->accumulators[k] : a->result;
            if (n >= out->n_fields || out->fields[n].type->id != type->id ||
                out->fields[n].type->layout != type->layout) {
                return query_config_damaged(ctx, "an aggregate has another type than its column",
                                            err);
            }
        }
    }
    return n == out->n_fields
               ? 0
               : query_config_damaged(ctx, "it has another number of results than columns", err);
}

static int hash_aggregate_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct hash_aggregate *h = (struct hash_aggregate *)op;
    const struct schema *input = ctx->input_schemas[0], *output = ctx->output_schemas[0];
    const struct data_type **types;
    h->config = query_config_read(ctx, &flinc__hash_aggregate_config__descriptor, err);
    if (h->config == NULL) {
        return ERR_CORRUPT;
    }
    const uint32_t n_keys = (uint32_t)h->config->n_keys;
    TRY(query_check_columns(ctx, input, h->config->keys, n_keys, err));
    h->memory = query_memory_open(ctx);
    h->found = mem_alloc(BATCH_ROWS_MAX * sizeof(*h->found));
    types = arena_alloc(ctx->arena, (n_keys + 1) * sizeof(const struct data_type *));
    for (uint32_t k = 0; k < n_keys; k++) {
        types[k] = input->fields[h->config->keys[k]].type;
        if (k >= output->n_fields || output->fields[k].type->id != types[k]->id ||
            output->fields[k].type->layout != types[k]->layout) {
            return query_config_damaged(ctx, "a key has another type than its column", err);
        }
    }
    groups_init(&h->groups, h->memory, types, n_keys);
    const struct query_calls_spec spec = {
        .calls = h->config->calls,
        .n = h->config->n_calls,
        .input = input,
        .is_merging = h->config->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL,
        .pool = h->memory,
    };
    TRY(query_calls_open(&h->calls, ctx, &spec, err));
    return check_output(h, ctx, err);
}

/* ---- input ------------------------------------------------------------------------------------------ */

static int find_groups(struct hash_aggregate *h, struct op_context *ctx, struct batch **inout,
                       struct error *err)
{
    const struct column *keys[BATCH_DATA_INLINE + 64];
    const struct column **columns = keys;
    const uint32_t n_keys = h->groups.n_keys;
    struct batch *b = *inout = batch_make_unique(ctx->pool, *inout);
    if (n_keys > ARRAY_LEN(keys)) {
        columns = mem_alloc(n_keys * sizeof(*columns));
    }
    for (uint32_t k = 0; k < n_keys; k++) {
        columns[k] = &b->columns[h->config->keys[k]];
    }
    batch_hash_keys(ctx->pool, b, h->config->keys, n_keys);
    const int rc = groups_find(&h->groups, columns, (const uint64_t *)(const void *)b->hashes->data,
                               batch_sel(b), b->n_sel, h->found, NULL, err);
    if (columns != keys) {
        mem_free(columns);
    }
    TRY(rc);
    query_calls_reserve(&h->calls, h->groups.n);
    return query_memory_check(ctx, "groups", h->groups.n, err);
}

static int merge_accumulators(struct hash_aggregate *h, const struct batch *b,
                              struct aggregate_rows *in, struct error *err)
{
    const struct column *args[AGGREGATE_ARGS_MAX];
    for (uint32_t i = 0; i < h->calls.n; i++) {
        const struct query_call *call = &h->calls.items[i];
        for (uint32_t k = 0; k < call->n_args; k++) {
            args[k] = &b->columns[call->args[k]];
        }
        in->args = args;
        TRY(aggregate_merge(call->aggregate, in, err));
    }
    return 0;
}

static int add_batch(struct hash_aggregate *h, struct op_context *ctx, struct batch **inout,
                     struct error *err)
{
    TRY(query_check_inserts(ctx, *inout, err));
    if (h->groups.n_keys > 0) {
        TRY(find_groups(h, ctx, inout, err));
    } else {
        query_calls_reserve(&h->calls, 1);
    }
    const struct batch *b = *inout;
    struct aggregate_rows in = {
        .rows = batch_sel(b),
        .groups = h->groups.n_keys > 0 ? h->found : NULL,
        .n = b->n_sel,
    };
    if (h->config->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL) {
        return merge_accumulators(h, b, &in, err);
    }
    return query_calls_add(&h->calls, b, &in, err);
}

/* ---- output ----------------------------------------------------------------------------------------- */

static int fill(struct hash_aggregate *h, struct op_context *ctx, struct batch *out, uint32_t n,
                struct error *err)
{
    const bool is_local = h->config->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL;
    uint32_t column = h->groups.n_keys;
    for (uint32_t k = 0; k < h->groups.n_keys; k++) {
        TRY(groups_keys(&h->groups, k, h->next, n, ctx->pool, &out->columns[k], err));
    }
    for (uint32_t i = 0; i < n; i++) {
        h->found[i] = h->next + i;
    }
    for (uint32_t i = 0; i < h->calls.n; i++) {
        struct aggregate *a = h->calls.items[i].aggregate;
        struct column *c = &out->columns[column];
        TRY(is_local ? aggregate_accumulate(a, h->found, n, ctx->pool, c, err)
                     : aggregate_result(a, h->found, n, ctx->pool, c, err));
        column += is_local ? a->n_accumulators : 1;
    }
    return 0;
}

/* The next batch of results; OP_DONE behind the last one. */
static int emit_next(struct hash_aggregate *h, struct op_context *ctx, struct error *err)
{
    const uint32_t n_groups = h->groups.n_keys > 0 ? h->groups.n : 1;
    const uint32_t n = MIN(n_groups - h->next, (uint32_t)BATCH_ROWS_TARGET);
    TRY(query_check_cancelled(ctx, err));
    if (n > 0) {
        struct batch *out = batch_new(ctx->pool, ctx->output_schemas[0]);
        out->n_rows = out->n_sel = n;
        const int rc = fill(h, ctx, out, n, err);
        if (rc < 0) {
            batch_unref(out);
            return rc;
        }
        h->next += n;
        op_emit(ctx, 0, out);
    }
    if (h->next < n_groups) {
        return OP_MORE;
    }
    groups_clear(&h->groups);
    query_calls_clear(&h->calls);
    h->is_emitting = false;
    h->next = 0;
    return OP_DONE;
}

static int start_emitting(struct hash_aggregate *h, struct op_context *ctx, struct error *err)
{
    h->is_emitting = true;
    h->next = 0;
    if (h->groups.n_keys == 0) {
        query_calls_reserve(&h->calls, 1); /* also when no row came */
    }
    return emit_next(h, ctx, err);
}

static int hash_aggregate_process(struct operator* op, struct op_context *ctx, uint32_t input,
                                  struct batch *take_batch, struct error *err)
{
    struct hash_aggregate *h = (struct hash_aggregate *)op;
    struct batch *b = take_batch;
    const int rc = add_batch(h, ctx, &b, err);
    batch_unref(b);
    TRY(rc);
    if (h->config->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL &&
        h->groups.n > LOCAL_GROUPS_MAX) {
        return start_emitting(h, ctx, err);
    }
    return OP_DONE;
}

static int hash_aggregate_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct hash_aggregate *h = (struct hash_aggregate *)op;
    return h->is_emitting ? emit_next(h, ctx, err) : OP_DONE;
}

static int hash_aggregate_end(struct operator* op, struct op_context *ctx, uint32_t input,
                              struct error *err)
{
    return start_emitting((struct hash_aggregate *)op, ctx, err);
}

static void hash_aggregate_close(struct operator* op, struct op_context *ctx)
{
    struct hash_aggregate *h = (struct hash_aggregate *)op;
    query_calls_close(&h->calls);
    groups_fini(&h->groups);
    query_config_free(h->config);
    mem_free(h->found);
    h->memory = query_memory_close(h->memory);
}

const struct operator_desc query_hash_aggregate = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.hash_aggregate",
    .summary = "A row per group of a bounded input (GROUP BY, DISTINCT)",
    .instance_size = sizeof(struct hash_aggregate),
    .n_inputs = 1,
    .open = hash_aggregate_open,
    .process = hash_aggregate_process,
    .resume = hash_aggregate_resume,
    .end_of_input = hash_aggregate_end,
    .close = hash_aggregate_close,
};
