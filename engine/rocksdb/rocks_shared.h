/* What all stores of a process share: one cache of blocks, RocksDB's threads, and the shape of files.
 *
 * Thread: any.  Flink: RocksDBSharedResources, state.backend.rocksdb.memory.managed. */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_SHARED_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_SHARED_H

#include "common/base/error.h"

#include "common/base/mem.h"

struct rocks_shared;

/* How runs become fewer.  UNIVERSAL: by merging those of about the same size, so that an entry is rewritten a few times
 * only; the files have up to half more than what is live.  LEVEL: a dozen of runs with the level below, which is mostly all of it. */
enum rocks_compaction { ROCKS_COMPACTION_UNIVERSAL, ROCKS_COMPACTION_LEVEL };

/* Who finds keys in files.  HERE: this room (rocks_reader.h), unless there is a cache of blocks, which is RocksDB's. */
enum rocks_reads { ROCKS_READS_HERE, ROCKS_READS_THROUGH };

/* 0: the default that is named. */
struct rocks_shared_options {
    uint64_t cache_bytes; /* of blocks; none: what the system keeps of files is one already */
    uint32_t block_bytes; /* state.backend.rocksdb.block.blocksize; 2 KB */
    uint64_t
        file_bytes; /* state.backend.rocksdb.compaction.level.target-file-size-base; 64 MB, less with little memory */
    uint64_t
        level_base_bytes; /* state.backend.rocksdb.compaction.level.max-size-level-base; 256 MB */
    enum rocks_compaction compaction; /* state.backend.rocksdb.compaction.style; UNIVERSAL */
    uint32_t n_threads;               /* state.backend.rocksdb.thread.num; 2 */
    uint32_t filter_bits;             /* of a key in a file's filter; 10 */
    bool
        caches_index; /* state.backend.rocksdb.memory.partitioned-index-filters: in parts in the cache of blocks, which there must be */
    uint32_t
        index_block_bytes; /* state.backend.rocksdb.block.metadata-blocksize: of such a part; 4 KB */
    enum rocks_reads reads;
    uint64_t memory_bytes; /* that all of state on disk may have, in this process; 0: unknown */
    uint32_t n_arenas;     /* of malloc, for the process (mem_heap_keep_tight()); 2 */
    struct mem_budget *
        budget; /* Borrows: index and filters are taken from it, up to a quarter of memory_bytes; may be NULL */
};
/* Loads RocksDB.  ERR_UNAVAILABLE: it is not installed. */
int rocks_shared_new(const struct rocks_shared_options *options, struct rocks_shared **ret_shared,
                     struct error *err) MUST_CHECK;
struct rocks_shared *rocks_shared_ref(struct rocks_shared *s);
/* NULL is fine; returns NULL. */
struct rocks_shared *rocks_shared_unref(struct rocks_shared *s);
uint64_t rocks_shared_cache_bytes(const struct rocks_shared *s); /* in use */
uint64_t
rocks_shared_held_bytes(const struct rocks_shared
                            *s); /* of index and filters of open files, when it was last written */
/* Of memory_bytes, beside what is held and what RocksDB's work needs, for tables and pieces; UINT64_MAX: they are unknown. */
uint64_t rocks_shared_left_bytes(const struct rocks_shared *s);
/* When a worker has more slots. */
void rocks_shared_set_memory(struct rocks_shared *s, uint64_t memory_bytes);

#endif
