/* The log files of a process, as REST shows them.  A file is named by its entry in the folder: the name is
 * compared with those that are there, never joined to a path, so that no name leads anywhere else.
 * Links, folders and devices are not log files.
 *
 * Thread: any; the calls read from disk.  Flink: the LogListHandler's and the FileType of a TaskExecutor. */
#ifndef FLINC_COMMON_PROCESS_LOG_FILES_H
#define FLINC_COMMON_PROCESS_LOG_FILES_H

#include "common/base/str.h"
#include "common/base/vec.h"

enum { LOG_FILES_MAX = 1000 }; /* of one listing; those behind it by name are left out */

struct log_file {
    char *name; /* Owns */
    uint64_t size;
    int64_t mtime_ms;
};

/* Sorted by name, into an empty vector of struct log_file; freed by log_files_fini(). */
int log_files_list(const char *dir, struct vec *ret_files, struct error *err) MUST_CHECK;
void log_files_fini(struct vec *files);

/* Opens the file of the folder that has this name; the descriptor is the caller's.  ERR_NOT_FOUND. */
int log_files_open(const char *dir, const char *name, int *ret_fd, uint64_t *ret_size,
                   struct error *err) MUST_CHECK;
/* Up to `max` bytes from the offset, appended; nothing behind the end.  ERR_NOT_FOUND: no such log file in
 * that folder. */
int log_files_read(const char *dir, const char *name, uint64_t offset, size_t max,
                   struct str *ret_data, uint64_t *ret_total, struct error *err) MUST_CHECK;
/* The same of a file whose path the process itself knows. */
int log_file_read(const char *path, uint64_t offset, size_t max, struct str *ret_data,
                  uint64_t *ret_total, struct error *err) MUST_CHECK;

#endif
