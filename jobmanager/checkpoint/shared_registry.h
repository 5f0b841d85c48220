/* Which shared files there are, and the last checkpoint that uses each: a file is deleted when all
 * checkpoints up to its last use are gone, and never for another reason.
 *
 * A file is registered when a checkpoint that refers to it is acknowledged, whether that checkpoint
 * completes or not: its tasks may refer to it again (FLINK-24611, FLINK-25395).  Names are never used
 * twice, so a name that is gone stays gone.  Files of a snapshot that is not the job's own (NO_CLAIM) are
 * known, and never deleted (FLINK-26985).
 * Thread: the checkpointer's.  Flink: SharedStateRegistry. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_SHARED_REGISTRY_H
#define FLINC_JOBMANAGER_CHECKPOINT_SHARED_REGISTRY_H

#include "common/base/map.h"
#include "common/base/vec.h"

/* Caller's memory. */
struct shared_registry {
    struct map files; /* Owns: URI -> struct shared_file */
};

enum shared_owner {
    SHARED_OF_JOB,
    SHARED_FOREIGN, /* never deleted */
};

void shared_registry_init(struct shared_registry *r);
void shared_registry_fini(struct shared_registry *r); /* deletes no file */
/* Checkpoint `checkpoint_id` uses the file. */
void shared_registry_use(struct shared_registry *r, const char *uri, uint64_t checkpoint_id,
                         enum shared_owner owner);
enum shared_state {
    SHARED_UNKNOWN, /* new, or deleted */
    SHARED_KNOWN,
    SHARED_KNOWN_FOREIGN,
};
enum shared_state shared_registry_find(const struct shared_registry *r, const char *uri);
/* No checkpoint below `lowest_id` is there any more, nor will one come: forgets what was last used below it,
 * and pushes the names (char *, owned by the receiver) of files that are to be deleted. */
void shared_registry_release_below(struct shared_registry *r, uint64_t lowest_id,
                                   struct vec *ret_uris);

#endif
