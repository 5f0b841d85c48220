/* Process metrics: one look at /proc per second at most, and a table of gauges over what it found.
 * Thread: readings hold the registry's lock, which serialises them.  Flink: MetricUtils. */
#include "common/metrics/process_metrics.h"

#include "common/base/log.h"
#include "common/fs/remote/statistics.h"
#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SAMPLE_MS = 1000, GROUPS_MAX = 24 };

/* Of a file system of servers. */
struct remote_sample {
    struct remote_statistics n;
    double read_rate, write_rate; /* bytes per second */
};

struct process_sample {
    double cpu_load; /* of all processors, 0 to 1 */
    int64_t cpu_time_ns;
    int64_t heap_used, heap_committed, memory_max;
    int64_t other_used; /* resident memory that is not the heap's */
    int64_t mapped;     /* resident pages of files */
    int64_t threads;
    int64_t files_open, files_max;
    int64_t objects_loaded, objects_unloaded;
    struct remote_sample s3, hdfs;
    int64_t zero, one;
};

struct process_metrics {
    const struct clock *clock;
    struct metric_group *status, *filesystem; /* groups of that name */
    uint64_t memory_max_bytes;
    int64_t sampled_ms, sampled_cpu_ns;
    bool sampled;
    struct process_sample now;
    struct process_gauge *gauges; /* Owns; one per row */
    /* What other processes add, by row; thread: any. */
    _Atomic double others[PROCESS_METRICS_ROWS_MAX];
};

enum gauge_type { GAUGE_INTEGER, GAUGE_SHARE /* at most 1 */, GAUGE_RATE };

struct gauge_row {
    const char *group; /* parts between dots */
    const char *name;
    size_t at; /* in struct process_sample */
    enum gauge_type type;
    bool is_summed; /* over the processes of a component */
};

#define ROW(group, name, field)                                                             \
    {                                                                                       \
        "Status." group, name, offsetof(struct process_sample, field), GAUGE_INTEGER, false \
    }
#define SUMMED_ROW(group, name, field)                                                     \
    {                                                                                      \
        "Status." group, name, offsetof(struct process_sample, field), GAUGE_INTEGER, true \
    }
#define REMOTE_ROW(of, name, field, type)                                              \
    {                                                                                  \
        "filesystem." #of, name, offsetof(struct process_sample, of.field), type, true \
    }
#define REMOTE_ROWS(of)                                                                  \
    REMOTE_ROW(of, "bytesRead", n.bytes_read, GAUGE_INTEGER),                            \
        REMOTE_ROW(of, "bytesReadPerSecond", read_rate, GAUGE_RATE),                     \
        REMOTE_ROW(of, "bytesWritten", n.bytes_written, GAUGE_INTEGER),                  \
        REMOTE_ROW(of, "bytesWrittenPerSecond", write_rate, GAUGE_RATE),                 \
        REMOTE_ROW(of, "readRequests", n.requests[REMOTE_KIND_READ], GAUGE_INTEGER),     \
        REMOTE_ROW(of, "writeRequests", n.requests[REMOTE_KIND_WRITE], GAUGE_INTEGER),   \
        REMOTE_ROW(of, "copyRequests", n.requests[REMOTE_KIND_COPY], GAUGE_INTEGER),     \
        REMOTE_ROW(of, "listRequests", n.requests[REMOTE_KIND_LIST], GAUGE_INTEGER),     \
        REMOTE_ROW(of, "statRequests", n.requests[REMOTE_KIND_STAT], GAUGE_INTEGER),     \
        REMOTE_ROW(of, "deleteRequests", n.requests[REMOTE_KIND_DELETE], GAUGE_INTEGER), \
        REMOTE_ROW(of, "currentRequests", n.under_way, GAUGE_INTEGER),                   \
        REMOTE_ROW(of, "retries", n.retries, GAUGE_INTEGER),                             \
        REMOTE_ROW(of, "failures", n.failures, GAUGE_INTEGER)
