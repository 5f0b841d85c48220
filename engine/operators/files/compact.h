/* Compaction: the small files of a bucket written into one.
 *
 *   hidden file ─► waits with those of its bucket ─► due ─► merged by an I/O thread ─► commits.h, with its sources
 *
 * Nothing of a source changes until the merged file has appeared: whatever is lost on the way is done again.  A
 * restored file that is not there any more was compacted behind the checkpoint, and what it held is visible.
 *
 * Union state "uncompacted" (FileSinkHidden).  Thread: the task's; a merge has a struct of its own.
 * Flink: FileCompactStrategy, CompactCoordinator, CompactorOperator, FileCompactor. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_COMPACT_H
#define FLINC_ENGINE_OPERATORS_FILES_COMPACT_H

#include "common/base/map.h"
#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

enum { COMPACT_THREADS_MAX = 16, COMPACT_FILES_MAX = 1000, COMPACT_CHUNK_BYTES = 256 * 1024 };

struct operator_list;
struct file_commits;
struct file_hand_over;
struct merge;

struct file_compactor {
    struct op_context *ctx;              /* Borrows */
    const Flinc__FileSinkConfig *config; /* Borrows */
    struct file_commits *commits;        /* Borrows: gets what was merged */
    struct slice header;                 /* Borrows: of each file */
    struct operator_list *list;          /* Borrows; NULL: no state */
    struct map waiting;                  /* bucket -> struct waiting_bucket */
    struct map others; /* names of files that other subtasks have, from the restored state */
    struct merge *merges[COMPACT_THREADS_MAX]; /* shared; NULL: a free place */
};

void file_compactor_init(struct file_compactor *c, struct op_context *ctx,
                         const Flinc__FileSinkConfig *config, struct file_commits *commits);
int file_compactor_open(struct file_compactor *c, struct error *err) MUST_CHECK; /* restores */
void file_compactor_fini(struct file_compactor *c); /* safe on a zeroed struct */
static inline bool file_compactor_is_on(const struct file_compactor *c)
{
    return c->config->compaction != NULL;
}
bool file_compactor_has_files(const struct file_compactor *c);
/* A hidden file waits: one that was closed, or a restored one of which so many bytes count. */
void file_compactor_add(struct file_compactor *c, const char *bucket, const char *path,
                        uint64_t size_bytes);
void file_compactor_add_restored(struct file_compactor *c, const char *bucket, const char *path,
                                 uint64_t size_bytes);
/* Takes in what was merged, and begins with what is due. */
int file_compactor_poll(struct file_compactor *c, struct error *err) MUST_CHECK;
/* All that waits is merged, on the task's thread. */
int file_compactor_flush(struct file_compactor *c, struct error *err) MUST_CHECK;
/* Tells which buckets have files that wait or are being merged. */
int file_compactor_tell(const struct file_compactor *c, struct file_hand_over *to,
                        struct error *err) MUST_CHECK;
int file_compactor_snapshot(struct file_compactor *c, struct error *err) MUST_CHECK;
/* Puts the names of all hidden files that are wanted, of all subtasks. */
void file_compactor_names(const struct file_compactor *c, struct map *names);

#endif
