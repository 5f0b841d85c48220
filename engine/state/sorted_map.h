/* Sorted multimaps: per key and namespace, rows in the order of a 64-bit number, and rows of equal numbers
 * in the order in which they came.
 *
 * What interval joins keep (by timestamp), and later Top-N and retracting aggregates.  A row is an entry of
 * its own, (key, sort number, sequence number) -> row, so that a checkpoint's increment holds what was
 * added and removed and nothing else.  The order is an index in memory, per key sorted chunks of numbers,
 * which is not part of snapshots: it is made again when the map is opened with restored entries.
 *
 * All calls are by batch.  Thread: one owner (the task).
 * Flink: MapState<Long, List<...>> of IntervalJoinOperator. */
#ifndef FLINC_ENGINE_STATE_SORTED_MAP_H
#define FLINC_ENGINE_STATE_SORTED_MAP_H

#include "engine/state/rows.h"

struct sorted_map;

struct sorted_map_desc {
    const char *name;                   /* of the state, opened once per backend */
    const struct schema *key_schema;    /* Borrows during the call */
    const struct record_layout *record; /* of a row; copied */
    /* All of it is in memory, and found rows stay where they are until some are added, however many others are read. */
    bool stays;
};

/* Lives as long as the backend. */
int sorted_map_open(struct keyed_backend *b, const struct sorted_map_desc *desc,
                    struct sorted_map **ret_map, struct error *err) MUST_CHECK;
/* The table of its entries, as the last call left it: found rows stay where they are while its slots do. */
const struct keyed_table *sorted_map_table(const struct sorted_map *m);
const struct record_layout *sorted_map_layout(const struct sorted_map *m);

/* What part of a key's rows is meant, per selected row: low[i] <= sort <= high[i]; empty when low[i] is
 * above high[i]. */
struct sorted_ranges {
    const int64_t *low;  /* Borrows; NULL: from the first */
    const int64_t *high; /* Borrows; NULL: to the last */
};

/* Adds the selected rows of the batch, whose schema is that of the record; sorts[i] is the number of the
 * i-th selected row. */
int sorted_map_insert(struct sorted_map *m, const struct state_keys *rows, const int64_t *sorts,
                      struct error *err) MUST_CHECK;
/* Removes, for each selected row, the first row of its key with this number; ret_removed[i] says whether
 * there was one (room for n_sel; may be NULL). */
int sorted_map_remove(struct sorted_map *m, const struct state_keys *keys, const int64_t *sorts,
                      uint8_t *ret_removed, struct error *err) MUST_CHECK;
/* Removes the ranges; `ret_removed`, when there, gets the number of rows removed in all. */
int sorted_map_remove_ranges(struct sorted_map *m, const struct state_keys *keys,
                             const struct sorted_ranges *ranges, uint64_t *ret_removed,
                             struct error *err) MUST_CHECK;
/* How many rows the key of each selected row has. */
int sorted_map_count(struct sorted_map *m, const struct state_keys *keys, uint64_t *ret_counts,
                     struct error *err) MUST_CHECK;
void sorted_map_drop_namespace(struct sorted_map *m, int64_t name_space);
/* For walks over its keys: what has an entry per key. */
struct keyed_state *sorted_map_keys(const struct sorted_map *m);

/* ---- reading ------------------------------------------------------------------------------------ */

/* The rows of ranges, key after key in the order of the batch, each key's in the map's order.  While one
 * reads, the map is not changed. */
struct sorted_map_reader {
    struct sorted_map *map; /* Borrows */
    struct state_keys keys;
    struct sorted_ranges ranges;
    struct buffer *heads; /* Owns a ref: slots by selected row */
    uint32_t numbering;   /* of the heads' slots */
    uint32_t key;         /* selected row whose rows come next */
    int64_t next_sort;    /* of that key */
    uint64_t next_seq;
    bool inside; /* of the rows of that key */
    /* Set before the start: blocks have numbers, sorts and owners alone, and no row is looked up. */
    bool order_only;
    struct state_rows rows;
    uint64_t numbers[STATE_ROWS_MAX]; /* of the rows: per key in order of arrival */
};
int sorted_map_reader_start(struct sorted_map_reader *r, struct sorted_map *m,
                            const struct state_keys *keys, const struct sorted_ranges *ranges,
                            struct error *err) MUST_CHECK;
/* The next block in r->rows, up to `max` rows (at most STATE_ROWS_MAX): 1, or 0 at the end. */
int sorted_map_reader_next(struct sorted_map_reader *r, uint32_t max, struct error *err) MUST_CHECK;
/* Safe on a zeroed struct and twice. */
void sorted_map_reader_fini(struct sorted_map_reader *r);

#endif
