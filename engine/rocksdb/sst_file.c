/* Sorted files: opening, and reads of single keys.  Thread: one owner. */
#include "engine/rocksdb/sst_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK_BYTES_MAX = 1 << 30,
    INDEX_FLAT = 0,
    INDEX_TWO_LEVELS = 2,
    PAGE_BYTES_MAX = 1 << 20, /* that is kept */
};

/* ---- blocks ---------------------------------------------------------------------------------------------------- */

static int damaged(const struct sst_file *f, struct sst_handle h, const char *what,
                   struct error *err)
{
    int rc = error_set(err, ERR_CORRUPT, "Corruption: %s in %s offset %" PRIu64 " size %" PRIu64,
                       what, f->path, h.offset, h.size);
    /* Local files are copies of checkpoints, or go back to one. */
    error_set_class(err, ERROR_CLASS_TRANSIENT);
    return rc;
}

static int read_at(const struct sst_file *f, char *bytes, size_t size, uint64_t offset,
                   struct error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(f->fd, bytes + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set_errno(err, errno, "reading %s", f->path);
        }
        if (n == 0) {
            return damaged(f, (struct sst_handle){offset, size}, "truncated block read", err);
        }
        done += (size_t)n;
    }
    return 0;
}

static bool is_inside(const struct sst_file *f, struct sst_handle h)
{
    return h.size <= BLOCK_BYTES_MAX && h.offset <= f->size &&
           h.size + SST_TRAILER_BYTES <= f->size - h.offset;
}

/* Of the bytes of a block and its trailer.  1: it is compressed. */
static int check_block(const struct sst_file *f, struct sst_handle h, const char *bytes,
                       struct error *err)
{
    uint32_t stored, computed;
    char what[120];
    enum sst_read how = sst_block_check(bytes, h.size, &stored, &computed);
    if (LIKELY(how != SST_READ_DAMAGED)) {
        return how == SST_READ_OK ? 0 : SST_OTHER;
    }
    snprintf(what, sizeof(what),
             "block checksum mismatch: stored = %" PRIu32 ", computed = %" PRIu32 ", type = 4",
             stored, computed);
    return damaged(f, h, what, err);
}

/* Into memory of its own, at a multiple of a filter's line. */
static int read_block(const struct sst_file *f, struct sst_handle h, char **ret_bytes,
                      struct error *err)
{
    if (!is_inside(f, h)) {
        return damaged(f, h, "a block outside of the file", err);
    }
    char *bytes = mem_alloc_aligned(SST_FILTER_LINE, h.size + SST_TRAILER_BYTES);
    int rc = read_at(f, bytes, h.size + SST_TRAILER_BYTES, h.offset, err);
    if (rc < 0) {
        mem_free(bytes);
        return rc;
    }
    *ret_bytes = bytes;
    return 0;
}

