/* Windows by the harness, per CPU second of the one thread: records are generated, hashed, put into windows,
 * and the results dropped.  Event time runs at 1 million records per second (30,000 for sessions), with a
 * watermark each 100 ms of it. */
#include "bench/report.h"
#include "engine/operators/harness.h"
#include "flinc/types.h"
#include "proto/window.pb-c.h"

#include <stdlib.h>

enum {
    ROWS = BATCH_ROWS_TARGET,
    KEYS = 10000,
    SESSION_KEYS = 100 * 1000,
    WATERMARK_MS = 100,
    REPEATS = 3,
};

struct stream {
    struct harness *h;
    uint64_t random;
    int64_t n;          /* records so far */
    int64_t per_second; /* of event time */
    uint32_t n_keys;
    int64_t late_percent;    /* of records that are `late_ms` behind */
    int64_t late_ms, lag_ms; /* of the watermark */
    int64_t start_ms, watermark_ms;
};

static uint64_t result_count; /* keeps results alive */

static void check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "bench_windows: %s\n", err->message);
        exit(1);
    }
}

static void sink(void *arg, uint32_t output, struct batch *take_batch)
{
    *(uint64_t *)arg += take_batch->n_sel;
    batch_unref(take_batch);
}

static struct buffer *times_buffer(struct buffer_pool *pool, int64_t **ret)
{
    struct buffer *b = buffer_get(pool, ROWS * sizeof(int64_t));
    b->size = ROWS * sizeof(int64_t);
    *ret = (int64_t *)(void *)b->data;
    return b;
}

/* xorshift64*: a few instructions per record. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

static struct batch *next_batch(struct stream *s)
{
    struct buffer_pool *pool = harness_pool(s->h);
    struct batch *b = batch_new(pool, harness_input_schema(s->h, 0));
    int64_t *keys, *values, *times;
    column_set_values(&b->columns[0], times_buffer(pool, &keys));
    column_set_values(&b->columns[1], times_buffer(pool, &values));
    b->timestamps = times_buffer(pool, &times);
    b->n_rows = b->n_sel = ROWS;
    /* Time in fixed point: no division per record. */
    uint64_t step = (UINT64_C(1000) << 32) / (uint64_t)s->per_second;
    uint64_t at = (uint64_t)((unsigned __int128)(uint64_t)s->n * 1000 * (UINT64_C(1) << 32) /
                             (uint64_t)s->per_second);
    for (int i = 0; i < ROWS; i++) {
        uint64_t r = next_random(&s->random);
        keys[i] = (int64_t)(((r >> 32) * s->n_keys) >> 32);
        values[i] = (int64_t)(r & 1023);
        bool late = s->late_percent > 0 && (int64_t)((r >> 10) % 100) < s->late_percent;
        times[i] = s->start_ms + (int64_t)(at >> 32) - (late ? s->late_ms : 0);
        at += step;
    }
    s->n += ROWS;
    return b;
}

static void run(struct stream *s, int64_t records)
{
    struct error err = ERROR_INIT;
    for (int64_t end = s->n + records; s->n < end;) {
        check(harness_push(s->h, 0, next_batch(s), &err), &err);
        int64_t now = s->start_ms + s->n * 1000 / s->per_second - s->lag_ms;
        if (now - s->watermark_ms >= WATERMARK_MS) {
            s->watermark_ms = now;
            check(harness_watermark(s->h, 0, now, &err), &err);
        }
    }
}

static struct stream stream_start(Flinc__WindowAssignerKind kind, int64_t size, int64_t slide,
                                  Flinc__WindowColumnKind aggregate)
{
    Flinc__WindowConfig config = FLINC__WINDOW_CONFIG__INIT;
    Flinc__WindowAssigner assigner = FLINC__WINDOW_ASSIGNER__INIT;
    Flinc__WindowTrigger trigger = FLINC__WINDOW_TRIGGER__INIT;
    Flinc__WindowColumn columns[2] = {FLINC__WINDOW_COLUMN__INIT, FLINC__WINDOW_COLUMN__INIT};
    Flinc__WindowColumn *pointers[2] = {&columns[0], &columns[1]};
    uint32_t key = 0;
    bool sessions = kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION;
    struct stream s = {.random = 88172645463325252u,
                       .per_second = sessions ? 30000 : 1000000,
                       .n_keys = sessions ? SESSION_KEYS : KEYS,
                       .watermark_ms = INT64_MIN / 2};
    struct error err = ERROR_INIT;
    assigner.kind = kind;
    assigner.size_ms = assigner.gap_ms = size;
    assigner.slide_ms = slide;
    columns[1].kind = aggregate;
    columns[1].column = 1;
    config.assigner = &assigner;
    config.trigger = &trigger;
    config.key_columns = &key;
    config.n_key_columns = 1;
    config.columns = pointers;
    config.n_columns = 2;
    check(harness_new(
              &(struct harness_options){
                  .kind = sessions ? "flinc.window.sessions" : "flinc.window.slices",
                  .input_schemas = {"ROW<k BIGINT NOT NULL, v BIGINT NOT NULL>"},
                  .output_schemas = {"ROW<k BIGINT NOT NULL, n BIGINT NOT NULL>"},
                  .config = &config.base,
                  .on_batch = sink,
                  .on_batch_arg = &result_count},
              &s.h, &err),
          &err);
    check(harness_open(s.h, &err), &err);
    return s;
}

