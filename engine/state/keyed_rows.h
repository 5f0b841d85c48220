/* Entries of a state as rows of a batch, and back: the face that snapshots see.
 *
 * A row has the key columns, then the columns of the value.  Inside the room only.
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_KEYED_ROWS_H
#define FLINC_ENGINE_STATE_KEYED_ROWS_H

#include "engine/snapshot/segment.h"
#include "engine/state/keyed_table_key.h"
#include "engine/state/record.h"

struct keyed_rows {
    struct schema *key, *value, *row; /* Own refs */
    struct record_layout layout; /* Owns: of a value in its slot; columns are those of the row */
};

void keyed_rows_init(struct keyed_rows *r, const struct schema *key,
                     const struct record_layout *value);
void keyed_rows_fini(struct keyed_rows *r);

/* Sorts by key group, for which there is room behind the entries: 2 * n items in all.  Returns the
 * number of runs. */
uint32_t keyed_entries_sort(struct keyed_entry *entries, uint32_t n, struct segment_run *ret_runs);
/* Whole rows. */
int keyed_rows_gather(const struct keyed_rows *r, const struct keyed_table *t,
                      struct buffer_pool *pool, const struct keyed_entry *entries, uint32_t n,
                      struct batch **ret_batch, struct error *err) MUST_CHECK;
/* Keys alone. */
int keyed_keys_gather(const struct keyed_rows *r, const struct keyed_table *t,
                      struct buffer_pool *pool, const struct keyed_entry *entries, uint32_t n,
                      struct batch **ret_batch, struct error *err) MUST_CHECK;
/* Puts the values of the rows into the slots that their keys have. */
int keyed_rows_scatter(const struct keyed_rows *r, struct keyed_table *t, const struct batch *rows,
                       const uint32_t *slots, struct error *err) MUST_CHECK;

#endif
