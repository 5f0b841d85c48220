/* Cache, threads and options.  Thread: any; counted by an atomic. */
#include "engine/rocksdb/rocks_inside.h"

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
};

/* What is 0 becomes the default. */
static void apply_defaults(struct rocks_shared_options *o)
{
    o->block_bytes = o->block_bytes != 0 ? o->block_bytes : 4096;
    o->file_bytes = o->file_bytes != 0 ? o->file_bytes : UINT64_C(64) << 20;
    o->level_base_bytes = o->level_base_bytes != 0 ? o->level_base_bytes : UINT64_C(256) << 20;
    o->n_threads = o->n_threads != 0 ? o->n_threads : 2;
    o->filter_bits = o->filter_bits != 0 ? o->filter_bits : 10;
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

int rocks_shared_new(const struct rocks_shared_options *options, struct rocks_shared **ret_shared,
                     struct error *err)
{
    const struct rocks_api *api = NULL;
    struct rocks_shared_options o = *options;

    TRY(rocks_api_load(&api, err));
    apply_defaults(&o);
    struct rocks_shared *s = MEM_NEW(struct rocks_shared);
    atomic_init(&s->n_refs, 1);
    s->api = api;
    s->cache = o.cache_bytes > 0 ? api->cache_create_lru(o.cache_bytes) : NULL;
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
        mem_free(s);
    }
    return NULL;
}

uint64_t rocks_shared_cache_bytes(const struct rocks_shared *s)
{
    return s->cache != NULL ? s->api->cache_get_usage(s->cache) : 0;
}
