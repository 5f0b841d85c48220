/* Keys of entries of the key at hand, made in place: (key, number) of a list, (key, map key) of a map.
 *
 * A batch of up to PROBE_ROWS rows whose cells are filled from the cursor's row and from records, without an
 * allocation.  Strings are not copied: what they are of must stay until the probe.
 *
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_USER_ENTRY_PROBE_H
#define FLINC_ENGINE_STATE_USER_ENTRY_PROBE_H

#include "engine/state/user/key_cursor.h"

enum { PROBE_ROWS = 64 };

struct entry_probe {
    struct key_cursor *cursor; /* Borrows */
    struct keyed_state *state; /* Borrows: of the entries */
    struct batch *batch;       /* Owns; of the state's key schema */
    struct buffer *headers;    /* Owns; of strings, PROBE_ROWS per column */
    struct buffer **pointers;  /* Owns; to the headers */
    uint32_t n_keys;           /* columns of the owner's key */
    uint64_t batch_number;     /* of the key cells that are in */
    uint32_t row, rows;
    uint32_t slots[PROBE_ROWS]; /* of the last probe */
    uint8_t is_new[PROBE_ROWS];
};

void entry_probe_init(struct entry_probe *p, struct key_cursor *cursor, struct keyed_state *state);
void entry_probe_fini(struct entry_probe *p); /* safe on a zeroed struct */
/* Row i has this number, in the first column behind the owner's key. */
void entry_probe_number(struct entry_probe *p, uint32_t i, int64_t number);
/* Row i has the fields of a record, in the columns behind the owner's key. */
void entry_probe_record(struct entry_probe *p, uint32_t i, const struct record_layout *l,
                        const char *record);
/* Slots of rows [0, n) in p->slots.  The key is that at hand. */
int entry_probe_find(struct entry_probe *p, uint32_t n, struct error *err) MUST_CHECK;
int entry_probe_add(struct entry_probe *p, uint32_t n, struct error *err) MUST_CHECK;
/* The same for entries none of which is there. */
int entry_probe_add_new(struct entry_probe *p, uint32_t n, struct error *err) MUST_CHECK;

#endif
