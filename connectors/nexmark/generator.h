/* Batches of events: which columns, which kinds, from which numbers on.
 *
 *   nexmark_generator_init(&g, pool, schema, config, rows_max, &err);
 *   while (room) nexmark_generator_add(&g, k, n);
 *   batch = nexmark_generator_take(&g);
 *
 * Columns that are there for one kind of event are NULL in the rows of the others; when only one kind is made,
 * there are no NULLs.  Texts are views into buffers that all batches share, but for those of persons and auctions.
 * Thread: one owner. */
#ifndef FLINC_CONNECTORS_NEXMARK_GENERATOR_H
#define FLINC_CONNECTORS_NEXMARK_GENERATOR_H

#include "connectors/nexmark/events.h"

struct nexmark_generator {
    struct nexmark_model model;
    struct nexmark_out out;
    struct buffer_pool *pool;           /* Borrows */
    struct schema *schema;              /* Owns a ref */
    Flinc__NexmarkSourceConfig *config; /* Borrows */
    uint32_t kinds;                     /* bits by enum nexmark_kind */
    bool is_mixed;                      /* more than one kind: there are NULLs */
    uint32_t rows_max, n_rows;
    uint8_t kind_of_row[BATCH_ROWS_MAX];
    struct buffer *values[NEXMARK_FIELDS]; /* Owns; of the batch under construction */
    struct buffer *heaps[NEXMARK_FIELDS];  /* Owns */
    struct buffer *validity[NEXMARK_KINDS];
    struct random_bound *places; /* Owns; of bids' extra */
    uint64_t rows_made[NEXMARK_KINDS];
};

/* The schema is the one of the config's columns; both must outlive it.  ERR_INVALID_CONFIG. */
int nexmark_generator_init(struct nexmark_generator *g, struct buffer_pool *pool,
                           const struct schema *schema, Flinc__NexmarkSourceConfig *config,
                           uint32_t rows_max, struct error *err) MUST_CHECK;
void nexmark_generator_fini(struct nexmark_generator *g);
/* Rows that the n events from number k on make. */
uint32_t nexmark_generator_rows(const struct nexmark_generator *g, int64_t k, uint32_t n);
/* Adds those; there must be room for them (rows_max). */
void nexmark_generator_add(struct nexmark_generator *g, int64_t k, uint32_t n);
/* The batch so far; NULL when it has no rows. */
struct batch *nexmark_generator_take(struct nexmark_generator *g);

/* What a field is: its kind of event (NEXMARK_KINDS: of all) and its type's layout. */
enum nexmark_kind nexmark_field_kind(enum nexmark_field field);
enum type_layout nexmark_field_layout(enum nexmark_field field);
/* Its name in the table's row, "itemName"; "event_type" for the column. */
const char *nexmark_field_name(enum nexmark_field field);

#endif
