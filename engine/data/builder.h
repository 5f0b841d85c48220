/* Makes batches row by row or column by column.  The column writers are the SDK's own
 * (flinc/out.h), so that a user function's emit is a few inline stores into the final columns.
 *
 * A builder owns the buffers of one unfinished batch; finish() hands it out and starts the next one
 * lazily.  String bytes longer than 12 are copied into the builder's data buffers.
 * Thread: one owner. */
#ifndef FLINC_ENGINE_DATA_BUILDER_H
#define FLINC_ENGINE_DATA_BUILDER_H

#include "engine/data/batch.h"
#include "flinc/out.h"

struct builder {
    struct flinc_out out;     /* first member: the SDK's face of a builder */
    struct buffer_pool *pool; /* Borrows */
    struct schema *schema;    /* Owns a ref */
    uint32_t target_rows;
    uint64_t target_bytes;
    uint64_t max_row_bytes;
    struct batch *batch;            /* Owns: under construction; NULL between batches */
    struct builder_column *columns; /* Owns: what flinc_out does not show */
    bool has_kinds, has_timestamps;
};

/* flush_fn (may be NULL) is called by flinc_out_flush when the batch is full. */
void builder_init(struct builder *b, struct buffer_pool *pool, const struct schema *schema,
                  uint32_t target_rows);
void builder_fini(struct builder *b);
/* Makes room for at least one row; called by every put path when needed. */
void builder_begin(struct builder *b);
static inline uint32_t builder_rows(const struct builder *b)
{
    return b->out.n;
}
/* True when the batch should be handed out: rows or bytes reached the target. */
bool builder_is_full(const struct builder *b);
/* The batch made so far (NULL when it has no rows); the builder is empty afterwards. */
struct batch *builder_finish(struct builder *b);

/* Cell by cell: set every column of the row, then builder_end_row().  Sizes are checked: ERR_TOO_LARGE
 * names the column. */
void builder_put_null(struct builder *b, uint32_t column);
void builder_put_bool(struct builder *b, uint32_t column, bool v);
void builder_put_i64(struct builder *b, uint32_t column,
                     int64_t v); /* any integer layout <= 64 bit */
void builder_put_f64(struct builder *b, uint32_t column, double v); /* FLOAT and DOUBLE */
void builder_put_i128(struct builder *b, uint32_t column, __int128 v);
void builder_put_ts_nano(struct builder *b, uint32_t column, struct ts_nano v);
int builder_put_bytes(struct builder *b, uint32_t column, const char *data, size_t len,
                      struct error *err) MUST_CHECK;
/* Copies one cell of any type, nested ones included (types must be equal). */
int builder_put_cell(struct builder *b, uint32_t column, const struct column *src, uint32_t row,
                     struct error *err) MUST_CHECK;
void builder_set_kind(struct builder *b, enum row_kind kind);
void builder_set_timestamp(struct builder *b, int64_t timestamp_ms);
void builder_end_row(struct builder *b);

/* Appends rows of a batch, column at a time: the gather kernel of exchanges and compaction.
 * `rows`: physical row numbers, n of them, which must fit (BATCH_ROWS_MAX).  String bytes are copied. */
void builder_append_rows(struct builder *b, const struct batch *src, const uint16_t *rows,
                         uint32_t n);

#endif