static int read_checked(const struct sst_file *f, struct sst_handle h, char **ret_bytes,
                        struct error *err)
{
    TRY(read_block(f, h, ret_bytes, err));
    int rc = check_block(f, h, *ret_bytes, err);
    if (rc != 0) {
        mem_free(*ret_bytes);
        *ret_bytes = NULL;
    }
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

struct opening {
    struct sst_file *file;
    struct sst_footer footer;
    struct sst_handle properties, ranges, filter; /* size 0: there is none */
    uint64_t index_kind;
    bool has_user_keys;     /* in the index; else they have suffixes */
    bool has_handle_deltas; /* in the index */
    bool filters_keys;      /* whole ones */
    const char *reason;
};

static int other(struct opening *o, const char *reason)
{
    o->reason = reason;
    return SST_OTHER;
}

/* A name of the list, and what the block is for; those that are not known do not matter for reads. */
static int note_block(struct opening *o, struct slice name, struct sst_handle h)
{
    if (slice_eq_cstr(name, "rocksdb.properties")) {
        o->properties = h;
    } else if (slice_eq_cstr(name, "rocksdb.range_del")) {
        o->ranges = h;
    } else if (slice_eq_cstr(name, "fullfilter.rocksdb.BuiltinBloomFilter")) {
        o->filter = h;
    } else if (slice_eq_cstr(name, "rocksdb.compression_dict")) {
        return other(o, "it is compressed");
    }
    return 0;
}

typedef int (*entry_fn)(struct opening *o, struct slice key, struct slice value, struct error *err);

/* Goes over the entries of a block in the file; `what` it is. */
static int walk(struct opening *o, struct sst_handle h, struct slice block, const char *what,
                entry_fn each, struct error *err)
{
    struct sst_walk w;
    enum sst_read how = sst_walk_start(&w, block, SST_VALUES_PLAIN);
    int rc = how == SST_READ_OK ? 1 : how == SST_READ_OTHER ? SST_OTHER : -1;
    int seen = 0;
    while (how == SST_READ_OK && seen == 0 && (rc = sst_walk_next(&w)) > 0) {
        seen = each(o, str_slice(&w.key), w.value, err);
    }
    sst_walk_end(&w);
    if (seen != 0) {
        return seen;
    }
    return rc < 0                  ? damaged(o->file, h, what, err)
           : how == SST_READ_OTHER ? other(o, "a block has an index by hash")
                                   : 0;
}

static int take_listed(struct opening *o, struct slice key, struct slice value, struct error *err)
{
    struct sst_handle h;
    if (!sst_take_handle(&value, &h)) {
        return damaged(o->file, o->footer.list, "bad list of blocks", err);
    }
    return note_block(o, key, h);
}

static int read_list(struct opening *o, struct error *err)
{
    char *bytes = NULL;
    int rc = read_checked(o->file, o->footer.list, &bytes, err);
    if (rc == 0) {
        rc = walk(o, o->footer.list, slice_make(bytes, o->footer.list.size), "bad list of blocks",
                  take_listed, err);
    }
    mem_free(bytes);
    return rc;
}

/* ---- properties ------------------------------------------------------------------------------------------------ */

static const char place_name[] = "rocksdb.external_sst_file.global_seqno";

static uint64_t varint_of(struct slice value)
{
    uint64_t v = 0;
    return sst_take_varint(&value, &v) ? v : 0;
}

static uint64_t word_of(struct slice value)
{
    uint64_t v = 0;
    memcpy(&v, value.data, MIN(value.len, sizeof(v)));
    return v;
}

static int take_property(struct opening *o, struct slice key, struct slice value, struct error *err)
{
    (void)err;
    if (slice_eq_cstr(key, "rocksdb.block.based.table.index.type")) {
        o->index_kind = word_of(value);
    } else if (slice_eq_cstr(key, "rocksdb.index.key.is.user.key")) {
        o->has_user_keys = varint_of(value) != 0;
    } else if (slice_eq_cstr(key, "rocksdb.index.value.is.delta.encoded")) {
        o->has_handle_deltas = varint_of(value) != 0;
    } else if (slice_eq_cstr(key, "rocksdb.block.based.table.whole.key.filtering")) {
        o->filters_keys = slice_eq_cstr(value, "1");
    } else if (slice_eq_cstr(key, "rocksdb.comparator") &&
               !slice_eq_cstr(value, "leveldb.BytewiseComparator")) {
        return other(o, "its keys are in another order");
    } else if (slice_eq_cstr(key, "rocksdb.merge.operands") && varint_of(value) != 0) {
        return other(o, "it has merges");
    } else if (slice_eq_cstr(key, place_name)) {
        o->file->was_taken_in = true;
        o->file->place = word_of(value);
    }
    return 0;
}

/* RocksDB writes a file's place in the order of writes into it when it takes it in; the check sum is of the file before. */
static bool is_right_without_place(char *bytes, size_t size)
{
    uint32_t stored, computed;
    /* What names begin with alike is written once. */
    static const char own_name[] = "external_sst_file.global_seqno";
    const size_t own = sizeof(own_name) - 1;
    uint64_t place, none = 0;
    char *name = memmem(bytes, size, own_name, own);
    if (name == NULL || (size_t)(bytes + size - name) < own + sizeof(place)) {
        return false;
    }
    char *at = name + own;
    memcpy(&place, at, sizeof(place));
    memcpy(at, &none, sizeof(none));
    enum sst_read how = sst_block_check(bytes, size, &stored, &computed);
    memcpy(at, &place, sizeof(place));
    return how == SST_READ_OK;
}

static int read_properties(struct opening *o, struct error *err)
{
    char *bytes = NULL;
    if (o->properties.size == 0) {
        return other(o, "it has no properties");
    }
    TRY(read_block(o->file, o->properties, &bytes, err));
    int rc = check_block(o->file, o->properties, bytes, err);
    if (rc < 0 && is_right_without_place(bytes, o->properties.size)) {
        error_clear(err);
        rc = 0;
    }
    if (rc == 0) {
        rc = walk(o, o->properties, slice_make(bytes, o->properties.size), "bad properties",
                  take_property, err);
    }
    mem_free(bytes);
    return rc;
}

/* ---- the index ------------------------------------------------------------------------------------------------- */

/* Fences of a block of the index, or its parts' `level` down. */
static int read_index(struct opening *o, struct sst_handle h, int level, struct sst_fences_maker *m,
                      struct error *err);

static int take_index_entry(struct opening *o, const struct sst_walk *w, struct sst_handle h,
                            int level, struct sst_fences_maker *m, struct error *err)
{
    struct slice key = str_slice(&w->key);
    if (!o->has_user_keys) {
        if (key.len < SST_SUFFIX_BYTES) {
            return damaged(o->file, h, "bad index", err);
        }
        key.len -= SST_SUFFIX_BYTES;
    }
    if (level > 0) {
        return read_index(o, w->handle, level - 1, m, err);
    }
    if (!is_inside(o->file, w->handle)) {
        return damaged(o->file, h, "an index of a block outside of the file", err);
    }
    switch (sst_fences_add(m, key, w->handle)) {
    case SST_READ_OTHER:
        return other(o, "it is too large, or its blocks do not follow one another");
    case SST_READ_DAMAGED:
        return damaged(o->file, h, "an index in no order", err);
    case SST_READ_OK:
        break;
    }
    return 0;
}

static int read_index(struct opening *o, struct sst_handle h, int level, struct sst_fences_maker *m,
                      struct error *err)
{
    char *bytes = NULL;
    struct sst_walk w;
    int rc = read_checked(o->file, h, &bytes, err);
    if (rc != 0) {
        return rc > 0 ? other(o, "it is compressed") : rc;
    }
    enum sst_read how = sst_walk_start(&w, slice_make(bytes, h.size), SST_VALUES_HANDLES);
    int more = how == SST_READ_OK ? 1 : -1;
    while (rc == 0 && more > 0 && (more = sst_walk_next(&w)) > 0) {
        rc = take_index_entry(o, &w, h, level, m, err);
    }
    sst_walk_end(&w);
    mem_free(bytes);
    return rc == 0 && more < 0 ? damaged(o->file, h, "bad index", err) : rc;
}

static int read_fences(struct opening *o, struct error *err)
{
    struct sst_fences_maker m;
    if (!o->has_handle_deltas) {
        return other(o, "its index is of an older format");
    }
    if (o->index_kind != INDEX_FLAT && o->index_kind != INDEX_TWO_LEVELS) {
        return other(o, "its index is of another kind");
    }
    sst_fences_begin(&m, str_slice(&o->file->least));
    int rc = read_index(o, o->footer.index, o->index_kind == INDEX_TWO_LEVELS, &m, err);
    sst_fences_end(&m, &o->file->fences);
    return rc;
}

/* ---- filter and ranges ----------------------------------------------------------------------------------------- */

static int read_filter(struct opening *o, struct error *err)
{
    char *bytes = NULL;
    if (o->filter.size == 0 || !o->filters_keys) {
        return 0;
    }
    int rc = read_checked(o->file, o->filter, &bytes, err);
    if (rc != 0) {
        return rc > 0 ? other(o, "it is compressed") : rc;
    }
    sst_filter_init(&o->file->filter, bytes, o->filter.size);
    return 0;
}

static struct slice from_of(const struct sst_file *f, size_t i)
{
    const struct sst_range *r = VEC_AT(&f->ranges, struct sst_range, i);
    return slice_make(f->range_bytes.data + r->from_at, r->from_size);
}

static struct slice until_of(const struct sst_file *f, size_t i)
{
    const struct sst_range *r = VEC_AT(&f->ranges, struct sst_range, i);
    return slice_make(f->range_bytes.data + r->until_at, r->until_size);
}

static int take_range(struct opening *o, struct slice key, struct slice value, struct error *err)
{
    struct sst_file *f = o->file;
    uint64_t packed;
    if (key.len < SST_SUFFIX_BYTES || key.len + value.len > UINT32_MAX - f->range_bytes.len) {
        return damaged(f, o->ranges, "bad removed range", err);
    }
    key.len -= SST_SUFFIX_BYTES;
    memcpy(&packed, key.data + key.len, sizeof(packed));
    if ((packed & 0xff) != SST_KIND_RANGE) {
        return damaged(f, o->ranges, "bad removed range", err);
    }
    struct sst_range *r = VEC_PUSH(&f->ranges, struct sst_range);
    *r = (struct sst_range){.from_at = (uint32_t)f->range_bytes.len,
                            .from_size = (uint32_t)key.len,
                            .until_at = (uint32_t)(f->range_bytes.len + key.len),
                            .until_size = (uint32_t)value.len,
                            .order = packed >> 8};
    str_append_slice(&f->range_bytes, key);
    str_append_slice(&f->range_bytes, value);
    return 0;
}

static int compare_ranges(const void *a, const void *b, void *bytes)
{
    const struct sst_range *x = a, *y = b;
    const char *data = bytes;
    int order = slice_compare(slice_make(data + x->from_at, x->from_size),
                              slice_make(data + y->from_at, y->from_size));
    return order != 0 ? order : (x->order < y->order) - (x->order > y->order);
}

/* In their order, of those that are the same the latest alone. */
static int order_ranges(struct opening *o)
{
    struct sst_file *f = o->file;
    size_t n = 0;
    qsort_r(f->ranges.data, f->ranges.len, sizeof(struct sst_range), compare_ranges,
            f->range_bytes.data);
    for (size_t i = 0; i < f->ranges.len; i++) {
        if (n > 0 && slice_eq(from_of(f, i), from_of(f, n - 1)) &&
            slice_eq(until_of(f, i), until_of(f, n - 1))) {
            continue;
        }
        if (n > 0 && slice_compare(from_of(f, i), until_of(f, n - 1)) < 0) {
            return other(o, "ranges that it removes overlap");
        }
        *VEC_AT(&f->ranges, struct sst_range, n) = *VEC_AT(&f->ranges, struct sst_range, i);
        n++;
    }
    f->ranges.len = n;
    return 0;
}

static int read_ranges(struct opening *o, struct error *err)
{
    char *bytes = NULL;
    if (o->ranges.size == 0) {
        return 0;
    }
    int rc = read_checked(o->file, o->ranges, &bytes, err);
    if (rc == 0) {
        rc = walk(o, o->ranges, slice_make(bytes, o->ranges.size), "bad removed ranges", take_range,
                  err);
    } else if (rc > 0) {
        rc = other(o, "it is compressed");
    }
    mem_free(bytes);
    return rc == 0 && o->file->ranges.len > 0 ? order_ranges(o) : rc;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static int read_footer(struct opening *o, struct error *err)
{
    char bytes[SST_FOOTER_BYTES];
    struct sst_file *f = o->file;
    struct stat st;
    if (fstat(f->fd, &st) < 0) {
        return error_set_errno(err, errno, "looking at %s", f->path);
    }
    f->size = (uint64_t)st.st_size;
    struct sst_handle h = {f->size - MIN(f->size, (uint64_t)sizeof(bytes)), sizeof(bytes)};
    if (f->size < sizeof(bytes)) {
        return damaged(f, h, "no footer", err);
    }
    TRY(read_at(f, bytes, sizeof(bytes), h.offset, err));
    switch (sst_footer_read(bytes, &o->footer)) {
    case SST_READ_DAMAGED:
        return damaged(f, h, "bad footer", err);
    case SST_READ_OTHER:
        return other(o, "it is of another format, or has other check sums");
    case SST_READ_OK:
        break;
    }
    return 0;
}

static int read_parts(struct opening *o, struct error *err)
{
    int (*const parts[])(struct opening *, struct error *) = {
        read_footer, read_list, read_properties, read_fences, read_filter, read_ranges};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts) && rc == 0; i++) {
        rc = parts[i](o, err);
    }
    return rc;
}

