/* Aggregates by record: the state of a key is a whole record, a C struct with strings of its own.
 *
 * sum, min and max change one field of the first record; minBy and maxBy replace the record; reduce
 * asks the user's function.  Records are combined one after the other, since a result is due for each.
 * Flink: SumAggregator, ComparableAggregator, StreamGroupedReduceOperator.  Thread: the task's. */
#include "engine/operators/keyed_aggregate.h"

/* ---- combining --------------------------------------------------------------------------------- */

/* Sets one field of the kept record, strings too. */
static int take_field(struct keyed_aggregate *a, uint32_t slot, char *kept, const char *record,
                      struct error *err)
{
    const struct record_field *f = &a->fold.field;
    if (f->layout == LAYOUT_VIEW) {
        memcpy(a->scratch, kept, a->state->record->size);
        memcpy(a->scratch + f->offset, record + f->offset, f->width);
        if (f->null_offset != RECORD_NEVER_NULL) {
            a->scratch[f->null_offset] = 0;
        }
        return keyed_state_keep(a->state, slot, a->scratch, err);
    }
    memcpy(kept + f->offset, record + f->offset, f->width);
    if (f->null_offset != RECORD_NEVER_NULL) {
        kept[f->null_offset] = 0;
    }
    return 0;
}

static int combine_field(struct keyed_aggregate *a, uint32_t slot, char *kept, const char *record,
                         struct error *err)
{
    const struct record_field *f = &a->fold.field;
    if (record_field_is_null(f, record)) {
        return 0;
    }
    if (record_field_is_null(f, kept)) {
        return take_field(a, slot, kept, record, err);
    }
    if (a->kind == FLINC__AGGREGATE_KIND__AGGREGATE_SUM) {
        record_field_add(f, kept, record);
        return 0;
    }
    int c = record_field_compare(f->layout, record + f->offset, kept + f->offset);
    bool better = a->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MIN ? c < 0 : c > 0;
    return better ? take_field(a, slot, kept, record, err) : 0;
}

static int reduce(struct keyed_aggregate *a, uint32_t slot, const char *kept, const char *record,
                  struct error *err)
{
    struct user_function *f = &a->rows.functions.items[0];
    int (*call)(flinc_ctx *, const void *, const void *, void *) =
        (int (*)(flinc_ctx *, const void *, const void *, void *))f->call;
    TRY(user_function_check_cancelled(f, err));
    memset(a->scratch, 0, a->state->record->size);
    int rc = call(&f->ctx, kept, record, a->scratch);
    if (UNLIKELY(rc < 0)) {
        return user_function_failed(f, rc, err);
    }
    return keyed_state_keep(a->state, slot, a->scratch, err);
}

/* Takes one record into the state of its key. */
static int combine(struct keyed_aggregate *a, uint32_t i, const char *record, struct error *err)
{
    uint32_t slot = a->slots[i];
    char *kept = keyed_state_value(a->state, slot);
    if (a->is_new[i]) {
        return keyed_state_keep(a->state, slot, record, err);
    }
    switch (a->kind) {
    case FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE:
        return reduce(a, slot, kept, record, err);
    case FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY:
    case FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY:
        return record_fold_is_better(&a->fold, kept, record)
                   ? keyed_state_keep(a->state, slot, record, err)
                   : 0;
    default:
        return combine_field(a, slot, kept, record, err);
    }
}

static void write_kept(struct keyed_aggregate *a, uint32_t slot)
{
    memcpy(row_writer_record(&a->writer), keyed_state_value(a->state, slot),
           a->state->record->size);
    row_writer_add(&a->writer);
}

/* ---- batches ----------------------------------------------------------------------------------- */

