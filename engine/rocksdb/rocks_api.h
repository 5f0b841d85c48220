/* Inside the room: librocksdb, loaded on first use and kept, as a struct of its C functions.  Nothing links
 * it, so that processes without RocksDB state neither need it nor pay for its start.  Thread: any. */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_API_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_API_H

#include "common/base/error.h"

#include <rocksdb/c.h>

/* X(function without "rocksdb_"); the first list is part of the second. */
#define ROCKS_UNIVERSAL_FUNCTIONS(X)                                   \
    X(options_set_compaction_style)                                    \
    X(options_set_universal_compaction_options)                        \
    X(universal_compaction_options_create)                             \
    X(universal_compaction_options_destroy)                            \
    X(universal_compaction_options_set_max_size_amplification_percent) \
    X(universal_compaction_options_set_size_ratio)
#define ROCKS_FUNCTIONS(X)                                                      \
    X(batched_multi_get_cf)                                                     \
    X(block_based_options_create)                                               \
    X(block_based_options_destroy)                                              \
    X(block_based_options_set_checksum)                                         \
    X(block_based_options_set_no_block_cache)                                   \
    X(block_based_options_set_block_cache)                                      \
    X(block_based_options_set_block_restart_interval)                           \
    X(block_based_options_set_block_size)                                       \
    X(block_based_options_set_filter_policy)                                    \
    X(block_based_options_set_format_version)                                   \
    X(block_based_options_set_cache_index_and_filter_blocks)                    \
    X(block_based_options_set_cache_index_and_filter_blocks_with_high_priority) \
    X(block_based_options_set_index_block_restart_interval)                     \
    X(block_based_options_set_index_type)                                       \
    X(block_based_options_set_metadata_block_size)                              \
    X(block_based_options_set_partition_filters)                                \
    X(block_based_options_set_pin_top_level_index_and_filter)                   \
    X(cache_create_lru)                                                         \
    X(cache_destroy)                                                            \
    X(cache_get_usage)                                                          \
    X(checkpoint_create)                                                        \
    X(checkpoint_object_create)                                                 \
    X(checkpoint_object_destroy)                                                \
    X(close)                                                                    \
    X(column_family_handle_destroy)                                             \
    X(compact_range)                                                            \
    X(compactionfilter_create)                                                  \
    X(compactionfilter_destroy)                                                 \
    X(create_default_env)                                                       \
    X(create_iterator)                                                          \
    X(delete_file_in_range)                                                     \
    X(env_destroy)                                                              \
    X(env_set_background_threads)                                               \
    X(envoptions_create)                                                        \
    X(envoptions_destroy)                                                       \
    X(filterpolicy_create_bloom_full)                                           \
    X(free)                                                                     \
    X(ingest_external_file)                                                     \
    X(ingestexternalfileoptions_create)                                         \
    X(ingestexternalfileoptions_destroy)                                        \
    X(ingestexternalfileoptions_set_move_files)                                 \
    X(iter_destroy)                                                             \
    X(iter_get_error)                                                           \
    X(iter_key)                                                                 \
    X(iter_next)                                                                \
    X(iter_seek)                                                                \
    X(iter_valid)                                                               \
    X(iter_value)                                                               \
    X(livefiles)                                                                \
    X(livefiles_count)                                                          \
    X(livefiles_destroy)                                                        \
    X(livefiles_largestkey)                                                     \
    X(livefiles_level)                                                          \
    X(livefiles_name)                                                           \
    X(livefiles_smallestkey)                                                    \
    X(open_column_families)                                                     \
    X(options_create)                                                           \
    X(options_create_copy)                                                      \
    X(options_destroy)                                                          \
    X(options_enable_statistics)                                                \
    X(options_set_block_based_table_factory)                                    \
    X(options_set_compaction_filter)                                            \
    X(options_set_compression)                                                  \
    X(options_set_create_if_missing)                                            \
    X(options_set_error_if_exists)                                              \
    X(options_set_info_log_level)                                               \
    X(options_set_keep_log_file_num)                                            \
    X(options_set_level0_file_num_compaction_trigger)                           \
    X(options_set_level0_slowdown_writes_trigger)                               \
    X(options_set_level0_stop_writes_trigger)                                   \
    X(options_set_max_background_jobs)                                          \
    X(options_set_max_bytes_for_level_base)                                     \
    X(options_set_max_open_files)                                               \
    X(options_set_paranoid_checks)                                              \
    X(options_set_target_file_size_base)                                        \
    X(options_set_write_buffer_size)                                            \
    X(options_statistics_get_string)                                            \
    X(pinnableslice_destroy)                                                    \
    X(pinnableslice_value)                                                      \
    X(property_int)                                                             \
    X(readoptions_create)                                                       \
    X(readoptions_destroy)                                                      \
    X(readoptions_set_fill_cache)                                               \
    X(readoptions_set_iterate_upper_bound)                                      \
    X(sstfilewriter_create)                                                     \
    X(sstfilewriter_delete)                                                     \
    X(sstfilewriter_delete_range)                                               \
    X(sstfilewriter_destroy)                                                    \
    X(sstfilewriter_file_size)                                                  \
    X(sstfilewriter_finish)                                                     \
    X(sstfilewriter_open)                                                       \
    X(sstfilewriter_put)                                                        \
    ROCKS_UNIVERSAL_FUNCTIONS(X)

struct rocks_api {
#define ROCKS_MEMBER(name) __typeof__(&rocksdb_##name) name;
    ROCKS_FUNCTIONS(ROCKS_MEMBER)
#undef ROCKS_MEMBER
};

/* ERR_UNAVAILABLE: the library is not installed. */
int rocks_api_load(const struct rocks_api **ret_api, struct error *err) MUST_CHECK;
/* What RocksDB says, with `what` (a sentence's beginning) in front; frees `take_text`.  ERR_CORRUPT,
 * ERR_NO_SPACE or ERR_IO; 0 when `take_text` is NULL. */
int rocks_check(const struct rocks_api *api, char *take_text, const char *what,
                struct error *err) MUST_CHECK;

#endif
