/* Folder, threads and cache of state on disk.  Thread: any; a lock guards the making, another one what is sampled. */
#include "taskmanager/worker/state_disk.h"

#include "common/fs/fs.h"
#include "common/fs/owned_dir.h"
#include "common/loop/executor.h"
#include "engine/rocksdb/rocks_metrics.h"
#include "engine/rocksdb/rocks_shared.h"

#include <inttypes.h>
#include <pthread.h>

enum {
    DISK_THREADS = 2,
    ARENAS_MAX = 64,
    INDEX_SHARE = 4, /* of the memory, of a cache for indexes and filters: one in so many */
};
#define MEMORY_DEFAULT (UINT64_C(128) << 20) /* of a worker whose managed memory has no limit */

struct state_disk {
    char *directory;                 /* Owns; NULL: not known yet */
    struct owned_dir made;           /* when nobody gave one */
    struct mem_budget *budget;       /* Borrows; may be NULL */
    const _Atomic uint32_t *n_slots; /* Borrows; NULL: one */
    pthread_mutex_t lock;
    struct executor *executor;   /* Owns; NULL: not made yet */
    struct rocks_shared *shared; /* Owns a ref; likewise */
    uint64_t block_bytes;        /* of its cache, taken from the budget */
    uint64_t next_folder;
    pthread_mutex_t open_lock; /* never held over I/O, unlike the other */
    struct vec open;           /* struct open_disk *: those with metrics; under open_lock */
    _Atomic uint32_t n_open;
};

struct open_disk {
    struct keyed_disk base;
    struct rocks_metrics *metrics; /* Owns; NULL: nothing is wanted */
    char *directory;               /* Owns */
};

struct state_disk *state_disk_new(const struct state_disk_options *options)
{
    struct state_disk *d = MEM_NEW(struct state_disk);
    d->directory = options->directory != NULL ? mem_strdup(options->directory) : NULL;
    d->made = (struct owned_dir)OWNED_DIR_INIT;
    d->budget = options->budget;
    d->n_slots = options->n_slots;
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->open_lock, NULL);
    vec_init(&d->open, sizeof(struct open_disk *));
    return d;
}

struct state_disk *state_disk_free(struct state_disk *d)
{
    if (d == NULL) {
        return NULL;
    }
    ASSERT(atomic_load(&d->n_open) == 0);
    executor_free(d->executor);
    if (d->shared != NULL) {
        rocks_shared_unref(d->shared);
        int rc = fs_delete(d->directory, FS_DELETE_RECURSIVE, NULL);
        (void)rc; /* the task manager does it behind this process, if not */
        if (d->budget != NULL) {
            mem_budget_give(d->budget, d->block_bytes);
        }
    }
    owned_dir_remove(&d->made);
    vec_fini(&d->open);
    pthread_mutex_destroy(&d->open_lock);
    pthread_mutex_destroy(&d->lock);
    mem_free(d->directory);
    mem_free(d);
    return NULL;
}

/* ---- settings ---------------------------------------------------------------------------------------- */

static uint64_t n_slots_of(const struct state_disk *d)
{
    return d->n_slots != NULL ? MAX(atomic_load(d->n_slots), 1u) : 1;
}

/* Managed memory of the worker, unless it is set otherwise: for each of its slots, or else in all. */
static uint64_t memory_of(const struct state_disk *d, const struct conf *conf)
{
    if (conf_has(conf, "state.backend.rocksdb.memory.fixed-per-slot")) {
        return conf_memory(conf, "state.backend.rocksdb.memory.fixed-per-slot") * n_slots_of(d);
    }
    if (conf_has(conf, "state.backend.rocksdb.memory.fixed-per-tm")) {
        return conf_memory(conf, "state.backend.rocksdb.memory.fixed-per-tm");
    }
    uint64_t limit = d->budget != NULL ? atomic_load(&d->budget->limit_bytes) : 0;
    return limit > 0 ? limit : MEMORY_DEFAULT;
}

static bool caches_index(const struct conf *conf)
{
    return conf_bool(conf, "state.backend.rocksdb.memory.partitioned-index-filters");
}

static uint64_t cache_bytes_of(const struct state_disk *d, const struct conf *conf)
{
    double ratio = conf_double(conf, "state.backend.rocksdb.memory.write-buffer-ratio");
    return (uint64_t)((double)memory_of(d, conf) * ratio);
}

/* Files are read through the system's cache; one more makes reads of scattered keys slower, and is there for indexes and
 * filters alone where these are not to be held. */
static uint64_t block_bytes_of(const struct state_disk *d, const struct conf *conf)
{
    if (conf_has(conf, "state.backend.rocksdb.block.cache-size")) {
        return conf_memory(conf, "state.backend.rocksdb.block.cache-size");
    }
    return caches_index(conf) ? memory_of(d, conf) / INDEX_SHARE : 0;
}

/* 0: what is best for reads of single keys. */
static uint32_t block_size_of(const struct conf *conf)
{
    static const char key[] = "state.backend.rocksdb.block.blocksize";
    return conf_has(conf, key) ? (uint32_t)conf_memory(conf, key) : 0;
}

/* 0: as the memory allows. */
static uint64_t file_bytes_of(const struct conf *conf)
{
    const char *key = "state.backend.rocksdb.compaction.level.target-file-size-base";
    return conf_has(conf, key) ? conf_memory(conf, key) : 0;
}

/* LEVEL is what Flink has when nobody says so; here it has to be asked for. */
static enum rocks_compaction compaction_of(const struct conf *conf)
{
    enum { FIRST_IS_LEVEL = 0 };
    static const char key[] = "state.backend.rocksdb.compaction.style";
    return conf_has(conf, key) && conf_enum(conf, key) == FIRST_IS_LEVEL
               ? ROCKS_COMPACTION_LEVEL
               : ROCKS_COMPACTION_UNIVERSAL;
}

