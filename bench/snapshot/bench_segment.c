/* Keyed state as files: 4 million keys written as a segment, read by a restore, dumped as JSON.  Per CPU
 * second of the one thread; the file lies in $TMPDIR, and syncing it is not counted.  The limit is memcpy of
 * as many bytes. */
#include "bench/report.h"
#include "client/statetool/statetool.h"
#include "common/fs/fs.h"
#include "engine/data/builder.h"
#include "engine/snapshot/metadata.h"
#include "engine/snapshot/segment.h"
#include <stdlib.h>

enum { BLOCKS = 1000, ROWS = BATCH_ROWS_MAX };

static struct bench_report report;

static struct schema *parse(const char *text)
{
    struct schema *s = NULL;
    struct error err = ERROR_INIT;
    bench_check(schema_parse(slice_cstr(text), &s, &err), &err);
    return s;
}

struct subject {
    char folder[256];
    struct buffer_pool *pool;
    struct schema *key, *value, *row;
    uint64_t size_bytes;
    double write_seconds;
};

static struct batch *make_rows(struct subject *s, uint32_t block)
{
    struct builder b;
    builder_init(&b, s->pool, s->row, ROWS);
    b.target_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < ROWS; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "customer-%u-%u@example.com", block, i);
        builder_begin(&b);
        builder_put_i64(&b, 0, (int64_t)block * ROWS + i);
        builder_put_i64(&b, 1, (int64_t)i * 7919);
        builder_put_f64(&b, 2, i * 0.25);
        if (builder_put_bytes(&b, 3, text, (size_t)len, NULL) < 0) {
            abort();
        }
        builder_put_i64(&b, 4, i % 100);
        builder_end_row(&b);
    }
    struct batch *rows = builder_finish(&b);
    builder_fini(&b);
    return rows;
}

static void write_segment(struct subject *s, Flinc__KeyedSegment *ret)
{
    struct error err = ERROR_INIT;
    struct segment_writer *w = NULL;
    uint32_t id;
    Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
    location.directory = s->folder;
    struct snapshot_target *t = snapshot_target_new(&(struct snapshot_target_options){
        .location = &location, .checkpoint_id = 1, .owner = "bench"});
    const struct segment_writer_options options = {
        .output = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE),
        .pool = s->pool,
        .last_group = 127,
        .max_parallelism = 128,
        .checkpoint_id = 1,
        .is_base = true};
    bench_check(segment_writer_new(&options, &w, &err), &err);
    const struct segment_state state = {.name = "orders",
                                        .kind = "value",
                                        .key_schema = s->key,
                                        .n_key_columns = 1,
                                        .value_schema = s->value};
    bench_check(segment_writer_add_state(w, &state, &id, &err), &err);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct batch *rows = make_rows(s, i);
        const struct segment_run run = {i * 128 / BLOCKS, 0, ROWS};
        double t0 = bench_cpu_seconds();
        bench_check(segment_writer_put(w, id, SEGMENT_BLOCK_PUT, 0, rows, &run, 1, &err), &err);
        s->write_seconds += bench_cpu_seconds() - t0;
        batch_unref(rows);
    }
    bench_check(segment_writer_finish(w, &err), &err);
    bench_check(segment_writer_poll(w, ret, &err), &err);
    s->size_bytes = ret->blob->size;
    segment_writer_free(w);
    snapshot_target_unref(t);
}

