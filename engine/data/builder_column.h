/* A column under construction: buffers of the column in the unfinished batch, and the blocks that
 * long strings are copied into.  Inside the room only.
 *
 * Top columns are as long as the builder's rows; nested ones count their own. */
#ifndef FLINC_ENGINE_DATA_BUILDER_COLUMN_H
#define FLINC_ENGINE_DATA_BUILDER_COLUMN_H

#include "engine/data/builder.h"

struct builder_column {
    const struct data_type *type;     /* Borrows: the schema's */
    struct column *col;               /* Borrows: of the unfinished batch */
    struct flinc_out_column *face;    /* what the inline writers see: of `out`, or `own_face` */
    struct flinc_out_column own_face; /* of nested columns */
    struct builder_column *children;  /* Owns; all columns of a builder lie in one block */
    uint32_t n_children;
    uint32_t n;            /* rows written; nested columns only */
    uint32_t cap;          /* rows that fit */
    uint32_t rows_hint;    /* nested columns: rows of the last batch */
    struct buffer *block;  /* Borrows: current block of strings, one of col->data */
    uint64_t closed_bytes; /* string bytes in earlier blocks */
    uint64_t heap_hint;    /* string bytes of the last batch */
};

/* Starts on the column `col` with room for `cap` rows. */
void builder_column_start(struct buffer_pool *pool, struct builder_column *c, struct column *col,
                          uint32_t cap);
/* Room for `cap` rows when `n` are written. */
void builder_column_reserve(struct buffer_pool *pool, struct builder_column *c, uint32_t n,
                            uint32_t cap);
/* Sets the sizes of the buffers; the column is complete with `n` rows. */
void builder_column_finish(struct builder_column *c, uint32_t n);
/* Forgets what was written behind the first `n` rows. */
void builder_column_cancel(struct builder_column *c, uint32_t n);
/* Makes the validity bitmap when there is none: all rows valid. */
void builder_column_need_validity(struct buffer_pool *pool, struct builder_column *c);
/* A block with room for `len` bytes: current, new, or one of its own for a very long string.  Returns
 * where to copy to and sets the number of the block and the offset in it; the bytes count as used. */
char *builder_column_heap(struct builder *b, struct builder_column *c, size_t len,
                          int32_t *ret_buffer, int32_t *ret_offset);
/* String bytes, and all bytes, of the `n` rows written so far. */
uint64_t builder_column_heap_bytes(const struct builder_column *c);
uint64_t builder_column_bytes(const struct builder_column *c, uint32_t n);

/* Room for one more row in a nested column. */
static inline void builder_column_need_row(struct buffer_pool *pool, struct builder_column *c)
{
    if (UNLIKELY(c->n == c->cap)) {
        builder_column_reserve(pool, c, c->n, c->cap * 2);
    }
}

/* ---- the builder's own ------------------------------------------------------------------------- */

/* Of the values and strings written so far. */
uint64_t builder_bytes(const struct builder *b);
/* Room for `n` more rows in all columns. */
void builder_reserve_rows(struct builder *b, uint32_t n);
/* The kinds and timestamps of the unfinished batch, made when there are none. */
uint8_t *builder_need_kinds(struct builder *b);
int64_t *builder_need_timestamps(struct builder *b);
/* Appends rows in three steps, so that whoever fills several builders can go column by column: room
 * for n rows (builder_reserve_rows), each column, then kinds, timestamps, hashes and the count. */
struct row_index;
void builder_append_column(struct builder *b, uint32_t column, const struct batch *src,
                           const struct row_index *ix, uint32_t n);
void builder_append_end(struct builder *b, const struct batch *src, const struct row_index *ix,
                        uint32_t n);
/* Hands the batch to on_full when it is full.  Returns out.status. */
int builder_hand_on(struct builder *b);

#endif
