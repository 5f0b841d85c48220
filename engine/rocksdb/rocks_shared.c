/* Cache, threads and options.  Thread: any; counted by an atomic. */
#include "engine/rocksdb/rocks_inside.h"

#include "common/base/clock.h"
#include "common/base/mem_heap.h"

#include <stdatomic.h>

enum {
    LOG_LEVEL_FATAL = 4,
    NO_COMPRESSION = 0,
    FORMAT_VERSION = 5,
    CHECKSUM_XXH3 = 4,
    WRITE_BUFFER_BYTES = 64 * 1024, /* nothing ever goes through it */
    RUNS_TILL_COMPACTION = 12,
    STYLE_UNIVERSAL = 1,
    SIZE_RATIO_PERCENT =
        50, /* runs are merged with the next older one unless it is so much larger */
    EXTRA_PERCENT =
        50, /* of the oldest run, that the others may have together until all are merged */
    RUNS_SLOW = 28,
    RUNS_STOP = 44,
    INDEX_RESTARTS =
        4, /* entries of an index that share beginnings: half of the memory of entries on their own, at no cost that shows */
    ARENAS = 2,
    FILE_SHARE =
        4, /* of the memory, of a file: one in so many; compactions hold 8 bytes of each of its keys */
    SPARE_SHARE =
        4, /* of it for what RocksDB does, pages of its code, and what malloc keeps: one in so many, */
    FORGET_SHARE = 64, /* what was held goes from what is expected at so many looks, about */
    TRIM_EVERY_NS = 500 * 1000 * 1000,
    TRIM_SHARE = 50,
    BLOCK_BYTES = 2048, /* half of what RocksDB has: a read takes a block as a whole */
    INDEX_PART_BYTES = 4096,
    OWN_CACHE_SHARE = 64, /* of the memory for RocksDB's own reads: one in so many, */
    BUDGET_SHARE = 4, /* of it that index and filters take of the budget at most: one in so many */
};
#define FILE_BYTES_MAX (UINT64_C(64) << 20)
#define FILE_BYTES_MIN (UINT64_C(4) << 20)
#define OWN_CACHE_MAX (UINT64_C(1) << 20)  /* but no more, */
#define OWN_CACHE_MIN (UINT64_C(64) << 10) /* and no less */
#define SPARE_MAX (UINT64_C(16) << 20)     /* but no more */

/* What is 0 becomes the default. */
static void apply_defaults(struct rocks_shared_options *o)
{
    o->block_bytes = o->block_bytes != 0 ? o->block_bytes : BLOCK_BYTES;
    o->index_block_bytes = o->index_block_bytes != 0 ? o->index_block_bytes : 4096;
    if (o->file_bytes == 0) {
        uint64_t share = MAX(o->memory_bytes / FILE_SHARE, FILE_BYTES_MIN);
        o->file_bytes = o->memory_bytes > 0 ? MIN(share, FILE_BYTES_MAX) : FILE_BYTES_MAX;
    }
    o->n_arenas = o->n_arenas != 0 ? o->n_arenas : ARENAS;
    o->level_base_bytes = o->level_base_bytes != 0 ? o->level_base_bytes : UINT64_C(256) << 20;
    o->n_threads = o->n_threads != 0 ? o->n_threads : 2;
    o->filter_bits = o->filter_bits != 0 ? o->filter_bits : 10;
}

/* Read when they are needed, and kept while there is room: the index of the parts alone is held. */
static void set_index_in_cache(const struct rocks_shared *s,
                               rocksdb_block_based_table_options_t *table, uint32_t part_bytes)
{
    const struct rocks_api *api = s->api;
    ASSERT(s->cache != NULL);
    api->block_based_options_set_index_type(
        table, rocksdb_block_based_table_index_type_two_level_index_search);
    api->block_based_options_set_partition_filters(table, 1);
    api->block_based_options_set_metadata_block_size(table, part_bytes);
    api->block_based_options_set_cache_index_and_filter_blocks(table, 1);
    api->block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    api->block_based_options_set_pin_top_level_index_and_filter(table, 1);
}

/* Who reads without RocksDB holds index and filters, too: RocksDB has of them what its iterators need, a part of an index at a
 * time. */
