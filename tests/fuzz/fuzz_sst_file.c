/* Sorted files of RocksDB from any bytes: refused, not understood, or every key can be asked for.  Check sums of the blocks that
 * the footer, the list and the index lead to are made right first, for one run in two, so that what lies behind them
 * is reached. */
#include "engine/rocksdb/sst_file.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 1 << 16, DEPTH = 3 };

struct bytes {
    char *data;
    size_t size;
};

static bool seal(struct bytes b, struct sst_handle h)
{
    if (h.offset > b.size || h.size > b.size - h.offset ||
        b.size - h.offset - h.size < SST_TRAILER_BYTES) {
        return false;
    }
    char *end = b.data + h.offset + h.size;
    *end = 0;
    uint32_t sum = sst_block_sum(b.data + h.offset, h.size, 0);
    memcpy(end + 1, &sum, sizeof(sum));
    return true;
}

static void seal_list(struct bytes b, struct sst_handle list)
{
    struct sst_walk w;
    if (!seal(b, list)) {
        return;
    }
    enum sst_read how =
        sst_walk_start(&w, slice_make(b.data + list.offset, list.size), SST_VALUES_PLAIN);
    while (how == SST_READ_OK && sst_walk_next(&w) > 0) {
        struct sst_handle h;
        struct slice value = w.value;
        if (sst_take_handle(&value, &h)) {
            (void)seal(b, h);
        }
    }
    sst_walk_end(&w);
}

/* What an index leads to, data or parts of the index. */
static void seal_index(struct bytes b, struct sst_handle index, int depth)
{
    struct sst_walk w;
    if (!seal(b, index) || depth == 0) {
        return;
    }
    enum sst_read how =
        sst_walk_start(&w, slice_make(b.data + index.offset, index.size), SST_VALUES_HANDLES);
    for (int i = 0; how == SST_READ_OK && i < 100 && sst_walk_next(&w) > 0; i++) {
        seal_index(b, w.handle, depth - 1);
    }
    sst_walk_end(&w);
}

static void repair(struct bytes b)
{
    struct sst_footer footer;
    if (b.size >= SST_FOOTER_BYTES &&
        sst_footer_read(b.data + b.size - SST_FOOTER_BYTES, &footer) == SST_READ_OK) {
        seal_index(b, footer.index, DEPTH);
        seal_list(b, footer.list);
    }
}

static void look_up(const struct sst_file *f, const char *key, size_t size, struct sst_page *page)
{
    struct sst_key k = sst_key_of(key, size);
    struct sst_hit hit = {.order = 0};
    enum sst_found found = SST_FOUND_NONE;
    struct error err = ERROR_INIT;
    k.hash = sst_filter_hash(key, size);
    (void)sst_filter_may_have(&f->filter, k.hash);
    (void)sst_file_covers(f, &k, 7);
    int rc = sst_file_find(f, &k, sst_fences_find(&f->fences, &k, 0), page, &found, &hit, &err);
    if (rc == 0 && found == SST_FOUND_VALUE) {
        ASSERT(hit.value.data >= page->bytes &&
               hit.value.data + hit.value.len <= page->bytes + page->room);
    } else {
        ASSERT(rc == 0 || rc == ERR_CORRUPT);
    }
}

/* Keys that are there, and others. */
static void look_around(const struct sst_file *f)
{
    struct sst_page page = {.bytes = NULL};
    static const char greatest[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    look_up(f, greatest, sizeof(greatest), &page);
    look_up(f, f->least.data, f->least.len, &page);
    for (uint32_t i = 0; i < f->fences.n_groups; i++) {
        const struct sst_fence_group *g = &f->fences.groups[i];
        if (g->last_size <= SST_HASHED_MAX) {
            look_up(f, f->fences.lasts.data + g->last_at, g->last_size, &page);
        }
    }
    sst_page_fini(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sst_file *f = NULL;
    struct error err = ERROR_INIT;
    if (size < 1 || size > SIZE_MAX_BYTES) {
        return 0;
    }
    char *copy = mem_dup(data, size);
    struct bytes b = {copy + 1, size - 1};
    if (data[0] % 2 == 0) {
        repair(b);
    }
    int fd = memfd_create("sst", MFD_CLOEXEC);
    ASSERT(fd >= 0 && write(fd, b.data, b.size) == (ssize_t)b.size);
    int rc = sst_file_open_fd(fd, "fuzz.sst", slice_make("\0\0", 2), slice_make("\xff", 1), &f,
                              NULL, &err);
    if (rc == 0) {
        look_around(f);
    }
    ASSERT(rc == 0 || rc == SST_OTHER || rc == ERR_CORRUPT);
    sst_file_close(f);
    mem_free(copy);
    return 0;
}
