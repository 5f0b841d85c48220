/* Counters of the process, and lines for files that take long (statistics.h). */
#include "common/fs/remote/statistics.h"

#include "common/base/log.h"

#include <stdatomic.h>
#include <stdio.h>

static const char topic[] = "flinc.fs.remote";

static const char *const kind_names[] = {
    [REMOTE_KIND_READ] = "read", [REMOTE_KIND_WRITE] = "write", [REMOTE_KIND_COPY] = "copy",
    [REMOTE_KIND_LIST] = "list", [REMOTE_KIND_STAT] = "stat",   [REMOTE_KIND_DELETE] = "delete",
};
_Static_assert(ARRAY_LEN(kind_names) == REMOTE_KINDS, "a name for each");

struct remote_counters {
    _Atomic uint64_t bytes_read, bytes_written, retries, failures, under_way;
    _Atomic uint64_t requests[REMOTE_KINDS];
};
struct remote_counters s3_counters, hdfs_counters;

const char *remote_kind_name(enum remote_kind kind)
{
    return kind_names[kind];
}

static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static uint64_t value_of(const _Atomic uint64_t *of)
{
    return atomic_load_explicit(of, memory_order_relaxed);
}

void remote_statistics_read(const struct remote_counters *of, struct remote_statistics *ret)
{
    *ret = (struct remote_statistics){.bytes_read = value_of(&of->bytes_read),
                                      .bytes_written = value_of(&of->bytes_written),
                                      .retries = value_of(&of->retries),
                                      .failures = value_of(&of->failures),
                                      .under_way = value_of(&of->under_way)};
    for (size_t i = 0; i < REMOTE_KINDS; i++) {
        ret->requests[i] = value_of(&of->requests[i]);
    }
}

void remote_count_start(struct remote_counters *of, enum remote_kind kind)
{
    add(&of->requests[kind], 1);
    add(&of->under_way, 1);
}

void remote_count_retry(struct remote_counters *of)
{
    add(&of->retries, 1);
}

void remote_count_end(struct remote_counters *of, const struct remote_ended *ended)
{
    add(&of->bytes_read, ended->bytes_read);
    add(&of->bytes_written, ended->bytes_written);
    add(&of->failures, ended->has_failed);
    atomic_fetch_sub_explicit(&of->under_way, 1, memory_order_relaxed);
}

void remote_progress_add(struct remote_progress *p, const struct clock *clock, const char *doing,
                         const char *uri, uint64_t n_bytes, uint64_t total_bytes)
{
    int64_t now_ms = clock_monotonic_ms(clock);
    if (p->next_ms == 0) {
        p->begin_ms = now_ms;
        p->next_ms = now_ms + REMOTE_PROGRESS_MS;
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
    p->next_ms = now_ms + REMOTE_PROGRESS_MS;
}

/* ---- trying again --------------------------------------------------------------------------------------------- */

int64_t remote_pause_ms(uint32_t n_tries, int32_t told_s, struct rng *random)
{
    int64_t ms = (int64_t)REMOTE_PAUSE_FIRST_MS << MIN(n_tries - 1, 16u);
    ms = MIN(ms, (int64_t)REMOTE_PAUSE_MAX_MS);
    ms = ms / 2 + (int64_t)rng_below(random, (uint64_t)ms / 2 + 1);
    int64_t told_ms = told_s > 0 ? (int64_t)told_s * 1000 : 0;
    told_ms = MIN(told_ms, (int64_t)REMOTE_PAUSE_MAX_MS);
    return MAX(ms, told_ms);
}
