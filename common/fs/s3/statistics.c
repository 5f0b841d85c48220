/* Counters of the process, and lines for files that take long (statistics.h). */
#include "common/fs/s3/statistics.h"

#include "common/base/log.h"

#include <stdatomic.h>
#include <stdio.h>

static const char topic[] = "flinc.fs.s3";

static const char *const kind_names[] = {
    [S3_KIND_READ] = "read", [S3_KIND_WRITE] = "write", [S3_KIND_COPY] = "copy",
    [S3_KIND_LIST] = "list", [S3_KIND_STAT] = "stat",   [S3_KIND_DELETE] = "delete",
};
_Static_assert(ARRAY_LEN(kind_names) == S3_KINDS, "a name for each");

static _Atomic uint64_t bytes_read, bytes_written, retries, failures, under_way;
static _Atomic uint64_t requests[S3_KINDS];

const char *s3_kind_name(enum s3_kind kind)
{
    return kind_names[kind];
}

static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static uint64_t value_of(_Atomic uint64_t *of)
{
    return atomic_load_explicit(of, memory_order_relaxed);
}

void s3_statistics_read(struct s3_statistics *ret)
{
    *ret = (struct s3_statistics){.bytes_read = value_of(&bytes_read),
                                  .bytes_written = value_of(&bytes_written),
                                  .retries = value_of(&retries),
                                  .failures = value_of(&failures),
                                  .under_way = value_of(&under_way)};
    for (size_t i = 0; i < S3_KINDS; i++) {
        ret->requests[i] = value_of(&requests[i]);
    }
}

void s3_count_start(enum s3_kind kind)
{
    add(&requests[kind], 1);
    add(&under_way, 1);
}

void s3_count_retry(void)
{
    add(&retries, 1);
}

void s3_count_end(const struct s3_ended *ended)
{
    add(&bytes_read, ended->bytes_read);
    add(&bytes_written, ended->bytes_written);
    add(&failures, ended->has_failed);
    atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
}

void s3_progress_add(struct s3_progress *p, const struct clock *clock, const char *doing,
                     const char *uri, uint64_t n_bytes, uint64_t total_bytes)
{
    int64_t now_ms = clock_monotonic_ms(clock);
    if (p->next_ms == 0) {
        p->begin_ms = now_ms;
        p->next_ms = now_ms + S3_PROGRESS_MS;
    }
    p->bytes += n_bytes;
    if (now_ms < p->next_ms) {
        return;
    }
    int64_t ms = now_ms - p->begin_ms;
    char of[48] = "";
    if (total_bytes > 0) {
        snprintf(of, sizeof(of), " of %.1f", (double)total_bytes / 1e6);
    }
    LOG_INFO(topic, "%s %s: %.1f%s MB in %lld s, %.1f MB/s", doing, uri, (double)p->bytes / 1e6, of,
             (long long)(ms / 1000), (double)p->bytes / 1e3 / (double)ms);
    p->n_lines++;
    p->next_ms = now_ms + S3_PROGRESS_MS;
}
