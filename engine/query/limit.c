/* flinc.query.limit: rows offset to offset + fetch, in the order in which they come to this subtask.
 *
 * Flink: StreamExecLimit over inserts, BatchExecLimit.  Thread: the task's. */
#include "engine/query/inside.h"
#include "engine/query/query.h"

struct limit_operator {
    struct operator base;
    uint64_t skip; /* rows that are still to be dropped */
    uint64_t left; /* rows that may still pass; UINT64_MAX: all */
};

static int limit_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct limit_operator *l = (struct limit_operator *)op;
    Flinc__LimitConfig *config = query_config_read(ctx, &flinc__limit_config__descriptor, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    const bool is_right = config->offset >= 0 && (!config->has_fetch || config->fetch >= 0);
    l->skip = (uint64_t)config->offset;
    l->left = config->has_fetch ? (uint64_t)config->fetch : UINT64_MAX;
    query_config_free(config);
    return is_right ? 0 : query_config_damaged(ctx, "a negative offset or fetch", err);
}

static int limit_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct limit_operator *l = (struct limit_operator *)op;
    struct batch *b = take_batch;
    const int rc = query_check_inserts(ctx, b, err);
    const uint32_t from = (uint32_t)MIN(l->skip, (uint64_t)b->n_sel);
    const uint32_t n = (uint32_t)MIN(l->left, (uint64_t)(b->n_sel - from));
    if (rc < 0 || n == 0) {
        l->skip -= from;
        batch_unref(b);
        return rc;
    }
    l->skip -= from;
    l->left -= l->left == UINT64_MAX ? 0 : n;
    if (n < b->n_sel) {
        struct batch *part = batch_slice(ctx->pool, b, from, from + n);
        batch_unref(b);
        b = part;
    }
    op_emit(ctx, 0, b);
    return OP_DONE;
}

static void limit_close(struct operator* op, struct op_context *ctx)
{
}

const struct operator_desc query_limit = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.limit",
    .summary = "So many rows, as they come (LIMIT, OFFSET, FETCH)",
    .instance_size = sizeof(struct limit_operator),
    .n_inputs = 1,
    .open = limit_open,
    .process = limit_process,
    .close = limit_close,
};
