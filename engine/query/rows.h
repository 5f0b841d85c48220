/* Rows that an operator holds: copied into batches of exactly BATCH_ROWS_MAX rows, so that row i lies in batch i / 4096, and taken
 * out again in any order, column by column.  Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_ROWS_H
#define FLINC_ENGINE_QUERY_ROWS_H

#include "engine/data/builder.h"

enum { QUERY_ROWS_SHIFT = 12 };
#define QUERY_NO_ROW UINT32_MAX /* all NULL, where rows are taken out */
_Static_assert(1 << QUERY_ROWS_SHIFT == BATCH_ROWS_MAX, "a batch is full");

struct query_rows {
    struct builder builder;
    struct batch **batches; /* Owns: full ones, and the last one once it is sealed */
    uint32_t n_batches, cap_batches;
    uint64_t n;
    bool is_open;
};

void query_rows_init(struct query_rows *r, struct buffer_pool *pool, const struct schema *schema);
void query_rows_fini(struct query_rows *r);
/* Copies the selected rows.  ERR_LIMIT: more than 2^32 rows. */
int query_rows_add(struct query_rows *r, const struct batch *b, struct error *err) MUST_CHECK;
/* No more come: all can be read. */
void query_rows_seal(struct query_rows *r);
static inline const struct column *query_rows_column(const struct query_rows *r, uint32_t column,
                                                     uint32_t row)
{
    return &r->batches[row >> QUERY_ROWS_SHIFT]->columns[column];
}
static inline uint32_t query_rows_at(uint32_t row)
{
    return row & (BATCH_ROWS_MAX - 1);
}

/* A column of these rows, in this order; `ret` is an empty one of the same type. */
int query_rows_gather(const struct query_rows *r, uint32_t column, const uint32_t *rows, uint32_t n,
                      struct buffer_pool *pool, struct column *ret, struct error *err) MUST_CHECK;
/* Columns [at, at + all of r) of a batch. */
int query_rows_gather_all(const struct query_rows *r, const uint32_t *rows, uint32_t n,
                          struct buffer_pool *pool, struct batch *ret, uint32_t at,
                          struct error *err) MUST_CHECK;
/* The same of one batch: the rows `rows` of a column. */
int query_column_gather(const struct column *c, const uint16_t *rows, uint32_t n,
                        struct buffer_pool *pool, struct column *ret, struct error *err) MUST_CHECK;
/* Of a nested column; QUERY_NO_ROW is NULL. */
int query_column_gather32(const struct column *c, const uint32_t *rows, uint32_t n,
                          struct buffer_pool *pool, struct column *ret,
                          struct error *err) MUST_CHECK;

#endif
