/* Blocks of sorted files.  Thread: any. */
#include "engine/rocksdb/sst_format.h"

#include <string.h>
#include <xxhash.h>

enum {
    CHECKSUM_XXH3 = 4,
    HANDLES_BYTES = 40, /* of a footer, with what fills them up */
    VERSION_AT = 41,
    MAGIC_AT = 45,
    VARINT_BYTES_MAX = 10,
    ENTRY_KEY_MAX = 65 << 20, /* bytes of a key; more than a store takes */
    INDEXED_BY_HASH = 1u << 31,
};
#define MAGIC UINT64_C(0x88e241b785f4cff7)
#define SUM_OF_LAST_BYTE UINT32_C(0x6b9083d9)

static uint32_t fixed32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t fixed64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* ---- numbers, the footer, check sums ----------------------------------------------------------------------- */

bool sst_take_varint(struct slice *inout_bytes, uint64_t *ret_value)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < VARINT_BYTES_MAX && i < inout_bytes->len; i++) {
        uint64_t byte = (uint8_t)inout_bytes->data[i];
        v |= (byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *inout_bytes = slice_make(inout_bytes->data + i + 1, inout_bytes->len - i - 1);
            *ret_value = v;
            return true;
        }
    }
    return false;
}

bool sst_take_handle(struct slice *inout_bytes, struct sst_handle *ret_handle)
{
    return sst_take_varint(inout_bytes, &ret_handle->offset) &&
           sst_take_varint(inout_bytes, &ret_handle->size);
}

enum sst_read sst_footer_read(const char *bytes, struct sst_footer *ret_footer)
{
    if (fixed64(bytes + MAGIC_AT) != MAGIC) {
        return SST_READ_DAMAGED;
    }
    uint32_t version = fixed32(bytes + VERSION_AT);
    if (bytes[0] != CHECKSUM_XXH3 || version < SST_VERSION_MIN || version > SST_VERSION_MAX) {
        return SST_READ_OTHER;
    }
    struct slice handles = slice_make(bytes + 1, HANDLES_BYTES);
    return sst_take_handle(&handles, &ret_footer->list) &&
                   sst_take_handle(&handles, &ret_footer->index)
               ? SST_READ_OK
               : SST_READ_DAMAGED;
}

uint32_t sst_block_sum(const char *block, size_t size, char compression)
{
    return (uint32_t)XXH3_64bits(block, size) ^ (uint8_t)compression * SUM_OF_LAST_BYTE;
}

enum sst_read sst_block_check(const char *block, size_t size, uint32_t *ret_stored,
                              uint32_t *ret_computed)
{
    *ret_stored = fixed32(block + size + 1);
    *ret_computed = sst_block_sum(block, size, block[size]);
    if (UNLIKELY(*ret_stored != *ret_computed)) {
        return SST_READ_DAMAGED;
    }
    return LIKELY(block[size] == 0) ? SST_READ_OK : SST_READ_OTHER;
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

struct block {
    const char *data;
    uint32_t entries_bytes;
    uint32_t n_restarts;
    const char *restarts;
};

static enum sst_read block_open(struct slice bytes, struct block *b)
{
    if (bytes.len < sizeof(uint32_t) || bytes.len > UINT32_MAX) {
        return SST_READ_DAMAGED;
    }
    uint32_t n = fixed32(bytes.data + bytes.len - sizeof(n));
    if ((n & INDEXED_BY_HASH) != 0) {
        return SST_READ_OTHER;
    }
    size_t room = bytes.len / sizeof(n) - 1;
    if (n == 0 || n > room) {
        return SST_READ_DAMAGED;
    }
    b->data = bytes.data;
    b->n_restarts = n;
    b->entries_bytes = (uint32_t)(bytes.len - (n + (size_t)1) * sizeof(n));
    b->restarts = bytes.data + b->entries_bytes;
    return SST_READ_OK;
}

/* What an entry begins with. */
struct head {
    uint64_t shared, own, value;
};

/* Up to its key; false: it does not fit. */
static inline bool take_head(struct slice *rest, bool has_value_size, struct head *h)
{
    const uint8_t *p = (const uint8_t *)rest->data;
    const size_t n = has_value_size ? 3 : 2;
    if (LIKELY(rest->len >= 3 && (p[0] | p[1] | (has_value_size ? p[2] : 0)) < 0x80)) {
        *h = (struct head){p[0], p[1], has_value_size ? p[2] : 0};
        *rest = slice_make(rest->data + n, rest->len - n);
    } else {
        h->value = 0;
        if (!sst_take_varint(rest, &h->shared) || !sst_take_varint(rest, &h->own) ||
            (has_value_size && !sst_take_varint(rest, &h->value))) {
            return false;
        }
    }
    return h->own <= rest->len && h->value <= rest->len - h->own;
}

enum sst_read sst_walk_start(struct sst_walk *w, struct slice bytes, enum sst_values values)
{
    struct block b;
    enum sst_read how = block_open(bytes, &b);
    *w = (struct sst_walk){.values = values, .key = STR_INIT};
    if (how == SST_READ_OK) {
        w->rest = slice_make(b.data, b.entries_bytes);
    }
    return how;
}

static bool take_next_handle(struct sst_walk *w, bool is_whole)
{
    uint64_t coded;
    if (is_whole) {
        return sst_take_handle(&w->rest, &w->handle);
    }
    if (!sst_take_varint(&w->rest, &coded)) {
        return false;
    }
    /* Zigzag. */
    uint64_t delta = (coded >> 1) ^ (~(coded & 1) + 1);
    w->handle.offset += w->handle.size + SST_TRAILER_BYTES;
    w->handle.size += delta;
    return true;
}

int sst_walk_next(struct sst_walk *w)
{
    struct head h;
    if (w->rest.len == 0) {
        return 0;
    }
    bool is_plain = w->values == SST_VALUES_PLAIN;
    if (!take_head(&w->rest, is_plain, &h) || h.shared > w->key.len ||
        h.shared + h.own > ENTRY_KEY_MAX) {
        return -1;
    }
    w->key.len = h.shared;
    str_append(&w->key, w->rest.data, h.own);
    w->rest = slice_make(w->rest.data + h.own, w->rest.len - h.own);
    if (!is_plain) {
        return take_next_handle(w, h.shared == 0) ? 1 : -1;
    }
    w->value = slice_make(w->rest.data, h.value);
    w->rest = slice_make(w->rest.data + h.value, w->rest.len - h.value);
    return 1;
}

void sst_walk_end(struct sst_walk *w)
{
    str_fini(&w->key);
}

/* ---- one key ------------------------------------------------------------------------------------------------- */

static int compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, MIN(a_size, b_size));
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* The order of the key of a restart to one that is looked for; false: the block is damaged. */
static inline bool compare_restart(const struct block *b, uint32_t restart, struct slice key,
                                   int *ret_order)
{
    uint32_t at = fixed32(b->restarts + restart * sizeof(at));
    struct head h;
    if (at >= b->entries_bytes) {
        return false;
    }
    struct slice rest = slice_make(b->data + at, b->entries_bytes - at);
    if (!take_head(&rest, true, &h) || h.shared != 0 || h.own < SST_SUFFIX_BYTES) {
        return false;
    }
    *ret_order = compare(rest.data, h.own - SST_SUFFIX_BYTES, key.data, key.len);
    return true;
}

