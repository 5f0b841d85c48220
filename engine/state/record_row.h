/* Records as rows of the row codec (engine/data/codec.h): bytes to struct memory and back, without a builder or
 * a batch between.  The bytes are those that row_encode() writes for the same row without its kind and its
 * timestamp, and only those are taken.
 *
 * Thread: one owner.  Flink: TypeSerializer of a state's values. */
#ifndef FLINC_ENGINE_STATE_RECORD_ROW_H
#define FLINC_ENGINE_STATE_RECORD_ROW_H

#include "engine/state/record.h"

/* How a layout is written: its fields in the order of the schema's columns. */
struct record_row {
    const struct record_layout *layout; /* Borrows */
    struct record_row_column *columns;  /* Owns; one per column of the schema */
    uint32_t n_columns;
    uint32_t bitmap_bytes; /* NULLs */
    uint32_t fixed_bytes;  /* room for all that has no length of its own */
    bool has_gaps;         /* bytes of a record that are of no field */
    char *scratch;         /* Owns: a record that is on its way into state; NULL without strings */
    struct str zeros;      /* of nested columns: what zeroed memory stands for, encoded */
};

/* The layout has a field for each column of its schema (asserted) and outlives `r`. */
void record_row_init(struct record_row *r, const struct record_layout *l);
void record_row_fini(struct record_row *r); /* safe on a zeroed struct */

/* Appends a record to `out`.  ERR_CORRUPT when a nested value is none, ERR_TOO_LARGE from 2 GiB; `out` is as
 * before on failure. */
int record_row_encode(const struct record_row *r, const char *record, struct str *out,
                      struct error *err) MUST_CHECK;

/* Fills a record, whose strings point into `data`; bytes that are of no field become zero.  ERR_CORRUPT for
 * bytes that are no row of the schema, or one with a NULL for which the record has no bool; ERR_UNSUPPORTED for
 * another version, ERR_TOO_LARGE for a nested value of too many elements.  The record is anything on failure. */
int record_row_read(const struct record_row *r, const void *data, size_t size, char *ret_record,
                    struct error *err) MUST_CHECK;

/* The same into a record in state, whose strings are its own, in the heap, as record_keep() has them.  `kept` is
 * zeroed memory or was kept before.  Besides ERR_LIMIT when the budget has no room.  On failure `kept` is zeroed
 * memory, and what it had is freed. */
int record_row_decode(struct record_row *r, struct state_heap *heap, const void *data, size_t size,
                      char *kept, struct error *err) MUST_CHECK;

#endif
