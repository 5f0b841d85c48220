/* Windows whose keys need ten times the cache (rocksdb), beside the same in memory (hashmap), by the harness: records per CPU
 * second of all threads.  Every window has about 260,000 of 300,000 keys, at random.  And process functions over sliding windows, which
 * hold 80,000 records of 20,000 keys. */
#include "bench/ops/window_stream.h"
#include "common/fs/fs.h"
#include "engine/rocksdb/rocks_shared.h"
#include "flinc/window.h"

enum {
    KEYS = 300 * 1000,
    PER_SECOND = 300 * 1000,
    SIZE_MS = 2000,
    WATERMARK_MS = 100,
    RECORDS = 600 * 1000,      /* of a stretch: a window */
    CACHE_BYTES = 1080 * 1000, /* a tenth of what a window's keys need in memory */
    PANE_KEYS = 20 * 1000,
    PANE_PER_SECOND = 40 * 1000,
    PANE_RECORDS = 80 * 1000,
    PANE_CACHE_BYTES = 1200 * 1000,
};

FLINC_STRUCT(reading, FLINC_INT64(k), FLINC_INT64(v));
FLINC_STRUCT(total, FLINC_INT64(k), FLINC_INT64(sum));

static int total_of(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    int64_t sum = 0;
    for (size_t i = 0; i < pane->n; i++) {
        sum += FLINC_PANE_RECORD(pane, reading, i)->v;
    }
    return FLINC_EMIT(out, total, .k = FLINC_PANE_RECORD(pane, reading, 0)->k, .sum = sum);
}

static double panes_rate(void)
{
    struct stream_windows w;
    struct stream_desc input, output;
    stream_windows_init(&w, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING, SIZE_MS, SIZE_MS / 2);
    w.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER;
    w.config.process = true;
    w.config.input = stream_describe(&input, FLINC_TYPE(reading));
    w.config.output = stream_describe(&output, FLINC_TYPE(total));
    struct harness_options o = {
        .kind = "flinc.window.panes",
        .functions = {{FLINC_FN_WINDOW, (flinc_any_fn)total_of, "total_of", __FILE__}},
        .inputs = {FLINC_TYPE(reading)},
        .outputs = {FLINC_TYPE(total)},
        .config = &w.config.base};
    struct stream s = stream_open(&o, PANE_KEYS, PANE_PER_SECOND, WATERMARK_MS);
    stream_run(&s, PANE_RECORDS);
    double r = stream_rate(&s, PANE_RECORDS);
    harness_free(s.h);
    return r;
}

static double rate(int64_t size, int64_t slide)
{
    struct stream_windows w;
    Flinc__WindowColumn columns[2] = {FLINC__WINDOW_COLUMN__INIT, FLINC__WINDOW_COLUMN__INIT};
    Flinc__WindowColumn *pointers[2] = {&columns[0], &columns[1]};
    stream_windows_init(&w,
                        size == slide ? FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
                                      : FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING,
                        size, slide);
    columns[1].kind = FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT;
    w.config.columns = pointers;
    w.config.n_columns = 2;
    struct harness_options o = {.kind = "flinc.window.slices",
                                .input_schemas = {"ROW<k BIGINT NOT NULL, v BIGINT NOT NULL>"},
                                .output_schemas = {"ROW<k BIGINT NOT NULL, n BIGINT NOT NULL>"},
                                .config = &w.config.base};
    struct stream s = stream_open(&o, KEYS, PER_SECOND, WATERMARK_MS);
    stream_run(&s, RECORDS);
    double r = stream_rate(&s, RECORDS);
    harness_free(s.h);
    return r;
}

int main(void)
{
    static struct bench_report report;
    struct error err = ERROR_INIT;
    static const char directory[] = "build/bench/paged_windows";
    struct keyed_disk disk = {.directory = directory, .cache_bytes = CACHE_BYTES};
    stream_check(
        rocks_shared_new(&(struct rocks_shared_options){.n_threads = 2}, &disk.shared, &err), &err);
    stream_check(fs_mkdirs(directory, &err), &err);
    double tumbling = rate(SIZE_MS, SIZE_MS), sliding = rate(SIZE_MS, SIZE_MS / 2);
    double panes = panes_rate();
    harness_set_disk(&disk);
    bench_report_add(&report, "windows over ten times the cache: tumbling 2 s",
                     rate(SIZE_MS, SIZE_MS), "M rows/s", 0, tumbling, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "windows over ten times the cache: sliding 2 s / 1 s",
                     rate(SIZE_MS, SIZE_MS / 2), "M rows/s", 0, sliding, BENCH_MORE_IS_BETTER);
    disk.cache_bytes = PANE_CACHE_BYTES;
    bench_report_add(&report,
                     "windows over ten times the cache: sliding 2 s / 1 s, process function",
                     panes_rate(), "M rows/s", 0, panes, BENCH_MORE_IS_BETTER);
    harness_set_disk(NULL);
    rocks_shared_unref(disk.shared);
    stream_check(fs_delete(directory, FS_DELETE_RECURSIVE, &err), &err);
    bench_report_print(&report);
    return 0;
}