static const struct gauge_row rows[] = {
    {"Status.JVM.CPU", "Load", offsetof(struct process_sample, cpu_load), GAUGE_SHARE, true},
    SUMMED_ROW("JVM.CPU", "Time", cpu_time_ns),
    SUMMED_ROW("JVM.Memory.Heap", "Used", heap_used),
    SUMMED_ROW("JVM.Memory.Heap", "Committed", heap_committed),
    ROW("JVM.Memory.Heap", "Max", memory_max),
    SUMMED_ROW("JVM.Memory.NonHeap", "Used", other_used),
    SUMMED_ROW("JVM.Memory.NonHeap", "Committed", other_used),
    ROW("JVM.Memory.NonHeap", "Max", memory_max),
    ROW("JVM.Memory.Metaspace", "Used", zero),
    ROW("JVM.Memory.Metaspace", "Committed", zero),
    ROW("JVM.Memory.Metaspace", "Max", one),
    ROW("JVM.Memory.Direct", "Count", zero),
    ROW("JVM.Memory.Direct", "MemoryUsed", zero),
    ROW("JVM.Memory.Direct", "TotalCapacity", zero),
    ROW("JVM.Memory.Mapped", "Count", objects_loaded),
    ROW("JVM.Memory.Mapped", "MemoryUsed", mapped),
    ROW("JVM.Memory.Mapped", "TotalCapacity", mapped),
    SUMMED_ROW("JVM.Threads", "Count", threads),
    ROW("JVM.ClassLoader", "ClassesLoaded", objects_loaded),
    ROW("JVM.ClassLoader", "ClassesUnloaded", objects_unloaded),
    ROW("JVM.GarbageCollector.All", "Count", zero),
    ROW("JVM.GarbageCollector.All", "Time", zero),
    ROW("JVM.GarbageCollector.All", "TimeMsPerSecond", zero),
    ROW("JVM.GarbageCollector.G1_Young_Generation", "Count", zero),
    ROW("JVM.GarbageCollector.G1_Young_Generation", "Time", zero),
    ROW("JVM.GarbageCollector.G1_Old_Generation", "Count", zero),
    ROW("JVM.GarbageCollector.G1_Old_Generation", "Time", zero),
    SUMMED_ROW("FileDescriptor", "Open", files_open),
    ROW("FileDescriptor", "Max", files_max),
    REMOTE_ROWS(s3),
    REMOTE_ROWS(hdfs),
};

_Static_assert(ARRAY_LEN(rows) <= PROCESS_METRICS_ROWS_MAX, "process_sums has room for each row");

struct process_gauge {
    struct process_metrics *metrics; /* Borrows */
    const struct gauge_row *row;
};

/* ---- looking ------------------------------------------------------------------------------------ */

/* A small file of /proc or /sys; false: it cannot be read. */
static bool read_text(const char *path, char *ret_text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret_text, size - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (n >= 0) {
        ret_text[n] = '\0';
    }
    return n >= 0;
}

static void look_at_memory(struct process_sample *s)
{
    char text[256];
    unsigned long long size = 0, resident = 0, shared = 0;
    const int64_t page = sysconf(_SC_PAGESIZE);
    if (read_text("/proc/self/statm", text, sizeof(text)) &&
        sscanf(text, "%llu %llu %llu", &size, &resident, &shared) == 3) {
        struct mallinfo2 m = mallinfo2();
        s->heap_used = (int64_t)(m.uordblks + m.hblkhd);
        s->heap_committed = (int64_t)(m.arena + m.hblkhd);
        s->mapped = (int64_t)shared * page;
        s->other_used = MAX((int64_t)resident * page - s->heap_committed, (int64_t)0);
    }
}

static int64_t count_threads(void)
{
    char text[1024];
    const char *after_name =
        read_text("/proc/self/stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;
    long long n = 0;
    if (after_name != NULL &&
        sscanf(after_name + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
               "%*d %lld",
               &n) != 1) {
        n = 0;
    }
    return n;
}

static int64_t count_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = 0;
    if (d != NULL) {
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
            n += e->d_name[0] != '.';
        }
        closedir(d);
        n--; /* the folder's own */
    }
    return n;
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct process_sample *s = arg;
    s->objects_loaded = (int64_t)info->dlpi_adds;
    s->objects_unloaded = (int64_t)info->dlpi_subs;
    return 1; /* the counts are the same with each */
}

/* The container's limit where there is one, else the machine's memory. */
static int64_t find_memory_max(void)
{
    char text[64];
    int64_t max = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        long long limit = 0;
        if (read_text(limits[i], text, sizeof(text)) && sscanf(text, "%lld", &limit) == 1 &&
            limit > 0 && limit < max) {
            max = limit;
        }
    }
    return max;
}

static void look_at(const struct remote_counters *of, const struct remote_sample *before,
                    int64_t wall_ns, struct remote_sample *s)
{
    remote_statistics_read(of, &s->n);
    if (wall_ns > 0) {
        double second = 1e9 / (double)wall_ns;
        s->read_rate = (double)(s->n.bytes_read - before->n.bytes_read) * second;
        s->write_rate = (double)(s->n.bytes_written - before->n.bytes_written) * second;
    }
}

