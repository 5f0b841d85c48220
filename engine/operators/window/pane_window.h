/* Inside of flinc.window.panes: user functions over sliding windows, whose cost does not grow with size / slide.
 *
 * Time is cut into panes of gcd(size, slide).  A record changes what is kept of its key in its pane, once,
 * however many windows it belongs to:
 *   values   reduce and aggregate functions with a merge function, sums, minima and maxima: one value per
 *            pane.  A window that fires puts its panes together from two stacks: the front has, for each
 *            pane, the values from it to the front's end; the back is one value, which new panes come into.
 *            When the window has left the front, what is in the back becomes the front.
 *   rows     process functions: the records, by time.  Where they lie is noted per pane when a window first
 *            shows them, so that later ones look up nothing.
 * A pane of a key has an entry in keyed state, keyed by (key, pane end).  A key's list of panes, the stacks and
 * the notes follow from it; they are in no snapshot.  What a key waits for next is in the due index.
 *
 * Triggers that fire when time is over and windows without evictors only: all others need what a window holds
 * for itself (general_window.h).
 *
 *   pane_window.c    records into panes, firing, life
 *   pane_list.c      the panes of a key, and when it is due
 *   pane_values.c    values and the stacks
 *   pane_rows.c      records and where they lie
 * Thread: the task's.  Flink: the pane optimisation of table windows (SliceAssigners). */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_PANE_WINDOW_H
#define FLINC_ENGINE_OPERATORS_WINDOW_PANE_WINDOW_H

#include "engine/operators/window/general_window.h"
#include "engine/state/sorted_map.h"

/* What is kept of a pane besides its value. */
struct pane_meta {
    int64_t end;
    /* Of the record that the value stems from, counted in order of arrival: the first one; minBy and maxBy:
     * the best one.  0: there is no value yet. */
    int64_t arrival;
    int64_t key; /* number of its struct pane_key; not in snapshots; 0: not known yet */
};

/* A record that is noted: where it lies, and its place in the order of arrival of its key. */
struct pane_row {
    const char *record; /* Borrows: the map's, while the table of its entries is the same */
    uint64_t number;
};

/* A value outside of state. */
struct pane_value {
    char *record;     /* Owns */
    struct str bytes; /* Owns: its strings */
};

struct pane {
    int64_t end;
    uint32_t slot;         /* of its entry */
    uint64_t generation;   /* of its rows; 0: they must be looked up */
    struct pane_row *rows; /* Owns */
    uint32_t n_rows, cap_rows;
    struct pane_value
        *front; /* Owns: its value and those behind it up to the front's end; NULL: there is none */
};

/* A key with panes. */
struct pane_key {
    struct pane *panes; /* Owns; those that are left start at `first`, by time */
    uint32_t first, n, cap;
    int64_t next_end; /* of the window that fires next; INT64_MAX: none */
    int64_t due_ms;   /* of its item in the index; INT64_MAX: none */
    /* The stacks. */
    int64_t front_end;       /* panes up to here are in the front */
    int64_t fresh_end;       /* their values are right from this end on */
    int64_t back_end;        /* panes behind the front up to here are in the back */
    struct pane_value *back; /* Owns; NULL: nothing is in it */
};

struct pane_window {
    struct general_window general; /* configuration, functions, input, output */
    int64_t pane_ms;
    bool has_values;           /* else rows */
    struct keyed_state *panes; /* the backend's */
    struct keyed_state
        *keys; /* the backend's, in no snapshot: key -> number of its struct pane_key */
    const char *indexed_entries;
    uint32_t indexed_slots;
    struct vec items;     /* struct pane_key *, Owns; number 0 is nobody */
    struct vec free_keys; /* uint32_t: numbers that may be given again */
    struct due_index due;
    /* Values. */
    struct record_layout layout; /* of a pane's entry */
    uint32_t meta_offset;        /* in it */
    int64_t arrivals;            /* the last one given */
    struct vec spare;            /* struct pane_value *, Owns */
    char *scratch;               /* Owns: one entry */
    /* Rows. */
    struct sorted_map *rows; /* the backend's */
    const char *row_entries;
    uint32_t row_slots;
    uint64_t generation;
    struct pane_row *gathered; /* Owns */
    size_t n_gathered, cap_gathered;
    /* The batch at hand. */
    uint32_t n_rows, next_row, n_added;
    uint16_t batch_rows[BATCH_ROWS_MAX];
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static inline struct pane_meta *pane_meta_of(const struct pane_window *w, uint32_t slot)
{
    return (void *)((char *)keyed_state_value(w->panes, slot) + w->meta_offset);
}
static inline struct pane_key *pane_key_at(const struct pane_window *w, int64_t number)
{
    return vec_ptr(&w->items, (size_t)number);
}
static inline int64_t pane_end_of(const struct pane_window *w, int64_t ts)
{
    return time_add(window_start(ts, w->general.offset, w->pane_ms), w->pane_ms);
}
/* End of the last window that a time belongs to. */
static inline int64_t pane_last_window(const struct pane_window *w, int64_t ts)
{
    return time_add(window_start(ts, w->general.offset, w->general.slide), w->general.size);
}
/* The least end of a window that is above `ms`. */
static inline int64_t pane_window_end_above(const struct pane_window *w, int64_t ms)
{
    int64_t phase = (w->general.offset + w->general.size % w->general.slide) % w->general.slide;
    return time_add(window_start(ms, phase, w->general.slide), w->general.slide);
}

/* ---- pane_list.c ---------------------------------------------------------------------------------- */

int pane_list_open(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void pane_list_close(struct pane_window *w);
/* Up to which time windows have fired. */
int64_t pane_now(const struct pane_window *w, const struct op_context *ctx, uint64_t hash);
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

/* ---- pane_values.c -------------------------------------------------------------------------------- */

int pane_values_open(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void pane_values_close(struct pane_window *w);
/* Row `i` of the batch at hand comes into the value of its pane. */
int pane_values_add(struct pane_window *w, uint32_t i, struct error *err) MUST_CHECK;
/* The value of the window that ends at `end`, which has one; windows of a key mostly come in order. */
int pane_values_get(struct pane_window *w, struct pane_key *k, int64_t end, const char **ret_value,
                    struct error *err) MUST_CHECK;
void pane_values_forget(struct pane_window *w, struct pane_value **inout_value);

/* ---- pane_rows.c ---------------------------------------------------------------------------------- */

int pane_rows_open(struct pane_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* Rows [from, to) of the batch at hand. */
int pane_rows_add(struct pane_window *w, struct op_context *ctx, uint32_t from, uint32_t to,
                  struct error *err) MUST_CHECK;
/* Makes the records of the window that ends at `end` those of its side, in order of arrival. */
int pane_rows_load(struct pane_window *w, struct op_context *ctx, struct pane_key *k, int64_t end,
                   struct error *err) MUST_CHECK;
/* Panes up to `end` have gone. */
int pane_rows_expire(struct pane_window *w, struct batch *key, int64_t end,
                     struct error *err) MUST_CHECK;

#endif
