/* The events themselves, column by column: runs of events of one kind that follow each other, into arrays.
 *
 * What a run draws and nobody wants is not drawn, as far as what is wanted does not depend on it.
 * Thread: any, one at a time per nexmark_out. */
#ifndef FLINC_CONNECTORS_NEXMARK_EVENTS_H
#define FLINC_CONNECTORS_NEXMARK_EVENTS_H

#include "connectors/nexmark/model.h"
#include "connectors/nexmark/texts.h"

enum {
    /* Bytes of a value at most, of columns whose bytes are not shared. */
    NEXMARK_EMAIL_BYTES = 16,
    NEXMARK_CARD_BYTES = 19,
    NEXMARK_ITEM_BYTES = 19,
    NEXMARK_DESCRIPTION_BYTES = 99,
};

/* Where the values go: arrays by row. */
struct nexmark_out {
    const struct nexmark_texts *texts;
    uint32_t wanted; /* bits by enum nexmark_field */
    /* int64_t[] or struct view[]; NULL: not wanted. */
    void *values[NEXMARK_FIELDS];
    /* Bytes of views, for the columns above; `used` of them. */
    char *heap[NEXMARK_FIELDS];
    int32_t used[NEXMARK_FIELDS];
    /* Of `extra` of bids: its least size, how many sizes there are, and how many places for each. */
    int32_t bid_extra_least; /* < 0: there is none */
    struct random_bound bid_extra_sizes;
    const struct random_bound *bid_extra_places;
};

struct nexmark_run {
    int64_t id;            /* of the first event */
    int64_t epoch, offset; /* of it: rounds that are over, place in its own */
    uint32_t n;
    uint32_t row; /* of the first event */
};

void nexmark_persons(const struct nexmark_model *m, struct nexmark_out *out,
                     const struct nexmark_run *run);
void nexmark_auctions(const struct nexmark_model *m, struct nexmark_out *out,
                      const struct nexmark_run *run);
void nexmark_bids(const struct nexmark_model *m, struct nexmark_out *out,
                  const struct nexmark_run *run);

#endif
