/* Where the bytes and nested values of one result come together.  Inside the room only.  Thread: that of the program. */
#ifndef FLINC_ENGINE_EXPR_HEAP_H
#define FLINC_ENGINE_EXPR_HEAP_H

#include "engine/expr/vector.h"

enum {
    EXPR_SHARED_ARGS = 32
}; /* arguments whose buffers a result can share; those behind are copied */

struct expr_heap {
    struct buffer *block;             /* Borrows: the current one, the result's */
    int32_t number;                   /* its number there */
    int32_t shared[EXPR_SHARED_ARGS]; /* number of the first shared buffer + 1; 0: not shared */
    bool is_whole;                    /* the result is made of columns: no builder */
    struct builder builder;           /* of nested results */
    bool has_builder;
    uint32_t filled; /* rows in it */
};

/* The nested result is complete: rows that were not given become NULL. */
void expr_finish_nested(struct expr_frame *f);
/* A constant's one value for all of n rows. */
void expr_spread(struct buffer_pool *pool, const struct column *from, uint32_t n,
                 struct column *to);

#endif
