/* The database of the hand-written loop: options, the keys it begins with, reads and writes of a batch. */
#ifndef FLINC_BENCH_ROCKSDB_LIMIT_STORE_H
#define FLINC_BENCH_ROCKSDB_LIMIT_STORE_H

#include "bench/rocksdb/limit_options.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include <rocksdb/c.h>

enum { LIMIT_BATCH_MAX = 1 << 16 };

struct limit_store {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *column;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read_options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_writebatch_t *writes;
    rocksdb_cache_t *blocks; /* or NULL */
    bool is_sorted;
    char keys[LIMIT_BATCH_MAX][8];
    const char *key_list[LIMIT_BATCH_MAX];
    size_t key_sizes[LIMIT_BATCH_MAX];
    rocksdb_pinnableslice_t *values[LIMIT_BATCH_MAX];
    char *errors[LIMIT_BATCH_MAX];
};

static inline void limit_check(char *error, const char *what)
{
    if (error != NULL) {
        fprintf(stderr, "bench_rocksdb_limit: %s: %s\n", what, error);
        exit(1);
    }
}

static inline void limit_key(char *to, uint64_t key)
{
    key = __builtin_bswap64(key);
    memcpy(to, &key, sizeof(key));
}

/* ---- options ----------------------------------------------------------------------------------- */

static inline void limit_table_options(struct limit_store *s, const struct limit_options *o)
{
    static const char *const filters[] = {"none", "bloom", "ribbon", NULL};
    static const char *const checksums[] = {"none", "crc32c", "xxh", "xxh64", "xxh3", NULL};
    static const char *const indexes[] = {"held", "cached", "partitioned", NULL};
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    int filter = limit_choice("filter", o->filter, filters);
    int index = limit_choice("index", o->index, indexes);

    s->blocks = NULL;
    if (o->block_cache_mb > 0) {
        s->blocks = rocksdb_cache_create_lru(o->block_cache_mb << 20);
        rocksdb_block_based_options_set_block_cache(t, s->blocks);
    } else {
        rocksdb_block_based_options_set_no_block_cache(t, 1);
    }
    if (filter != 0) {
        double bits = (double)o->filter_bits;
        rocksdb_block_based_options_set_filter_policy(
            t, filter == 1 ? rocksdb_filterpolicy_create_bloom_full(bits)
                           : rocksdb_filterpolicy_create_ribbon(bits));
    }
    rocksdb_block_based_options_set_checksum(
        t, (char)limit_choice("checksum", o->checksum, checksums));
    rocksdb_block_based_options_set_block_size(t, o->block_bytes);
    rocksdb_block_based_options_set_block_restart_interval(t, (int)o->restart_interval);
    rocksdb_block_based_options_set_format_version(t, (int)o->format);
    if (o->hash_index) {
        rocksdb_block_based_options_set_data_block_index_type(t, 1);
    }
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, index != 0);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
    if (index == 2) {
        rocksdb_block_based_options_set_index_type(
            t, rocksdb_block_based_table_index_type_two_level_index_search);
        rocksdb_block_based_options_set_partition_filters(t, 1);
        rocksdb_block_based_options_set_pin_top_level_index_and_filter(t, 1);
    }
    rocksdb_options_set_block_based_table_factory(s->options, t);
    rocksdb_block_based_options_destroy(t);
}

static inline void limit_make_options(struct limit_store *s, const struct limit_options *o)
{
    static const char *const accesses[] = {"pread", "mmap", "direct", NULL};
    static const char *const styles[] = {"level", "universal", NULL};
    int access = limit_choice("access", o->access, accesses);

    s->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(s->options, 1);
    rocksdb_options_set_error_if_exists(s->options, 1);
    rocksdb_options_set_compression(s->options, 0);
    rocksdb_options_set_write_buffer_size(s->options, o->write_buffer_mb << 20);
    rocksdb_options_set_max_write_buffer_number(s->options, (int)o->write_buffers);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(s->options,
                                                         (double)o->memtable_filter / 100);
    rocksdb_options_set_memtable_whole_key_filtering(s->options, o->memtable_filter > 0);
    rocksdb_options_set_target_file_size_base(s->options, o->file_mb << 20);
    rocksdb_options_set_max_background_jobs(s->options, (int)o->threads);
    rocksdb_options_set_max_open_files(s->options, -1);
    rocksdb_options_set_info_log_level(s->options, 4);
    rocksdb_options_set_allow_concurrent_memtable_write(s->options, 0);
    rocksdb_options_set_allow_mmap_reads(s->options, access == 1);
    rocksdb_options_set_use_direct_reads(s->options, access == 2);
    rocksdb_options_set_optimize_filters_for_hits(s->options, (int)o->filters_for_hits);
    rocksdb_options_set_compaction_style(s->options,
                                         limit_choice("compaction", o->compaction, styles));
    if (o->row_cache_mb > 0) {
        rocksdb_options_set_row_cache(s->options, rocksdb_cache_create_lru(o->row_cache_mb << 20));
    }
    limit_table_options(s, o);
    if (o->text != NULL) {
        char *error = NULL;
        rocksdb_options_t *all = rocksdb_options_create();
        rocksdb_get_options_from_string(s->options, o->text, all, &error);
        limit_check(error, "--rocksdb");
        rocksdb_options_destroy(s->options);
        s->options = all;
    }
}

/* ---- life -------------------------------------------------------------------------------------- */

