/* What a worker has for keyed state that does not fit memory: a folder on a local disk, threads that write to it, and
 * RocksDB's cache.  Made when a task first asks.
 *
 * Managed memory is shared: the part state.backend.rocksdb.memory.write-buffer-ratio is for what is at hand of the states,
 * equally for each backend that is open; the rest is for what is being written, for filters and indexes of files, and
 * for state that is in memory as a whole.  RocksDB has a cache of blocks only where state.backend.rocksdb.block.cache-size is
 * set: the system keeps what is read of files anyway.
 *
 * Thread: any.  Flink: RocksDBSharedResources, RocksDBMemoryControllerUtils. */
#ifndef FLINC_TASKMANAGER_WORKER_STATE_DISK_H
#define FLINC_TASKMANAGER_WORKER_STATE_DISK_H

#include "common/conf/conf.h"
#include "engine/state/state.h"

struct state_disk;
struct state_disk_options {
    const char *
        directory; /* the worker's own, which need not be there; NULL: one is made in io.tmp.dirs; copied */
    struct mem_budget *budget;       /* Borrows: managed memory; may be NULL */
    const _Atomic uint32_t *n_slots; /* Borrows: that the worker has; NULL: one */
};
struct state_disk *state_disk_new(const struct state_disk_options *options);
/* All backends are closed; deletes the folder.  NULL is fine; returns NULL. */
struct state_disk *state_disk_free(struct state_disk *d);

/* Of one backend, with the settings of its job. */
int state_disk_open(struct state_disk *d, const struct conf *conf, struct keyed_disk **ret_disk,
                    struct error *err) MUST_CHECK;
/* Behind its backend.  NULL is fine; returns NULL. */
struct keyed_disk *state_disk_close(struct state_disk *d, struct keyed_disk *disk);
/* Reads RocksDB's figures of those that want metrics (state.backend.rocksdb.metrics.*); about once a second. */
void state_disk_sample(struct state_disk *d);

#endif
