/* Files of a keyed backend in snapshots: local files that never change (sorted files of RocksDB) are written
 * into the checkpoint folder once, by several threads, and every later checkpoint that still has them only
 * refers to them.
 *
 *   task                                                        job manager
 *   shared_files_new()
 *   freeze:   shared_upload_start()  known files: their handles
 *                                    new ones: executor threads ──► shared/<name>
 *   step:     shared_upload_poll() ─► KeyedHandle.files ──────────► registers each file's last use,
 *   notice:   shared_files_confirm() ◄───────────────── complete ── deletes it with its last checkpoint
 *
 *   restore:  shared_files_download() ◄─ KeyedHandle.files ──────── deals handles out by key groups
 *             shared_files_know()      what the backend still has of them need not be written again
 *
 * A file is told by an id of the backend's own: the same for the same bytes, never used for others (as
 * rocks_file.file_id).  Which files a checkpoint may only refer to: those of the last confirmed checkpoint,
 * since the job manager keeps the files of no other for sure.  A savepoint, and a full checkpoint, refers to
 * none; a savepoint's files are no later checkpoint's either, a full checkpoint's are.
 *
 * Each file has a CRC32C per SHARED_FILE_BLOCK_BYTES beside the one of all bytes, so that damage is found
 * while the file is read and named by file and block.  A file of at most the inline threshold travels in the
 * handle, and is checked by the one of all bytes.
 *
 * Thread: the task's, for all of it; files are read and written on the executor's threads.
 * Flink: RocksIncrementalSnapshotStrategy, RocksDBStateUploader, RocksDBStateDownloader,
 * IncrementalRemoteKeyedStateHandle. */
#ifndef FLINC_ENGINE_SNAPSHOT_SHARED_FILES_H
#define FLINC_ENGINE_SNAPSHOT_SHARED_FILES_H

#include "common/loop/cancel.h"
#include "engine/snapshot/output.h"

enum {
    SHARED_FILE_BLOCK_BYTES = 1024 * 1024, /* also what a thread holds in memory while it copies */
    SHARED_FILES_THREADS_DEFAULT = 4, /* state.backend.rocksdb.checkpoint.transfer.thread.num */
    SHARED_FILES_PENDING_MAX = 16,    /* checkpoints that are neither confirmed nor overtaken */
    SHARED_FILE_NAME_MAX = 255,       /* bytes */
};

/* ---- what is uploaded already ----------------------------------------------------------------- */

/* One per backend. */
struct shared_files;
struct shared_files *shared_files_new(void);
struct shared_files *shared_files_free(struct shared_files *f); /* NULL is fine; returns NULL */
/* The job manager completed a checkpoint: its files may be referred to, those that only earlier ones have may
 * be gone.  One that is not known (a savepoint, one of before the restore) changes nothing. */
void shared_files_confirm(struct shared_files *f, uint64_t checkpoint_id);
/* The local file `id` has the bytes of this one, of the checkpoint that is restored: the next checkpoint refers
 * to it (unless it is a full one: the job manager asks for that where files must not be referred to).
 * Copied. */
void shared_files_know(struct shared_files *f, uint64_t id, const Flinc__SharedFile *file);
/* Whether a checkpoint that began now would only refer to the file. */
bool shared_files_is_known(const struct shared_files *f, uint64_t id);

/* ---- uploading --------------------------------------------------------------------------------- */

struct shared_file_source {
    uint64_t id;
    const char *path; /* Borrows until the upload has ended or is freed; a local path */
    const char *name; /* for the restore: what to call it in a folder; copied */
    uint64_t size;    /* bytes; a file of another size is an error */
    uint32_t flags;   /* the backend's own: SharedFile.flags */
};
/* Files that are restored together: a partition of a store. */
struct shared_file_set {
    uint32_t first_group, last_group;
    const struct shared_file_source *files; /* Borrows, for the call */
    uint32_t n_files;
};
struct shared_upload_options {
    struct snapshot_target
        *target; /* a reference is taken; wakes the task when the upload has ended */
    uint64_t checkpoint_id;
    Flinc__CheckpointKind kind; /* INCREMENTAL refers to what is known; not CANONICAL (asserted) */
    uint32_t n_threads;         /* files at a time; 0: SHARED_FILES_THREADS_DEFAULT */
    const struct shared_file_set *sets; /* Borrows, for the call */
    uint32_t n_sets;
};
struct shared_upload;
/* Starts writing the files that are new.  Nothing here waits for a disk, but without an executor, or when it
 * takes no job (full, closing), the caller's thread writes.
 * ERR_TOO_LARGE: storage `jobmanager` does not take as much. */
int shared_upload_start(struct shared_files *f, const struct shared_upload_options *options,
                        struct shared_upload **ret_upload, struct error *err) MUST_CHECK;
/* Well or badly: a poll says which. */
bool shared_upload_has_ended(struct shared_upload *u);
/* 1: all files are written and synced, and the sets appended to handle->files (protobuf-c allocated: freed with
 * the handle); not to be polled again.  The handle's files of this checkpoint, when it goes nowhere after all,
 * are deleted by who took it (keyed_handle_each_blob(), snapshot_target_discard()).
 * 0: not yet, the target's wake comes.  Negative: a file failed, which the message names; nothing is left. */
int shared_upload_poll(struct shared_upload *u, Flinc__KeyedHandle *handle,
                       struct error *err) MUST_CHECK;
/* At any time: threads stop at the next block, and what was not given away by a poll is deleted.  The local
 * files may be deleted at once.  NULL is fine; returns NULL. */
struct shared_upload *shared_upload_free(struct shared_upload *u);

/* ---- downloading ------------------------------------------------------------------------------- */

struct shared_file_wanted {
    const Flinc__SharedFile *file; /* Borrows, for the call */
    const char *path;              /* Borrows; to be made, a local path; must not be there */
};
struct shared_download_options {
    const char *directory;     /* of _metadata: TaskRestore.directory */
    struct executor *executor; /* Borrows; NULL: the caller's thread alone */
    uint32_t n_threads;        /* files at a time, the caller's own among them; 0: the default */
    bool (*is_cancelled)(void *arg); /* thread: any; asked before each block; may be NULL */
    void *arg;
};
/* Copies the files, several at a time, and checks each block.  Waits for them; the caller's thread takes part,
 * so that it goes on whatever the executor is busy with.  They are not synced: local files do not outlive their
 * task.  ERR_CORRUPT names file and block, ERR_NOT_FOUND the file; ERR_CANCELLED.  On failure none of the files
 * is left. */
int shared_files_download(const struct shared_file_wanted *wanted, uint32_t n,
                          const struct shared_download_options *options,
                          struct error *err) MUST_CHECK;

#endif
