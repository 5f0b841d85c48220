/* The folders of a task manager in which copies of snapshot files lie (local_copies.h): those of one checkpoint are in one
 * of them, and those of the next one in the next, so that several disks share the work.
 *
 * Thread: constant once it is filled.  Flink: LocalSnapshotDirectoryProviderImpl. */
#ifndef FLINC_ENGINE_SNAPSHOT_LOCAL_DIRS_H
#define FLINC_ENGINE_SNAPSHOT_LOCAL_DIRS_H

#include "common/base/macros.h"
#include <stdint.h>

enum { LOCAL_DIRS_MAX = 16 };

/* {NULL, 0}: none. */
struct local_dirs {
    char **paths; /* Owns, or as whoever has it says */
    uint32_t n;
};

void local_dirs_add(struct local_dirs *d, const char *path); /* up to LOCAL_DIRS_MAX */
/* The folders of this name in those of `from`; NULL: these themselves.  Overwrites *ret. */
void local_dirs_copy(const struct local_dirs *from, const char *name, struct local_dirs *ret);
void local_dirs_fini(struct local_dirs *d);
/* Where what a checkpoint wrote is; there is one at least. */
const char *local_dirs_of(const struct local_dirs *d, uint64_t checkpoint_id);

#endif
