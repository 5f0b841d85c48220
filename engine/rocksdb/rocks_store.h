/* Keys and values as bytes on local disks, in RocksDB: the lower half of the rocksdb state backend.
 *
 * Above it lies a cache of keyed tables, which is what RocksDB's write buffer would be: so nothing is
 * written record by record.  What leaves the cache is sorted and written as one run, an SST file that RocksDB
 * takes in as it is (ingestion); what is missing in the cache is read many keys at a time.
 *
 *   store -- partitions, one per range of key groups that came from one parent -- each one RocksDB
 *
 * A new store has one partition.  After rescaling there is one for each parent whose files were taken over,
 * opened where they lie and clipped to the key groups of this store: no row is rewritten.
 *
 * Keys are bytes and sort as such; the first two are the key group, big endian.
 *
 * Files.  A run is kept by a link of the store's own until the files of a newer base stand for it; the files
 * of a base are links that RocksDB's checkpoint makes.  Files never change, so that each is uploaded once.
 *
 * Thread: one owner (the task), or, when it is complete, one that reads and one that writes runs and links files; RocksDB's own
 * threads compact.  All files lie under the store's folder and
 * are deleted with it.  Flink: RocksDBKeyedStateBackend. */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_STORE_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_STORE_H

#include "common/base/vec.h"
#include "engine/rocksdb/rocks_metrics.h"
#include "engine/rocksdb/rocks_shared.h"

struct rocks_store;

enum {
    ROCKS_READ_MAX = 64 * 1024,          /* keys of a read */
    ROCKS_KEY_MAX = 64 * 1024 * 1024,    /* bytes of a key */
    ROCKS_VALUE_MAX = 1024 * 1024 * 1024 /* and of a value */
};

struct rocks_bytes {
    const char *data; /* Borrows; NULL: not there */
    size_t size;
};

/* Entries that nobody needs any more: compactions leave them out.  Thread: RocksDB's, several at once. */
struct rocks_filter {
    bool (*is_dead)(const void *arg, struct rocks_bytes key, struct rocks_bytes value);
    const void *arg; /* Borrows, as long as the store */
};

struct rocks_store_options {
    struct rocks_shared *shared;      /* a reference is taken */
    const char *directory;            /* made; must not be there; copied */
    uint32_t first_group, last_group; /* up to UINT16_MAX */
    struct rocks_filter filter;       /* is_dead NULL: none */
    struct rocks_metrics *metrics;    /* Borrows, longer than the store; NULL: none */
};
/* An empty store.  Key groups that no rocks_store_adopt() brings get a partition when they are first asked for. */
int rocks_store_new(const struct rocks_store_options *options, struct rocks_store **ret_store,
                    struct error *err) MUST_CHECK;
/* Makes partitions for key groups that have none.  From then on one thread may read while another writes. */
int rocks_store_complete(struct rocks_store *s, struct error *err) MUST_CHECK;
/* Waits for RocksDB's work at hand, closes, deletes the folder.  NULL is fine; returns NULL. */
struct rocks_store *rocks_store_free(struct rocks_store *s);

/* ---- reading ---------------------------------------------------------------------------------- */

/* Keys in ascending order without doubles; ret_values[i] belongs to keys[i] and is good until the next read or rocks_store_release(). */
int rocks_store_read(struct rocks_store *s, const struct rocks_bytes *keys, uint32_t n,
                     struct rocks_bytes *ret_values, struct error *err) MUST_CHECK;
/* Keys that RocksDB itself was asked for, where they are read without it (rocks_reader.h): few. */
uint64_t rocks_store_read_through(const struct rocks_store *s);
/* Gives back what the last read has pinned; harmless without one. */
void rocks_store_release(struct rocks_store *s);

/* The entries with keys in [from, until), in order, as they are when it starts. */
struct rocks_scan;
void rocks_scan_start(struct rocks_store *s, struct rocks_bytes from, struct rocks_bytes until,
                      struct rocks_scan **ret_scan);
