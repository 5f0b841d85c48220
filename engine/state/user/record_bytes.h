/* Records as bytes of the row codec, for state that keeps bytes.
 *
 * Thread: one owner (the task).  Flink: TypeSerializer of an operator's state. */
#ifndef FLINC_ENGINE_STATE_USER_RECORD_BYTES_H
#define FLINC_ENGINE_STATE_USER_RECORD_BYTES_H

#include "engine/state/record_row.h"

struct record_bytes {
    struct record_layout layout; /* Owns */
    struct record_row row;       /* of the layout: the struct must not move */
    struct str schema_text;      /* the layout's schema, for people and checks */
};

/* `layout` is copied. */
void record_bytes_init(struct record_bytes *r, const struct record_layout *layout);
void record_bytes_fini(struct record_bytes *r); /* safe on a zeroed struct */
/* Appends the record to `out`. */
int record_bytes_encode(struct record_bytes *r, const char *record, struct str *out,
                        struct error *err) MUST_CHECK;
/* Fills a record, its strings in `strings` (cleared before).  ERR_CORRUPT for bytes that are none. */
int record_bytes_decode(struct record_bytes *r, const void *data, size_t size, char *ret_record,
                        struct str *strings, struct error *err) MUST_CHECK;

#endif
