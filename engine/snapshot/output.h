/* Where the bytes of a snapshot go: a small one stays in memory and travels in its handle, a larger one
 * becomes a file under a name that is never used again.
 *
 * The task's thread fills chunks; an executor's thread writes, checks and syncs them.  A task never waits
 * for the disk: snapshot_output_is_writable() says whether another chunk may be filled, and `wake` is
 * called when it may be again, or when the output has ended.
 *
 * Where small blobs are merged into files of several (merging.h), an output is written when it is finished, or
 * holds so much that it is no small one.
 *
 * Life: open, append ..., finish, poll until it has ended, take the blob; or abandon at any time (the file
 * is deleted).  Flink: CheckpointStreamFactory, FsCheckpointStateOutputStream. */
#ifndef FLINC_ENGINE_SNAPSHOT_OUTPUT_H
#define FLINC_ENGINE_SNAPSHOT_OUTPUT_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/loop/executor.h"
#include "proto/snapshot.pb-c.h"

enum {
    SNAPSHOT_CHUNK_BYTES = 1024 * 1024,
    SNAPSHOT_CHUNKS_MAX = 4, /* filled and not written yet, of one output */
};

/* What the outputs of one task and checkpoint share; the task owns it, outputs take a reference. */
struct file_merging;
struct local_copies;
struct snapshot_target;
struct snapshot_target_options {
    const Flinc__CheckpointLocation *location; /* copied */
    uint64_t checkpoint_id;
    uint64_t latest_completed; /* CheckpointBarrier.latest_completed */
    const char *owner; /* "<vertex hex>-<subtask>-<attempt>": part of every file name; copied */
    struct executor *executor;    /* Borrows; NULL: writes on the caller's thread (tests, tools) */
    struct local_copies *local;   /* a reference is taken; gets a copy of each file; NULL: none */
    struct file_merging *merging; /* a reference is taken; NULL: every blob has a file of its own */
    void (*wake)(void *arg);      /* thread: any; may be NULL */
    void *wake_arg;
    /* Thread: any.  No wake comes after it: gives back what wake_arg holds; may be NULL. */
    void (*wake_done)(void *wake_arg);
};
struct snapshot_target *snapshot_target_new(const struct snapshot_target_options *options);
struct snapshot_target *snapshot_target_ref(struct snapshot_target *t);
struct snapshot_target *snapshot_target_unref(struct snapshot_target *t); /* returns NULL */

/* A blob of an earlier checkpoint goes into the handle of this one: what it has inside counts against what the task
 * may have in handles (location.inline_task_max). */
void snapshot_target_count_inline(struct snapshot_target *t, const Flinc__StateBlob *blob);

/* What file_merging_waste() says; 0 without merging. */
uint64_t snapshot_target_waste(const struct snapshot_target *t, const Flinc__StateBlob *blob);

/* Tells the task that something it waits for has ended.  Thread: any. */
void snapshot_target_wake(struct snapshot_target *t);

enum snapshot_scope {
    SNAPSHOT_SCOPE_EXCLUSIVE, /* belongs to this checkpoint alone */
    SNAPSHOT_SCOPE_SHARED,    /* later checkpoints may refer to it */
};

struct snapshot_output;
/* No file is made before the inline threshold is passed.  Thread of all below: the task's. */
struct snapshot_output *snapshot_output_open(struct snapshot_target *t, enum snapshot_scope scope);
/* Whether another chunk may be filled; behind finish(), whether the output has ended.  True for one that
 * has failed: append or poll say why. */
bool snapshot_output_is_writable(const struct snapshot_output *o);
/* Copies all of it, whether writable or not.  An earlier failure of writing comes back here or from
 * poll.  ERR_TOO_LARGE: more than the storage `jobmanager` takes. */
int snapshot_output_append(struct snapshot_output *o, const void *data, size_t size,
                           struct error *err) MUST_CHECK;
uint64_t snapshot_output_position(const struct snapshot_output *o); /* bytes appended */
/* No more bytes. */
void snapshot_output_finish(struct snapshot_output *o);
/* 1: it has ended well, *ret_blob is overwritten (inline or synced file; protobuf-c allocated: the caller
 * frees its parts by state_blob_clear() or with the message that it is in) and is the caller's: not to be
 * polled again; 0: not yet, `wake` comes; negative: it failed, its file is gone. */
int snapshot_output_poll(struct snapshot_output *o, Flinc__StateBlob *ret_blob,
                         struct error *err) MUST_CHECK;
/* Frees what a blob owns and makes it an empty one. */
void state_blob_clear(Flinc__StateBlob *blob);
/* Frees; what was not taken by a successful poll is deleted.  NULL is fine; returns NULL. */
struct snapshot_output *snapshot_output_free(struct snapshot_output *o);

/* Deletes the file of a blob of this checkpoint that was taken and goes nowhere, on the executor; an inline one has
 * none, and of a section others need the file. */
void snapshot_target_discard(struct snapshot_target *t, const Flinc__StateBlob *blob);

/* Where a blob lies, as a URI; "" when it is inline.  `directory`: of _metadata, for plain names. */
int state_blob_uri(const Flinc__StateBlob *blob, const char *directory, struct str *ret_uri,
                   struct error *err) MUST_CHECK;

/* Where it is read: its local copy, where there is one, else as above. */
int state_blob_source(const Flinc__StateBlob *blob, const char *directory, struct str *ret_uri,
                      struct error *err) MUST_CHECK;

/* Where its bytes begin in that file. */
uint64_t state_blob_offset(const Flinc__StateBlob *blob);

/* Whether a file of so many bytes can be the one that it lies in.  ERR_CORRUPT. */
int state_blob_check_file(const Flinc__StateBlob *blob, const char *name, uint64_t file_size,
                          struct error *err) MUST_CHECK;

/* What messages call it: the file, and which bytes of it when it is not all of it. */
void state_blob_print(const Flinc__StateBlob *blob, const char *uri, struct str *ret);

/* Says that a blob is read next: its bytes come from the disk while what is before it is worked on.  Costs nothing
 * when the system cannot, or the file is not there: who reads it says so. */
void state_blob_advise(const Flinc__StateBlob *blob, const char *directory);

/* Every blob of a handle of keyed state, segments first, with the checkpoint that wrote it. */
void keyed_handle_each_blob(const Flinc__KeyedHandle *handle,
                            void (*fn)(void *arg, const Flinc__StateBlob *blob,
                                       uint64_t checkpoint_id),
                            void *arg);

/* Every blob of an operator's state in a subtask, keyed ones first; with `checkpoint_id` those that are always of
 * the snapshot itself. */
void subtask_state_each_blob(const Flinc__OperatorSubtaskState *state, uint64_t checkpoint_id,
                             void (*fn)(void *arg, const Flinc__StateBlob *blob,
                                        uint64_t checkpoint_id),
                             void *arg);

/* Reading: a blob as one run of bytes of its own, 16-aligned, checked against size and CRC32C. */
struct blob_reader;
/* ERR_CORRUPT, ERR_NOT_FOUND name the file. */
int blob_reader_open(const Flinc__StateBlob *blob, const char *directory,
                     struct blob_reader **ret_reader, struct error *err) MUST_CHECK;
const uint8_t *blob_reader_data(const struct blob_reader *r);
uint64_t blob_reader_size(const struct blob_reader *r);
const char *blob_reader_name(const struct blob_reader *r);    /* for messages */
struct blob_reader *blob_reader_close(struct blob_reader *r); /* returns NULL */

#endif
