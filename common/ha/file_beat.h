/* The sign of life of a leader of the file kind: a file named by its token, locked, with a number that grows.
 *
 * The lock is gone with the process, at once, for those on the same host (told by its boot id); the number stands still for
 * everybody when the leader is dead, frozen or cut off.  A live leader always has its file: it makes it before it takes over.
 *
 * Thread: one at a time.  Time is the observer's monotonic one; while it was stopped itself, nothing counts. */
#ifndef FLINC_COMMON_HA_FILE_BEAT_H
#define FLINC_COMMON_HA_FILE_BEAT_H

#include "common/base/clock.h"
#include "common/base/str.h"

/* The leader's side.  Caller's memory. */
struct file_beat {
    int fd;          /* -1: none */
    struct str path; /* Owns */
    uint64_t count;
};
#define FILE_BEAT_INIT             \
    {                              \
        .fd = -1, .path = STR_INIT \
    }
int file_beat_begin(struct file_beat *b, const char *dir, const struct flinc_id *token,
                    struct error *err) MUST_CHECK;
int file_beat_again(struct file_beat *b, struct error *err) MUST_CHECK;
void file_beat_end(struct file_beat *b); /* removes the file; fine when there is none */

/* The others' side.  Caller's memory, zeroed. */
struct file_watch {
    struct flinc_id token; /* of whom it looks at */
    uint64_t count;
    int64_t changed_ns, looked_ns;
};
/* Looks again; true: that leader is dead, or has been silent for timeout_ms.  *ret_why: for people; may be NULL. */
bool file_watch_is_dead(struct file_watch *w, const char *dir, const struct flinc_id *token,
                        int64_t timeout_ms, const char **ret_why);
void file_beat_remove(const char *dir, const struct flinc_id *token);

#endif
