/* Splits a batch by channel in one counting pass: rows sorted by channel, then gathered column by
 * column into one builder per channel.  The kernel below all hash, rebalance,
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
    uint32_t *next;    /* Owns: by channel, rows handed to its builder so far; partition_push's */
    uint32_t *some;    /* Owns: by channel, rows of this round; partition_push's */
};
void partition_scratch_init(struct partition_scratch *s, uint32_t n_channels);
void partition_scratch_fini(struct partition_scratch *s);

/* Fills s->channel[i] for each selected row i; then partition_sort orders them. */
void partition_by_hash(struct partition_scratch *s, const struct batch *b,
                       const struct key_router *router);
void partition_round_robin(struct partition_scratch *s, const struct batch *b, uint32_t *next);
void partition_sort(struct partition_scratch *s, const struct batch *b);
/* Rows of channel c: s->rows[s->start[c] .. s->start[c + 1]). */

/* Appends the sorted rows to the builders of their channels (n_channels of them, of the batch's
 * schema); full batches go to the builders' on_full.  Returns 0, or the first status of a builder. */
int partition_push(struct partition_scratch *s, const struct batch *b,
                   struct builder *builders) MUST_CHECK;

#endif
