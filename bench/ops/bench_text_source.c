/* The text source alone: lines of a 1 GB file that is in the page cache, as batches of views, per CPU
 * second of its one thread.  The limit is a plain loop of memchr over the mapped file that counts lines
 * and keeps none of them.  Input: Debian's licence texts, repeated; it is made in $TMPDIR and removed. */
#include "bench/report.h"
#include "common/fs/fs.h"
#include "engine/operators/harness.h"
#include "proto/operators.pb-c.h"

#include <stdlib.h>
#include <unistd.h>

enum { REPEATS = 5 };
#define CORPUS_BYTES (UINT64_C(1) << 30)
#define SPLIT_BYTES (UINT64_C(64) << 20)

static char path[256];

static void check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "bench_text_source: %s\n", err->message);
        unlink(path);
        exit(1);
    }
}

/* ---- the corpus -------------------------------------------------------------------------------- */

static void read_texts(struct str *ret, struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    check(fs_list_dir("/usr/share/common-licenses", &list, err), err);
    for (size_t i = 0; i < list.n; i++) {
        struct fs_input *in;
        size_t n;
        check(fs_open(list.entries[i].path, FS_ACCESS_SEQUENTIAL, &in, err), err);
        str_reserve(ret, fs_input_size(in));
        check(fs_input_read_at(in, 0, ret->data + ret->len, fs_input_size(in), &n, err), err);
        ret->len += n;
        fs_input_close(in);
    }
    fs_list_fini(&list);
}

static void make_corpus(void)
{
    const char *tmp = getenv("TMPDIR");
    struct error err = ERROR_INIT;
    struct fs_output *out;
    STR_AUTO texts = STR_INIT;
    snprintf(path, sizeof(path), "%s/flinc-bench-text-%d", tmp != NULL ? tmp : "/tmp", getpid());
    read_texts(&texts, &err);
    check(fs_create(path, FS_OVERWRITE, &out, &err), &err);
    while (fs_output_position(out) < CORPUS_BYTES) {
        uint64_t left = CORPUS_BYTES - fs_output_position(out);
        check(fs_output_write(out, texts.data, MIN((uint64_t)texts.len, left), &err), &err);
    }
    check(fs_output_close(&out, &err), &err);
}

/* ---- measuring --------------------------------------------------------------------------------- */

static uint64_t n_batches, n_mallocs;

static void count_batch(void *arg, uint32_t output, struct batch *take_batch)
{
    n_batches++;
    batch_unref(take_batch);
}

static void assign(struct harness *h, uint64_t offset, uint64_t length)
{
    Flinc__EnumeratorEvent event = FLINC__ENUMERATOR_EVENT__INIT;
    Flinc__AssignSplits assignment = FLINC__ASSIGN_SPLITS__INIT;
    Flinc__FileSplit split = FLINC__FILE_SPLIT__INIT, *splits[] = {&split};
    struct error err = ERROR_INIT;
    uint8_t bytes[512];
    split.path = path;
    split.offset = offset;
    split.length = length;
    assignment.n_splits = 1;
    assignment.splits = splits;
    event.body_case = FLINC__ENUMERATOR_EVENT__BODY_ASSIGN;
    event.assign = &assignment;
    size_t n = flinc__enumerator_event__pack(&event, bytes);
    check(harness_send_event(h, bytes, n, &err), &err);
}

/* Reads the corpus once; returns its lines. */
static uint64_t read_corpus(struct harness *h)
{
    struct error err = ERROR_INIT;
    uint64_t before = harness_row_count(h, 0);
    for (uint64_t at = 0; at < CORPUS_BYTES; at += SPLIT_BYTES) {
        int rc;
        assign(h, at, MIN(SPLIT_BYTES, CORPUS_BYTES - at));
        while ((rc = harness_poll(h, &err)) == OP_DONE) {
        }
        check(rc, &err);
    }
    return harness_row_count(h, 0) - before;
}

static double source_rate(uint64_t *ret_lines)
{
    Flinc__TextSourceConfig c = FLINC__TEXT_SOURCE_CONFIG__INIT;
    struct error err = ERROR_INIT;
    struct harness *h;
    double best = 0;
    check(harness_new(&(struct harness_options){.kind = "flinc.source.text",
                                                .config = &c.base,
                                                .output_schemas = {"ROW<line STRING>"},
                                                .on_batch = count_batch},
                      &h, &err),
          &err);
    check(harness_open(h, &err), &err);
    for (int i = 0; i < REPEATS; i++) {
        uint64_t mallocs = mem_thread_allocations();
        n_batches = 0;
        double t = bench_cpu_seconds();
        *ret_lines = read_corpus(h);
        double rate = (double)CORPUS_BYTES / (bench_cpu_seconds() - t) * 1e-9;
        best = MAX(best, rate);
        n_mallocs = mem_thread_allocations() - mallocs;
    }
    harness_free(h);
    return best;
}

static double memchr_rate(uint64_t *ret_lines)
{
    struct error err = ERROR_INIT;
    struct fs_input *in;
    const uint8_t *data;
    uint64_t size;
    double best = 0;
    check(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, &err), &err);
    check(fs_input_map(in, &data, &size, &err), &err);
    for (int i = 0; i < REPEATS; i++) {
        uint64_t lines = 0;
        double t = bench_cpu_seconds();
        for (const uint8_t *at = data, *end = data + size; at < end; lines++) {
            const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
            at = stop != NULL ? stop + 1 : end;
        }
        double rate = (double)size / (bench_cpu_seconds() - t) * 1e-9;
        best = MAX(best, rate);
        *ret_lines = lines;
    }
    fs_input_close(in);
    return best;
}

int main(void)
{
    struct bench_report report = {.n = 0};
    uint64_t lines = 0, limit_lines = 0;
    make_corpus();
    double limit = memchr_rate(&limit_lines);
    double rate = source_rate(&lines);
    unlink(path);
    if (lines != limit_lines) {
        fprintf(stderr, "bench_text_source: %llu lines instead of %llu\n",
                (unsigned long long)lines, (unsigned long long)limit_lines);
        return 1;
    }
    bench_report_add(&report, "text source, lines of 52 bytes", rate, "GB/s per core", 1.5, limit,
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "text source, rows",
                     rate * (double)lines / (double)CORPUS_BYTES * 1e3, "M rows/s per core", 0,
                     limit * (double)lines / (double)CORPUS_BYTES * 1e3, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "text source, mallocs per 1000 batches",
                     (double)n_mallocs * 1000 / (double)n_batches, "mallocs", 20, 0,
                     BENCH_LESS_IS_BETTER);
    bench_report_print(&report);
    return 0;
}