int sst_file_open_fd(int take_fd, const char *path, struct slice least, struct slice greatest,
                     struct sst_file **ret_file, const char **ret_reason, struct error *err)
{
    struct sst_file *f = MEM_NEW(struct sst_file);
    *f = (struct sst_file){.fd = take_fd,
                           .path = mem_strdup(path),
                           .least = STR_INIT,
                           .greatest = STR_INIT,
                           .ranges = VEC_INIT(struct sst_range),
                           .range_bytes = STR_INIT};
    str_append_slice(&f->least, least);
    str_append_slice(&f->greatest, greatest);
    struct opening o = {.file = f, .reason = "it is compressed"};
    int rc = read_parts(&o, err);
    if (rc != 0) {
        if (ret_reason != NULL) {
            *ret_reason = o.reason;
        }
        sst_file_close(f);
        return rc;
    }
    *ret_file = f;
    return 0;
}

int sst_file_open(const char *path, struct slice least, struct slice greatest,
                  struct sst_file **ret_file, const char **ret_reason, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening %s", path);
    }
    return sst_file_open_fd(fd, path, least, greatest, ret_file, ret_reason, err);
}

struct sst_file *sst_file_close(struct sst_file *f)
{
    if (f != NULL) {
        (void)close(f->fd);
        sst_fences_fini(&f->fences);
        sst_filter_fini(&f->filter);
        vec_fini(&f->ranges);
        str_fini(&f->range_bytes);
        str_fini(&f->least);
        str_fini(&f->greatest);
        mem_free(f->path);
        mem_free(f);
    }
    return NULL;
}