static int aggregate_tile(struct keyed_aggregate *a, struct error *err)
{
    struct row_operator *r = &a->rows;
    const struct row_reader *reader = &r->readers[0];
    const bool stamped = r->batch->timestamps != NULL;
    while (r->row < r->tile_rows && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
        /* Of the selected rows of the batch, the one at r->row of the tile. */
        uint32_t i = reader->next - reader->tile_rows + r->row;
        TRY(combine(a, i, row_reader_row(reader, r->row), err));
        if (!a->final_only) {
            (void)row_writer_record(&a->writer);
            if (UNLIKELY(stamped)) {
                row_writer_stamp(&a->writer, r->batch, batch_row(r->batch, i));
            }
            write_kept(a, a->slots[i]);
        }
        r->row++;
    }
    if (a->rows.functions.n > 0) {
        TRY(user_function_check(&a->rows.functions.items[0], err));
    }
    return row_writer_check(&a->writer, err);
}

int aggregate_records(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    bool more = a->rows.batch != NULL;
    while (more && emit_queue_len(&a->rows.queue) < EMIT_QUEUE_STOP) {
        TRY(row_operator_advance(&a->rows, &more, err));
        if (more) {
            TRY(aggregate_tile(a, err));
        } else {
            emit_queue_push(&a->rows.queue, 0, row_writer_finish(&a->writer));
        }
    }
    return emit_queue_drain(&a->rows.queue, ctx) || more ? OP_MORE : OP_DONE;
}

int aggregate_records_emit(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    while (a->walk != NULL && emit_queue_len(&a->rows.queue) == 0) {
        if (a->walked < a->n_walked) {
            write_kept(a, a->slots[a->walked++]);
            continue;
        }
        int n = keyed_walk_next(a->walk, BATCH_ROWS_TARGET, a->slots, err);
        if (n < 0) {
            return n;
        }
        a->n_walked = (uint32_t)n;
        a->walked = 0;
        if (n == 0) {
            emit_queue_push(&a->rows.queue, 0, row_writer_finish(&a->writer));
            a->walk = keyed_walk_free(a->walk);
        }
    }
    TRY(row_writer_check(&a->writer, err));
    bool more = emit_queue_drain(&a->rows.queue, ctx);
    return more || a->walk != NULL ? OP_MORE : OP_DONE;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int on_full(void *arg, struct builder *b)
{
    struct keyed_aggregate *a = arg;
    emit_queue_push(&a->rows.queue, 0, builder_finish(b));
    return 0;
}

int aggregate_records_open(struct keyed_aggregate *a, struct op_context *ctx,
                           const Flinc__KeyedAggregateConfig *config, struct error *err)
{
    const struct schema *schema = ctx->input_schemas[0];
    struct row_reader *reader = &a->rows.readers[0];
    uint32_t target_rows = a->final_only ? BATCH_ROWS_TARGET : BATCH_ROWS_MAX;
    if (a->kind == FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE) {
        TRY(user_functions_resolve(&a->rows.functions, ctx, (const uint32_t[]){FLINC_FN_REDUCE}, 1,
                                   err));
        STR_AUTO what = STR_INIT;
        str_printf(&what, "the record of function '%s'", a->rows.functions.items[0].ref->name);
        TRY(row_reader_init(reader, config->record, schema, str_cstr(&what), err));
        TRY(row_writer_init(&a->writer, config->record, ctx->output_schemas[0], str_cstr(&what),
                            ctx->pool, target_rows, err));
    } else {
        struct record_layout l;
        TRY(record_layout_init(&l, schema, err));
        row_reader_init_layout(reader, &l);
        TRY(record_layout_init(&l, ctx->output_schemas[0], err));
        row_writer_init_layout(&a->writer, &l, ctx->pool, target_rows);
        a->fold = (struct record_fold){.kind = a->kind,
                                       .field = *record_layout_find(&reader->layout, a->column),
                                       .first = a->first};
    }
    row_writer_on_full(&a->writer, on_full, a);
    a->scratch = mem_alloc_aligned(16, reader->layout.size);
    return 0;
}

void aggregate_records_close(struct keyed_aggregate *a)
{
    row_writer_fini(&a->writer);
    mem_free(a->scratch);
    a->scratch = NULL;
}
