/* flinc.filter: the records for which a function says yes, by a row or a batch callback.
 *
 * No row is copied: the batch goes on with a selection, untouched when all of its rows are kept.
 * Flink: StreamFilter.  Thread: the task's. */
#include "engine/operators/registry.h"
#include "engine/operators/row_operator.h"

struct filter_operator {
    struct row_operator rows;
};

static int filter_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct filter_operator *f = (struct filter_operator *)op;
    CLEANUP(row_config_free)
    Flinc__FunctionOperatorConfig *config = row_config_parse(ctx, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    TRY(row_operator_open(&f->rows, ctx, config, FLINC_FN_FILTER, FLINC_FN_BATCH_FILTER, err));
    return user_functions_start(&f->rows.functions, err);
}

/* Writes the rows that are kept and sets *ret_n. */
static int filter_rows(struct filter_operator *op, const struct batch *b, uint16_t *rows,
                       uint32_t *ret_n, struct error *err)
{
    struct row_reader *reader = &op->rows.readers[0];
    struct user_function *f = &op->rows.functions.items[0];
    int (*call)(flinc_ctx *, const void *) = (int (*)(flinc_ctx *, const void *))f->call;
    struct user_states *states = op->rows.functions.states;
    uint32_t n, kept = 0;
    row_reader_start(reader, b);
    for (;;) {
        TRY(row_reader_next(reader, &n, err));
        if (n == 0) {
            break;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (i % USER_CANCEL_ROWS == 0) {
                TRY(user_function_check_cancelled(f, err));
            }
            user_states_set_row(states, reader->next - n + i);
            op->rows.row = i; /* for flinc_ctx_timestamp() */
            int rc = call(&f->ctx, row_reader_row(reader, i));
            if (UNLIKELY(rc < 0)) {
                return user_function_failed(f, rc, err);
            }
            rows[kept] = (uint16_t)row_reader_source(reader, i);
            kept += rc != 0;
        }
        TRY(user_function_check(f, err));
    }
    *ret_n = kept;
    return 0;
}

/* Takes the batch; *ret_batch is NULL when no row is kept. */
static int filter_by_rows(struct filter_operator *op, struct op_context *ctx,
                          struct batch *take_batch, struct batch **ret_batch, struct error *err)
{
    struct batch *b = take_batch;
    uint32_t n = 0;
    struct user_states *states = op->rows.functions.states;
    int rc = user_states_begin_batch(states, &b, op->rows.key_columns[0], err);
    struct buffer *sel = buffer_get(ctx->pool, ((uint64_t)b->n_sel + 1) * sizeof(uint16_t));
    if (rc == 0) {
        rc = filter_rows(op, b, (uint16_t *)(void *)sel->data, &n, err);
    }
    if (rc == 0) {
        rc = user_states_end_batch(states, err);
    }
    if (rc < 0) {
        buffer_unref(sel);
        batch_unref(b);
        return rc;
    }
    if (n > 0 && n < b->n_sel) {
        sel->size = (uint64_t)n * sizeof(uint16_t);
        b = batch_make_unique(ctx->pool, b);
        batch_set_selection(b, sel, n);
    } else {
        buffer_unref(sel);
        b = n == 0 ? batch_unref(b) : b;
    }
    *ret_batch = b;
    return 0;
}

static int filter_process(struct operator* op, struct op_context *ctx, uint32_t input,
                          struct batch *take_batch, struct error *err)
{
    struct filter_operator *f = (struct filter_operator *)op;
    struct batch *kept = NULL;
    if (f->rows.by_batch) {
        TRY(batch_filter_call(&f->rows.functions.items[0], &f->rows.face, ctx->pool, take_batch,
                              &kept, err));
    } else {
        TRY(filter_by_rows(f, ctx, take_batch, &kept, err));
    }
    if (kept != NULL) {
        op_emit(ctx, 0, batch_without_hashes(ctx->pool, kept));
    }
    return OP_DONE;
}

static void filter_close(struct operator* op, struct op_context *ctx)
{
    row_operator_close(&((struct filter_operator *)op)->rows);
}

const struct operator_desc operator_filter = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.filter",
    .summary = "The records for which a function says yes (DataStream.filter)",
    .instance_size = sizeof(struct filter_operator),
    .n_inputs = 1,
    .open = filter_open,
    .process = filter_process,
    .close = filter_close,
    .snapshot = row_operator_snapshot,
};
