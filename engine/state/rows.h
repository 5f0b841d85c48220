/* What lists and maps of rows take and give: keys that stand in a batch, and blocks of rows found.
 *
 * A found row is the record that the state keeps: nothing is copied until a batch of it is wanted, and
 * it is good until the next call on the list or map, or, where all of it stays in memory, until that is changed.  Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_ROWS_H
#define FLINC_ENGINE_STATE_ROWS_H

#include "engine/state/state.h"

enum { STATE_ROWS_MAX = 1024 }; /* of one block */

/* The keys of the selected rows of a batch, in a namespace. */
struct state_keys {
    int64_t name_space;
    struct batch *batch;         /* Borrows; its hashes are those of the key columns */
    const uint32_t *key_columns; /* Borrows; in the order of the state's key schema */
};

struct state_rows {
    uint32_t n;
    const char
        *records[STATE_ROWS_MAX]; /* as the record layout that the state was opened with has it */
    int64_t timestamps[STATE_ROWS_MAX]; /* BATCH_NO_TIMESTAMP: it had none */
    int64_t sorts[STATE_ROWS_MAX];      /* of sorted maps only */
    uint32_t owners[STATE_ROWS_MAX]; /* whose row it is: the number of a selected row of the keys */
};

/* Makes batches of found rows; kept by whoever makes many. */
struct state_rows_writer {
    const struct record_layout *layout; /* Borrows */
    struct builder builder;
    char *tile; /* Owns */
};
/* `layout`: that of the state, row_list_layout() or sorted_map_layout(). */
void state_rows_writer_init(struct state_rows_writer *w, const struct record_layout *layout,
                            struct buffer_pool *pool);
void state_rows_writer_fini(struct state_rows_writer *w); /* safe on a zeroed struct */
/* Rows [from, from + n) of a block as a batch of the layout's schema, with their timestamps when there
 * are any.  n is above 0. */
int state_rows_batch(struct state_rows_writer *w, const struct state_rows *rows, uint32_t from,
                     uint32_t n, struct batch **ret_batch, struct error *err) MUST_CHECK;

#endif