static int make_shared(struct state_disk *d, const struct conf *conf, struct error *err)
{
    d->block_bytes = block_bytes_of(d, conf);
    const struct rocks_shared_options options = {
        .cache_bytes = d->block_bytes,
        .block_bytes = block_size_of(conf),
        .file_bytes = file_bytes_of(conf),
        .level_base_bytes =
            conf_memory(conf, "state.backend.rocksdb.compaction.level.max-size-level-base"),
        .compaction = compaction_of(conf),
        .n_threads = (uint32_t)conf_int(conf, "state.backend.rocksdb.thread.num"),
        .filter_bits =
            (uint32_t)conf_double(conf, "state.backend.rocksdb.bloom-filter.bits-per-key"),
        .caches_index = caches_index(conf) && d->block_bytes > 0,
        .index_block_bytes =
            (uint32_t)conf_memory(conf, "state.backend.rocksdb.block.metadata-blocksize"),
        .memory_bytes = memory_of(d, conf),
        .n_arenas = (uint32_t)MIN(n_slots_of(d) + 1, (uint64_t)ARENAS_MAX),
        .budget = d->budget,
    };
    TRY(rocks_shared_new(&options, &d->shared, err));
    if (d->budget != NULL) {
        mem_budget_force(d->budget, d->block_bytes);
    }
    return 0;
}

/* What state.backend.rocksdb.metrics.* asks for, as bits of the table. */
static uint64_t metrics_wanted(const struct conf *conf)
{
    size_t n;
    const struct rocks_metric *table = rocks_metric_table(&n);
    uint64_t wanted = 0;
    for (size_t i = 0; i < n; i++) {
        STR_AUTO key = STR_INIT;
        str_printf(&key, "state.backend.rocksdb.metrics.%s", table[i].option);
        wanted |= (uint64_t)conf_bool(conf, str_cstr(&key)) << i;
    }
    return wanted;
}

/* ---- making ------------------------------------------------------------------------------------------- */

static int make(struct state_disk *d, const struct conf *conf, struct error *err)
{
    if (d->shared != NULL) {
        return 0;
    }
    if (d->directory == NULL) {
        STR_AUTO parent = STR_INIT;
        struct slice all = slice_cstr(conf_string(conf, "io.tmp.dirs")), first = all;
        (void)slice_next(&all, ',', &first);
        str_append_slice(&parent, first);
        TRY(owned_dir_make(&d->made, str_cstr(&parent), "flinc-state", err));
        d->directory = mem_strdup(d->made.path);
    }
    TRY(fs_mkdirs(d->directory, err));
    if (d->executor == NULL) {
        TRY(executor_new(
            &(struct executor_options){.name = "flinc-state", .n_threads = DISK_THREADS},
            &d->executor, err));
    }
    return make_shared(d, conf, err);
}

int state_disk_open(struct state_disk *d, const struct conf *conf, struct keyed_disk **ret_disk,
                    struct error *err)
{
    pthread_mutex_lock(&d->lock);
    int rc = make(d, conf, err);
    if (rc == 0) {
        rocks_shared_set_memory(d->shared, memory_of(d, conf));
    }
    uint64_t number = d->next_folder++;
    pthread_mutex_unlock(&d->lock);
    if (rc < 0) {
        error_context(err, "opening the rocksdb state backend");
        return rc;
    }
    STR_AUTO folder = STR_INIT;
    str_printf(&folder, "%s/op-%" PRIu64, d->directory, number);
    struct open_disk *o = MEM_NEW(struct open_disk);
    o->directory = str_take(&folder);
    o->base = (struct keyed_disk){
        .shared = d->shared,
        .directory = o->directory,
        .executor = d->executor,
        .cache_bytes = cache_bytes_of(d, conf),
        .n_sharing = &d->n_open,
        .n_transfer_threads =
            (uint32_t)conf_int(conf, "state.backend.rocksdb.checkpoint.transfer.thread.num"),
    };
    uint64_t wanted = metrics_wanted(conf);
    if (wanted != 0) {
        o->metrics = o->base.metrics = rocks_metrics_new(wanted);
        o->base.names_states =
            conf_bool(conf, "state.backend.rocksdb.metrics.column-family-as-variable");
        pthread_mutex_lock(&d->open_lock);
        vec_push_ptr(&d->open, o);
        pthread_mutex_unlock(&d->open_lock);
    }
    atomic_fetch_add(&d->n_open, 1);
    *ret_disk = &o->base;
    return 0;
}

struct keyed_disk *state_disk_close(struct state_disk *d, struct keyed_disk *disk)
{
    if (disk != NULL) {
        struct open_disk *o = (struct open_disk *)disk;
        pthread_mutex_lock(&d->open_lock);
        for (size_t i = 0; i < d->open.len; i++) {
            if (vec_ptr(&d->open, i) == o) {
                vec_remove(&d->open, i);
                break;
            }
        }
        pthread_mutex_unlock(&d->open_lock);
        atomic_fetch_sub(&d->n_open, 1);
        rocks_metrics_free(o->metrics);
        mem_free(o->directory);
        mem_free(o);
    }
    return NULL;
}

/* RocksDB looks at counters in memory, and waits for no disk. */
void state_disk_sample(struct state_disk *d)
{
    pthread_mutex_lock(&d->open_lock);
    for (size_t i = 0; i < d->open.len; i++) {
        rocks_metrics_sample(((struct open_disk *)vec_ptr(&d->open, i))->metrics);
    }
    pthread_mutex_unlock(&d->open_lock);
}
