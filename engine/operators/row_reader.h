/* Rows as the C structs of user functions: readers fill arrays of structs from the columns of a batch,
 * writers turn structs into batches.
 *
 *   row_reader_start(&r, batch);
 *   while (rows are left) {
 *       TRY(row_reader_next(&r, &n, err));                    the next tile of up to 128 rows
 *       for (i < n) call(ctx, row_reader_row(&r, i), ...);
 *   }
 *
 * Strings of a read struct point into the batch: they are valid while the batch is.
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_OPERATORS_ROW_READER_H
#define FLINC_ENGINE_OPERATORS_ROW_READER_H

#include "engine/state/record.h"
#include "proto/graph.pb-c.h"

/* The layout of a C struct over a schema: fields are found by name, their kinds must fit the columns.
 * `what` says whose struct it is ("the input of function 'split'"). */
int struct_layout_init(struct record_layout *l, const Flinc__StructDesc *desc,
                       const struct schema *schema, const char *what, struct error *err) MUST_CHECK;

/* ---- reading ----------------------------------------------------------------------------------- */

struct row_reader {
    struct record_layout layout;
    char *tile;                /* Owns; RECORD_TILE_ROWS records */
    struct str nested;         /* what its nested values are */
    const struct batch *batch; /* Borrows; NULL between batches */
    uint32_t next;             /* selected row after the tile */
    uint32_t tile_rows;        /* in the tile */
};

int row_reader_init(struct row_reader *r, const Flinc__StructDesc *desc,
                    const struct schema *schema, const char *what, struct error *err) MUST_CHECK;
/* The same over a layout, which is taken. */
void row_reader_init_layout(struct row_reader *r, struct record_layout *take_layout);
/* Safe on a zeroed struct. */
void row_reader_fini(struct row_reader *r);
void row_reader_start(struct row_reader *r, const struct batch *b);
/* Fills the next tile: *ret_n rows, 0 at the end of the batch. */
int row_reader_next(struct row_reader *r, uint32_t *ret_n, struct error *err) MUST_CHECK;
static inline const void *row_reader_row(const struct row_reader *r, uint32_t i)
{
    return r->tile + (size_t)i * r->layout.size;
}
/* The physical row of the batch that row i of the tile was read from. */
static inline uint32_t row_reader_source(const struct row_reader *r, uint32_t i)
{
    return batch_row(r->batch, r->next - r->tile_rows + i);
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* Structs to batches.  A record is filled where row_writer_record() says, then added: its strings are
 * copied at once, its other fields a tile at a time.
 *
 *   struct foo *out = row_writer_record(&w);     zeroed
 *   ... fill *out ...
 *   row_writer_add(&w);
 *
 * Full batches are handed to builder.on_full; the rest is row_writer_finish()'s. */
struct row_writer {
    struct record_layout layout;
    struct builder builder;
    char *tile;         /* Owns; RECORD_TILE_ROWS records */
    uint32_t n;         /* records in the tile that were added */
    uint32_t first_row; /* builder's row of the tile's first record */
};

/* on_full(arg, builder) takes the batch by builder_finish(). */
int row_writer_init(struct row_writer *w, const Flinc__StructDesc *desc,
                    const struct schema *schema, const char *what, struct buffer_pool *pool,
                    uint32_t target_rows, struct error *err) MUST_CHECK;
/* The same over a layout, which is taken. */
void row_writer_init_layout(struct row_writer *w, struct record_layout *take_layout,
                            struct buffer_pool *pool, uint32_t target_rows);
static inline void row_writer_on_full(struct row_writer *w,
                                      int (*on_full)(void *arg, struct builder *b), void *arg)
{
    w->builder.on_full = on_full;
    w->builder.on_full_arg = arg;
}
/* Safe on a zeroed struct. */
void row_writer_fini(struct row_writer *w);
/* Writes the tile into the columns and makes room. */
void row_writer_settle(struct row_writer *w);
static inline void *row_writer_record(struct row_writer *w)
{
    if (UNLIKELY(w->n == RECORD_TILE_ROWS || w->builder.out.n == w->builder.out.cap)) {
        row_writer_settle(w);
    }
    return w->tile + (size_t)w->n * w->layout.size;
}
/* Row kind and timestamp of the record that is added next. */
static inline void row_writer_stamp(struct row_writer *w, const struct batch *from, uint32_t row)
{
    if (from->timestamps != NULL) {
        builder_set_timestamp(&w->builder,
                              ((const int64_t *)(const void *)from->timestamps->data)[row]);
    }
    if (from->row_kinds != NULL) {
        builder_set_kind(&w->builder, (enum row_kind)from->row_kinds->data[row]);
    }
}
/* How many records may be filled side by side from row_writer_record() on, then added together: one when
 * they have strings, which last only until the next is filled. */
static inline uint32_t row_writer_room(const struct row_writer *w)
{
    return w->layout.n_strings > 0
               ? 1
               : MIN(RECORD_TILE_ROWS - w->n, w->builder.out.cap - w->builder.out.n);
}
static inline void row_writer_add_many(struct row_writer *w, uint32_t n)
{
    if (w->layout.n_strings > 0) {
        record_put_strings(&w->layout, w->tile + (size_t)w->n * w->layout.size, &w->builder);
    }
    w->n += n;
    w->builder.out.n += n;
}
static inline void row_writer_add(struct row_writer *w)
{
    row_writer_add_many(w, 1);
}
/* What was added since the last batch; NULL when that is nothing. */
struct batch *row_writer_finish(struct row_writer *w);
/* The first error of a record (a string that is too long). */
static inline int row_writer_check(const struct row_writer *w, struct error *err)
{
    return UNLIKELY(w->builder.out.status < 0) ? builder_check(&w->builder, err) : 0;
}

#endif
