/* Inside the room. */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_INSIDE_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_INSIDE_H

#include "common/base/str.h"
#include "engine/rocksdb/rocks_api.h"
#include "engine/rocksdb/rocks_store.h"

#include <pthread.h>
#include <stdatomic.h>

struct rocks_shared {
    const struct rocks_api *api;
    atomic_uint n_refs;
    rocksdb_cache_t *cache; /* NULL: none */
    bool reads_here;        /* keys are read without RocksDB (rocks_reader.h) */
    uint64_t block_bytes;   /* of it at most */
    rocksdb_env_t *env;
    rocksdb_options_t *options;
    rocksdb_envoptions_t *file_options;
    rocksdb_ingestexternalfileoptions_t *ingest;
    _Atomic uint64_t memory_bytes;
    struct mem_budget *budget;       /* Borrows; NULL */
    pthread_mutex_t held_lock;       /* the next ones are written under it */
    _Atomic uint64_t held_bytes;     /* of index and filters */
    _Atomic uint64_t expected_bytes; /* the most of it lately: compactions hold old and new files */
    uint64_t taken_bytes;            /* of the budget */
    _Atomic int64_t next_trim_ns;
};

/* A file that the store holds a link of, so that its bytes stay and its inode is nobody else's. */
struct rocks_kept {
    char *path; /* Owns */
    uint64_t size, file_id, inode;
};

struct rocks_reader;

struct rocks_partition {
    uint32_t first_group, last_group;
    char *directory; /* Owns: RocksDB's */
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family;
    uint64_t held_bytes;         /* of what RocksDB holds of files, when it was last looked at */
    _Atomic uint32_t n_taken_in; /* runs; what a reader compares */
    struct rocks_reader *reader; /* Owns; NULL: RocksDB reads */
    char *base_directory;        /* Owns; NULL: none yet */
    struct vec base;             /* struct rocks_kept; empty: none yet */
    struct vec runs;             /* struct rocks_kept, since the base */
    uint64_t base_bytes, runs_bytes;
    /* The run that is being written, as far as it lies here. */
    rocksdb_sstfilewriter_t *writer; /* NULL: nothing yet */
    struct str run_path;
};

struct rocks_store {
    struct rocks_shared *shared;
    const struct rocks_api *api; /* Borrows */
    char *directory;             /* Owns */
    uint32_t first_group, last_group;
    struct rocks_filter filter;
    rocksdb_compactionfilter_t *compaction_filter; /* NULL: none */
    rocksdb_options_t *options;    /* with it and statistics; else those that all share */
    struct rocks_metrics *metrics; /* Borrows; NULL: none */
    struct vec partitions; /* struct rocks_partition *, in the order of their key groups; Owns */
    uint64_t next_name;    /* of files and folders of the store's own */
    uint64_t next_file_id;
    bool in_run;
    struct str last_key; /* of the run */
    rocksdb_readoptions_t *read_options;
    struct vec pinned; /* rocksdb_pinnableslice_t *; of the last read */
    struct vec keys, sizes, values, errors;
    struct vec left, left_keys, left_values; /* what a reader leaves to RocksDB */
    uint64_t n_read_through;                 /* such keys */
};

bool rocks_metrics_want_statistics(const struct rocks_metrics *m);
/* What is sampled of a store; api NULL: it is closed.  Harmless without metrics, as the next two. */
void rocks_metrics_set_store(struct rocks_metrics *m, const struct rocks_api *api,
                             rocksdb_options_t *options);
void rocks_metrics_add(struct rocks_metrics *m, rocksdb_t *db);
void rocks_metrics_remove(struct rocks_metrics *m, const rocksdb_t *db);

static inline uint32_t rocks_group_of(struct rocks_bytes key)
{
    ASSERT(key.size >= 2);
    return (uint32_t)(uint8_t)key.data[0] << 8 | (uint8_t)key.data[1];
}
/* The one that has the group, made when there is none. */
int rocks_partition_of(struct rocks_store *s, uint32_t group,
                       struct rocks_partition **ret_partition, struct error *err) MUST_CHECK;
/* A new one over `directory`, which RocksDB makes or opens. */
int rocks_partition_open(struct rocks_store *s, const char *directory, uint32_t first_group,
                         uint32_t last_group, struct rocks_partition **ret_partition,
                         struct error *err) MUST_CHECK;
/* Takes it; asserts that nobody else has its key groups. */
void rocks_partition_insert(struct rocks_store *s, struct rocks_partition *p);
struct rocks_partition *rocks_partition_free(struct rocks_store *s, struct rocks_partition *p);
/* Keys of one partition, by RocksDB. */
int rocks_partition_read_through(struct rocks_store *s, struct rocks_partition *p,
                                 const struct rocks_bytes *keys, uint32_t n,
                                 struct rocks_bytes *ret_values, struct error *err) MUST_CHECK;
/* A path in the store's folder that was not used before. */
void rocks_store_name(struct rocks_store *s, const char *what, struct str *ret_path);
/* Looks at what RocksDB holds of the partition's files.  Whoever writes. */
void rocks_partition_note_held(struct rocks_store *s, struct rocks_partition *p);
/* Gives free memory of the process to the system, so seldom that it takes no more than a fiftieth of the time. */
void rocks_shared_trim(struct rocks_shared *s);
/* What was held is so much now. */
void rocks_shared_note_held(struct rocks_shared *s, uint64_t before, uint64_t now);
/* Deletes a run's file, whatever became of it, and gives its writer back. */
void rocks_partition_drop_run(struct rocks_store *s, struct rocks_partition *p);
/* The link at `path` joins `kept`.  An inode that `known` (may be NULL) has keeps its id. */
int rocks_keep(struct rocks_store *s, const char *path, const struct vec *known, struct vec *kept,
               struct error *err) MUST_CHECK;
/* Deletes the links. */
void rocks_kept_drop(struct vec *kept);

#endif
