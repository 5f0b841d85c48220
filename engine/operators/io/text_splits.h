/* Finding the files of a text source and cutting them into splits: blocking work, done on an I/O
 * thread.  Flink: NonSplittingRecursiveEnumerator, BlockSplittingRecursiveEnumerator. */
#ifndef FLINC_ENGINE_OPERATORS_IO_TEXT_SPLITS_H
#define FLINC_ENGINE_OPERATORS_IO_TEXT_SPLITS_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "proto/operators.pb-c.h"

enum {
    TEXT_SPLIT_BYTES_MAX = 64 * 1024 * 1024, /* of a split when none is configured */
    TEXT_SPLIT_BYTES_MIN = 1024 * 1024,
    TEXT_SPLITS_PER_SUBTASK = 8, /* aimed at, so that subtasks end at about the same time */
    TEXT_FILES_MAX = 10 * 1000 * 1000,
    TEXT_LINK_DEPTH_MAX = 8, /* links to folders in folders that links lead to */
};

struct text_file {
    char *path; /* Owns */
    uint64_t size;
};

enum text_find_flags {
    TEXT_FIND_OPTIONAL = 1,  /* a path that is not there, a pattern without a match are fine */
    TEXT_FIND_RECURSIVE = 2, /* folders in folders too */
};

/* Files below the given paths (files, folders, globs) that are not in `seen` (may be NULL), in the order of
 * the paths, folders in the order of names.  In folders names that begin with '.' or '_' are left out.  A
 * file that several paths lead to is found once.  `seen` is only read. */
int text_files_find(char *const *paths, size_t n_paths, uint32_t flags, const struct map *seen,
                    struct vec *ret_files, struct error *err) MUST_CHECK;
/* Drops files whose whole path does not match the expression (engine/patterns/regex.h).  ERR_PARSE: it is none. */
int text_files_match(struct vec *files, const char *pattern, struct error *err) MUST_CHECK;
/* Adds what was found to the files that later searches leave out. */
void text_files_remember(const struct vec *files, struct map *seen);
void text_files_fini(struct vec *files);
/* Appends Flinc__FileSplit * (owned by the caller) of the files, numbered from *inout_next_id on.
 * split_bytes 0: chosen by the total. */
void text_files_split(const struct vec *files, uint64_t split_bytes, uint32_t parallelism,
                      uint64_t *inout_next_id, struct vec *ret_splits);

#endif
