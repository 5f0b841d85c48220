/* File merging: the small blobs of the tasks of one worker lie in few files, as sections of them, so that a
 * checkpoint of many subtasks and states does not make as many files.
 *
 *   task A ── a section ──┐                              StateBlob: file, offset, size, check sum
 *   task B ── a section ──┼──► shared/<name>             what later checkpoints may refer to
 *   task A ── a section ──┴──► taskowned/<name>          what belongs to one checkpoint
 *
 * A section is written by one thread in one go and synced before its blob is given out; nobody else writes
 * into the file meanwhile.  A blob of more than MERGED_SECTION_MAX, or than a file may have, is no small one
 * and has a file of its own, as have all blobs of savepoints.
 *
 * Which file: one of the same folder that is not in use, has room, and has sections of less than
 * max-subtasks-per-file other subtasks; without pool-blocking a new one when there is none, with it the one
 * that is in use is waited for.  Sections of an earlier checkpoint may be in it only with
 * across-checkpoint-boundary, and only when the newest completed checkpoint has some there: the job manager keeps
 * the files of that one while checkpoints that began behind it are pending (CheckpointBarrier.latest_completed).
 * A file is begun by an attempt and gets no more sections when one that wrote into it has ended.
 *
 *   OPEN ──► IN USE ──► OPEN ──► ... ──► SEALED (full, given up, damaged, mostly garbage) ──► closed, forgotten
 *
 * Who deletes: the job manager, like all shared files, when no checkpoint refers to any section of the file
 * (it counts by the file's name).  A worker deletes only a file of which it never acknowledged a section: to
 * discard a section deletes nothing, it is garbage inside.  What a killed worker wrote stays readable as far as it
 * was acknowledged; what is behind that is garbage that nobody refers to.
 *
 * Garbage: a file of which less than 1 / max-space-amplification is still referred to gets no more sections,
 * and file_merging_waste() says so to who refers to it, who writes anew what costs less than it frees.
 *
 * Not on file systems where a file is seen when it is closed (fs_hides_unfinished()): there is none.
 *
 * Thread: any; the lock is a leaf, never held over I/O or a callback.
 * Flink: FileMergingSnapshotManager, PhysicalFilePool, SegmentFileStateHandle (FLIP-306). */
#ifndef FLINC_ENGINE_SNAPSHOT_MERGING_H
#define FLINC_ENGINE_SNAPSHOT_MERGING_H

#include "common/loop/executor.h"
#include "engine/snapshot/output.h"

/* Bytes of a section: what an output holds in memory before it is finished. */
enum { MERGED_SECTION_MAX = SNAPSHOT_CHUNKS_MAX * SNAPSHOT_CHUNK_BYTES };

struct file_merging_options { /* execution.checkpointing.file-merging.* */
    uint64_t max_file_bytes;
    uint32_t max_subtasks_per_file; /* at least 1 */
    double max_space_amplification; /* <= 1: no bound */
    bool across_checkpoints;
    bool pool_blocking;
    struct executor *executor; /* Borrows; closes and deletes files; NULL: the caller's thread */
};

struct file_merging; /* counted */
struct file_merging *file_merging_new(const struct file_merging_options *options);
struct file_merging *file_merging_ref(struct file_merging *m);
/* The last one closes what is open.  Returns NULL. */
struct file_merging *file_merging_unref(struct file_merging *m);

/* A task takes its part in a checkpoint: files that get no more sections are closed.  `latest_completed`: the
 * newest that had completed when this one was triggered; 0: none. */
void file_merging_begin(struct file_merging *m, uint64_t checkpoint_id, uint64_t latest_completed);
/* A task acknowledges: what it refers to is in use, and the job manager's from now on. */
void file_merging_note(struct file_merging *m, uint64_t checkpoint_id,
                       const Flinc__TaskSnapshot *snapshot);
/* An attempt ("<vertex hex>-<subtask>-<attempt>") has ended: no file that it wrote into is written any more. */
void file_merging_leave(struct file_merging *m, const char *owner);
/* Bytes that nothing refers to in the file of this section, when they are more than the bound; else 0. */
uint64_t file_merging_waste(struct file_merging *m, const Flinc__StateBlob *blob);

/* Files of this worker that the newest completed checkpoint, or a later one, has sections in, with their garbage;
 * and the sections in them that were not discarded. */
struct file_merging_stats {
    _Atomic int64_t n_files, file_bytes;
    _Atomic int64_t n_sections, section_bytes;
};
const struct file_merging_stats *file_merging_stats(const struct file_merging *m); /* Borrows */

#endif