static void write_snapshot(struct subject *s)
{
    struct error err = ERROR_INIT;
    uint8_t id[16] = {1};
    Flinc__CheckpointMetadata m = FLINC__CHECKPOINT_METADATA__INIT;
    Flinc__OperatorSnapshot o = FLINC__OPERATOR_SNAPSHOT__INIT, *operators = &o;
    Flinc__SubtaskSnapshot sub = FLINC__SUBTASK_SNAPSHOT__INIT, *subtasks = &sub;
    Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT;
    Flinc__KeyedHandle h = FLINC__KEYED_HANDLE__INIT, *handles = &h;
    Flinc__KeyedSegment segment, *segments = &segment;
    write_segment(s, &segment);
    h.last_group = 127;
    h.n_segments = 1;
    h.segments = &segments;
    state.n_keyed = 1;
    state.keyed = &handles;
    sub.state = &state;
    o.operator_id = (ProtobufCBinaryData){sizeof(id), id};
    o.name = (char *)(uintptr_t) "Orders";
    o.parallelism = 1;
    o.max_parallelism = 128;
    o.n_subtasks = 1;
    o.subtasks = &subtasks;
    m.version = CHECKPOINT_METADATA_VERSION;
    m.job_id = (ProtobufCBinaryData){sizeof(id), id};
    m.n_operators = 1;
    m.operators = &operators;
    bench_check(metadata_write(s->folder, &m, &err), &err);
}

static double read_seconds(struct subject *s)
{
    struct error err = ERROR_INIT;
    Flinc__CheckpointMetadata *m = NULL;
    STR_AUTO directory = STR_INIT;
    struct segment_reader *r = NULL;
    struct segment_block b;
    int rc;
    bench_check(metadata_read(s->folder, &m, &directory, &err), &err);
    double t0 = bench_cpu_seconds();
    bench_check(segment_reader_open(m->operators[0]->subtasks[0]->state->keyed[0]->segments[0],
                                    str_cstr(&directory), &r, &err),
                &err);
    while ((rc = segment_reader_next(r, s->pool, 0, 127, &b, &err)) == 1) {
        batch_unref(b.rows);
    }
    bench_check(rc, &err);
    double seconds = bench_cpu_seconds() - t0;
    segment_reader_close(r);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
    return seconds;
}

static double dump_seconds(struct subject *s)
{
    char *argv[] = {(char *)(uintptr_t) "dump", s->folder};
    FILE *null = fopen("/dev/null", "w");
    double t0 = bench_cpu_seconds();
    if (null == NULL || statetool_main(2, argv, null) != 0) {
        exit(1);
    }
    double seconds = bench_cpu_seconds() - t0;
    (void)fclose(null);
    return seconds;
}

static double copy_seconds(uint64_t size)
{
    char *from = mem_zalloc(size), *to = mem_alloc(size);
    memset(to, 1, size);
    double t0 = bench_cpu_seconds();
    memcpy(to, from, size);
    __asm__ volatile("" ::"r"(to) : "memory");
    double seconds = bench_cpu_seconds() - t0;
    mem_free(from);
    mem_free(to);
    return seconds;
}

int main(void)
{
    struct subject s = {.write_seconds = 0};
    const char *tmp = getenv("TMPDIR");
    double rows = (double)BLOCKS * ROWS * 1e-6;
    snprintf(s.folder, sizeof(s.folder), "%s/flinc-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(s.folder) == NULL) {
        perror("bench: making a folder");
        return 1;
    }
    s.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(s.pool);
    s.key = parse("ROW<`id` BIGINT NOT NULL>");
    s.value = parse("ROW<`total` BIGINT, `mean` DOUBLE, `mail` STRING, `n` INT NOT NULL>");
    s.row =
        parse("ROW<`id` BIGINT NOT NULL, `total` BIGINT, `mean` DOUBLE, `mail` STRING, `n` INT NOT "
              "NULL>");
    write_snapshot(&s);
    double size = (double)s.size_bytes * 1e-9, limit = size / copy_seconds(s.size_bytes);
    bench_report_add(&report, "segment/write", size / s.write_seconds, "GB/s", 0, limit,
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "segment/read", size / read_seconds(&s), "GB/s", 0, limit,
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "segment/flink state dump", rows / dump_seconds(&s), "M rows/s", 1, 0,
                     BENCH_MORE_IS_BETTER);
    bench_report_print(&report);
    schema_unref(s.key);
    schema_unref(s.value);
    schema_unref(s.row);
    buffer_pool_close(s.pool);
    return fs_delete(s.folder, FS_DELETE_RECURSIVE, NULL) < 0;
}
