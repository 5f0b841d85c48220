/* Which block of a sorted file may have a key: in memory 8 bytes for each block and about two for keys that many
 * blocks begin with, instead of the file's index.
 *
 * A fence is a key that is not below any of its block's and below those of the next.  Fences are in groups: all keys
 * between the last fence of one group and that of the next begin with what these two have in common, and fences of a group are
 * told apart by the four bytes behind that, as numbers, which are all different: else a group ends.
 *
 * Thread: any, when it is built. */
#ifndef FLINC_ENGINE_ROCKSDB_SST_FENCES_H
#define FLINC_ENGINE_ROCKSDB_SST_FENCES_H

#include "common/base/vec.h"
#include "engine/rocksdb/sst_format.h"

enum { SST_FENCE_GROUP = 32 /* fences of a group at most */ };

/* A key that is looked for, with its first bytes as numbers in the order of keys. */
struct sst_key {
    const char *data; /* Borrows */
    size_t size;
    uint64_t first, second;
    uint64_t hash; /* sst_filter_hash(), where it has one */
};
struct sst_key sst_key_of(const char *data, size_t size);

struct sst_fence_group {
    uint64_t first, second; /* of the last fence */
    uint64_t last_at;       /* its bytes */
    uint32_t last_size, prefix;
    uint32_t first_block;
};

struct sst_fences {
    uint32_t *numbers; /* Owns: of each fence */
    uint32_t *offsets; /* Owns: of each block, and where the last one with its trailer ends */
    struct sst_fence_group *groups; /* Owns */
    struct str lasts;
    uint32_t n, n_groups;
};
void sst_fences_fini(struct sst_fences *f);
uint64_t sst_fences_bytes(const struct sst_fences *f);

/* Fences in their order, one after the other. */
struct sst_fences_maker {
    struct vec numbers, offsets, groups;
    struct str lasts;
    struct str keys;  /* of the group at hand */
    struct vec ends;  /* uint32_t: where each of these ends */
    struct str below; /* the fence before the group; at first the least key of the file */
    uint32_t prefix;  /* that it and all of the group begin with */
    uint64_t end;     /* of the last block */
};
void sst_fences_begin(struct sst_fences_maker *m, struct slice least);
/* OTHER: the file is too large, or its blocks do not follow one another; DAMAGED: they are in no order. */
enum sst_read sst_fences_add(struct sst_fences_maker *m, struct slice fence,
                             struct sst_handle block);
/* Whatever happened. */
void sst_fences_end(struct sst_fences_maker *m, struct sst_fences *ret_fences);

static inline uint32_t sst_fences_end_of(const struct sst_fences *f, uint32_t group)
{
    return group + 1 < f->n_groups ? f->groups[group + 1].first_block : f->n;
}
/* Where a key may be. */
struct sst_fence_place {
    uint32_t group, block;
};
/* The first block that may have a key, which is not below the least one; block f->n: none.  `from_group`: where to begin, 0; for
 * keys in ascending order the group of the key before. */
struct sst_fence_place sst_fences_find(const struct sst_fences *f, const struct sst_key *key,
                                       uint32_t from_group);
/* When all keys of the block are below the key: whether the next one, which becomes the place, may have it. */
bool sst_fences_go_on(const struct sst_fences *f, const struct sst_key *key,
                      struct sst_fence_place *inout_place);
static inline struct sst_handle sst_fences_block(const struct sst_fences *f, uint32_t block)
{
    return (struct sst_handle){f->offsets[block],
                               f->offsets[block + 1] - f->offsets[block] - SST_TRAILER_BYTES};
}

#endif