/* The last restart whose key is below the one that is looked for, or the first. */
static bool find_restart(const struct block *b, struct slice key, uint32_t *ret_at)
{
    uint32_t low = 0, high = b->n_restarts;
    int order;
    /* Those below low are below the key, those from high on are not. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (UNLIKELY(!compare_restart(b, middle, key, &order))) {
            return false;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_at = fixed32(b->restarts + (low > 0 ? low - 1 : 0) * sizeof(*ret_at));
    return true;
}

static enum sst_found found(const char *suffix, struct slice value, struct sst_hit *ret_hit)
{
    uint64_t packed = fixed64(suffix);
    *ret_hit = (struct sst_hit){value, packed >> 8};
    switch (packed & 0xff) {
    case SST_KIND_VALUE:
        return SST_FOUND_VALUE;
    case SST_KIND_REMOVAL:
        return SST_FOUND_REMOVAL;
    default:
        return SST_FOUND_OTHER;
    }
}

/* Bytes that two keys begin with alike. */
static inline uint64_t equal_bytes(const char *a, const char *b, uint64_t n)
{
    uint64_t i = 0, x, y;
    for (; i + sizeof(x) <= n; i += sizeof(x)) {
        memcpy(&x, a + i, sizeof(x));
        memcpy(&y, b + i, sizeof(y));
        if (x != y) {
            return i + (uint64_t)__builtin_ctzll(x ^ y) / 8;
        }
    }
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* From an entry on, whose key is not above the one that is looked for, unless it is the first of all.  `last`: the key at
 * hand, put together. */
static enum sst_found scan(struct slice rest, struct slice key, struct str *last,
                           struct sst_hit *ret_hit)
{
    uint64_t equal = 0, last_user = 0; /* bytes that it begins with as the key does; of it */
    str_clear(last);
    while (rest.len > 0) {
        struct head h;
        if (UNLIKELY(!take_head(&rest, true, &h) || h.shared > last->len ||
                     h.shared + h.own < SST_SUFFIX_BYTES || h.shared + h.own > ENTRY_KEY_MAX)) {
            return SST_FOUND_DAMAGED;
        }
        uint64_t user = h.shared + h.own - SST_SUFFIX_BYTES;
        last->len = h.shared;
        str_append(last, rest.data, h.own);
        struct slice value = slice_make(rest.data + h.own, h.value);
        rest = slice_make(value.data + h.value, rest.len - h.own - h.value);
        /* Where the last one was below the key in a byte that this one has of it, this one is, too. */
        bool is_below = h.shared > equal && equal < last_user && equal < user;
        last_user = user;
        if (is_below) {
            continue;
        }
        equal = MIN(equal, h.shared);
        uint64_t n = MIN(user, key.len);
        equal =
            equal < n ? equal + equal_bytes(last->data + equal, key.data + equal, n - equal) : n;
        if (equal == n && user == key.len) {
            return found(last->data + user, value, ret_hit);
        }
        bool is_above =
            equal < n ? (uint8_t)last->data[equal] > (uint8_t)key.data[equal] : user > key.len;
        if (is_above) {
            return SST_FOUND_NONE;
        }
    }
    return SST_FOUND_PAST;
}

enum sst_found sst_block_find(struct slice bytes, struct slice key, struct str *scratch,
                              struct sst_hit *ret_hit)
{
    struct block b;
    uint32_t at;
    enum sst_read how = block_open(bytes, &b);
    if (UNLIKELY(how != SST_READ_OK)) {
        return how == SST_READ_OTHER ? SST_FOUND_OTHER : SST_FOUND_DAMAGED;
    }
    if (UNLIKELY(b.entries_bytes == 0)) {
        return SST_FOUND_PAST;
    }
    if (UNLIKELY(!find_restart(&b, key, &at) || at >= b.entries_bytes)) {
        return SST_FOUND_DAMAGED;
    }
    return scan(slice_make(b.data + at, b.entries_bytes - at), key, scratch, ret_hit);
}
