/* Pointers by small numbers that are used again.  Thread: one owner.  Inside the room only. */
#ifndef FLINC_TASKMANAGER_NETWORK_TABLE_H
#define FLINC_TASKMANAGER_NETWORK_TABLE_H

#include "common/base/vec.h"

struct table {
    struct vec items; /* Borrows: pointers; holes are NULL */
    struct vec holes; /* uint32_t */
};

static inline void table_init(struct table *t)
{
    vec_init(&t->items, sizeof(void *));
    vec_init(&t->holes, sizeof(uint32_t));
}
static inline void table_fini(struct table *t)
{
    vec_fini(&t->items);
    vec_fini(&t->holes);
}
/* One above the highest number that was ever in use. */
static inline uint32_t table_end(const struct table *t)
{
    return (uint32_t)t->items.len;
}
static inline uint32_t table_add(struct table *t, void *item)
{
    if (t->holes.len == 0) {
        vec_push_ptr(&t->items, item);
        return (uint32_t)t->items.len - 1;
    }
    uint32_t number = *VEC_AT(&t->holes, uint32_t, t->holes.len - 1);
    vec_pop(&t->holes);
    *VEC_AT(&t->items, void *, number) = item;
    return number;
}
/* NULL: no such number. */
static inline void *table_get(const struct table *t, uint32_t number)
{
    return number < t->items.len ? vec_ptr(&t->items, number) : NULL;
}
static inline void table_remove(struct table *t, uint32_t number)
{
    *VEC_AT(&t->items, void *, number) = NULL;
    *VEC_PUSH(&t->holes, uint32_t) = number;
}

#endif