static void take_sample(struct process_metrics *p)
{
    struct rlimit files = {0};
    struct process_sample s = {.memory_max = p->now.memory_max, .one = 1};
    const int64_t now_ms = clock_monotonic_ms(p->clock);
    s.cpu_time_ns = clock_process_cpu_ns();
    const int64_t wall_ns = (now_ms - p->sampled_ms) * 1000000;
    const int64_t processors = MAX((int64_t)sysconf(_SC_NPROCESSORS_ONLN), (int64_t)1);
    if (wall_ns > 0) {
        double load =
            (double)(s.cpu_time_ns - p->sampled_cpu_ns) / (double)wall_ns / (double)processors;
        s.cpu_load = load < 0 ? 0 : MIN(load, 1.0);
    }
    look_at(&s3_counters, &p->now.s3, wall_ns, &s.s3);
    look_at(&hdfs_counters, &p->now.hdfs, wall_ns, &s.hdfs);
    look_at_memory(&s);
    s.threads = count_threads();
    s.files_open = count_files();
    getrlimit(RLIMIT_NOFILE, &files);
    s.files_max = (int64_t)files.rlim_cur;
    dl_iterate_phdr(look_at_object, &s);
    p->now = s;
    p->sampled_ms = now_ms;
    p->sampled_cpu_ns = s.cpu_time_ns;
    p->sampled = true;
}

static void read_gauge(void *arg, struct metric_value *ret_value)
{
    const struct process_gauge *g = arg;
    struct process_metrics *p = g->metrics;
    if (!p->sampled || clock_monotonic_ms(p->clock) - p->sampled_ms >= SAMPLE_MS) {
        take_sample(p);
    }
    const char *at = (const char *)&p->now + g->row->at;
    double others = atomic_load_explicit(&p->others[g->row - rows], memory_order_relaxed);
    if (g->row->type == GAUGE_INTEGER) {
        metric_value_set_i64(ret_value, *(const int64_t *)(const void *)at + (int64_t)others);
    } else {
        double value = *(const double *)(const void *)at + others;
        metric_value_set_f64(ret_value, g->row->type == GAUGE_SHARE ? MIN(value, 1.0) : value);
    }
}

/* ---- other processes ----------------------------------------------------------------------------- */

static bool is_named(const struct gauge_row *row, const char *name)
{
    size_t group_len = strlen(row->group);
    return strncmp(name, row->group, group_len) == 0 && name[group_len] == '.' &&
           strcmp(name + group_len + 1, row->name) == 0;
}

void process_sums_add(struct process_sums *sums, const char *name, double value)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].is_summed && is_named(&rows[i], name)) {
            sums->values[i] += value;
        }
    }
}

void process_metrics_set_others(struct process_metrics *p, const struct process_sums *sums)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        atomic_store_explicit(&p->others[i], sums->values[i], memory_order_relaxed);
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

/* The group "Status.JVM.CPU", of that of the process; rows of one group stand together. */
struct open_groups {
    struct metric_group *groups[GROUPS_MAX];
    struct slice paths[GROUPS_MAX];
    uint32_t n;
};

static struct metric_group *find_group(struct open_groups *open, struct metric_group *top,
                                       struct slice path)
{
    for (uint32_t i = 0; i < open->n; i++) {
        if (slice_eq(open->paths[i], path)) {
            return open->groups[i];
        }
    }
    const char *dot = memrchr(path.data, '.', path.len);
    size_t above = dot != NULL ? (size_t)(dot - path.data) : 0;
    struct metric_group *parent =
        dot != NULL ? find_group(open, top, slice_make(path.data, above)) : top;
    size_t skip = dot != NULL ? above + 1 : 0;
    char *name = mem_strndup(path.data + skip, path.len - skip);
    ASSERT(open->n < GROUPS_MAX);
    open->paths[open->n] = path;
    open->groups[open->n] = metric_group_add(parent, name);
    mem_free(name);
    return open->groups[open->n++];
}

struct process_metrics *process_metrics_new(struct metric_group *group, const struct clock *clock,
                                            uint64_t memory_max_bytes)
{
    struct open_groups open = {0};
    struct process_metrics *p = MEM_NEW(struct process_metrics);
    p->clock = clock != NULL ? clock : &clock_system;
    p->now.memory_max = memory_max_bytes != 0 ? (int64_t)memory_max_bytes : find_memory_max();
    p->sampled_ms = clock_monotonic_ms(p->clock);
    p->sampled_cpu_ns = clock_process_cpu_ns();
    remote_statistics_read(&s3_counters, &p->now.s3.n);
    remote_statistics_read(&hdfs_counters, &p->now.hdfs.n);
    p->gauges = MEM_NEW_ARRAY(struct process_gauge, ARRAY_LEN(rows));
    p->status = find_group(&open, group, SLICE_LIT("Status"));
    p->filesystem = find_group(&open, group, SLICE_LIT("filesystem"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        p->gauges[i] = (struct process_gauge){.metrics = p, .row = &rows[i]};
        metric_group_gauge_fn(find_group(&open, group, slice_cstr(rows[i].group)), rows[i].name,
                              read_gauge, &p->gauges[i]);
    }
    return p;
}

struct process_metrics *process_metrics_free(struct process_metrics *p)
{
    if (p != NULL) {
        metric_group_free(p->status);
        metric_group_free(p->filesystem);
        mem_free(p->gauges);
        mem_free(p);
    }
    return NULL;
}
