/* Hidden files that dead attempts of this run and subtask left.
 *
 * The search begins when an attempt does, on an I/O thread where there is one, and goes through up to
 * LEFTOVER_FOLDERS_MAX folders, those with the highest names first (dates sort by time).  What it found is removed
 * when a checkpoint is complete that began after the search had ended: this attempt was the living one all the while,
 * so that none of its successors can have made the files, and all that was restored is committed.  Its own, made
 * meanwhile, it knows by their names; numbered names do not tell, so that their search is over before the first.
 *
 * Thread: the task's; the search has a struct of its own. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_LEFTOVERS_H
#define FLINC_ENGINE_OPERATORS_FILES_LEFTOVERS_H

#include "common/base/map.h"
#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

enum { LEFTOVER_FOLDERS_MAX = 10000, LEFTOVER_DEPTH_MAX = 16 };

struct leftover_search;

struct leftovers {
    struct leftover_search *search; /* shared with the I/O thread; NULL: none */
    uint64_t first_checkpoint;      /* that began after the search; 0: none yet */
};

/* What all names of a subtask's files begin with: "part-1a2b3c4d-0007", the text sink's "part-1a2b3c4d-7". */
void leftovers_stem(const Flinc__FileSinkConfig *config, uint32_t subtask, struct str *out);

struct leftover_options {
    struct map *take_keep; /* names of hidden files that somebody still wants */
    const char *own_uid;   /* names of this attempt have it */
};
void leftovers_start(struct leftovers *l, struct op_context *ctx,
                     const Flinc__FileSinkConfig *config, const struct leftover_options *o);
void leftovers_fini(struct leftovers *l); /* safe on a zeroed struct */
/* Behind the last record: the search ends before the last checkpoint begins, or the task is cancelled. */
void leftovers_finish(struct leftovers *l, const struct op_context *ctx);
void leftovers_snapshot(struct leftovers *l, uint64_t checkpoint_id);
void leftovers_complete(struct leftovers *l, uint64_t checkpoint_id);
/* At once, and those with finished names, too: without checkpoints an attempt begins from nothing. */
int leftovers_remove_all(const struct op_context *ctx, const Flinc__FileSinkConfig *config,
                         struct error *err) MUST_CHECK;

#endif
