/* Makes batches row by row or column by column.  The column writers are the SDK's own
 * (flinc/out.h), so that a user function's emit is a few inline stores into the final columns.
 *
 * A builder owns the buffers of one unfinished batch; finish() hands it out and starts the next one
 * lazily.  String bytes longer than 12 are copied into the builder's data buffers.  The first batch
 * starts small and grows; a later one starts at the size of its predecessor.
 * Thread: one owner. */
#ifndef FLINC_ENGINE_DATA_BUILDER_H
#define FLINC_ENGINE_DATA_BUILDER_H

#include "engine/data/batch.h"
#include "flinc/out.h"

struct builder_column;

struct builder {
    struct flinc_out out;     /* first member: the SDK's face of a builder */
    struct buffer_pool *pool; /* Borrows */
    struct schema *schema;    /* Owns a ref */
    uint32_t target_rows;
    uint64_t target_bytes;
    uint64_t max_row_bytes;
    /* Called when the batch is full while rows are written by flinc_out or pushed: must take it by
     * builder_finish().  Its error becomes out.status.  Without it a full builder is ERR_STATE. */
    int (*on_full)(void *arg, struct builder *b);
    void *on_full_arg;
    struct batch *batch;            /* Owns: under construction; NULL between batches */
    struct builder_column *columns; /* Owns: what flinc_out does not show */
    uint32_t cap_rows;              /* room in the columns; out.cap may be less */
    uint32_t rows_hint;             /* rows of the last batch */
    uint32_t hash_rows;             /* leading rows whose hash is known */
    uint32_t long_row;              /* row of which long_bytes is the sum */
    uint64_t long_bytes;            /* string bytes that went the slow path */
    uint32_t failed_column;         /* of out.status */
    uint64_t failed_bytes;
};

/* target_rows 0: BATCH_ROWS_TARGET.  The other limits are set to their defaults and may be changed
 * before the first row. */
void builder_init(struct builder *b, struct buffer_pool *pool, const struct schema *schema,
                  uint32_t target_rows);
void builder_fini(struct builder *b);
/* Makes room for at least one row; called by every put path when needed. */
void builder_begin(struct builder *b);
static inline uint32_t builder_rows(const struct builder *b)
{
    return b->out.n;
}
/* Rows until the target. */
static inline uint32_t builder_room(const struct builder *b)
{
    return b->out.n < b->target_rows ? b->target_rows - b->out.n : 0;
}
/* True when the batch should be handed out: rows or bytes reached the target. */
bool builder_is_full(const struct builder *b);
/* The batch made so far (NULL when it has no rows); the builder is empty afterwards. */
struct batch *builder_finish(struct builder *b);

/* For the cells of a single column, whatever their bytes: of `type`, nullable or as it is. */
void builder_init_column(struct builder *b, struct buffer_pool *pool, const struct data_type *type,
                         bool nullable);
/* `ret` shares what was made, nothing when there are no rows or `rc` is negative; the builder is gone.  Returns `rc`. */
int builder_fini_column(struct builder *b, int rc, struct column *ret);
/* out.status as an error that names the column; 0 when there is none. */
int builder_check(const struct builder *b, struct error *err) MUST_CHECK;

/* Cell by cell: set every column of the row once, then builder_end_row().  Sizes are checked:
 * ERR_TOO_LARGE names the column. */
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
/* The same for all rows from `from` on. */
void builder_fill_kinds(struct builder *b, uint32_t from, enum row_kind kind);
void builder_fill_timestamps(struct builder *b, uint32_t from, int64_t timestamp_ms);
void builder_end_row(struct builder *b);
/* Forgets the cells of the row that was not ended, after an error. */
void builder_cancel_row(struct builder *b);
/* Forgets what was written to one column of the row that was not ended. */
void builder_cancel_cell(struct builder *b, uint32_t column);

/* Nested cells are made from the inside out: values are added to the child columns (those of lists,
 * maps and multisets any number of times, those of rows once), then the cell is closed, by
 * builder_put_nested() for a top column and by builder_add_nested() for a nested one.
 *
 *   struct builder_column *list = builder_column_of(b, 2), *item = builder_child_of(list, 0);
 *   builder_add_i64(b, item, 1); builder_add_i64(b, item, 2); builder_put_nested(b, 2);
 *
 * The pointers stay valid as long as the builder. */
struct builder_column *builder_column_of(struct builder *b, uint32_t column);
struct builder_column *builder_child_of(struct builder_column *c, uint32_t child);
uint32_t builder_column_rows(const struct builder_column *c); /* of a nested column, so far */
/* Forgets the rows of a nested column behind the first `rows`. */
void builder_truncate(struct builder_column *c, uint32_t rows);
void builder_put_nested(struct builder *b, uint32_t column);
void builder_add_null(struct builder *b, struct builder_column *c);
void builder_add_bool(struct builder *b, struct builder_column *c, bool v);
void builder_add_i64(struct builder *b, struct builder_column *c, int64_t v);
void builder_add_f64(struct builder *b, struct builder_column *c, double v);
void builder_add_i128(struct builder *b, struct builder_column *c, __int128 v);
void builder_add_ts_nano(struct builder *b, struct builder_column *c, struct ts_nano v);
int builder_add_bytes(struct builder *b, struct builder_column *c, const char *data, size_t len,
                      struct error *err) MUST_CHECK;
void builder_add_nested(struct builder *b, struct builder_column *c);
/* Copies n cells of any type, from row `from` on (types must be equal, nullability aside). */
void builder_add_cells(struct builder *b, struct builder_column *c, const struct column *src,
                       uint32_t from, uint32_t n);

/* Appends rows of a batch, column at a time: the gather kernel of exchanges and compaction.
 * `rows`: physical row numbers, n of them, which must fit (BATCH_ROWS_MAX).  String bytes are copied.
 * Kinds, timestamps and hashes come along. */
void builder_append_rows(struct builder *b, const struct batch *src, const uint16_t *rows,
                         uint32_t n);
/* The same for the physical rows [from, from + n). */
void builder_append_range(struct builder *b, const struct batch *src, uint32_t from, uint32_t n);
/* Appends all of the rows, by as many batches as it takes, handing full ones to on_full: also when the
 * last row fills one.  Returns out.status. */
int builder_push_rows(struct builder *b, const struct batch *src, const uint16_t *rows, uint32_t n);
/* The same for the selected rows of a batch. */
int builder_push_batch(struct builder *b, const struct batch *src);

#endif
