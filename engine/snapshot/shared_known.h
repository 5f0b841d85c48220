/* What shared_files keeps for uploads, inside the room.  Thread: the task's. */
#ifndef FLINC_ENGINE_SNAPSHOT_SHARED_KNOWN_H
#define FLINC_ENGINE_SNAPSHOT_SHARED_KNOWN_H

#include "engine/snapshot/shared_files.h"

/* An upload begins: a full one forgets what there was. */
void shared_files_begin(struct shared_files *f, Flinc__CheckpointKind kind);
/* Borrows until the next call; NULL: not known. */
const Flinc__SharedFile *shared_files_find(const struct shared_files *f, uint64_t id);

/* A checkpoint was written, and may be confirmed: first a note, then each of its files. */
void shared_files_note(struct shared_files *f, uint64_t checkpoint_id);
void shared_files_note_file(struct shared_files *f, uint64_t id, const Flinc__SharedFile *file);

#endif
