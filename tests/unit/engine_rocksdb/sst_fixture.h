/* Sorted files written by RocksDB itself, with the options of a test. */
#ifndef FLINC_TESTS_ENGINE_ROCKSDB_SST_FIXTURE_H
#define FLINC_TESTS_ENGINE_ROCKSDB_SST_FIXTURE_H

#include "engine/rocksdb/rocks_api.h"
#include "engine/rocksdb/sst_file.h"
#include "tests/unit/engine_rocksdb/fixture.h"

enum { CRC32C = 1, XXH3 = 4 };

struct sst_maker {
    const struct rocks_api *api;
    rocksdb_options_t *options;
    rocksdb_envoptions_t *file_options;
    rocksdb_sstfilewriter_t *writer;
    char path[200];
};

struct sst_style {
    int checksum;       /* 0: XXH3 */
    int format_version; /* 0: 5 */
    int two_levels;
    size_t block_bytes; /* 0: 256 */
};

static inline void sst_make_begin(struct sst_maker *m, const struct place *p,
                                  struct sst_style style)
{
    char *text = NULL;
    assert_ok(rocks_api_load(&m->api, &err));
    rocksdb_block_based_table_options_t *t = m->api->block_based_options_create();
    m->api->block_based_options_set_checksum(t, style.checksum != 0 ? (char)style.checksum : XXH3);
    m->api->block_based_options_set_format_version(
        t, style.format_version != 0 ? style.format_version : 5);
    m->api->block_based_options_set_block_size(t, style.block_bytes > 0 ? style.block_bytes : 256);
    m->api->block_based_options_set_filter_policy(t, m->api->filterpolicy_create_bloom_full(10));
    if (style.two_levels) {
        m->api->block_based_options_set_index_type(
            t, rocksdb_block_based_table_index_type_two_level_index_search);
        m->api->block_based_options_set_metadata_block_size(t, 256);
    }
    m->options = m->api->options_create();
    m->api->options_set_compression(m->options, 0);
    m->api->options_set_block_based_table_factory(m->options, t);
    m->api->block_based_options_destroy(t);
    m->file_options = m->api->envoptions_create();
    m->writer = m->api->sstfilewriter_create(m->file_options, m->options);
    snprintf(m->path, sizeof(m->path), "%s/made.sst", p->folder);
    m->api->sstfilewriter_open(m->writer, m->path, &text);
    assert_null(text);
}

static inline void sst_make_put(struct sst_maker *m, struct rocks_bytes key,
                                struct rocks_bytes value)
{
    char *text = NULL;
    m->api->sstfilewriter_put(m->writer, key.data, key.size, value.data, value.size, &text);
    assert_null(text);
}

static inline void sst_make_end(struct sst_maker *m)
{
    char *text = NULL;
    m->api->sstfilewriter_finish(m->writer, &text);
    assert_null(text);
    m->api->sstfilewriter_destroy(m->writer);
    m->api->envoptions_destroy(m->file_options);
    m->api->options_destroy(m->options);
}

/* What is found of a key from the file's fences and filter on. */
static inline enum sst_found sst_look_up(const struct sst_file *f, struct rocks_bytes key,
                                         struct sst_page *page, struct sst_hit *ret_hit)
{
    struct sst_key k = sst_key_of(key.data, key.size);
    enum sst_found found = SST_FOUND_NONE;
    struct slice bytes = slice_make(key.data, key.size);
    if (slice_compare(bytes, str_slice(&f->least)) < 0 ||
        slice_compare(bytes, str_slice(&f->greatest)) > 0) {
        return found;
    }
    if (key.size <= SST_HASHED_MAX) {
        k.hash = sst_filter_hash(key.data, key.size);
        if (!sst_filter_may_have(&f->filter, k.hash)) {
            return found;
        }
    }
    assert_ok(
        sst_file_find(f, &k, sst_fences_find(&f->fences, &k, 0), page, &found, ret_hit, &err));
    return found == SST_FOUND_PAST ? SST_FOUND_NONE : found;
}

#endif
