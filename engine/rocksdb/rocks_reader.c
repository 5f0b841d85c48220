/* Reads of many keys, run by run from the newest on: what the filters let through is read block by block.
 * Thread: one owner. */
#include "engine/rocksdb/rocks_reader.h"

#include "engine/rocksdb/rocks_live.h"

enum { VALUES_BYTES_MAX = 1 << 20 /* that are kept until the next read */ };

/* A key that a file may have. */
struct candidate {
    uint32_t at; /* among the keys that are left */
    struct sst_fence_place place;
};

struct rocks_reader {
    struct rocks_live live;
    uint64_t held_bytes;
    struct sst_page page;
    struct arena values;
    struct vec keys;       /* struct sst_key */
    struct vec left;       /* uint32_t: positions of keys that no run had so far */
    struct vec is_done;    /* uint8_t: of `left` */
    struct vec candidates; /* struct candidate */
};

struct rocks_reader *rocks_reader_new(void)
{
    struct rocks_reader *r = MEM_NEW(struct rocks_reader);
    rocks_live_init(&r->live);
    arena_init(&r->values, 0);
    vec_init(&r->keys, sizeof(struct sst_key));
    vec_init(&r->left, sizeof(uint32_t));
    vec_init(&r->is_done, sizeof(uint8_t));
    vec_init(&r->candidates, sizeof(struct candidate));
    return r;
}

struct rocks_reader *rocks_reader_free(struct rocks_store *s, struct rocks_reader *r)
{
    if (r != NULL) {
        rocks_shared_note_held(s->shared, r->held_bytes, 0);
        rocks_live_fini(&r->live);
        sst_page_fini(&r->page);
        arena_fini(&r->values);
        vec_fini(&r->keys);
        vec_fini(&r->left);
        vec_fini(&r->is_done);
        vec_fini(&r->candidates);
        mem_free(r);
    }
    return NULL;
}

const char *rocks_reader_reason(const struct rocks_reader *r)
{
    return r->live.reason;
}

/* ---- one file ------------------------------------------------------------------------------------------------- */

/* What a read is about. */
struct reading {
    struct rocks_reader *r;
    const struct sst_key *keys;
    uint32_t *left;
    uint8_t *is_done;
    struct rocks_bytes *values;
    struct vec *unsure;
};

static void take_value(struct reading *x, uint32_t at, struct slice value)
{
    char *bytes = arena_alloc(&x->r->values, MAX(value.len, (size_t)1));
    memcpy(bytes, value.data, value.len);
    x->values[x->left[at]] = (struct rocks_bytes){bytes, value.len};
    x->is_done[at] = 1;
}

static void leave_to_rocksdb(struct reading *x, uint32_t at)
{
    *VEC_PUSH(x->unsure, uint32_t) = x->left[at];
    x->is_done[at] = 1;
}

/* What a file has of a key decides, unless it has nothing. */
static void take_hit(struct reading *x, const struct sst_file *f, uint32_t at, enum sst_found found,
                     const struct sst_hit *hit)
{
    if (found == SST_FOUND_NONE || found == SST_FOUND_PAST) {
        return;
    }
    enum sst_cover cover = SST_COVER_NONE;
    if (UNLIKELY(f->ranges.len > 0)) {
        cover = sst_file_covers(f, &x->keys[x->left[at]], hit->order);
    }
    if (UNLIKELY(found == SST_FOUND_OTHER || cover == SST_COVER_UNSURE)) {
        leave_to_rocksdb(x, at);
    } else if (found == SST_FOUND_VALUE && cover != SST_COVER_ALL) {
        take_value(x, at, hit->value);
    } else {
        x->is_done[at] = 1;
    }
}

/* Keys that the file removes with their ranges are not looked for in older ones. */
static void take_ranges(struct reading *x, const struct sst_file *f, uint32_t from, uint32_t until)
{
    for (uint32_t at = from; at < until; at++) {
        if (x->is_done[at]) {
            continue;
        }
        enum sst_cover cover = sst_file_covers(f, &x->keys[x->left[at]], 0);
        if (cover == SST_COVER_UNSURE) {
            leave_to_rocksdb(x, at);
        } else if (cover != SST_COVER_NONE) {
            x->is_done[at] = 1;
        }
    }
}

