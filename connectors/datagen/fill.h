/* Columns of generated values, field by field: each cell is a function of its field's seed and of the key of its row.
 *
 * Thread: one owner.  A maker and its memory live as long as the operator. */
#ifndef FLINC_CONNECTORS_DATAGEN_FILL_H
#define FLINC_CONNECTORS_DATAGEN_FILL_H

#include "common/base/clock.h"
#include "connectors/datagen/datagen.h"
#include "engine/data/batch.h"

/* A field of the table, or one below it. */
struct maker {
    const Flinc__GenerateField *config; /* Borrows */
    const struct data_type *type;       /* Borrows: the schema's */
    uint64_t seed;
    struct maker *children; /* in the arena */
    uint32_t n_children;
    uint32_t cap;          /* cells of the column under construction */
    struct column *column; /* Borrows: of it */
    char *heap;            /* bytes of its long strings */
    uint64_t heap_used;
    uint64_t *keys; /* Owns: of the cells of the only child of collections */
    uint64_t cap_keys;
};

/* ERR_INVALID_CONFIG: it does not fit the type. */
int maker_init(struct maker *m, const Flinc__GenerateField *config, const struct data_type *type,
               uint64_t seed, struct arena *arena, struct error *err) MUST_CHECK;
void maker_fini(struct maker *m);

/* Begins a column that gets up to `cap` cells. */
void maker_begin(struct maker *m, struct buffer_pool *pool, struct column *c, uint32_t cap);
/* The rows of a batch: their numbers (for sequences), and the time at which they are made. */
struct maker_rows {
    const int64_t *index; /* of rows; NULL below collections */
    int64_t now_ms;
};
/* Makes the cells [at, at + n), whose keys these are. */
void maker_fill(struct maker *m, struct buffer_pool *pool, uint32_t at, const uint64_t *keys,
                uint32_t n, const struct maker_rows *rows);
/* The column is complete with n cells. */
void maker_end(struct maker *m, uint32_t n);

#endif
