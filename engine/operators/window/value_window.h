/* Inside of flinc.window.values: reduce and aggregate functions, sums, minima and maxima over tumbling and sliding
 * windows that fire when their time is over.
 *
 * Time is cut into panes of gcd(size, slide); a record changes one value, that of its key in its pane, however many
 * windows it belongs to.  A pane is a namespace of keyed state (its end), dropped whole behind its last window.
 * A tumbling window is one pane: what fires is a look at each entry of a namespace.  Sliding windows put values
 * together from two stacks:
 *   front  each value of it has a node with what it comes to with those behind it, up to front_end
 *   back   per key one value, of the panes behind the front up to back_end
 * A window that fires is the node of its key's first pane and the key's back.  When the window has left the front,
 * what is in the back becomes the front: all its panes once, from the last to the first.
 *
 * Nodes and keys lie in pools and know each other by number; 0 is nobody.  They follow from the panes, as the
 * stacks do, and are in no snapshot.
 *
 * Where the backend keeps on disk what does not fit memory there are no stacks, which are memory for each key and pane: a sliding
 * window that fires adds up its panes, one after the other, in a state of their sums, which is larger than memory, too.
 * That costs size / slide values of a key for each window instead of two.  No slot is kept past a call then, so the rows of a batch
 * are taken pane by pane.
 *
 *   value_window.c   records into panes, firing, life
 *   value_panes.c    panes, keys, nodes
 *   value_stacks.c   front and back
 *   value_sums.c     panes added up
 * Thread: the task's.  Flink: WindowOperator over ReducingState and AggregatingState. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_VALUE_WINDOW_H
#define FLINC_ENGINE_OPERATORS_WINDOW_VALUE_WINDOW_H

#include "engine/operators/window/pane_time.h"

enum {
    VALUE_POOL_ITEMS = 1024,      /* of a chunk */
    VALUE_STEP_NODES = 64 * 1024, /* that one call puts into a stack; then OP_MORE */
    VALUE_PREFETCH = 4,           /* keys ahead */
};

/* What is kept of a pane's key behind its value. */
struct value_meta {
    /* Of the record that the value stems from, counted in order of arrival: the first one; minBy and maxBy:
     * the best one.  0: there is no value yet. */
    int64_t arrival;
    int64_t node; /* its number; not in snapshots; 0: tumbling windows have none */
};

/* Items of one size by number, from 1 on; they stay where they are. */
struct value_pool {
    struct mem_budget *budget; /* Borrows: of state; NULL: none */
    struct vec chunks;         /* char *, Owns */
    uint32_t stride;
    uint32_t n;         /* numbers given so far */
    uint32_t free_item; /* the first that may be given again; its first bytes are the next one */
};

struct value_pane {
    int64_t end;
    struct keyed_table *table; /* Borrows: the state's */
    const char *entries;       /* of the table, when nodes got to know their slots */
    uint32_t n_slots;
    uint32_t first; /* node */
};

/* A key's value in a pane; behind it what it comes to with those of the front behind it. */
struct value_node {
    int64_t end;               /* of the pane */
    struct keyed_table *table; /* Borrows: the pane's */
    uint32_t slot;
    uint32_t key;
    uint32_t next; /* of the key, in a later pane */
    uint32_t peer; /* of the pane */
};

/* A key with panes; behind it its value of the back. */
struct value_key {
    uint64_t hash;
    int64_t
        stale_end; /* nodes of the front up to here must be put together again; INT64_MIN: none */
    uint32_t first, last; /* nodes, by time */
    uint32_t head;        /* the first one that windows may still need */
    uint32_t back_round;  /* the back has a value when it is that of the window operator */
    bool is_active;
};

enum value_step { VALUE_IDLE, VALUE_FLIP, VALUE_FOLD, VALUE_SUM, VALUE_EMIT };

