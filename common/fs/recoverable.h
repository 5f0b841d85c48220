/* Recoverable writers (Flink: RecoverableWriter): files that are invisible until they are committed,
 * and whose writing goes on after a failure where the last checkpoint left it.
 *
 *   open ─► write, persist (a resume handle for the checkpoint) ─► close_for_commit (a commit handle)
 *     ─► commit: the file appears under its name, complete, at once
 *   after a failure: recover(resume handle) cuts the file to the persisted length and writes on;
 *     commit_after_recovery(commit handle) commits, or finds that it was done
 *
 * The bytes go to `.NAME.inprogress.UUID` beside the target.  Handles are bytes for checkpoints:
 * versioned, with a checksum, checked when read.  Layout of a handle, little-endian:
 *   "FRWH" u8 version=1 u8 kind (1 resume, 2 commit) u16 0, u64 length, u32 n + target URI,
 *   u32 n + in-progress file (local: its URI), u32 crc32 of all before.
 *
 * Thread: one at a time. */
#ifndef FLINC_COMMON_FS_RECOVERABLE_H
#define FLINC_COMMON_FS_RECOVERABLE_H

#include "common/fs/fs.h"

enum { RECOVERABLE_HANDLE_VERSION = 1, RECOVERABLE_HANDLE_MAX = 16 * 1024 };

struct recoverable; /* a file being written */

int recoverable_open(const char *uri, struct recoverable **ret_file, struct error *err) MUST_CHECK;
int recoverable_write(struct recoverable *f, const void *data, size_t size,
                      struct error *err) MUST_CHECK;
uint64_t recoverable_position(const struct recoverable *f);
/* Everything written so far is on disk afterwards; *ret_handle (emptied first) resumes behind it. */
int recoverable_persist(struct recoverable *f, struct str *ret_handle,
                        struct error *err) MUST_CHECK;
/* The file is complete and on disk; *f becomes NULL.  *ret_handle commits it. */
int recoverable_close_for_commit(struct recoverable **f, struct str *ret_handle,
                                 struct error *err) MUST_CHECK;
/* Gives up writing and leaves the in-progress file, which a handle may still name. */
struct recoverable *recoverable_close(struct recoverable *f);
/* Gives up writing and deletes the in-progress file: nothing refers to it. */
struct recoverable *recoverable_abort(struct recoverable *f);

/* Opens a persisted file again, cut to its persisted length. */
int recoverable_recover(struct slice handle, struct recoverable **ret_file,
                        struct error *err) MUST_CHECK;
/* The first commit in the attempt that closed the file: it must be there with its exact length. */
int recoverable_commit(struct slice commit_handle, struct error *err) MUST_CHECK;
/* A commit that may have happened before; doing it again changes nothing. */
int recoverable_commit_after_recovery(struct slice commit_handle, struct error *err) MUST_CHECK;
/* Turns a resume handle into a commit handle of exactly the persisted bytes. */
int recoverable_resume_to_commit(struct slice resume_handle, struct str *ret_commit_handle,
                                 struct error *err) MUST_CHECK;
/* Commits exactly the persisted bytes of a resume handle, whoever may still have the file open: where an open file
 * could be written to under its new name, the bytes go to a new one first.  It may have happened before, as in
 * recoverable_commit_after_recovery(). */
int recoverable_commit_persisted(struct slice resume_handle, struct error *err) MUST_CHECK;
/* Deletes the in-progress file of a handle that no checkpoint needs any more; fine when it is gone. */
int recoverable_cleanup(struct slice handle, struct error *err) MUST_CHECK;

enum recoverable_kind {
    RECOVERABLE_RESUME = 1,
    RECOVERABLE_COMMIT = 2,
};
const char *recoverable_kind_name(enum recoverable_kind kind);

/* What a handle says. */
struct recoverable_handle {
    enum recoverable_kind kind;
    uint64_t length_bytes;
    char *target_uri; /* Owns */
    char *inprogress; /* Owns; how the driver finds the unfinished file */
};
int recoverable_handle_decode(struct slice bytes, struct recoverable_handle *ret_handle,
                              struct error *err) MUST_CHECK;
void recoverable_handle_encode(const struct recoverable_handle *handle, struct str *ret_bytes);
void recoverable_handle_fini(struct recoverable_handle *handle);

#endif