static void set_index_elsewhere(const struct rocks_api *api,
                                rocksdb_block_based_table_options_t *table)
{
    api->block_based_options_set_index_type(
        table, rocksdb_block_based_table_index_type_two_level_index_search);
    api->block_based_options_set_metadata_block_size(table, INDEX_PART_BYTES);
    api->block_based_options_set_cache_index_and_filter_blocks(table, 1);
    api->block_based_options_set_pin_top_level_index_and_filter(table, 1);
}

static void set_compaction(const struct rocks_api *api, enum rocks_compaction how,
                           rocksdb_options_t *db)
{
    if (how == ROCKS_COMPACTION_UNIVERSAL) {
        rocksdb_universal_compaction_options_t *u = api->universal_compaction_options_create();
        api->universal_compaction_options_set_size_ratio(u, SIZE_RATIO_PERCENT);
        api->universal_compaction_options_set_max_size_amplification_percent(u, EXTRA_PERCENT);
        api->options_set_compaction_style(db, STYLE_UNIVERSAL);
        api->options_set_universal_compaction_options(db, u);
        api->universal_compaction_options_destroy(u);
    }
    api->options_set_level0_file_num_compaction_trigger(db, RUNS_TILL_COMPACTION);
    api->options_set_level0_slowdown_writes_trigger(db, RUNS_SLOW);
    api->options_set_level0_stop_writes_trigger(db, RUNS_STOP);
}

static rocksdb_options_t *make_options(const struct rocks_shared *s,
                                       const struct rocks_shared_options *o)
{
    const struct rocks_api *api = s->api;
    rocksdb_block_based_table_options_t *table = api->block_based_options_create();
    rocksdb_options_t *db = api->options_create();

    if (s->cache != NULL) {
        api->block_based_options_set_block_cache(table, s->cache);
    } else {
        api->block_based_options_set_no_block_cache(table, 1);
    }
    api->block_based_options_set_checksum(table, CHECKSUM_XXH3);
    api->block_based_options_set_block_size(table, o->block_bytes);
    api->block_based_options_set_filter_policy(table,
                                               api->filterpolicy_create_bloom_full(o->filter_bits));
    api->block_based_options_set_format_version(table, FORMAT_VERSION);
    api->block_based_options_set_index_block_restart_interval(table, INDEX_RESTARTS);
    if (s->reads_here) {
        set_index_elsewhere(api, table);
    } else if (o->caches_index) {
        set_index_in_cache(s, table, o->index_block_bytes);
    }
    api->options_set_block_based_table_factory(db, table);
    api->block_based_options_destroy(table);

    api->options_set_create_if_missing(db, 1);
    api->options_set_paranoid_checks(db, 1);
    api->options_set_compression(db, NO_COMPRESSION);
    api->options_set_write_buffer_size(db, WRITE_BUFFER_BYTES);
    api->options_set_target_file_size_base(db, o->file_bytes);
    api->options_set_max_bytes_for_level_base(db, o->level_base_bytes);
    set_compaction(api, o->compaction, db);
    api->options_set_max_background_jobs(db, (int)o->n_threads);
    api->options_set_max_open_files(db, -1);
    api->options_set_info_log_level(db, LOG_LEVEL_FATAL);
    api->options_set_keep_log_file_num(db, 1);
    return db;
}

static uint64_t own_cache_bytes(const struct rocks_shared_options *o)
{
    uint64_t share = MAX(o->memory_bytes / OWN_CACHE_SHARE, OWN_CACHE_MIN);
    return o->memory_bytes > 0 ? MIN(share, OWN_CACHE_MAX) : OWN_CACHE_MAX;
}

int rocks_shared_new(const struct rocks_shared_options *options, struct rocks_shared **ret_shared,
                     struct error *err)
{
    const struct rocks_api *api = NULL;
    struct rocks_shared_options o = *options;