/* A file of keys with a count of 0, while it has less than its size: one in `every` keys from *inout_next on. */
static inline void limit_fill_file(struct limit_store *s, const struct limit_options *o,
                                   uint64_t every, struct rng *rng, uint64_t *inout_next)
{
    rocksdb_envoptions_t *env = rocksdb_envoptions_create();
    rocksdb_ingestexternalfileoptions_t *how = rocksdb_ingestexternalfileoptions_create();
    rocksdb_sstfilewriter_t *w = rocksdb_sstfilewriter_create(env, s->options);
    char path[4096], key[8], zero[8] = {0}, *error = NULL;
    const char *list[] = {path};
    uint64_t i = *inout_next, bytes = 0;

    rocksdb_ingestexternalfileoptions_set_move_files(how, 1);
    snprintf(path, sizeof(path), "%s.fill", o->directory);
    rocksdb_sstfilewriter_open(w, path, &error);
    limit_check(error, "filling");
    for (uint64_t n = 0; i < o->keys && bytes < o->file_mb << 20; n++) {
        limit_key(key, i);
        rocksdb_sstfilewriter_put(w, key, sizeof(key), zero, sizeof(zero), &error);
        limit_check(error, "filling");
        if (n % 4096 == 0) {
            rocksdb_sstfilewriter_file_size(w, &bytes);
        }
        i += every > 1 ? 1 + rng_below(rng, 2 * every - 1) : 1;
    }
    rocksdb_sstfilewriter_finish(w, &error);
    limit_check(error, "filling");
    rocksdb_ingest_external_file_cf(s->db, s->column, list, 1, how, &error);
    limit_check(error, "filling");
    rocksdb_sstfilewriter_destroy(w);
    rocksdb_ingestexternalfileoptions_destroy(how);
    rocksdb_envoptions_destroy(env);
    *inout_next = i;
}

/* Every key, as files of the last level; then runs of some of them. */
static inline void limit_fill(struct limit_store *s, const struct limit_options *o)
{
    struct rng rng;
    rng_init(&rng, o->seed);
    for (uint64_t next = 0; next < o->keys;) {
        limit_fill_file(s, o, 1, &rng, &next);
    }
    for (uint64_t run = 0; run < o->runs; run++) {
        uint64_t next = rng_below(&rng, o->keys / 2 / o->run_entries + 1);
        limit_fill_file(s, o, o->keys / o->run_entries, &rng, &next);
    }
}

static inline struct limit_store *limit_store_open(const struct limit_options *o)
{
    struct limit_store *s = MEM_NEW(struct limit_store);
    const char *name = "default";
    const rocksdb_options_t *options[1];
    char *error = NULL;
    limit_make_options(s, o);
    options[0] = s->options;
    s->db = rocksdb_open_column_families(s->options, o->directory, 1, &name, options, &s->column,
                                         &error);
    limit_check(error, "opening");
    s->read_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(s->read_options, !o->no_verify);
    s->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(s->write_options, 1);
    s->writes = rocksdb_writebatch_create();
    s->is_sorted = !o->unsorted;
    for (uint32_t i = 0; i < LIMIT_BATCH_MAX; i++) {
        s->key_list[i] = s->keys[i];
        s->key_sizes[i] = sizeof(s->keys[i]);
    }
    limit_fill(s, o);
    return s;
}

static inline void limit_store_close(struct limit_store *s, const struct limit_options *o)
{
    char *error = NULL;
    rocksdb_writebatch_destroy(s->writes);
    rocksdb_readoptions_destroy(s->read_options);
    rocksdb_writeoptions_destroy(s->write_options);
    rocksdb_column_family_handle_destroy(s->column);
    rocksdb_close(s->db);
    rocksdb_destroy_db(s->options, o->directory, &error);
    limit_check(error, "deleting");
    rocksdb_options_destroy(s->options);
    if (s->blocks != NULL) {
        rocksdb_cache_destroy(s->blocks);
    }
    mem_free(s);
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* The counts of n keys in ascending order. */
static inline void limit_store_read(struct limit_store *s, const uint64_t *keys, uint32_t n,
                                    int64_t *ret_counts)
{
    for (uint32_t i = 0; i < n; i++) {
        limit_key(s->keys[i], keys[i]);
    }
    rocksdb_batched_multi_get_cf(s->db, s->read_options, s->column, n, s->key_list, s->key_sizes,
                                 s->values, s->errors, s->is_sorted);
    for (uint32_t i = 0; i < n; i++) {
        size_t size = 0;
        limit_check(s->errors[i], "reading");
        const char *value = rocksdb_pinnableslice_value(s->values[i], &size);
        ASSERT(value != NULL && size == sizeof(int64_t));
        memcpy(&ret_counts[i], value, sizeof(int64_t));
        rocksdb_pinnableslice_destroy(s->values[i]);
    }
}

static inline void limit_store_put(struct limit_store *s, uint64_t key, int64_t count)
{
    char bytes[8];
    limit_key(bytes, key);
    rocksdb_writebatch_put_cf(s->writes, s->column, bytes, sizeof(bytes), (const char *)&count,
                              sizeof(count));
}

static inline void limit_store_write(struct limit_store *s)
{
    char *error = NULL;
    rocksdb_write(s->db, s->write_options, s->writes, &error);
    limit_check(error, "writing");
    rocksdb_writebatch_clear(s->writes);
}

/* The sum of all counts. */
static inline int64_t limit_store_sum(struct limit_store *s)
{
    int64_t sum = 0;
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(s->db, s->read_options, s->column);
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t size = 0;
        int64_t count = 0;
        memcpy(&count, rocksdb_iter_value(it, &size), sizeof(count));
        sum += count;
    }
    rocksdb_iter_destroy(it);
    return sum;
}

#endif