/* The entries whose keys have these bytes behind their key group. */
void rocks_scan_start_infix(struct rocks_store *s, struct rocks_bytes infix,
                            struct rocks_scan **ret_scan);
/* The same scan, of what was there when it started, with other bytes. */
void rocks_scan_restart_infix(struct rocks_scan *c, struct rocks_bytes infix);
/* Leaves out entries of the key group at hand that are below `key`, which is of it and above the last one. */
void rocks_scan_skip(struct rocks_scan *c, struct rocks_bytes key);
/* 1: there is one, good until the next call; 0: no more. */
int rocks_scan_next(struct rocks_scan *c, struct rocks_bytes *ret_key,
                    struct rocks_bytes *ret_value, struct error *err) MUST_CHECK;
struct rocks_scan *rocks_scan_free(struct rocks_scan *c); /* NULL is fine; returns NULL */

/* ---- writing ---------------------------------------------------------------------------------- */

/* A run: puts and removals in ascending order of their keys, each key once (asserted); when it is finished, all
 * of it is there at once, over what was there before.  One at a time (asserted). */
int rocks_run_begin(struct rocks_store *s, struct error *err) MUST_CHECK;
int rocks_run_put(struct rocks_store *s, struct rocks_bytes key, struct rocks_bytes value,
                  struct error *err) MUST_CHECK;
int rocks_run_remove(struct rocks_store *s, struct rocks_bytes key, struct error *err) MUST_CHECK;
/* All keys of [from, until) of earlier runs, both of one key group; those put in this run stay.  Ranges may come
 * in any order between the other calls. */
int rocks_run_remove_range(struct rocks_store *s, struct rocks_bytes from, struct rocks_bytes until,
                           struct error *err) MUST_CHECK;
/* The same of every key group of the store: keys whose bytes behind the group are in [from, until). */
int rocks_run_remove_infixes(struct rocks_store *s, struct rocks_bytes from,
                             struct rocks_bytes until, struct error *err) MUST_CHECK;
/* An empty run leaves no file.  On failure a part of it may be there: the store is of no use any more. */
int rocks_run_finish(struct rocks_store *s, struct error *err) MUST_CHECK;
void rocks_run_abandon(struct rocks_store *s); /* harmless without one */

/* ---- snapshots -------------------------------------------------------------------------------- */

struct rocks_file {
    char *path;    /* Owns: of a link under the store's folder */
    uint64_t size; /* bytes */
    uint64_t
        file_id; /* the same for the same bytes, over all snapshots of this store; never used again */
    bool is_run; /* of those since the base; else of the base */
};
/* A partition's share of a snapshot: a base, then runs in their order. */
struct rocks_files {
    uint32_t first_group, last_group;
    char *directory;  /* Owns: of the links; NULL: none of the store's */
    struct vec files; /* struct rocks_file */
};
/* The files of everything that was written until now: nothing is copied, and nothing else is written
 * meanwhile.  While the runs since the last base weigh less than it, that base and the runs; else a new one.
 * Appends one item per partition. */
int rocks_store_link_files(struct rocks_store *s,
                           struct vec *ret_partitions, /* struct rocks_files */
                           struct error *err) MUST_CHECK;
/* Deletes the links and empties the list. */
void rocks_files_drop(struct vec *partitions);

/* The files of a parent, which lie on the same file system, are linked into a partition of this store,
 * opened, and clipped to the key groups of both.  Before anything is read or written, once per parent; parents
 * do not overlap (asserted).  The parent's files may be deleted afterwards.  The store's snapshots have them as they are until a new
 * base: ret_file_ids[i] is the id of parent->files' i-th there.  ERR_CORRUPT names the folder. */
int rocks_store_adopt(struct rocks_store *s, const struct rocks_files *parent,
                      uint64_t *ret_file_ids, struct error *err) MUST_CHECK;

/* Compacts everything, and waits for it. */
void rocks_store_compact(struct rocks_store *s);
uint64_t rocks_store_bytes(const struct rocks_store *s); /* of live files */

#endif
