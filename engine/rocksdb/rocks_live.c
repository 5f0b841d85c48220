/* Which files a partition has, and in which order.
 *
 * RocksDB lists the files of level 0 from the newest to the oldest, then those of each level by their keys.  Where places of files
 * in the order of writes are known they are looked at, too.  A file may be gone before it is open: then there is a
 * newer list.  Thread: the reader's. */
#include "engine/rocksdb/rocks_live.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"

#include <stdlib.h>

enum {
    LISTS_MAX = 16,      /* that are asked for until one is open */
    READS_PER_LOOK = 16, /* whether there are other files now */
};

static struct sst_file *file_at(const struct vec *files, size_t i)
{
    return vec_ptr(files, i);
}

void rocks_live_init(struct rocks_live *l)
{
    *l = (struct rocks_live){.files = VEC_INIT(void *), .runs = VEC_INIT(struct rocks_live_run)};
}

static void close_all(struct vec *files)
{
    for (size_t i = 0; i < files->len; i++) {
        sst_file_close(file_at(files, i));
    }
    vec_fini(files);
}

void rocks_live_fini(struct rocks_live *l)
{
    close_all(&l->files);
    vec_fini(&l->runs);
}

/* A file that is open already, taken from the old ones; NULL. */
static struct sst_file *take_open(struct vec *old, const char *path)
{
    for (size_t i = 0; i < old->len; i++) {
        struct sst_file *f = file_at(old, i);
        if (strcmp(f->path, path) == 0) {
            vec_remove_swap(old, i);
            return f;
        }
    }
    return NULL;
}

/* One list of live files. */
struct listing {
    const struct rocks_api *api;
    const struct rocks_partition *partition;
    const rocksdb_livefiles_t *list;
    struct vec *old; /* open files that may be among them */
    struct rocks_live *live;
    uint64_t last_place; /* of a file of level 0 that was taken in */
};

static struct slice key_of(const struct listing *x, int i, bool is_least)
{
    struct slice key;
    key.data = is_least ? x->api->livefiles_smallestkey(x->list, i, &key.len)
                        : x->api->livefiles_largestkey(x->list, i, &key.len);
    return key;
}

/* The order that RocksDB told of is right, as far as can be seen. */
static bool is_in_order(struct listing *x, const struct sst_file *f, int level, int last_level)
{
    const struct rocks_live *l = x->live;
    if (level < last_level) {
        return false;
    }
    if (level == 0 && f->was_taken_in && f->place > 0) {
        bool is_older = f->place <= x->last_place;
        x->last_place = f->place;
        return is_older;
    }
    if (level > 0 && level == last_level) {
        const struct sst_file *before = file_at(&l->files, l->files.len - 1);
        return slice_compare(str_slice(&before->greatest), str_slice(&f->least)) <= 0;
    }
    return true;
}

static void add_file(struct rocks_live *l, struct sst_file *f, int level, int last_level)
{
    if (level == 0 || level != last_level) {
        *VEC_PUSH(&l->runs, struct rocks_live_run) =
            (struct rocks_live_run){.first = (uint32_t)l->files.len};
    }
    VEC_AT(&l->runs, struct rocks_live_run, l->runs.len - 1)->n++;
    vec_push_ptr(&l->files, f);
}

static int open_listed(struct listing *x, struct error *err)
{
    STR_AUTO path = STR_INIT;
    int last_level = -1;
    x->last_place = UINT64_MAX;
    for (int i = 0; i < x->api->livefiles_count(x->list); i++) {
        int level = x->api->livefiles_level(x->list, i);
        str_clear(&path);
        str_printf(&path, "%s%s", x->partition->directory, x->api->livefiles_name(x->list, i));
        struct sst_file *f = take_open(x->old, str_cstr(&path));
        if (f == NULL) {
            int rc = sst_file_open(str_cstr(&path), key_of(x, i, true), key_of(x, i, false), &f,
                                   &x->live->reason, err);
            if (rc != 0) {
                return rc;
            }
        }
        bool is_right = is_in_order(x, f, level, last_level);
        add_file(x->live, f, level, last_level);
        if (!is_right) {
            x->live->reason = "its files are in an order that is not understood";
            return SST_OTHER;
        }
        last_level = level;
    }
    return 0;
}

static uint64_t number_of(const struct rocks_api *api, const struct rocks_partition *p,
                          const char *name)
{
    uint64_t v = 0;
    return api->property_int(p->db, name, &v) == 0 ? v : 0;
}

/* A list and its files; the old ones go. */
static int look(const struct rocks_api *api, const struct rocks_partition *p, struct rocks_live *l,
                struct error *err)
{
    TRY(FAILPOINT(err, "rocksdb.look"));
    struct vec old = l->files;
    vec_init(&l->files, sizeof(void *));
    vec_clear(&l->runs);
    l->reason = NULL;
    l->seen_runs = atomic_load(&p->n_taken_in);
    l->seen_version = number_of(api, p, "rocksdb.current-super-version-number");
    l->n_reads = 0;
    if (number_of(api, p, "rocksdb.num-entries-active-mem-table") > 0 ||
        number_of(api, p, "rocksdb.num-entries-imm-mem-tables") > 0) {
        l->reason = "it has entries in memory";
        close_all(&old);
        return SST_OTHER;
    }
    struct listing x = {
        .api = api, .partition = p, .list = api->livefiles(p->db), .old = &old, .live = l};
    int rc = open_listed(&x, err);
    api->livefiles_destroy(x.list);
    if (rc != 0) {
        /* What was open is tried again. */
        for (size_t i = 0; i < l->files.len; i++) {
            vec_push_ptr(&old, file_at(&l->files, i));
        }
        vec_clear(&l->files);
        vec_clear(&l->runs);
    }
    if (rc == ERR_NOT_FOUND) {
        vec_fini(&l->files);
        l->files = old;
        return rc;
    }
    close_all(&old);
    return rc;
}

static bool is_new_enough(const struct rocks_api *api, const struct rocks_partition *p,
                          struct rocks_live *l)
{
    if (!l->was_looked_at || atomic_load(&p->n_taken_in) != l->seen_runs) {
        return false;
    }
    if (++l->n_reads % READS_PER_LOOK != 0) {
        return true;
    }
    return number_of(api, p, "rocksdb.current-super-version-number") == l->seen_version;
}

int rocks_live_refresh(const struct rocks_api *api, const struct rocks_partition *p,
                       struct rocks_live *l, struct error *err)
{
    if (LIKELY(is_new_enough(api, p, l))) {
        return 0;
    }
    const char *before = l->reason;
    int rc = ERR_NOT_FOUND;
    for (int i = 0; i < LISTS_MAX && rc == ERR_NOT_FOUND; i++) {
        error_clear(err);
        rc = look(api, p, l, err);
    }
    if (rc < 0) {
        l->was_looked_at = false;
        return rc;
    }
    l->was_looked_at = true;
    if (rc > 0 && l->reason != before) {
        LOG_INFO("flinc.state.rocksdb", "RocksDB itself reads the state in %s: %s", p->directory,
                 l->reason);
    }
    return 0;
}

uint64_t rocks_live_held_bytes(const struct rocks_live *l)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < l->files.len; i++) {
        bytes += sst_file_held_bytes(file_at(&l->files, i));
    }
    return bytes;
}