uint64_t sst_file_held_bytes(const struct sst_file *f)
{
    return sizeof(*f) + sst_fences_bytes(&f->fences) + sst_filter_bytes(&f->filter) +
           f->ranges.cap * sizeof(struct sst_range) + f->range_bytes.cap;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

void sst_page_fini(struct sst_page *p)
{
    mem_free(p->bytes);
    str_fini(&p->scratch);
    *p = (struct sst_page){.bytes = NULL};
}

static void make_room(struct sst_page *p, size_t size)
{
    if (UNLIKELY(size > p->room || (p->room > PAGE_BYTES_MAX && size <= PAGE_BYTES_MAX))) {
        mem_free(p->bytes);
        p->bytes = mem_alloc(size);
        p->room = size;
    }
}

static int turn_to(struct sst_page *p, const struct sst_file *f, uint32_t block, struct error *err)
{
    if (p->file == f && p->block == block) {
        return 0;
    }
    struct sst_handle h = sst_fences_block(&f->fences, block);
    p->file = NULL;
    make_room(p, h.size + SST_TRAILER_BYTES);
    TRY(read_at(f, p->bytes, h.size + SST_TRAILER_BYTES, h.offset, err));
    p->n_reads++;
    TRY(check_block(f, h, p->bytes, err));
    p->file = f;
    p->block = block;
    p->data = slice_make(p->bytes, h.size);
    return 0;
}

int sst_file_find(const struct sst_file *f, const struct sst_key *key, struct sst_fence_place place,
                  struct sst_page *page, enum sst_found *ret_found, struct sst_hit *ret_hit,
                  struct error *err)
{
    const struct slice k = slice_make(key->data, key->size);
    *ret_found = SST_FOUND_NONE;
    if (UNLIKELY(place.block == f->fences.n)) {
        return 0;
    }
    do {
        int rc = turn_to(page, f, place.block, err);
        if (UNLIKELY(rc != 0)) {
            *ret_found = SST_FOUND_OTHER;
            return MIN(rc, 0);
        }
        *ret_found = sst_block_find(page->data, k, &page->scratch, ret_hit);
        if (UNLIKELY(*ret_found == SST_FOUND_DAMAGED)) {
            return damaged(f, sst_fences_block(&f->fences, place.block), "bad block", err);
        }
    } while (*ret_found == SST_FOUND_PAST && sst_fences_go_on(&f->fences, key, &place));
    return 0;
}

/* The last range that does not begin behind the key; -1: there is none. */
static ptrdiff_t range_of(const struct sst_file *f, struct slice key)
{
    size_t low = 0, high = f->ranges.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(from_of(f, middle), key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (ptrdiff_t)low - 1;
}

enum sst_cover sst_file_covers(const struct sst_file *f, const struct sst_key *key, uint64_t order)
{
    const struct slice k = slice_make(key->data, key->size);
    ptrdiff_t i = range_of(f, k);
    if (i < 0 || slice_compare(k, until_of(f, (size_t)i)) >= 0) {
        return SST_COVER_NONE;
    }
    if (f->was_taken_in) {
        return SST_COVER_OLDER;
    }
    /* Ranges may go on behind the ends of a file, where others have them. */
    if (slice_eq(k, str_slice(&f->least)) || slice_eq(k, str_slice(&f->greatest))) {
        return SST_COVER_UNSURE;
    }
    return VEC_AT(&f->ranges, struct sst_range, (size_t)i)->order > order ? SST_COVER_ALL
                                                                          : SST_COVER_OLDER;
}
