/* Reads of single keys without RocksDB: its MultiGet takes several times as long for each as what has to be done.
 *
 * A reader has the live files of a partition open (sst_file.h), in the order of their age: runs, of which each later one is
 * older.  A run is a file of level 0, or all files of another level, in the order of their keys.  It asks RocksDB
 * which files these are whenever something was taken in, and every few reads, since compactions go on; an older set
 * answers the same, as long as nothing was taken in.
 *
 * Keys that it cannot answer for sure, and all while a live file is one that it does not understand, are left to
 * RocksDB, and counted.
 *
 * Memory: index and filters are held here alone; RocksDB reads its own when it needs them (rocks_shared.c).
 *
 * Inside the room.  Thread: one owner (who reads the store). */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_READER_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_READER_H

#include "engine/rocksdb/rocks_inside.h"

struct rocks_reader *rocks_reader_new(void);
/* NULL is fine; returns NULL. */
struct rocks_reader *rocks_reader_free(struct rocks_store *s, struct rocks_reader *r);
/* Keys of a partition in ascending order: values, good until the store's next read.  `ret_left` gets the positions (uint32_t)
 * of those that RocksDB has to be asked for. */
int rocks_reader_read(struct rocks_store *s, struct rocks_partition *p,
                      const struct rocks_bytes *keys, uint32_t n, struct rocks_bytes *ret_values,
                      struct vec *ret_left, struct error *err) MUST_CHECK;
/* Why RocksDB reads all of the partition now; NULL: it does not. */
const char *rocks_reader_reason(const struct rocks_reader *r);

#endif
