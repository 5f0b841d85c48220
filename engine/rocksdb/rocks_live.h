/* The live files of a partition, open, in the order of their age.  Inside the room.  Thread: the reader's. */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_LIVE_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_LIVE_H

#include "engine/rocksdb/rocks_inside.h"
#include "engine/rocksdb/sst_file.h"

/* Files without keys in common, in the order of their keys; each run is older than the one before. */
struct rocks_live_run {
    uint32_t first, n;
};

struct rocks_live {
    struct vec files;   /* struct sst_file *; Owns */
    struct vec runs;    /* struct rocks_live_run */
    const char *reason; /* why they are not read here; NULL: they are */
    bool was_looked_at;
    uint32_t seen_runs;    /* the partition's n_taken_in */
    uint64_t seen_version; /* RocksDB's */
    uint32_t n_reads;      /* since */
};
void rocks_live_init(struct rocks_live *l);
void rocks_live_fini(struct rocks_live *l);
/* Once per read: all that was taken in before is among them. */
int rocks_live_refresh(const struct rocks_api *api, const struct rocks_partition *p,
                       struct rocks_live *l, struct error *err) MUST_CHECK;
uint64_t rocks_live_held_bytes(const struct rocks_live *l);

#endif
