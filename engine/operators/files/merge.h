/* One merge of hidden files into a file that waits to be committed.
 *
 * Made, started and asked on the task's thread, run on an I/O thread; the last of the two frees it.  One that is given
 * up ends soon by itself and leaves nothing.  The output lies beside the first source. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_MERGE_H
#define FLINC_ENGINE_OPERATORS_FILES_MERGE_H

#include "common/base/vec.h"
#include "engine/operators/operator.h"

struct merge_source {
    char *path; /* Owns */
    uint64_t size_bytes;
    /* Of a checkpoint.  It may be gone: then it was compacted before; and longer, when it was open then and written on
     * by an attempt that is dead: what comes behind size_bytes comes again. */
    bool is_restored;
};
void merge_sources_fini(struct vec *sources); /* of struct merge_source */
void merge_paths_fini(struct vec *paths);     /* of char * */

struct merge_options {
    const char *bucket, *name;
    struct vec *take_sources; /* struct merge_source; at least one */
    bool by_records;          /* unpacked, headers left out, packed anew */
    const char *compression;
    struct slice header;
    const _Atomic bool *cancelled; /* Borrows: the task's; looked at by merge_run(); may be NULL */
};

struct merge;
struct merge *merge_new(const struct merge_options *o);
/* On ctx's executor; at once where there is none or its queue is full.  Wakes the operator when it is done. */
void merge_start(struct merge *m, struct op_context *ctx);
void merge_run(struct merge *m); /* here and now */
bool merge_is_done(const struct merge *m);
/* Of a merge that is done: *ret_handle commits its file ("" when no source was there any more), *ret_sources (char *)
 * are what it was made of; both are the caller's, also after a failure (then they are empty). */
int merge_result(struct merge *m, struct str *ret_handle, struct vec *ret_sources,
                 struct error *err) MUST_CHECK;
/* Drops the task's reference.  NULL is fine; returns NULL. */
struct merge *merge_give_up(struct merge *m);

const char *merge_bucket(const struct merge *m);
size_t merge_n_sources(const struct merge *m);
const struct merge_source *merge_source_at(const struct merge *m, size_t i);

#endif
