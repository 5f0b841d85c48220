/* Life of stores and partitions, reads and scans.  Thread: one owner. */
#include "engine/rocksdb/rocks_inside.h"

#include "common/base/log.h"
#include "common/fs/fs.h"
#include "engine/rocksdb/rocks_reader.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- partitions ------------------------------------------------------------------------------------ */

int rocks_partition_open(struct rocks_store *s, const char *directory, uint32_t first_group,
                         uint32_t last_group, struct rocks_partition **ret_partition,
                         struct error *err)
{
    static const char *const families[] = {"default"};
    const rocksdb_options_t *options[] = {s->options};
    rocksdb_column_family_handle_t *family = NULL;
    STR_AUTO what = STR_INIT;
    char *text = NULL;

    rocksdb_t *db =
        s->api->open_column_families(s->options, directory, 1, families, options, &family, &text);
    str_printf(&what, "opening the RocksDB state in %s", directory);
    TRY(rocks_check(s->api, text, str_cstr(&what), err));
    struct rocks_partition *p = MEM_NEW(struct rocks_partition);
    *p = (struct rocks_partition){.first_group = first_group,
                                  .last_group = last_group,
                                  .directory = mem_strdup(directory),
                                  .db = db,
                                  .family = family,
                                  .base = VEC_INIT(struct rocks_kept),
                                  .runs = VEC_INIT(struct rocks_kept),
                                  .reader = s->shared->reads_here ? rocks_reader_new() : NULL,
                                  .run_path = STR_INIT};
    rocks_metrics_add(s->metrics, db);
    rocks_partition_note_held(s, p);
    *ret_partition = p;
    return 0;
}

void rocks_partition_note_held(struct rocks_store *s, struct rocks_partition *p)
{
    uint64_t now = 0;
    if (s->api->property_int(p->db, "rocksdb.estimate-table-readers-mem", &now) == 0) {
        rocks_shared_note_held(s->shared, p->held_bytes, now);
        p->held_bytes = now;
    }
}

struct rocks_partition *rocks_partition_free(struct rocks_store *s, struct rocks_partition *p)
{
    if (p != NULL) {
        rocks_metrics_remove(s->metrics, p->db);
        rocks_partition_drop_run(s, p);
        rocks_shared_note_held(s->shared, p->held_bytes, 0);
        rocks_reader_free(s, p->reader);
        s->api->column_family_handle_destroy(p->family);
        s->api->close(p->db);
        rocks_kept_drop(&p->base);
        rocks_kept_drop(&p->runs);
        str_fini(&p->run_path);
        mem_free(p->base_directory);
        mem_free(p->directory);
        mem_free(p);
    }
    return NULL;
}

static struct rocks_partition *partition_at(const struct rocks_store *s, size_t i)
{
    return vec_ptr(&s->partitions, i);
}

void rocks_partition_insert(struct rocks_store *s, struct rocks_partition *p)
{
    size_t at = s->partitions.len;

    vec_push_ptr(&s->partitions, p);
    void **all = s->partitions.data;
    for (; at > 0 && ((struct rocks_partition *)all[at - 1])->first_group > p->first_group; at--) {
        all[at] = all[at - 1];
    }
    all[at] = p;
    ASSERT(at == 0 || ((struct rocks_partition *)all[at - 1])->last_group < p->first_group);
}

/* A new one for the key groups around `group` that nobody has. */
static int fill_gap(struct rocks_store *s, uint32_t group, struct rocks_partition **ret_partition,
                    struct error *err)
{
    STR_AUTO directory = STR_INIT;
    uint32_t first = s->first_group, last = s->last_group;

    for (size_t i = 0; i < s->partitions.len; i++) {
        const struct rocks_partition *p = partition_at(s, i);
        first = p->last_group < group ? p->last_group + 1 : first;
        last = p->first_group > group ? MIN(last, p->first_group - 1) : last;
    }
    rocks_store_name(s, "db", &directory);
    TRY(rocks_partition_open(s, str_cstr(&directory), first, last, ret_partition, err));
    rocks_partition_insert(s, *ret_partition);
    return 0;
}

