/* See options.h.  An array in order, found by halving: options are put one by one, and there are few. */
#include "sql/catalog/options.h"

/* Where the key is, or would be. */
static uint32_t place_of(const struct sql_options *o, struct slice key, bool *ret_is_there)
{
    uint32_t low = 0, high = o->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(slice_cstr(o->items[middle].key), key);
        if (order == 0) {
            *ret_is_there = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_is_there = false;
    return low;
}

const char *sql_options_find(const struct sql_options *o, const char *key)
{
    bool is_there;
    uint32_t at = place_of(o, slice_cstr(key), &is_there);
    return is_there ? o->items[at].value : NULL;
}

void sql_options_put(struct sql_options *o, struct arena *arena, struct slice key,
                     struct slice value)
{
    bool is_there;
    uint32_t at = place_of(o, key, &is_there);
    if (!is_there) {
        /* Powers of two are full. */
        if ((o->n & (o->n - 1)) == 0) {
            struct sql_option *items =
                arena_alloc(arena, (o->n == 0 ? 1 : o->n * 2) * sizeof(*items));
            if (o->n > 0) {
                memcpy(items, o->items, o->n * sizeof(*items));
            }
            o->items = items;
        }
        memmove(&o->items[at + 1], &o->items[at], (o->n - at) * sizeof(*o->items));
        o->n++;
        o->items[at].key = arena_strndup(arena, key.data, key.len);
    }
    o->items[at].value = arena_strndup(arena, value.data, value.len);
}

bool sql_options_remove(struct sql_options *o, const char *key)
{
    bool is_there;
    uint32_t at = place_of(o, slice_cstr(key), &is_there);
    if (is_there) {
        memmove(&o->items[at], &o->items[at + 1], (o->n - at - 1) * sizeof(*o->items));
        o->n--;
    }
    return is_there;
}

void sql_options_copy(const struct sql_options *from, struct arena *arena, struct sql_options *ret)
{
    *ret = (struct sql_options){NULL, 0};
    for (uint32_t i = 0; i < from->n; i++) {
        sql_options_put(ret, arena, slice_cstr(from->items[i].key),
                        slice_cstr(from->items[i].value));
    }
}
