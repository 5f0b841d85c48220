/* What this process has asked of servers that keep files, and what it moved: counted by the clients, by file system, read by
 * metrics; and lines in the log for files that take long.  Thread: any; a progress belongs to one. */
#ifndef FLINC_COMMON_FS_REMOTE_STATISTICS_H
#define FLINC_COMMON_FS_REMOTE_STATISTICS_H

#include "common/base/clock.h"
#include "common/base/error.h"

enum remote_kind {
    REMOTE_KIND_READ,
    REMOTE_KIND_WRITE, /* parts, and what begins, ends and gives up uploads, too */
    REMOTE_KIND_COPY,
    REMOTE_KIND_LIST,
    REMOTE_KIND_STAT,
    REMOTE_KIND_DELETE,
    REMOTE_KINDS, /* count */
};
const char *remote_kind_name(enum remote_kind kind); /* "read" */

/* Of one file system since the process began. */
struct remote_statistics {
    uint64_t bytes_read, bytes_written; /* of requests that ended well */
    uint64_t requests[REMOTE_KINDS];    /* that were asked for; tries are not counted twice */
    uint64_t retries;                   /* tries behind the first */
    uint64_t failures; /* requests that nobody tries again, but "not there" and "there already" */
    uint64_t under_way;
};
struct remote_counters; /* of one file system, statically there */
extern struct remote_counters s3_counters, hdfs_counters;
void remote_statistics_read(const struct remote_counters *of, struct remote_statistics *ret);

/* ---- the clients' ------------------------------------------------------------------------------------------ */

void remote_count_start(struct remote_counters *of, enum remote_kind kind);
void remote_count_retry(struct remote_counters *of);
struct remote_ended {
    uint64_t bytes_read, bytes_written;
    bool has_failed;
};
void remote_count_end(struct remote_counters *of, const struct remote_ended *ended);

/* ---- progress ----------------------------------------------------------------------------------------------- */

enum { REMOTE_PROGRESS_MS = 10 * 1000 };

/* Of a file that is read or written; zeroed to begin with, which it does with its first bytes. */
struct remote_progress {
    int64_t begin_ms, next_ms; /* monotonic; 0: not begun */
    uint64_t bytes;
    uint32_t n_lines;
};
/* So many bytes more; a line every REMOTE_PROGRESS_MS.  `doing`: "writing"; `total_bytes` 0: not known. */
void remote_progress_add(struct remote_progress *p, const struct clock *clock, const char *doing,
                         const char *uri, uint64_t n_bytes, uint64_t total_bytes);

/* ---- trying again --------------------------------------------------------------------------------------------- */

enum {
    REMOTE_PAUSE_FIRST_MS = 100, /* before the second try; doubled each time, */
    REMOTE_PAUSE_MAX_MS = 10000, /* up to this, half of it by chance */
};
/* How long before the next try; `n_tries` so far, `told_s`: what the server asked for, 0 or less: nothing. */
int64_t remote_pause_ms(uint32_t n_tries, int32_t told_s, struct rng *random);

#endif