int rocks_partition_of(struct rocks_store *s, uint32_t group,
                       struct rocks_partition **ret_partition, struct error *err)
{
    ASSERT(group >= s->first_group && group <= s->last_group);
    for (size_t i = 0; i < s->partitions.len; i++) {
        struct rocks_partition *p = partition_at(s, i);
        if (LIKELY(group >= p->first_group && group <= p->last_group)) {
            *ret_partition = p;
            return 0;
        }
    }
    return fill_gap(s, group, ret_partition, err);
}

int rocks_store_complete(struct rocks_store *s, struct error *err)
{
    struct rocks_partition *p = NULL;
    for (uint32_t group = s->first_group; group <= s->last_group; group = p->last_group + 1) {
        TRY(rocks_partition_of(s, group, &p, err));
    }
    return 0;
}

/* ---- stores ---------------------------------------------------------------------------------------- */

void rocks_store_name(struct rocks_store *s, const char *what, struct str *ret_path)
{
    str_printf(ret_path, "%s/%s-%" PRIu64, s->directory, what, s->next_name++);
}

static unsigned char filter(void *arg, int level, const char *key, size_t key_size,
                            const char *value, size_t value_size, char **ret_value,
                            size_t *ret_size, unsigned char *ret_changed)
{
    const struct rocks_filter *f = arg;
    (void)level;
    (void)ret_value;
    (void)ret_size;
    *ret_changed = 0;
    return f->is_dead(f->arg, (struct rocks_bytes){key, key_size},
                      (struct rocks_bytes){value, value_size});
}

static const char *filter_name(void *arg)
{
    (void)arg;
    return "flinc.ttl";
}

static void filter_destroy(void *arg)
{
    (void)arg; /* of the store */
}

/* The options of all, and the store's own filter and statistics. */
static void set_options(struct rocks_store *s)
{
    bool counts = rocks_metrics_want_statistics(s->metrics);
    s->options = s->shared->options;
    if (s->filter.is_dead != NULL || counts) {
        s->options = s->api->options_create_copy(s->shared->options);
    }
    if (s->filter.is_dead != NULL) {
        s->compaction_filter =
            s->api->compactionfilter_create(&s->filter, filter_destroy, filter, filter_name);
        s->api->options_set_compaction_filter(s->options, s->compaction_filter);
    }
    if (counts) {
        s->api->options_enable_statistics(s->options);
    }
    rocks_metrics_set_store(s->metrics, s->api, s->options);
}

void rocks_store_compact(struct rocks_store *s)
{
    for (size_t i = 0; i < s->partitions.len; i++) {
        s->api->compact_range(partition_at(s, i)->db, NULL, 0, NULL, 0);
    }
}

int rocks_store_new(const struct rocks_store_options *options, struct rocks_store **ret_store,
                    struct error *err)
{
    ASSERT(options->first_group <= options->last_group && options->last_group <= UINT16_MAX);
    TRY(fs_mkdirs(options->directory, err));
    struct rocks_store *s = MEM_NEW(struct rocks_store);
    *s = (struct rocks_store){.shared = rocks_shared_ref(options->shared),
                              .api = options->shared->api,
                              .directory = mem_strdup(options->directory),
                              .first_group = options->first_group,
                              .filter = options->filter,
                              .metrics = options->metrics,
                              .last_group = options->last_group,
                              .partitions = VEC_INIT(void *),
                              .last_key = STR_INIT,
                              .read_options = options->shared->api->readoptions_create(),
                              .pinned = VEC_INIT(void *),
                              .keys = VEC_INIT(char *),
                              .sizes = VEC_INIT(size_t),
                              .values = VEC_INIT(void *),
                              .errors = VEC_INIT(char *),
                              .left = VEC_INIT(uint32_t),
                              .left_keys = VEC_INIT(struct rocks_bytes),
                              .left_values = VEC_INIT(struct rocks_bytes)};
    set_options(s);
    *ret_store = s;
    return 0;
}

struct rocks_store *rocks_store_free(struct rocks_store *s)
{
    struct error err = ERROR_INIT;

