/* Row lists: per key and namespace, rows in the order in which they came.
 *
 * What windows keep that hand all their rows to a function, and the list state of user functions.  A row
 * is an entry of its own, (key, sequence number) -> row, so that a checkpoint's increment holds the rows
 * that were added and nothing else; per key there is a head with the numbers in use, which is not part of
 * snapshots: it is made again when the list is opened with restored entries.
 *
 * All calls are by batch.  Thread: one owner (the task).
 * Flink: ListState of a window operator (the contents of EvictingWindowOperator). */
#ifndef FLINC_ENGINE_STATE_ROW_LIST_H
#define FLINC_ENGINE_STATE_ROW_LIST_H

#include "engine/state/rows.h"

struct row_list;

struct row_list_desc {
    const char *name;                   /* of the state, opened once per backend */
    const char *kind;                   /* NULL: "list" */
    const struct schema *key_schema;    /* Borrows during the call */
    uint32_t n_key_columns;             /* its first ones, which decide the key group; 0: all */
    const struct record_layout *record; /* of a row; copied */
    /* All of it is in memory, and found rows stay where they are until some are added, however many others are read. */
    bool stays;
};

/* Lives as long as the backend. */
int row_list_open(struct keyed_backend *b, const struct row_list_desc *desc,
                  struct row_list **ret_list, struct error *err) MUST_CHECK;
/* The layout of the rows: that of the description. */
const struct record_layout *row_list_layout(const struct row_list *l);

/* Adds the selected rows of the batch, whose schema is that of the record, each to its key's list. */
int row_list_append(struct row_list *l, const struct state_keys *rows,
                    struct error *err) MUST_CHECK;
/* The same with rows apart from their keys: the i-th selected row is that of the i-th selected key. */
int row_list_append_rows(struct row_list *l, const struct state_keys *keys,
                         const struct batch *rows, struct error *err) MUST_CHECK;
/* Adds the selected rows, at most STATE_ROWS_MAX, to the list of the one selected key. */
int row_list_append_to(struct row_list *l, const struct state_keys *key, const struct batch *rows,
                       struct error *err) MUST_CHECK;
/* Puts all rows of each selected key of `from` behind those of the same selected key of `to`, in order; no
 * key of the one is a key of the other. */
int row_list_move(struct row_list *l, const struct state_keys *from, const struct state_keys *to,
                  struct error *err) MUST_CHECK;
/* How many rows the key of each selected row has: ret_counts[i], room for n_sel. */
int row_list_count(struct row_list *l, const struct state_keys *keys, uint64_t *ret_counts,
                   struct error *err) MUST_CHECK;
/* Removes all rows of these keys.  A key may stand in the batch more than once. */
int row_list_clear(struct row_list *l, const struct state_keys *keys, struct error *err) MUST_CHECK;
void row_list_drop_namespace(struct row_list *l, int64_t name_space);
/* Gives the memory of a namespace back whose keys have no rows any more. */
void row_list_drop_if_empty(struct row_list *l, int64_t name_space);
/* For walks over its keys: what has an entry per key. */
struct keyed_state *row_list_keys(const struct row_list *l);

/* ---- reading ------------------------------------------------------------------------------------ */

/* The rows of some keys, key after key in the order of the batch, each key's in order of arrival.  While
 * one reads, the list is not changed. */
struct row_list_reader {
    struct row_list *list; /* Borrows */
    struct state_keys keys;
    struct buffer *ranges; /* Owns a ref: the numbers of rows that are left, by selected row */
    uint32_t key;          /* selected row whose rows come next */
    struct state_rows rows;
};
int row_list_reader_start(struct row_list_reader *r, struct row_list *l,
                          const struct state_keys *keys, struct error *err) MUST_CHECK;
/* The next block in r->rows, up to `max` rows (at most STATE_ROWS_MAX): 1, or 0 at the end. */
int row_list_reader_next(struct row_list_reader *r, uint32_t max, struct error *err) MUST_CHECK;
/* Safe on a zeroed struct and twice. */
void row_list_reader_fini(struct row_list_reader *r);

#endif
