/* Targets, inside the room: where the files of one task and checkpoint are made. */
#ifndef FLINC_ENGINE_SNAPSHOT_TARGET_H
#define FLINC_ENGINE_SNAPSHOT_TARGET_H

#include "common/fs/fs.h"
#include "engine/snapshot/local_copies.h"
#include "engine/snapshot/output.h"

/* Thread: any (atomic count, the rest is constant). */
struct snapshot_target {
    _Atomic uint32_t refs;
    Flinc__CheckpointLocation location; /* Owns the strings */
    _Atomic uint64_t inline_bytes;      /* in handles: location.inline_task_max */
    uint64_t checkpoint_id;
    char *owner;                /* Owns */
    struct executor *executor;  /* Borrows */
    struct local_copies *local; /* Owns a ref; may be NULL */
    void (*wake)(void *arg);
    void *wake_arg;
    void (*wake_done)(void *wake_arg);
};

/* Files of this scope are known by their whole URI, and later checkpoints may refer to them. */
bool snapshot_target_is_shared(const struct snapshot_target *t, enum snapshot_scope scope);
/* A file under a name that is never used again.  ERR_NOT_FOUND: the checkpoint's folder is gone.  On failure
 * there is no file, and *ret_uri is empty. */
int snapshot_target_create(const struct snapshot_target *t, enum snapshot_scope scope,
                           struct str *ret_name, struct str *ret_uri, struct fs_output **ret_file,
                           struct error *err) MUST_CHECK;
/* A file is complete: it is copied where copies are kept. */
void snapshot_target_keep_copy(const struct snapshot_target *t, const struct str *uri,
                               const struct str *name);
/* Whether so many bytes may travel in the handle; they count then. */
bool snapshot_target_take_inline(struct snapshot_target *t, uint64_t bytes);
/* More state than the storage `jobmanager` takes: what to set. */
int snapshot_target_too_large(const struct snapshot_target *t, uint64_t bytes, struct error *err);

#endif
