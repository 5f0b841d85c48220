/* The records of the file kind on disk, segment by segment, as one process sees and extends them.
 *
 *   <dir>/s-0000000007/0000000000   the state at the beginning of segment 7
 *   <dir>/s-0000000007/0000000001   a change
 *   <dir>/s-0000000007/0000000002   CLOSE: segment 8 follows
 *
 * A record appears under its name whole, or not at all, and only if the name is free (link).  A closed segment is moved away
 * (trash-*) once its successor is there, so that a name never becomes free again.
 *
 * Thread: one at a time (the driver's lock).  All of it blocks on the disk. */
#ifndef FLINC_COMMON_HA_FILE_LOG_H
#define FLINC_COMMON_HA_FILE_LOG_H

#include "common/ha/file_record.h"

/* Caller's memory. */
struct file_log {
    struct str dir;   /* Owns */
    uint64_t segment; /* 0: none has been read yet */
    uint64_t next;    /* number of the next record */
    uint64_t bytes;   /* of the records behind the first one */
    struct file_state state;
    struct rng rng; /* of names for temporary files */
};
/* Makes the folder, and the first segment when there is none. */
int file_log_open(struct file_log *log, const char *dir, struct error *err) MUST_CHECK;
void file_log_close(struct file_log *log);
/* Reads what others have written.  A closed segment whose successor is not there gets it. */
int file_log_follow(struct file_log *log, struct error *err) MUST_CHECK;
/* The next record of this segment.  0: it is durable.  ERR_FENCED: somebody else's is there, or the segment is gone;
 * ERR_TIMEOUT: nobody knows; others: it is not there. */
int file_log_append(struct file_log *log, struct slice record, struct error *err) MUST_CHECK;
/* Closes the segment for `owner` and goes on to the next one; as append. */
int file_log_take(struct file_log *log, const struct flinc_id *owner, uint64_t epoch,
                  const char *owner_name, struct error *err) MUST_CHECK;
/* Whether the next record's name is taken, or the segment gone: somebody else has written. */
bool file_log_is_overtaken(const struct file_log *log);
/* Deletes what nobody can need: earlier segments, leftovers of processes that were killed. */
void file_log_sweep(struct file_log *log);

/* A whole small file, durable under its name; replaces one. */
int file_put(struct file_log *log, const char *path, struct slice bytes,
             struct error *err) MUST_CHECK;
/* ERR_NOT_FOUND. */
int file_read(const char *path, struct str *ret, struct error *err) MUST_CHECK;

#endif
