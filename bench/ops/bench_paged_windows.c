/* Windows whose keys need ten times the cache (rocksdb), beside the same in memory (hashmap), by the harness: records per CPU
 * second of all threads.  Every window has about 260,000 of 300,000 keys, at random. */
#include "bench/ops/window_stream.h"
#include "common/fs/fs.h"
#include "engine/rocksdb/rocks_shared.h"

enum {
    KEYS = 300 * 1000,
    PER_SECOND = 300 * 1000,
    SIZE_MS = 2000,
    WATERMARK_MS = 100,
    RECORDS = 600 * 1000,      /* of a stretch: a window */
    CACHE_BYTES = 1080 * 1000, /* a tenth of what a window's keys need in memory */
};

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
    harness_set_disk(&disk);
    bench_report_add(&report, "windows over ten times the cache: tumbling 2 s",
                     rate(SIZE_MS, SIZE_MS), "M rows/s", 0, tumbling, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "windows over ten times the cache: sliding 2 s / 1 s",
                     rate(SIZE_MS, SIZE_MS / 2), "M rows/s", 0, sliding, BENCH_MORE_IS_BETTER);
    harness_set_disk(NULL);
    rocks_shared_unref(disk.shared);
    stream_check(fs_delete(directory, FS_DELETE_RECURSIVE, &err), &err);
    bench_report_print(&report);
    return 0;
}
