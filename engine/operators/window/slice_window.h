/* Inside of flinc.window.slices: tumbling and sliding windows of built-in aggregates.
 *
 * Time is cut into slices of gcd(size, slide); a record changes one accumulator, that of its key in its
 * slice, however many windows it belongs to.  A slice is a namespace of keyed state (its end), dropped
 * whole behind its last window.  When a window fires:
 *   tumbling           its one slice is the result
 *   running            a table of running accumulators takes the new slices in, and takes those out that
 *                      leave: for counts and whole sums
 *   tree               nodes of 2, 4, 8 ... slices are put together once and then used by all windows
 *                      that hold them: for minima, maxima and floating-point sums
 * Running accumulators and nodes follow from the slices: states of their own, which are made anew when the operator is opened.
 *
 * States may be larger than memory: tables are gone over by walks (keyed_walk_next()), and no slot is kept past a call.
 * Thread: the task's. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_SLICE_WINDOW_H
#define FLINC_ENGINE_OPERATORS_WINDOW_SLICE_WINDOW_H

#include "engine/operators/window/window_base.h"
#include "engine/operators/window/window_columns.h"

enum {
    SLICE_LEVELS = 20, /* of the tree: 2^19 slices in a node */
    SLICES_PER_WINDOW_MAX = 1 << 19,
};

enum slice_mode {
    SLICE_TUMBLING,
    SLICE_RUNNING,
    SLICE_TREE,
};

/* The nodes of 2^level slices; node j covers slices [j << level, (j + 1) << level). */
struct slice_level {
    struct keyed_state *state; /* Borrows: the backend's; namespace j */
    struct vec built;          /* int64_t, increasing: nodes that are there */
};

/* A row of a batch that lies in several slices. */
struct slice_row {
    int64_t start; /* of its slice */
    uint32_t row;
};

struct slice_window {
    struct window_base base;
    struct window_columns columns;
    enum slice_mode mode;
    int64_t size, slide, offset, slice;
    struct keyed_state *slices; /* namespace: end of the slice */
    struct vec ends;            /* int64_t, increasing: the slices that there are */
    struct keyed_state
        *merged;        /* running accumulators, or the result of the tree; NULL: tumbling */
    int64_t merged_end; /* running: the slices up to here are in it */
    struct slice_level levels[SLICE_LEVELS]; /* from 1 on */
    uint32_t n_levels;
    int64_t fired_end; /* of the last window that fired; INT64_MIN */
    /* Emitting the window that ends at fire_end. */
    bool emitting;
    int64_t fire_end, fire_now;
    struct keyed_state *source;
    int64_t source_name_space;
    struct keyed_walk *walk; /* Owns: over it, what is left to emit; NULL: it has not begun */
    uint32_t slots[BATCH_ROWS_MAX], other_slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX], other_is_new[BATCH_ROWS_MAX];
    struct slice_row order[BATCH_ROWS_MAX];
    const char *accumulators[BATCH_ROWS_TARGET];
};

/* Number of a slice by its end. */
static inline int64_t slice_index(const struct slice_window *w, int64_t end)
{
    return (end - w->slice - w->offset) / w->slice;
}
static inline int64_t slice_end_of_index(const struct slice_window *w, int64_t index)
{
    return (index + 1) * w->slice + w->offset;
}

/* ---- slice_merge.c: running accumulators and the tree ------------------------------------------- */

/* When the slices are there (restored or none). */
int slice_merge_open(struct slice_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* Rows that went into a slice, whose keys were new there as w->is_new says: also into what was made of the
 * slice before. */
int slice_merge_add(struct slice_window *w, struct batch *b, struct batch *keys, int64_t end,
                    struct error *err) MUST_CHECK;
/* Makes w->merged the accumulators of the window that ends at `end`. */
int slice_merge_window(struct slice_window *w, struct op_context *ctx, int64_t end,
                       struct error *err) MUST_CHECK;
/* The slice is about to be dropped. */
int slice_merge_drop(struct slice_window *w, struct op_context *ctx, int64_t end,
                     struct error *err) MUST_CHECK;
/* The window was emitted; later ones start at `next_start` or behind. */
void slice_merge_done(struct slice_window *w, int64_t next_start);
void slice_merge_close(struct slice_window *w);

#endif
