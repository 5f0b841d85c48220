/* OVER of a bounded input: rows sorted by partition and order, then one pass with a cursor.
 *
 * A chunk of rows is computed at a time.  An aggregate keeps the state of its frame as the frame moves: rows are added where it begins at the
 * start of the partition; added and taken back where the function can; else suffixes of the frame are kept on one stack and the
 * sum of the rest beside it, so that each row is merged a few times only, whatever the frame's size.  DISTINCT in a moving frame is computed
 * anew for each row.  Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_OVER_H
#define FLINC_ENGINE_QUERY_OVER_H

#include "engine/query/calls.h"
#include "engine/query/order.h"

/* Groups of an aggregate: a row of the chunk each, then the running state, then the stack of suffixes. */
enum { OVER_CHUNK = BATCH_ROWS_TARGET, OVER_RUNNING = OVER_CHUNK, OVER_STACK };

enum over_function {
    OVER_AGGREGATE,
    OVER_ROW_NUMBER,
    OVER_RANK,
    OVER_DENSE_RANK,
    OVER_PERCENT_RANK,
    OVER_CUME_DIST,
    OVER_NTILE,
    OVER_LAG,
    OVER_LEAD,
};

enum over_way { OVER_GROWS, OVER_RETRACTS, OVER_STACKS, OVER_ANEW };

/* Where the cursor is: positions of the order. */
struct over_place {
    uint32_t row;       /* the current one */
    uint32_t from, to;  /* its partition */
    uint32_t peer, end; /* its equals */
    uint32_t dense;     /* number of different values so far */
};

struct over_bound {
    Flinc__OverBoundKind kind;
    int64_t rows;   /* ROWS */
    __int128 whole; /* RANGE, in the units of the key */
    double real;
    uint32_t at; /* RANGE: where the last search ended */
};

struct over_call {
    enum over_function function;
    uint32_t number;               /* of aggregates: in query_calls */
    const Flinc__OverCall *config; /* Borrows */
    bool is_range;
    struct over_bound lower, upper;
    enum over_way way;
    uint32_t lo, hi; /* rows that the state has */
    uint32_t mid;    /* OVER_STACKS: suffixes are of [lo, mid), the running state of [mid, hi) */
    uint32_t base;   /* of the suffixes: that of position `base` is the first group of the stack */
};

/* The key of RANGE with a value: its numbers are multiplied to meet those of bounds. */
struct over_key {
    bool is_used, is_real, descending, nulls_last;
    uint32_t column;
    __int128 factor;
};

struct over_operator {
    struct operator base;
    Flinc__OverConfig *config;  /* Owns */
    struct buffer_pool *memory; /* Owns */
    struct query_rows rows;
    Flinc__SortKey *keys; /* of the arena: partition, then order */
    Flinc__SortKey **key_pointers;
    struct query_order partition, order, all;
    struct over_key key;
    struct over_call *calls; /* of the arena */
    uint32_t n_calls;
    struct query_calls aggregates;
    struct buffer *numbers; /* Owns: rows in order */
    struct over_place place;
    uint32_t next; /* position */
};

static inline uint32_t over_id(const struct over_operator *o, uint32_t position)
{
    return ((const uint32_t *)(const void *)o->numbers->data)[position];
}

/* Bounds of the configuration; the key of RANGE. */
int over_frames_open(struct over_operator *o, const struct op_context *ctx,
                     struct error *err) MUST_CHECK;
/* Rows [lo, hi) of the frame of the current row. */
void over_frame(struct over_operator *o, struct over_call *c, uint32_t *ret_lo, uint32_t *ret_hi);
/* Forgets where searches ended: a partition begins. */
void over_frame_restart(struct over_operator *o, struct over_call *c);

#endif
