/* Found rows as batches.  Thread: one owner (the task). */
#include "engine/state/rows.h"

void state_rows_writer_init(struct state_rows_writer *w, const struct record_layout *layout,
                            struct buffer_pool *pool)
{
    *w = (struct state_rows_writer){.layout = layout};
    builder_init(&w->builder, pool, layout->schema, BATCH_ROWS_MAX);
    /* The caller chose the number of rows; they were within the limit of a row when they came. */
    w->builder.target_bytes = UINT64_MAX;
    w->builder.max_row_bytes = UINT64_MAX;
    w->tile = mem_alloc_aligned(64, (size_t)layout->size * RECORD_TILE_ROWS);
}

void state_rows_writer_fini(struct state_rows_writer *w)
{
    if (w->layout != NULL) {
        builder_fini(&w->builder);
    }
    mem_free(w->tile);
    memset(w, 0, sizeof(*w));
}

static bool any_timestamp(const int64_t *timestamps, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (timestamps[i] != BATCH_NO_TIMESTAMP) {
            return true;
        }
    }
    return false;
}

/* At most a tile of rows, which must fit the builder. */
static void put_tile(struct state_rows_writer *w, const struct state_rows *rows, uint32_t from,
                     uint32_t n)
{
    struct builder *out = &w->builder;
    uint32_t row = out->out.n, size = w->layout->size;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(w->tile + (size_t)i * size, rows->records[from + i], size);
        if (w->layout->n_strings > 0) {
            record_put_strings(w->layout, rows->records[from + i], out);
        }
        out->out.n++;
    }
    record_put_fixed(w->layout, w->tile, n, out, row);
}

int state_rows_batch(struct state_rows_writer *w, const struct state_rows *rows, uint32_t from,
                     uint32_t n, struct batch **ret_batch, struct error *err)
{
    struct builder *out = &w->builder;
    ASSERT(n > 0 && from + n <= rows->n);
    for (uint32_t done = 0; done < n;) {
        builder_begin(out);
        uint32_t room = out->out.cap - out->out.n;
        uint32_t some = MIN(n - done, (uint32_t)RECORD_TILE_ROWS);
        some = MIN(some, room);
        put_tile(w, rows, from + done, some);
        done += some;
    }
    int rc = builder_check(out, err);
    struct batch *b = builder_finish(out);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    if (any_timestamp(rows->timestamps + from, n)) {
        uint64_t bytes = (uint64_t)n * sizeof(int64_t);
        b->timestamps = buffer_get(out->pool, bytes);
        b->timestamps->size = bytes;
        memcpy(b->timestamps->data, rows->timestamps + from, bytes);
    }
    *ret_batch = b;
    return 0;
}
