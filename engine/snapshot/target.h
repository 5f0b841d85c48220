/* Targets, inside the room: where the files of one task and checkpoint are made. */
#ifndef FLINC_ENGINE_SNAPSHOT_TARGET_H
#define FLINC_ENGINE_SNAPSHOT_TARGET_H

#include "engine/snapshot/local_copies.h"
#include "engine/snapshot/merged_file.h"

/* Thread: any (atomic count, the rest is constant). */
struct snapshot_target {
    _Atomic uint32_t refs;
    Flinc__CheckpointLocation location; /* Owns the strings */
    _Atomic uint64_t inline_bytes;      /* in handles: location.inline_task_max */
    uint64_t checkpoint_id, latest_completed;
    char *owner;                  /* Owns */
    struct executor *executor;    /* Borrows */
    struct local_copies *local;   /* Owns a ref; may be NULL */
    struct file_merging *merging; /* Owns a ref; NULL: every blob has a file of its own */
    void (*wake)(void *arg);
    void *wake_arg;
    void (*wake_done)(void *wake_arg);
};

/* Files of this scope are known by their whole URI, and later checkpoints may refer to them. */
bool snapshot_target_is_shared(const struct snapshot_target *t, enum snapshot_scope scope);

/* A blob that is being written: a file of its own, or a section of one with others.  One thread at a time. */
struct target_file {
    struct fs_output *out;      /* Owns, or Borrows of `merged`; NULL: closed, or there is none */
    struct merged_file *merged; /* Owns while it is being written; NULL: the file is its own */
    struct str name, uri;       /* of the file; empty: there is none */
    enum snapshot_scope scope;
    uint64_t size; /* of a section */
    uint64_t offset, merged_since;
};
enum { TARGET_SIZE_UNKNOWN = -1 };
void target_file_fini(struct target_file *f); /* closed or discarded before */
/* `size`: all that will be written, in one go, or TARGET_SIZE_UNKNOWN.  ERR_NOT_FOUND: the checkpoint's folder is
 * gone.  On failure there is no file. */
int target_file_open(struct target_file *f, const struct snapshot_target *t,
                     enum snapshot_scope scope, int64_t size, struct error *err) MUST_CHECK;
/* Syncs and ends it.  Behind a failure it is to be discarded. */
int target_file_close(struct target_file *f, const struct snapshot_target *t,
                      struct error *err) MUST_CHECK;
/* Sets where the bytes are, of one that was closed. */
void target_file_describe(const struct target_file *f, const struct snapshot_target *t,
                          Flinc__StateBlob *blob);
/* It is copied where copies are kept. */
void target_file_keep_copy(const struct target_file *f, const struct snapshot_target *t,
                           uint64_t size);
/* It goes nowhere.  A file that cannot be deleted stays behind: it has a name that nothing refers to. */
void target_file_discard(struct target_file *f, const struct snapshot_target *t);

/* ERR_NOT_FOUND: the checkpoint was given up. */
int snapshot_target_check_folder(const struct snapshot_target *t, struct error *err) MUST_CHECK;
/* A file for sections, under a name that is never used again, in the folder of its scope. */
int snapshot_target_create_merged(const struct snapshot_target *t, enum snapshot_scope scope,
                                  struct str *ret_name, struct str *ret_uri,
                                  struct fs_output **ret_file, struct error *err) MUST_CHECK;
/* Whether so many bytes may travel in the handle; they count then. */
bool snapshot_target_take_inline(struct snapshot_target *t, uint64_t bytes);
/* More state than the storage `jobmanager` takes: what to set. */
int snapshot_target_too_large(const struct snapshot_target *t, uint64_t bytes, struct error *err);

#endif
