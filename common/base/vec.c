/* The growing array.  Capacity doubles, so that n pushes cost O(n); it never shrinks by itself.
 * Thread: one owner.  A pointer into the array is good until the next push or reserve. */
#include "common/base/vec.h"

#include <string.h>

enum { VEC_FIRST_CAP = 8 };

void vec_init(struct vec *v, size_t item_size)
{
    *v = (struct vec){.item_size = item_size};
}

void vec_fini(struct vec *v)
{
    mem_free(v->data);
    *v = (struct vec){.item_size = v->item_size};
}

static char *item(const struct vec *v, size_t i)
{
    return (char *)v->data + i * v->item_size;
}

void vec_reserve(struct vec *v, size_t cap)
{
    if (cap <= v->cap) {
        return;
    }
    ASSERT(v->item_size > 0 && cap <= SIZE_MAX / 2 / v->item_size);
    v->data = mem_realloc(v->data, cap * v->item_size);
    v->cap = cap;
}

void *vec_push(struct vec *v)
{
    if (v->len == v->cap) {
        vec_reserve(v, v->cap > 0 ? v->cap * 2 : VEC_FIRST_CAP);
    }
    return memset(item(v, v->len++), 0, v->item_size);
}

void vec_push_ptr(struct vec *v, const void *p)
{
    ASSERT(v->item_size == sizeof(p));
    memcpy(vec_push(v), &p, sizeof(p));
}

void *vec_at(const struct vec *v, size_t i)
{
    ASSERT(i < v->len);
    return item(v, i);
}

void *vec_ptr(const struct vec *v, size_t i)
{
    void *p;
    ASSERT(v->item_size == sizeof(p));
    memcpy(&p, vec_at(v, i), sizeof(p));
    return p;
}

void vec_pop(struct vec *v)
{
    ASSERT(v->len > 0);
    v->len--;
}

void vec_remove(struct vec *v, size_t i)
{
    ASSERT(i < v->len);
    memmove(item(v, i), item(v, i) + v->item_size, (v->len - i - 1) * v->item_size);
    v->len--;
}

void vec_remove_swap(struct vec *v, size_t i)
{
    ASSERT(i < v->len);
    if (i != v->len - 1) {
        memcpy(item(v, i), item(v, v->len - 1), v->item_size);
    }
    v->len--;
}

void vec_clear(struct vec *v)
{
    v->len = 0;
}