struct value_window {
    struct general_window general; /* configuration, functions, input, output */
    int64_t pane_ms;
    bool is_sliding;
    bool has_stacks;             /* of sliding windows; else their panes are added up */
    struct record_layout layout; /* of an entry */
    uint32_t meta_offset;        /* in it */
    struct keyed_state *values;  /* the backend's; namespace: end of the pane */
    struct vec panes;            /* struct value_pane, by end */
    int64_t arrivals;            /* the last one given before the batch at hand */
    char *scratch;               /* Owns: one entry */
    int64_t fired_end;           /* of the last window that fired; INT64_MIN */
    /* Sliding windows. */
    struct keyed_state *key_numbers; /* the backend's, in no snapshot: key -> its number */
    struct value_pool nodes, keys;
    char *so_far;              /* Owns: one entry, of a window out of its turn */
    struct state_heap strings; /* of what nodes, keys and so_far have */
    struct vec active;         /* uint32_t: keys that the next window may have something of */
    int64_t front_end, back_end;
    uint32_t back_round;
    struct keyed_state *sums; /* the backend's, without stacks: of the window that fires */
    /* The window at hand. */
    enum value_step step;
    int64_t fire_end;
    uint32_t at;                /* pane, pane from the end, or number in `active` */
    struct keyed_walk *walk;    /* Owns: over a pane or over the sums; NULL: it has not begun */
    uint32_t n_fire, next_fire; /* of its block: slots, and those that were fired */
    uint32_t fire_slots[BATCH_ROWS_TARGET];
    /* The batch at hand. */
    uint32_t n_rows, next_row, n_added;
    uint32_t n_found; /* rows whose entries are found */
    uint32_t numbers
        [BATCH_ROWS_MAX]; /* in batch_rows, in the order in which they are taken; those of the batch are
                                         counted so */
    int64_t late_end;     /* of the late window of the next row that fired last */
    uint16_t batch_rows[BATCH_ROWS_MAX];
    struct keyed_table *tables[BATCH_ROWS_MAX]; /* by number in batch_rows, as those below */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static inline void *value_pool_at(const struct value_pool *p, uint32_t number)
{
    char *const *chunks = p->chunks.data;
    return chunks[number / VALUE_POOL_ITEMS] + (size_t)(number % VALUE_POOL_ITEMS) * p->stride;
}
static inline struct value_node *value_node_at(const struct value_window *w, uint32_t number)
{
    return value_pool_at(&w->nodes, number);
}
static inline struct value_key *value_key_at(const struct value_window *w, uint32_t number)
{
    return value_pool_at(&w->keys, number);
}
static inline char *value_of_node(struct value_node *n)
{
    return (char *)(n + 1);
}
static inline char *value_of_back(struct value_key *k)
{
    return (char *)(k + 1);
}
static inline struct value_meta *value_meta_in(const struct value_window *w, const char *entry)
{
    return (void *)((char *)(uintptr_t)entry + w->meta_offset);
}

/* ---- value_panes.c -------------------------------------------------------------------------------- */

int value_panes_open(struct value_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void value_panes_close(struct value_window *w);
/* The order in which the rows of the batch at hand are taken. */
void value_panes_order(struct value_window *w);
/* More of them get their entries, w->tables and w->slots: those up to w->n_found. */
int value_panes_find(struct value_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* The first pane whose end is above `ms`: 0 .. number of panes. */
size_t value_panes_above(const struct value_window *w, int64_t ms);
static inline struct value_pane *value_pane_at(const struct value_window *w, size_t i)
{
    return VEC_AT(&w->panes, struct value_pane, i);
}
/* Windows may have something of this key from now on; the key at this place of the list is not one of them any
 * more. */
void value_key_activate(struct value_window *w, uint32_t number);
void value_key_deactivate(struct value_window *w, size_t at);
/* Drops panes that no window at `now` needs any more. */
int value_panes_expire(struct value_window *w, struct op_context *ctx, int64_t now,
                       struct error *err) MUST_CHECK;

/* ---- value_stacks.c ------------------------------------------------------------------------------- */

/* Row `i` of the batch at hand comes into its value. */
int value_add(struct value_window *w, uint32_t i, struct error *err) MUST_CHECK;
/* Front and back become those of the window w->fire_end, some steps at a time.  1: call again. */
int value_stacks_step(struct value_window *w, struct error *err) MUST_CHECK;
/* The value of the window w->fire_end; NULL: it has nothing of this key. */
int value_stacks_get(struct value_window *w, struct value_key *k, const char **ret_value,
                     struct error *err) MUST_CHECK;
/* The value of a window out of its turn; NULL: none. */
int value_put_together(struct value_window *w, const struct value_key *k, int64_t end,
                       const char **ret_value, struct error *err) MUST_CHECK;

/* ---- value_sums.c --------------------------------------------------------------------------------- */

int value_sums_open(struct value_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* The sums become those of the window w->fire_end, some steps at a time.  1: call again. */
int value_sums_step(struct value_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* They were emitted. */
void value_sums_done(struct value_window *w);
/* The value of a window out of its turn for the key of row number `i` of the batch at hand; the slots of entries are not good any
 * more. */
int value_sums_of_row(struct value_window *w, struct op_context *ctx, uint32_t i, int64_t end,
                      const char **ret_value, struct error *err) MUST_CHECK;
/* Two values, either of which may be NULL; the result is one of them or w->scratch. */
int value_merge(struct value_window *w, const char *a, const char *b, const char **ret,
                struct error *err) MUST_CHECK;

#endif