/* Those of [from, until) that the filter lets through, with their blocks. */
static void choose(struct reading *x, const struct sst_file *f, uint32_t from, uint32_t until)
{
    struct vec *chosen = &x->r->candidates;
    vec_clear(chosen);
    vec_reserve(chosen, until - from);
    struct candidate *c = chosen->data;
    uint32_t n = 0, group = 0;
    for (uint32_t at = from; f->filter.lines != NULL && at < until; at++) {
        __builtin_prefetch(sst_filter_line(&f->filter, x->keys[x->left[at]].hash));
    }
    for (uint32_t at = from; at < until; at++) {
        const struct sst_key *k = &x->keys[x->left[at]];
        if (k->size > SST_HASHED_MAX || sst_filter_may_have(&f->filter, k->hash)) {
            c[n++] = (struct candidate){.at = at};
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        c[i].place = sst_fences_find(&f->fences, &x->keys[x->left[c[i].at]], group);
        group = c[i].place.group;
    }
    chosen->len = n;
}

static int search_file(struct reading *x, const struct sst_file *f, uint32_t from, uint32_t until,
                       struct error *err)
{
    choose(x, f, from, until);
    const struct candidate *c = x->r->candidates.data;
    for (size_t i = 0; i < x->r->candidates.len; i++) {
        enum sst_found found;
        struct sst_hit hit = {.order = 0};
        TRY(sst_file_find(f, &x->keys[x->left[c[i].at]], c[i].place, &x->r->page, &found, &hit,
                          err));
        take_hit(x, f, c[i].at, found, &hit);
    }
    if (UNLIKELY(f->ranges.len > 0)) {
        take_ranges(x, f, from, until);
    }
    return 0;
}

/* ---- runs ------------------------------------------------------------------------------------------------------ */

/* The first of the keys from `from` on that is not below (`above`: is above) another one. */
static uint32_t find_left(const struct reading *x, uint32_t from, uint32_t n, const struct str *key,
                          bool above)
{
    uint32_t low = from, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct sst_key *k = &x->keys[x->left[middle]];
        int order = slice_compare(slice_make(k->data, k->size), str_slice(key));
        if (order < 0 || (above && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int search_run(struct reading *x, const struct rocks_live_run *run, struct error *err)
{
    uint32_t n = (uint32_t)x->r->left.len, kept = 0, from = 0;
    memset(x->is_done, 0, n);
    for (uint32_t i = 0; i < run->n && from < n; i++) {
        const struct sst_file *f = vec_ptr(&x->r->live.files, run->first + i);
        from = find_left(x, from, n, &f->least, false);
        uint32_t until = find_left(x, from, n, &f->greatest, true);
        if (from < until) {
            TRY(search_file(x, f, from, until, err));
        }
        /* The next one may begin with the key that this one ends with. */
        from = until > from ? until - 1 : from;
        from += from < n && x->is_done[from];
    }
    for (uint32_t at = 0; at < n; at++) {
        x->left[kept] = x->left[at];
        kept += !x->is_done[at];
    }
    x->r->left.len = kept;
    return 0;
}

static void grow(struct vec *v, size_t n)
{
    vec_reserve(v, n);
    v->len = n;
}

/* The memory of values of a read that had many is not kept. */
static void forget_values(struct rocks_reader *r)
{
    if (r->values.used_bytes > VALUES_BYTES_MAX) {
        arena_fini(&r->values);
        arena_init(&r->values, 0);
    } else {
        arena_reset(&r->values);
    }
}

static void set_keys(struct rocks_reader *r, const struct rocks_bytes *keys, uint32_t n,
                     struct rocks_bytes *ret_values)
{
    grow(&r->keys, n);
    grow(&r->left, n);
    grow(&r->is_done, n);
    struct sst_key *k = r->keys.data;
    uint32_t *left = r->left.data;
    for (uint32_t i = 0; i < n; i++) {
        k[i] = sst_key_of(keys[i].data, keys[i].size);
        k[i].hash =
            keys[i].size <= SST_HASHED_MAX ? sst_filter_hash(keys[i].data, keys[i].size) : 0;
        left[i] = i;
        ret_values[i] = (struct rocks_bytes){NULL, 0};
    }
}

static void note_held(struct rocks_store *s, struct rocks_reader *r)
{
    uint64_t now = rocks_live_held_bytes(&r->live);
    if (now != r->held_bytes) {
        rocks_shared_note_held(s->shared, r->held_bytes, now);
        r->held_bytes = now;
    }
}

int rocks_reader_read(struct rocks_store *s, struct rocks_partition *p,
                      const struct rocks_bytes *keys, uint32_t n, struct rocks_bytes *ret_values,
                      struct vec *ret_left, struct error *err)
{
    struct rocks_reader *r = p->reader;
    int rc = rocks_live_refresh(s->api, p, &r->live, err);
    note_held(s, r);
    TRY(rc);
    forget_values(r);
    set_keys(r, keys, n, ret_values);
    struct reading x = {.r = r,
                        .keys = r->keys.data,
                        .left = r->left.data,
                        .is_done = r->is_done.data,
                        .values = ret_values,
                        .unsure = ret_left};
    for (uint32_t i = 0; r->live.reason != NULL && i < n; i++) {
        leave_to_rocksdb(&x, i);
    }
    r->page.file = NULL;
    for (size_t i = 0; r->live.reason == NULL && i < r->live.runs.len && r->left.len > 0; i++) {
        TRY(search_run(&x, VEC_AT(&r->live.runs, struct rocks_live_run, i), err));
    }
    return 0;
}
