/* Ordered multimaps: per key and namespace, rows in the order of some of their columns, and rows that are equal
 * in these in the order in which they came.
 *
 * What SQL's Top-N, retracting MIN and MAX, OVER and temporal joins keep.  (Interval joins, which sort by one
 * number, have sorted_map.h.)  A row is an entry of its own, (key, sequence number) -> row, so that a
 * checkpoint's increment holds what was added and removed and nothing else.  The order is an index in memory
 * over bytes that sort as the columns do; it is in no snapshot and is made again from the rows when the map is
 * opened, so that another version of the job may sort by other columns.
 *
 * All calls are by batch.  Thread: one owner (the task).
 * Flink: MapState<RowData, List<RowData>> with a sorted set, of AppendOnlyTopNFunction and its like. */
#ifndef FLINC_ENGINE_STATE_ORDERED_MAP_H
#define FLINC_ENGINE_STATE_ORDERED_MAP_H

#include "engine/state/rows.h"

enum { SORT_COLUMNS_MAX = 32 };

enum sort_flag {
    SORT_DESC = 1,
    SORT_NULLS_FIRST = 0,
    SORT_NULLS_LAST = 2,
};
struct sort_column {
    uint32_t column; /* of the rows' schema */
    uint32_t flags;  /* sort_flag */
};

struct ordered_map;

struct ordered_map_desc {
    const char *name;                   /* of the state, opened once per backend */
    const struct schema *key_schema;    /* Borrows during the call */
    const struct record_layout *record; /* of a row; copied */
    const struct sort_column *columns;  /* Borrows during the call; most significant first */
    uint32_t n_columns;
};

/* Lives as long as the backend. */
int ordered_map_open(struct keyed_backend *b, const struct ordered_map_desc *desc,
                     struct ordered_map **ret_map, struct error *err) MUST_CHECK;
const struct record_layout *ordered_map_layout(const struct ordered_map *m);

/* Appends the sort key of a row (physical number) of a batch of the rows' schema.  `n_columns` may be less than
 * all: the first bytes of all sort keys that begin with these values, as a bound of a range. */
int ordered_map_encode(const struct ordered_map *m, const struct batch *b, uint32_t row,
                       uint32_t n_columns, struct str *out, struct error *err) MUST_CHECK;

/* Which rows of a key are meant, per selected row: sort keys from low[i] to high[i], both included, or sort keys
 * that begin with them. */
struct ordered_ranges {
    const struct slice *low;  /* Borrows; NULL: from the first */
    const struct slice *high; /* Borrows; NULL: to the last */
    uint64_t limit;           /* that many of them; 0: all */
    bool from_last;           /* the last ones, in descending order */
};

/* Adds the selected rows of the batch, whose schema is that of the record. */
int ordered_map_insert(struct ordered_map *m, const struct state_keys *rows,
                       struct error *err) MUST_CHECK;
/* Removes, for each selected row of the batch (as for inserting), the first row of its key that is equal to it in
 * all columns; ret_removed[i] says whether there was one (room for n_sel; may be NULL). */
int ordered_map_remove(struct ordered_map *m, const struct state_keys *rows, uint8_t *ret_removed,
                       struct error *err) MUST_CHECK;
/* Removes the ranges; `ret_removed`, when there, gets the number of rows removed in all. */
int ordered_map_remove_ranges(struct ordered_map *m, const struct state_keys *keys,
                              const struct ordered_ranges *ranges, uint64_t *ret_removed,
                              struct error *err) MUST_CHECK;
/* How many rows the key of each selected row has. */
int ordered_map_count(struct ordered_map *m, const struct state_keys *keys, uint64_t *ret_counts,
                      struct error *err) MUST_CHECK;
void ordered_map_drop_namespace(struct ordered_map *m, int64_t name_space);
/* For walks over its keys: what has an entry per key. */
struct keyed_state *ordered_map_keys(const struct ordered_map *m);

/* ---- reading ------------------------------------------------------------------------------------ */

/* The rows of ranges, key after key in the order of the batch.  While one reads, the map is not changed. */
struct ordered_map_reader {
    struct ordered_map *map; /* Borrows */
    struct state_keys keys;
    struct ordered_ranges ranges;
    struct buffer *heads; /* Owns a ref: slots by selected row */
    uint32_t numbering;   /* of the heads' slots */
    uint32_t key;         /* selected row whose rows come next */
    uint64_t next;        /* of that key's rows: how many are before its next one */
    uint64_t given;       /* rows of it */
    bool inside;          /* of the rows of that key */
    struct state_rows rows;
    uint64_t numbers[STATE_ROWS_MAX]; /* of the rows: per key in order of arrival */
};
int ordered_map_reader_start(struct ordered_map_reader *r, struct ordered_map *m,
                             const struct state_keys *keys, const struct ordered_ranges *ranges,
                             struct error *err) MUST_CHECK;
/* The next block in r->rows, up to `max` rows (at most STATE_ROWS_MAX): 1, or 0 at the end. */
int ordered_map_reader_next(struct ordered_map_reader *r, uint32_t max,
                            struct error *err) MUST_CHECK;
/* Safe on a zeroed struct and twice. */
void ordered_map_reader_fini(struct ordered_map_reader *r);

#endif