    TRY(rocks_api_load(&api, err));
    apply_defaults(&o);
    mem_heap_keep_tight(o.n_arenas);
    struct rocks_shared *s = MEM_NEW(struct rocks_shared);
    atomic_init(&s->n_refs, 1);
    s->api = api;
    atomic_init(&s->memory_bytes, o.memory_bytes);
    atomic_init(&s->expected_bytes, 0);
    atomic_init(&s->next_trim_ns, 0);
    s->budget = o.budget;
    pthread_mutex_init(&s->held_lock, NULL);
    atomic_init(&s->held_bytes, 0);
    s->reads_here = o.cache_bytes == 0 && o.reads != ROCKS_READS_THROUGH;
    uint64_t cache_bytes = s->reads_here ? own_cache_bytes(&o) : o.cache_bytes;
    s->cache = cache_bytes > 0 ? api->cache_create_lru(cache_bytes) : NULL;
    s->block_bytes = o.cache_bytes; /* its own is of what is spared for RocksDB's work */
    s->env = api->create_default_env();
    api->env_set_background_threads(s->env, (int)o.n_threads);
    s->options = make_options(s, &o);
    s->file_options = api->envoptions_create();
    s->ingest = api->ingestexternalfileoptions_create();
    api->ingestexternalfileoptions_set_move_files(s->ingest, 1);
    *ret_shared = s;
    return 0;
}

struct rocks_shared *rocks_shared_ref(struct rocks_shared *s)
{
    atomic_fetch_add(&s->n_refs, 1);
    return s;
}

struct rocks_shared *rocks_shared_unref(struct rocks_shared *s)
{
    if (s != NULL && atomic_fetch_sub(&s->n_refs, 1) == 1) {
        s->api->ingestexternalfileoptions_destroy(s->ingest);
        s->api->envoptions_destroy(s->file_options);
        s->api->options_destroy(s->options);
        s->api->env_destroy(s->env);
        if (s->cache != NULL) {
            s->api->cache_destroy(s->cache);
        }
        pthread_mutex_destroy(&s->held_lock);
        mem_free(s);
    }
    return NULL;
}

/* ---- memory ---------------------------------------------------------------------------------------- */

void rocks_shared_note_held(struct rocks_shared *s, uint64_t before, uint64_t now)
{
    pthread_mutex_lock(&s->held_lock);
    uint64_t held = atomic_load(&s->held_bytes) - before + now;
    uint64_t expected = atomic_load(&s->expected_bytes);
    expected = expected > held ? expected - (expected - held) / FORGET_SHARE : held;
    atomic_store(&s->held_bytes, held);
    atomic_store(&s->expected_bytes, expected);
    if (s->budget != NULL) {
        /* No more: whoever keeps state in memory needs some, too. */
        uint64_t taken = MIN(held, atomic_load(&s->memory_bytes) / BUDGET_SHARE);
        if (taken > s->taken_bytes) {
            mem_budget_force(s->budget, taken - s->taken_bytes);
        } else {
            mem_budget_give(s->budget, s->taken_bytes - taken);
        }
        s->taken_bytes = taken;
    }
    pthread_mutex_unlock(&s->held_lock);
}

uint64_t rocks_shared_held_bytes(const struct rocks_shared *s)
{
    return atomic_load(&s->held_bytes);
}

uint64_t rocks_shared_left_bytes(const struct rocks_shared *s)
{
    uint64_t memory = atomic_load_explicit(&s->memory_bytes, memory_order_relaxed);
    uint64_t expected = atomic_load_explicit(&s->expected_bytes, memory_order_relaxed);
    if (memory == 0) {
        return UINT64_MAX;
    }
    uint64_t left = memory - MIN(memory / SPARE_SHARE, SPARE_MAX), held = expected + s->block_bytes;
    return left - MIN(held, left);
}

void rocks_shared_trim(struct rocks_shared *s)
{
    int64_t now = clock_monotonic_ns(&clock_system), next = atomic_load(&s->next_trim_ns);
    if (now < next ||
        !atomic_compare_exchange_strong(&s->next_trim_ns, &next, now + TRIM_EVERY_NS)) {
        return;
    }
    mem_heap_trim();
    int64_t took = clock_monotonic_ns(&clock_system) - now;
    atomic_store(&s->next_trim_ns, now + MAX((int64_t)TRIM_EVERY_NS, took * TRIM_SHARE));
}

void rocks_shared_set_memory(struct rocks_shared *s, uint64_t memory_bytes)
{
    atomic_store(&s->memory_bytes, memory_bytes);
}

uint64_t rocks_shared_cache_bytes(const struct rocks_shared *s)
{
    return s->cache != NULL ? s->api->cache_get_usage(s->cache) : 0;
}
