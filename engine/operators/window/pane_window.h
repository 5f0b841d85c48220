/* Inside of flinc.window.panes: process functions over sliding windows, which keep records once.
 *
 * Time is cut into panes of gcd(size, slide).  A record is kept once, by time, however many windows it belongs
 * to.  Where records lie is noted per pane when a window first shows them, so that later ones look up nothing.
 * A pane of a key has an entry in keyed state, keyed by (key, pane end).  A key's list of panes and the notes
 * follow from it; they are in no snapshot.  What a key waits for next is in the due index.
 *
 * Triggers that fire when time is over and windows without evictors only: all others need what a window holds
 * for itself (general_window.h).
 *
 *   pane_window.c    records into panes, firing, life
 *   pane_list.c      the panes of a key, and when it is due
 *   pane_rows.c      records and where they lie
 *   pane_paged.c     with a backend that pages: timers instead of lists, and records that are copied
 * Thread: the task's.  Flink: the pane optimisation of table windows (SliceAssigners). */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_PANE_WINDOW_H
#define FLINC_ENGINE_OPERATORS_WINDOW_PANE_WINDOW_H

#include "engine/operators/window/pane_time.h"
#include "engine/state/sorted_map.h"

/* What is kept of a pane. */
struct pane_meta {
    int64_t end;
    int64_t key; /* number of its struct pane_key; not in snapshots; 0: not known yet */
};

/* A record that is noted: where it lies, and its place in the order of arrival of its key. */
struct pane_row {
    const char *record; /* Borrows: the map's, while the table of its entries is the same */
    uint64_t number;
};

struct pane {
    int64_t end;
    uint32_t slot;         /* of its entry */
    uint64_t generation;   /* of its rows; 0: they must be looked up */
    struct pane_row *rows; /* Owns */
    uint32_t n_rows, cap_rows;
};

/* A key with panes. */
struct pane_key {
    struct pane *panes; /* Owns; those that are left start at `first`, by time */
    uint32_t first, n, cap;
    int64_t next_end; /* of the window that fires next; INT64_MAX: none */
    int64_t due_ms;   /* of its item in the index; INT64_MAX: none */
};

struct pane_window {
    struct general_window general; /* configuration, functions, input, output */
    int64_t pane_ms;
    struct keyed_state *panes; /* the backend's */
    struct keyed_state
        *keys; /* the backend's, in no snapshot: key -> number of its struct pane_key */
    const char *indexed_entries;
    uint32_t indexed_slots;
    struct vec items;     /* struct pane_key *, Owns; number 0 is nobody */
    struct vec free_keys; /* uint32_t: numbers that may be given again */
    struct due_index due;
    struct record_layout layout; /* of a pane's entry */
    /* Rows. */
    struct sorted_map *rows; /* the backend's */
    const char *row_entries;
    uint32_t row_slots;
    uint64_t generation;
    struct pane_row *gathered; /* Owns */
    size_t n_gathered, cap_gathered;
    /* With a backend that pages: general.timers, and nothing of lists, index and notes. */
    struct timer_batch fired; /* keys that are looked at; those from `next_fired` on are left */
    uint16_t fired_rows[TIMER_FIRE_ROWS];
    uint32_t next_fired;
    bool gathered_in_order;
    struct builder expired; /* keys of panes that go */
    /* The batch at hand. */
    uint32_t n_rows, next_row, n_added;
    int64_t late_end; /* of the late window of the next row that fired last */
    uint16_t batch_rows[BATCH_ROWS_MAX];
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static inline struct pane_meta *pane_meta_of(const struct pane_window *w, uint32_t slot)
{
    return keyed_state_value(w->panes, slot);
}
static inline struct pane_key *pane_key_at(const struct pane_window *w, int64_t number)
{
    return vec_ptr(&w->items, (size_t)number);
}
/* ---- pane_list.c ---------------------------------------------------------------------------------- */

/* The state of panes. */
int pane_list_open_state(struct pane_window *w, struct op_context *ctx,
                         struct error *err) MUST_CHECK;
int pane_list_open(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void pane_list_close(struct pane_window *w);
/* Looks at the table again when its slots have moved. */
int pane_list_check(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* Panes that have just come into state: `slots[i]` belongs to row rows[i] of the batch at hand. */
int pane_list_add(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* The first pane whose end is above `ms`: 0 .. k->n. */
uint32_t pane_list_above(const struct pane_key *k, int64_t ms);
static inline struct pane *pane_list_at(const struct pane_key *k, uint32_t i)
{
    return &k->panes[k->first + i];
}
/* What the window behind the one that ended at `end` is; in k->next_end. */
void pane_list_advance(const struct pane_window *w, struct pane_key *k, int64_t end);
/* Removes panes that no window at `now` needs any more; a key without panes goes, *ret_gone. */
int pane_list_expire(struct pane_window *w, struct op_context *ctx, int64_t number, int64_t now,
                     bool *ret_gone, struct error *err) MUST_CHECK;
void pane_list_schedule(struct pane_window *w, int64_t number);
/* A batch of the key that the entry belongs to, with its hash; a new reference. */
int pane_list_key(struct pane_window *w, struct op_context *ctx, uint32_t slot,
                  struct batch **ret_key, struct error *err) MUST_CHECK;

/* ---- pane_rows.c ---------------------------------------------------------------------------------- */

int pane_rows_open(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* Rows [from, to) of the batch at hand. */
int pane_rows_add(struct pane_window *w, struct op_context *ctx, uint32_t from, uint32_t to,
                  struct error *err) MUST_CHECK;
/* Makes the records of the window that ends at `end` those of its side, in order of arrival. */
int pane_rows_load(struct pane_window *w, struct op_context *ctx, struct pane_key *k, int64_t end,
                   struct error *err) MUST_CHECK;
/* Room for `n` gathered records; they become those of the side, in order of arrival. */
void pane_rows_reserve(struct pane_window *w, size_t n);
void pane_rows_show(struct pane_window *w, bool in_order);
/* Panes up to `end` have gone. */
int pane_rows_expire(struct pane_window *w, struct batch *key, int64_t end,
                     struct error *err) MUST_CHECK;

/* ---- pane_paged.c --------------------------------------------------------------------------------- */

int pane_paged_open(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void pane_paged_close(struct pane_window *w); /* nothing to do with other backends */
/* The panes of the batch at hand are in w->slots: those that are new are waited for. */
int pane_paged_note(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* Fires the late window that ends at `end` for the key of a row of the batch at hand. */
int pane_paged_fire_late(struct pane_window *w, struct op_context *ctx, uint16_t row, int64_t end,
                         struct error *err) MUST_CHECK;
/* Fires what is due until the queue is full: 1: there is more; 0: that was all. */
int pane_paged_fire(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;

#endif
