/* Files to the committer; see hand_over.h. */
#include "engine/operators/files/hand_over.h"

int file_hand_over_open(struct file_hand_over *h, struct op_context *ctx,
                        const Flinc__FileSinkConfig *config, struct error *err)
{
    if (config->hand_over == NULL) {
        return 0;
    }
    if (ctx->n_outputs == 0 || ctx->output_schemas[0]->n_fields != 1) {
        return error_set(err, ERR_PARSE, "a file sink has no committer behind it");
    }
    if (config->hand_over->trigger != NULL) {
        TRY(partition_trigger_new(config->hand_over->trigger, &h->trigger, err));
    }
    map_init(&h->told, NULL);
    builder_init(&h->rows, ctx->pool, ctx->output_schemas[0], BATCH_ROWS_MAX);
    h->rows.target_bytes = UINT64_MAX;
    h->ctx = ctx;
    return 0;
}

void file_hand_over_fini(struct file_hand_over *h)
{
    partition_trigger_free(h->trigger);
    if (h->ctx != NULL) {
        builder_fini(&h->rows);
        map_fini(&h->told);
    }
    *h = (struct file_hand_over){.ctx = NULL};
}

void file_hand_over_emit(struct file_hand_over *h)
{
    struct batch *b = builder_finish(&h->rows);

    map_clear(&h->told);
    if (b != NULL) {
        op_emit(h->ctx, 0, b);
    }
}

static int put(struct file_hand_over *h, const Flinc__FileSinkEvent *e, struct error *err)
{
    size_t size = flinc__file_sink_event__get_packed_size(e);
    uint8_t *bytes = mem_alloc(size + 1);

    flinc__file_sink_event__pack(e, bytes);
    builder_begin(&h->rows);
    int rc = builder_put_bytes(&h->rows, 0, (const char *)bytes, size, err);
    mem_free(bytes);
    if (rc < 0) {
        builder_cancel_row(&h->rows);
        return rc;
    }
    builder_end_row(&h->rows);
    if (builder_is_full(&h->rows)) {
        op_emit(h->ctx, 0, builder_finish(&h->rows));
    }
    return 0;
}

int file_hand_over_file(struct file_hand_over *h, const char *bucket,
                        Flinc__FileSinkCommittable *file, struct error *err)
{
    Flinc__FileSinkEvent e = FLINC__FILE_SINK_EVENT__INIT;

    e.bucket = (char *)(uintptr_t)bucket;
    e.file = file;
    return put(h, &e, err);
}

int file_hand_over_open_bucket(struct file_hand_over *h, const char *bucket, struct error *err)
{
    Flinc__FileSinkEvent e = FLINC__FILE_SINK_EVENT__INIT;

    if (map_has(&h->told, bucket)) {
        return 0;
    }
    map_put(&h->told, bucket, h);
    e.bucket = (char *)(uintptr_t)bucket;
    e.is_open = true;
    return put(h, &e, err);
}
