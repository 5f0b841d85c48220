/* What this process has asked of S3, and what it moved: counted by the client, read by metrics; and lines in the log for
 * files that take long.  Thread: any; a progress belongs to one. */
#ifndef FLINC_COMMON_FS_S3_STATISTICS_H
#define FLINC_COMMON_FS_S3_STATISTICS_H

#include "common/base/clock.h"
#include "common/base/error.h"

enum s3_kind {
    S3_KIND_READ,
    S3_KIND_WRITE, /* parts, and what begins, ends and gives up uploads, too */
    S3_KIND_COPY,
    S3_KIND_LIST,
    S3_KIND_STAT,
    S3_KIND_DELETE,
    S3_KINDS, /* count */
};
const char *s3_kind_name(enum s3_kind kind); /* "read" */

/* Since the process began. */
struct s3_statistics {
    uint64_t bytes_read, bytes_written; /* of requests that ended well */
    uint64_t requests[S3_KINDS];        /* that were asked for; tries are not counted twice */
    uint64_t retries;                   /* tries behind the first */
    uint64_t failures; /* requests that nobody tries again, but "not there" and "there already" */
    uint64_t under_way;
};
void s3_statistics_read(struct s3_statistics *ret);

/* ---- the client's ------------------------------------------------------------------------------------------ */

void s3_count_start(enum s3_kind kind);
void s3_count_retry(void);
struct s3_ended {
    uint64_t bytes_read, bytes_written;
    bool has_failed;
};
void s3_count_end(const struct s3_ended *ended);

/* ---- progress ----------------------------------------------------------------------------------------------- */

enum { S3_PROGRESS_MS = 10 * 1000 };

/* Of a file that is read or written; zeroed to begin with, which it does with its first bytes. */
struct s3_progress {
    int64_t begin_ms, next_ms; /* monotonic; 0: not begun */
    uint64_t bytes;
    uint32_t n_lines;
};
/* So many bytes more; a line every S3_PROGRESS_MS.  `doing`: "writing"; `total_bytes` 0: not known. */
void s3_progress_add(struct s3_progress *p, const struct clock *clock, const char *doing,
                     const char *uri, uint64_t n_bytes, uint64_t total_bytes);

#endif
