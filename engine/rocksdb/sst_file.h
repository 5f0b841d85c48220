/* A sorted file that is open for reads of single keys: its descriptor, and in memory the fences of its blocks, its filter
 * and the ranges that it removes.  A file that was deleted meanwhile is read as before.
 *
 * What a file may have that is not understood here makes it one of others (SST_OTHER), with a reason: compression, other check
 * sums, formats, orders of keys, hashed indexes, merges, values beside the file.
 *
 * Thread: one owner; a read is one pread() of one block, whose check sum is looked at. */
#ifndef FLINC_ENGINE_ROCKSDB_SST_FILE_H
#define FLINC_ENGINE_ROCKSDB_SST_FILE_H

#include "common/base/error.h"
#include "engine/rocksdb/sst_fences.h"
#include "engine/rocksdb/sst_filter.h"

/* A range of keys that a file removes, as far as other files have them and it does not put them again. */
struct sst_range {
    uint32_t from_at, from_size, until_at, until_size;
    uint64_t order;
};

struct sst_file {
    int fd;
    char *path; /* Owns */
    uint64_t size;
    struct str least, greatest; /* keys */
    struct sst_fences fences;
    struct sst_filter filter;
    struct vec
        ranges; /* struct sst_range, by where they begin; none begins before another one that is not the same ends */
    struct str range_bytes;
    bool was_taken_in; /* a run as it was written: all of it has one place in the order of writes */
    uint64_t place;    /* which is this */
};

enum { SST_OTHER = 1 };
/* 0: open; SST_OTHER: it is not understood, `ret_reason` (may be NULL) says why.  ERR_NOT_FOUND: it is gone; ERR_CORRUPT
 * names file and place.  `least`, `greatest`: of its keys and ranges. */
int sst_file_open(const char *path, struct slice least, struct slice greatest,
                  struct sst_file **ret_file, const char **ret_reason,
                  struct error *err) MUST_CHECK;
/* The same of a descriptor, which it takes whatever happens. */
int sst_file_open_fd(int take_fd, const char *path, struct slice least, struct slice greatest,
                     struct sst_file **ret_file, const char **ret_reason,
                     struct error *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
struct sst_file *sst_file_close(struct sst_file *f);
uint64_t sst_file_held_bytes(const struct sst_file *f);

/* A block that was read, used again for the next one. */
struct sst_page {
    char *bytes; /* Owns */
    size_t room;
    const struct sst_file *file; /* whose block this is; NULL: none */
    uint32_t block;
    struct slice data;
    struct str scratch;
    uint64_t n_reads;
};
void sst_page_fini(struct sst_page *p);

/* What a file has of a key that its filter lets through, from a place on that sst_fences_find() gave.  Values are in the page. */
int sst_file_find(const struct sst_file *f, const struct sst_key *key, struct sst_fence_place place,
                  struct sst_page *page, enum sst_found *ret_found, struct sst_hit *ret_hit,
                  struct error *err) MUST_CHECK;

/* Whether the file removes a key that it may have put itself at `order`: LATER: no version of it counts, neither this file's nor
 * older ones'; UNSURE: the key is at an end of the file. */
enum sst_cover { SST_COVER_NONE, SST_COVER_OLDER, SST_COVER_ALL, SST_COVER_UNSURE };
enum sst_cover sst_file_covers(const struct sst_file *f, const struct sst_key *key, uint64_t order);

#endif
