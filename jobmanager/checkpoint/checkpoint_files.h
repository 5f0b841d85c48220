/* What a checkpointer does with files, as a table, so that tests and the simulation can put a storage of
 * their own in its place.  The default is engine/snapshot over common/fs.
 *
 * Thread: I/O threads; one call at a time per checkpoint.  Flink: CheckpointStorageCoordinatorView. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_FILES_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_FILES_H

#include "engine/snapshot/metadata.h"

struct checkpoint_folder_request {
    const char *root;
    const uint8_t *job_id;
    uint64_t checkpoint_id;
    const uint8_t *random; /* 6 bytes: a savepoint; NULL: a checkpoint */
    bool create_subdir;
};

struct checkpoint_files {
    void *arg;
    int (*make_folder)(void *arg, const struct checkpoint_folder_request *request,
                       struct str *ret_exclusive, struct str *ret_shared, struct error *err);
    /* Durable when it returns. */
    int (*write)(void *arg, const char *directory, const Flinc__CheckpointMetadata *m,
                 uint64_t *ret_bytes, struct error *err);
    int (*read)(void *arg, const char *path, Flinc__CheckpointMetadata **ret,
                struct str *ret_directory, struct error *err);
    /* What is gone already is fine. */
    int (*delete_folder)(void *arg, const char *directory, struct error *err);
    int (*delete_file)(void *arg, const char *uri, struct error *err);
    /* A folder that has become empty; else nothing happens. */
    void (*delete_empty)(void *arg, const char *directory);
};

extern const struct checkpoint_files checkpoint_files_default;

#endif
