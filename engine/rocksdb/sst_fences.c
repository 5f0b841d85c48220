/* Fences of sorted files.  Thread: any. */
#include "engine/rocksdb/sst_fences.h"

#include "common/base/mem.h"

#include <string.h>

/* Up to eight bytes from `at` on as a number in the order of keys. */
static inline uint64_t number_at(const char *data, size_t size, size_t at)
{
    uint64_t v = 0;
    if (LIKELY(size >= at + sizeof(v))) {
        memcpy(&v, data + at, sizeof(v));
    } else if (size > at) {
        memcpy(&v, data + at, size - at);
    }
    return __builtin_bswap64(v);
}

static inline uint32_t half_number_at(const char *data, size_t size, size_t at)
{
    return (uint32_t)(number_at(data, size, at) >> 32);
}

struct sst_key sst_key_of(const char *data, size_t size)
{
    return (struct sst_key){.data = data,
                            .size = size,
                            .first = number_at(data, size, 0),
                            .second = number_at(data, size, sizeof(uint64_t))};
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

void sst_fences_begin(struct sst_fences_maker *m, struct slice least)
{
    *m = (struct sst_fences_maker){.numbers = VEC_INIT(uint32_t),
                                   .offsets = VEC_INIT(uint32_t),
                                   .groups = VEC_INIT(struct sst_fence_group),
                                   .lasts = STR_INIT,
                                   .keys = STR_INIT,
                                   .ends = VEC_INIT(uint32_t),
                                   .below = STR_INIT};
    str_append_slice(&m->below, least);
}

/* Of the group at hand. */
static struct slice key_at(const struct sst_fences_maker *m, size_t i)
{
    uint32_t from = i > 0 ? *VEC_AT(&m->ends, uint32_t, i - 1) : 0;
    return slice_make(m->keys.data + from, *VEC_AT(&m->ends, uint32_t, i) - from);
}

static uint32_t equal_bytes(struct slice a, struct slice b)
{
    uint32_t n = 0;
    while (n < a.len && n < b.len && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

static void close_group(struct sst_fences_maker *m)
{
    if (m->ends.len == 0) {
        return;
    }
    struct slice last = key_at(m, m->ends.len - 1);
    struct sst_key k = sst_key_of(last.data, last.len);
    *VEC_PUSH(&m->groups, struct sst_fence_group) =
        (struct sst_fence_group){.first = k.first,
                                 .second = k.second,
                                 .last_at = m->lasts.len,
                                 .last_size = (uint32_t)last.len,
                                 .prefix = m->prefix,
                                 .first_block = (uint32_t)m->numbers.len};
    for (size_t i = 0; i < m->ends.len; i++) {
        struct slice key = key_at(m, i);
        *VEC_PUSH(&m->numbers, uint32_t) = half_number_at(key.data, key.len, m->prefix);
    }
    str_append_slice(&m->lasts, last);
    str_clear(&m->below);
    str_append_slice(&m->below, last);
    str_clear(&m->keys);
    vec_clear(&m->ends);
}

/* Whether four bytes behind the prefix tell all fences of a group from one another, with one more. */
static bool can_join(const struct sst_fences_maker *m, struct slice fence, uint32_t prefix)
{
    uint32_t next = half_number_at(fence.data, fence.len, prefix);
    for (size_t i = m->ends.len; i-- > 0;) {
        struct slice key = key_at(m, i);
        uint32_t number = half_number_at(key.data, key.len, prefix);
        if (number == next) {
            return false;
        }
        if (prefix == m->prefix) {
            return true; /* the others were looked at */
        }
        next = number;
    }
    return true;
}

/* The fence is of the group at hand, or of a new one. */
static void choose_group(struct sst_fences_maker *m, struct slice fence)
{
    uint32_t prefix = equal_bytes(str_slice(&m->below), fence);
    if (m->ends.len == SST_FENCE_GROUP || !can_join(m, fence, prefix)) {
        close_group(m);
        prefix = equal_bytes(str_slice(&m->below), fence);
    }
    m->prefix = prefix;
}

enum sst_read sst_fences_add(struct sst_fences_maker *m, struct slice fence,
                             struct sst_handle block)
{
    bool is_first = m->offsets.len == 0;
    struct slice before = m->ends.len > 0 ? key_at(m, m->ends.len - 1) : str_slice(&m->below);
    if (slice_compare(before, fence) > 0) {
        return SST_READ_DAMAGED;
    }
    if (block.offset > UINT32_MAX || block.size > UINT32_MAX - SST_TRAILER_BYTES - block.offset ||
        (!is_first && block.offset != m->end)) {
        return SST_READ_OTHER;
    }
    choose_group(m, fence);
    str_append_slice(&m->keys, fence);
    *VEC_PUSH(&m->ends, uint32_t) = (uint32_t)m->keys.len;
    *VEC_PUSH(&m->offsets, uint32_t) = (uint32_t)block.offset;
    m->end = block.offset + block.size + SST_TRAILER_BYTES;
    return SST_READ_OK;
}

/* Without the room that a growing array has. */
static void *steal_array(struct vec *v)
{
    void *data = v->len > 0 ? mem_realloc(v->data, v->len * v->item_size) : NULL;
    if (v->len > 0) {
        vec_init(v, v->item_size);
    }
    vec_fini(v);
    return data;
}

void sst_fences_end(struct sst_fences_maker *m, struct sst_fences *ret_fences)
{
    close_group(m);
    *VEC_PUSH(&m->offsets, uint32_t) = (uint32_t)m->end;
    uint32_t n = (uint32_t)m->numbers.len, n_groups = (uint32_t)m->groups.len;
    *ret_fences = (struct sst_fences){.n = n,
                                      .n_groups = n_groups,
                                      .numbers = steal_array(&m->numbers),
                                      .offsets = steal_array(&m->offsets),
                                      .groups = steal_array(&m->groups),
                                      .lasts = m->lasts};
    str_fini(&m->keys);
    str_fini(&m->below);
    vec_fini(&m->ends);
}

void sst_fences_fini(struct sst_fences *f)
{
    mem_free(f->numbers);
    mem_free(f->offsets);
    mem_free(f->groups);
    str_fini(&f->lasts);
    *f = (struct sst_fences){.n = 0};
}

uint64_t sst_fences_bytes(const struct sst_fences *f)
{
    return f->n * (sizeof(*f->numbers) + sizeof(*f->offsets)) + f->n_groups * sizeof(*f->groups) +
           f->lasts.cap;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

static bool is_group_below(const struct sst_fences *f, uint32_t group, const struct sst_key *key)
{
    const struct sst_fence_group *g = &f->groups[group];
    if (LIKELY(g->first != key->first)) {
        return g->first < key->first;
    }
    if (LIKELY(g->second != key->second)) {
        return g->second < key->second;
    }
    return slice_compare(slice_make(f->lasts.data + g->last_at, g->last_size),
                         slice_make(key->data, key->size)) < 0;
}

/* The first group from `from` on whose last fence is not below the key: in steps that grow, then by halves. */
static uint32_t find_group(const struct sst_fences *f, const struct sst_key *key, uint32_t from,
                           uint32_t n)
{
    uint32_t low = from, step = 1, high;
    while (low + step <= n && is_group_below(f, low + step - 1, key)) {
        low += step;
        step *= 2;
    }
    for (high = MIN(low + step - 1, n); low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (is_group_below(f, middle, key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct sst_fence_place sst_fences_find(const struct sst_fences *f, const struct sst_key *key,
                                       uint32_t from_group)
{
    uint32_t group = find_group(f, key, from_group, f->n_groups);
    if (group == f->n_groups) {
        return (struct sst_fence_place){group, f->n};
    }
    uint32_t number = half_number_at(key->data, key->size, f->groups[group].prefix);
    uint32_t low = f->groups[group].first_block, high = sst_fences_end_of(f, group) - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->numbers[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (struct sst_fence_place){group, low};
}

bool sst_fences_go_on(const struct sst_fences *f, const struct sst_key *key,
                      struct sst_fence_place *inout_place)
{
    const uint32_t group = inout_place->group, block = inout_place->block;
    const uint32_t number = half_number_at(key->data, key->size, f->groups[group].prefix);
    if (block + 1 == sst_fences_end_of(f, group) || f->numbers[block] != number) {
        return false;
    }
    inout_place->block++;
    return true;
}