/* Best of a few stretches of the same stream, as it goes on. */
static double rate(struct stream *s, int64_t records)
{
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        double t = bench_cpu_seconds();
        int64_t from = s->n;
        run(s, records);
        double r = (double)(s->n - from) / (bench_cpu_seconds() - t) * 1e-6;
        best = r > best ? r : best;
    }
    return best;
}

/* As many slices as a window has, at a hundredth of the rate: the window is as full as it gets. */
static void fill(struct stream *s, int64_t size_ms)
{
    s->per_second = 10 * KEYS / 10;
    run(s, size_ms / 1000 * s->per_second);
    s->start_ms += s->n * 1000 / s->per_second;
    s->n = 0;
    s->per_second = 1000000;
}

static double window_rate(int64_t size, int64_t slide, Flinc__WindowColumnKind aggregate)
{
    bool tumbling = size == slide;
    struct stream s = stream_start(tumbling ? FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
                                            : FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING,
                                   size, slide, aggregate);
    if (!tumbling) {
        fill(&s, size);
    }
    double r = rate(&s, 20 * 1000 * 1000);
    harness_free(s.h);
    return r;
}

static double session_rate(struct stream s)
{
    /* A tenth of the records comes 12 s late, one in ten of them between two sessions. */
    s.late_percent = 10;
    s.late_ms = 12000;
    s.lag_ms = 15000;
    run(&s, 3 * 1000 * 1000);
    double r = rate(&s, 10 * 1000 * 1000);
    harness_free(s.h);
    return r;
}

static struct stream session_columns(void)
{
    return stream_start(FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, 10000, 0,
                        FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT);
}

/* ---- the same sessions by a user's aggregate ------------------------------------------------------ */

FLINC_STRUCT(pair, FLINC_INT64(k), FLINC_INT64(v));

static int add(flinc_ctx *ctx, const pair *in, pair *acc)
{
    acc->k = in->k;
    acc->v++;
    return 0;
}

static int merge(flinc_ctx *ctx, const pair *other, pair *acc)
{
    acc->v += other->v;
    return 0;
}

static int result(flinc_ctx *ctx, const pair *acc, pair *out)
{
    *out = *acc;
    return 0;
}

static struct stream session_aggregate(void)
{
    static Flinc__StructField fields[2];
    Flinc__StructField *pointers[2] = {&fields[0], &fields[1]};
    Flinc__StructDesc desc = FLINC__STRUCT_DESC__INIT;
    Flinc__WindowConfig config = FLINC__WINDOW_CONFIG__INIT;
    Flinc__WindowAssigner assigner = FLINC__WINDOW_ASSIGNER__INIT;
    Flinc__WindowTrigger trigger = FLINC__WINDOW_TRIGGER__INIT;
    uint32_t key = 0;
    const flinc_struct *type = FLINC_TYPE(pair);
    struct stream s = {.random = 88172645463325252u,
                       .per_second = 30000,
                       .n_keys = SESSION_KEYS,
                       .watermark_ms = INT64_MIN / 2};
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        fields[i] = (Flinc__StructField)FLINC__STRUCT_FIELD__INIT;
        fields[i].name = (char *)(uintptr_t)type->fields[i].name;
        fields[i].kind = type->fields[i].kind;
        fields[i].offset = type->fields[i].offset;
        fields[i].null_offset = type->fields[i].null_offset;
    }
    desc.name = (char *)(uintptr_t)type->name;
    desc.size = type->size;
    desc.n_fields = type->n_fields;
    desc.fields = pointers;
    assigner.kind = FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION;
    assigner.gap_ms = 10000;
    config.assigner = &assigner;
    config.trigger = &trigger;
    config.key_columns = &key;
    config.n_key_columns = 1;
    config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    config.merges = true;
    config.input = config.accumulator = config.value = config.output = &desc;
    check(
        harness_new(
            &(struct harness_options){
                .kind = "flinc.window.general",
                .functions = {{FLINC_FN_AGGREGATE_ADD, (flinc_any_fn)add, "add", "bench"},
                              {FLINC_FN_AGGREGATE_RESULT, (flinc_any_fn)result, "result", "bench"},
                              {FLINC_FN_AGGREGATE_MERGE, (flinc_any_fn)merge, "merge", "bench"}},
                .inputs = {type},
                .outputs = {type},
                .config = &config.base,
                .on_batch = sink,
                .on_batch_arg = &result_count},
            &s.h, &err),
        &err);
    check(harness_open(s.h, &err), &err);
    return s;
}

int main(void)
{
    static struct bench_report report;
    const Flinc__WindowColumnKind count = FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT;
    double tumbling = window_rate(1000, 1000, count);
    bench_report_add(&report, "windows: tumbling 1 s, count of 10,000 keys", tumbling, "M rows/s",
                     15, 0, BENCH_MORE_IS_BETTER);
    double sliding = window_rate(600 * 1000, 1000, count);
    bench_report_add(&report, "windows: sliding 10 min / 1 s, count of 10,000 keys", sliding,
                     "M rows/s", 15, tumbling, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "windows: sliding over tumbling", sliding / tumbling * 100, "%", 80,
                     0, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "windows: sliding 10 min / 1 s, max of 10,000 keys",
                     window_rate(600 * 1000, 1000, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX),
                     "M rows/s", 0, tumbling, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "windows: sessions, 100,000 keys, gap 10 s",
                     session_rate(session_columns()), "M rows/s", 10, 0, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "windows: the same sessions by an aggregate function",
                     session_rate(session_aggregate()), "M rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    bench_report_print(&report);
    return 0;
}