    if (s == NULL) {
        return NULL;
    }
    rocks_store_release(s);
    for (size_t i = 0; i < s->partitions.len; i++) {
        rocks_partition_free(s, partition_at(s, i));
    }
    s->api->readoptions_destroy(s->read_options);
    rocks_metrics_set_store(s->metrics, NULL, NULL);
    if (s->options != s->shared->options) {
        s->api->options_destroy(s->options);
    }
    if (s->compaction_filter != NULL) {
        s->api->compactionfilter_destroy(s->compaction_filter);
    }
    if (fs_delete(s->directory, FS_DELETE_RECURSIVE, &err) < 0) {
        LOG_WARN("flinc.state.rocksdb", "RocksDB state is left behind: %s", err.message);
    }
    vec_fini(&s->partitions);
    vec_fini(&s->pinned);
    vec_fini(&s->keys);
    vec_fini(&s->sizes);
    vec_fini(&s->values);
    vec_fini(&s->errors);
    vec_fini(&s->left);
    vec_fini(&s->left_keys);
    vec_fini(&s->left_values);
    str_fini(&s->last_key);
    mem_free(s->directory);
    rocks_shared_unref(s->shared);
    mem_free(s);
    return NULL;
}

uint64_t rocks_store_bytes(const struct rocks_store *s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->partitions.len; i++) {
        uint64_t live = 0;
        if (s->api->property_int(partition_at(s, i)->db, "rocksdb.live-sst-files-size", &live) ==
            0) {
            bytes += live;
        }
    }
    return bytes;
}

/* ---- reading --------------------------------------------------------------------------------------- */

void rocks_store_release(struct rocks_store *s)
{
    for (size_t i = 0; i < s->pinned.len; i++) {
        s->api->pinnableslice_destroy(vec_ptr(&s->pinned, i));
    }
    vec_clear(&s->pinned);
}

static void grow(struct vec *v, size_t n)
{
    vec_reserve(v, n);
    v->len = n;
}

/* Takes what RocksDB found of one key. */
static int take_value(struct rocks_store *s, const struct rocks_partition *p,
                      rocksdb_pinnableslice_t *slice, char *text, struct rocks_bytes *ret_value,
                      struct error *err)
{
    STR_AUTO what = STR_INIT;

    *ret_value = (struct rocks_bytes){NULL, 0};
    if (slice != NULL) {
        vec_push_ptr(&s->pinned, slice);
        ret_value->data = s->api->pinnableslice_value(slice, &ret_value->size);
    }
    if (LIKELY(text == NULL)) {
        return 0;
    }
    str_printf(&what, "reading the RocksDB state in %s", p->directory);
    return rocks_check(s->api, text, str_cstr(&what), err);
}

int rocks_partition_read_through(struct rocks_store *s, struct rocks_partition *p,
                                 const struct rocks_bytes *keys, uint32_t n,
                                 struct rocks_bytes *ret_values, struct error *err)
{
    grow(&s->keys, n);
    grow(&s->sizes, n);
    grow(&s->values, n);
    grow(&s->errors, n);
    for (uint32_t i = 0; i < n; i++) {
        *VEC_AT(&s->keys, const char *, i) = keys[i].data;
        *VEC_AT(&s->sizes, size_t, i) = keys[i].size;
    }
    rocksdb_pinnableslice_t **values = s->values.data;
    char **errors = s->errors.data;
    s->api->batched_multi_get_cf(p->db, s->read_options, p->family, n, s->keys.data, s->sizes.data,
                                 values, errors, true);
    int rc = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct error *first = rc == 0 ? err : NULL;
        int failed = take_value(s, p, values[i], errors[i], &ret_values[i], first);
        rc = rc == 0 ? failed : rc;
    }
    return rc;
}

