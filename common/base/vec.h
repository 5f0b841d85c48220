/* A growing array of fixed-size items.  Typed use: `struct vec v = VEC_INIT(struct foo);
 * *(struct foo *)vec_push(&v) = x; for (i...) VEC_AT(&v, struct foo, i)`.  Thread: one owner. */
#ifndef FLINC_COMMON_BASE_VEC_H
#define FLINC_COMMON_BASE_VEC_H

#include "common/base/mem.h"

struct vec {
    void *data; /* Owns */
    size_t len, cap, item_size;
};

#define VEC_INIT(type)           \
    {                            \
        NULL, 0, 0, sizeof(type) \
    }
#define VEC_AT(v, type, i) ((type *)vec_at((v), (i)))
#define VEC_PUSH(v, type) ((type *)vec_push(v))

void vec_init(struct vec *v, size_t item_size);
void vec_fini(struct vec *v);                    /* frees the array, not what the items own */
void *vec_push(struct vec *v);                   /* a zeroed new last item */
void vec_push_ptr(struct vec *v, const void *p); /* for vectors of pointers */
void *vec_at(const struct vec *v, size_t i);     /* asserts i < len */
void *vec_ptr(const struct vec *v, size_t i);    /* the pointer stored at i */
void vec_pop(struct vec *v);
void vec_remove(struct vec *v, size_t i);      /* keeps order */
void vec_remove_swap(struct vec *v, size_t i); /* last item takes its place */
void vec_clear(struct vec *v);
void vec_reserve(struct vec *v, size_t cap);

#endif
