/* Splits a batch by channel in one counting pass: rows sorted by channel, then gathered column by
 * column into one builder per channel (builder_append_rows).  The kernel below all hash, rebalance,
 * shuffle and custom edges.  Thread: one owner. */
#ifndef FLINC_ENGINE_DATA_PARTITION_H
#define FLINC_ENGINE_DATA_PARTITION_H

#include "engine/data/builder.h"
#include "engine/data/hash.h"

struct partition_scratch {
    uint32_t n_channels;
    uint32_t *start;   /* Owns: n_channels + 1 row offsets into `rows` */
    uint16_t *rows;    /* Owns: physical rows in channel order */
    uint16_t *channel; /* Owns: by selected row */
};
void partition_scratch_init(struct partition_scratch *s, uint32_t n_channels);
void partition_scratch_fini(struct partition_scratch *s);

/* Fills s->channel[i] for each selected row i; then partition_sort orders them. */
void partition_by_hash(struct partition_scratch *s, const struct batch *b,
                       const struct key_router *router);
void partition_round_robin(struct partition_scratch *s, const struct batch *b, uint32_t *next);
void partition_sort(struct partition_scratch *s, const struct batch *b);
/* Rows of channel c: s->rows[s->start[c] .. s->start[c + 1]). */

#endif
