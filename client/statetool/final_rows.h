/* The keyed state of a handle as it is after all of its segments: base and increments applied.
 *
 * Segments are taken from the newest to the oldest: what was seen of a key first is what counts.  So only
 * the keys of the increments are remembered, and a base flows by. */
#ifndef FLINC_CLIENT_STATETOOL_FINAL_ROWS_H
#define FLINC_CLIENT_STATETOOL_FINAL_ROWS_H

#include "engine/snapshot/segment.h"

struct final_rows {
    const struct segment_state *state;
    const struct segment_block *block; /* PUT */
    const uint8_t *is_old; /* by row: set by a newer block, not to be shown; NULL: none */
};
struct final_rows_options {
    const char *directory;            /* Borrows: of _metadata */
    struct buffer_pool *pool;         /* Borrows */
    const char *state;                /* the one that is wanted; NULL: all */
    uint32_t first_group, last_group; /* those that are wanted */
    int (*rows)(void *arg, const struct final_rows *rows, struct error *err);
    void *arg;
};
int final_rows_walk(const Flinc__KeyedHandle *handle, const struct final_rows_options *options,
                    struct error *err) MUST_CHECK;

#endif