static int compare_positions(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* What the reader was not sure of, in the order of keys. */
static int read_left(struct rocks_store *s, struct rocks_partition *p,
                     const struct rocks_bytes *keys, struct rocks_bytes *ret_values,
                     struct error *err)
{
    uint32_t n = (uint32_t)s->left.len, *left = s->left.data;
    qsort(left, n, sizeof(*left), compare_positions);
    grow(&s->left_keys, n);
    grow(&s->left_values, n);
    struct rocks_bytes *some = s->left_keys.data, *values = s->left_values.data;
    for (uint32_t i = 0; i < n; i++) {
        some[i] = keys[left[i]];
    }
    s->n_read_through += n;
    TRY(rocks_partition_read_through(s, p, some, n, values, err));
    for (uint32_t i = 0; i < n; i++) {
        ret_values[left[i]] = values[i];
    }
    return 0;
}

/* Keys of one partition. */
static int read_some(struct rocks_store *s, struct rocks_partition *p,
                     const struct rocks_bytes *keys, uint32_t n, struct rocks_bytes *ret_values,
                     struct error *err)
{
    if (p->reader == NULL) {
        return rocks_partition_read_through(s, p, keys, n, ret_values, err);
    }
    vec_clear(&s->left);
    int rc = rocks_reader_read(s, p, keys, n, ret_values, &s->left, err);
    if (rc < 0) {
        error_context(err, "reading the RocksDB state in %s", p->directory);
        error_set_class(err, ERROR_CLASS_TRANSIENT);
        return rc;
    }
    return LIKELY(s->left.len == 0) ? 0 : read_left(s, p, keys, ret_values, err);
}

uint64_t rocks_store_read_through(const struct rocks_store *s)
{
    return s->n_read_through;
}

int rocks_store_read(struct rocks_store *s, const struct rocks_bytes *keys, uint32_t n,
                     struct rocks_bytes *ret_values, struct error *err)
{
    ASSERT(n <= ROCKS_READ_MAX);
    rocks_store_release(s);
    if (s->partitions.len == 0) {
        memset(ret_values, 0, n * sizeof(*ret_values));
        return 0;
    }
    for (uint32_t from = 0, to; from < n; from = to) {
        struct rocks_partition *p = NULL;
        TRY(rocks_partition_of(s, rocks_group_of(keys[from]), &p, err));
        for (to = from + 1; to < n && rocks_group_of(keys[to]) <= p->last_group; to++) {
        }
        TRY(read_some(s, p, keys + from, to - from, ret_values + from, err));
    }
    return 0;
}

/* ---- scans ----------------------------------------------------------------------------------------- */

struct rocks_scan {
    struct rocks_store *store; /* Borrows */
    struct str from, until;
    struct str infix;     /* what keys have behind their group; empty: anything */
    struct str seek;      /* scratch */
    struct vec iterators; /* rocksdb_iterator_t *; of each partition, all as of the start; Owns */
    size_t partition;     /* at hand */
    bool is_inside;       /* its iterator is at an entry */
    bool is_fresh;        /* which was not given yet */
    rocksdb_readoptions_t *options;
};

static rocksdb_iterator_t *iterator_of(const struct rocks_scan *c)
{
    return vec_ptr(&c->iterators, c->partition);
}

static struct rocks_scan *scan_new(struct rocks_store *s)
{
    struct rocks_scan *c = MEM_NEW(struct rocks_scan);
    c->store = s;
    c->options = s->api->readoptions_create();
    /* What is read once is not to drive out what is read often. */
    s->api->readoptions_set_fill_cache(c->options, 0);
    vec_init(&c->iterators, sizeof(void *));
    return c;
}

static void make_iterators(struct rocks_scan *c)
{
    for (size_t i = 0; i < c->store->partitions.len; i++) {
        vec_push_ptr(&c->iterators,
                     c->store->api->create_iterator(partition_at(c->store, i)->db, c->options));
    }
}

void rocks_scan_start(struct rocks_store *s, struct rocks_bytes from, struct rocks_bytes until,
                      struct rocks_scan **ret_scan)
{
    struct rocks_scan *c = scan_new(s);
    str_append(&c->from, from.data, from.size);
    str_append(&c->until, until.data, until.size);
    s->api->readoptions_set_iterate_upper_bound(c->options, c->until.data, c->until.len);
    make_iterators(c);
    *ret_scan = c;
}

void rocks_scan_start_infix(struct rocks_store *s, struct rocks_bytes infix,
                            struct rocks_scan **ret_scan)
{
    struct rocks_scan *c = scan_new(s);
    str_append(&c->infix, infix.data, infix.size);
    make_iterators(c);
    *ret_scan = c;
}

void rocks_scan_restart_infix(struct rocks_scan *c, struct rocks_bytes infix)
{
    str_clear(&c->infix);
    str_append(&c->infix, infix.data, infix.size);
    c->partition = 0;
    c->is_inside = false;
}

static void seek_group(struct rocks_scan *c, uint32_t group)
{
    const char first[] = {(char)(group >> 8), (char)group};
    str_clear(&c->seek);
    str_append(&c->seek, first, sizeof(first));
    str_append(&c->seek, c->infix.data, c->infix.len);
    c->store->api->iter_seek(iterator_of(c), c->seek.data, c->seek.len);
}

/* Goes to the first entry of the partition at hand that is of its key groups and of the scan. */
static void enter_partition(struct rocks_scan *c)
{
    const struct rocks_partition *p = partition_at(c->store, c->partition);
    const char first[] = {(char)(p->first_group >> 8), (char)p->first_group};
    bool from_start = c->from.len < 2 || memcmp(c->from.data, first, sizeof(first)) < 0;

    if (from_start) {
        seek_group(c, p->first_group);
    } else {
        c->store->api->iter_seek(iterator_of(c), c->from.data, c->from.len);
    }
    c->is_inside = true;
    c->is_fresh = true;
}

void rocks_scan_skip(struct rocks_scan *c, struct rocks_bytes key)
{
    c->store->api->iter_seek(iterator_of(c), key.data, key.size);
    c->is_fresh = true;
}

/* 1: the iterator has an entry; 0: the partition has no more. */
static int look(struct rocks_scan *c, struct rocks_bytes *ret_key, struct error *err)
{
    const struct rocks_api *api = c->store->api;
    const struct rocks_partition *p = partition_at(c->store, c->partition);
    STR_AUTO what = STR_INIT;
    char *text = NULL;

    if (api->iter_valid(iterator_of(c))) {
        ret_key->data = api->iter_key(iterator_of(c), &ret_key->size);
        return rocks_group_of(*ret_key) <= p->last_group;
    }
    api->iter_get_error(iterator_of(c), &text);
    str_printf(&what, "reading the RocksDB state in %s", p->directory);
    return rocks_check(api, text, str_cstr(&what), err);
}

/* Whether the infix of a key is below (-1), or above (1) that of the scan, or is it (0). */
static int compare_infix(const struct rocks_scan *c, struct rocks_bytes key)
{
    size_t have = key.size - 2, n = MIN(have, c->infix.len);
    int order = n > 0 ? memcmp(key.data + 2, c->infix.data, n) : 0;
    return order != 0 ? order : have < c->infix.len ? -1 : 0;
}

/* From an entry that may be of another infix to the next one that is of the scan's. */
static int skip_others(struct rocks_scan *c, struct rocks_bytes *inout_key, struct error *err)
{
    const struct rocks_partition *p = partition_at(c->store, c->partition);
    int rc = 1;
    while (rc > 0) {
        int order = compare_infix(c, *inout_key);
        uint32_t group = rocks_group_of(*inout_key) + (order > 0);
        if (order == 0 || group > p->last_group) {
            return order == 0;
        }
        seek_group(c, group);
        rc = look(c, inout_key, err);
    }
    return rc;
}

int rocks_scan_next(struct rocks_scan *c, struct rocks_bytes *ret_key,
                    struct rocks_bytes *ret_value, struct error *err)
{
    const struct rocks_api *api = c->store->api;

    for (; c->partition < c->iterators.len; c->partition++, c->is_inside = false) {
        if (!c->is_inside) {
            enter_partition(c);
        }
        if (!c->is_fresh) {
            api->iter_next(iterator_of(c));
        }
        c->is_fresh = false;
        int rc = look(c, ret_key, err);
        if (rc > 0 && c->infix.len > 0) {
            rc = skip_others(c, ret_key, err);
        }
        if (rc != 0) {
            ret_value->data = rc > 0 ? api->iter_value(iterator_of(c), &ret_value->size) : NULL;
            return rc;
        }
    }
    return 0;
}

struct rocks_scan *rocks_scan_free(struct rocks_scan *c)
{
    if (c != NULL) {
        for (size_t i = 0; i < c->iterators.len; i++) {
            c->store->api->iter_destroy(vec_ptr(&c->iterators, i));
        }
        vec_fini(&c->iterators);
        c->store->api->readoptions_destroy(c->options);
        str_fini(&c->from);
        str_fini(&c->until);
        str_fini(&c->infix);
        str_fini(&c->seek);
        mem_free(c);
    }
    return NULL;
}
