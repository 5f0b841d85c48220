/* Windows of user functions by the harness, per CPU second of the one thread: sliding windows of 10 minutes that
 * fire each second beside tumbling ones of one second, and beside windows that keep everything for themselves
 * (flinc.window.general), over the same records. */
#include "bench/report.h"
#include "engine/operators/harness.h"
#include "flinc/window.h"
#include "proto/window.pb-c.h"

#include <stdlib.h>

enum {
    ROWS = BATCH_ROWS_TARGET,
    REPEATS = 3,
    SIZE_MS = 600 * 1000,
    SLIDE_MS = 1000,
    WATERMARK_MS = 500,
};

FLINC_STRUCT(reading, FLINC_INT64(k), FLINC_INT64(v));
FLINC_STRUCT(total, FLINC_INT64(k), FLINC_INT64(sum), FLINC_INT64(n));

static int total_add(flinc_ctx *ctx, const reading *in, total *acc)
{
    acc->k = in->k;
    acc->sum += in->v;
    acc->n++;
    return 0;
}

static int total_result(flinc_ctx *ctx, const total *acc, total *out)
{
    *out = *acc;
    return 0;
}

static int total_merge(flinc_ctx *ctx, const total *other, total *acc)
{
    acc->sum += other->sum;
    acc->n += other->n;
    return 0;
}

/* Looks at each record. */
static int total_of(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    int64_t sum = 0;
    for (size_t i = 0; i < pane->n; i++) {
        sum += FLINC_PANE_RECORD(pane, reading, i)->v;
    }
    return FLINC_EMIT(out, total, .k = FLINC_PANE_RECORD(pane, reading, 0)->k, .sum = sum,
                      .n = (int64_t)pane->n);
}

struct desc {
    Flinc__StructDesc desc;
    Flinc__StructField fields[3], *pointers[3];
};

static Flinc__StructDesc *describe(struct desc *d, const flinc_struct *type)
{
    d->desc = (Flinc__StructDesc)FLINC__STRUCT_DESC__INIT;
    d->desc.name = (char *)(uintptr_t)type->name;
    d->desc.size = type->size;
    d->desc.n_fields = type->n_fields;
    d->desc.fields = d->pointers;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        d->fields[i] = (Flinc__StructField)FLINC__STRUCT_FIELD__INIT;
        d->fields[i].name = (char *)(uintptr_t)type->fields[i].name;
        d->fields[i].kind = type->fields[i].kind;
        d->fields[i].offset = type->fields[i].offset;
        d->fields[i].null_offset = type->fields[i].null_offset;
        d->pointers[i] = &d->fields[i];
    }
    return &d->desc;
}

struct stream {
    struct harness *h;
    uint64_t random, n_keys;
    int64_t n, per_second, start_ms, watermark_ms;
};

static uint64_t result_count; /* keeps results alive */

static void check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "bench_window_functions: %s\n", err->message);
        exit(1);
    }
}

static void sink(void *arg, uint32_t output, struct batch *take_batch)
{
    *(uint64_t *)arg += take_batch->n_sel;
    batch_unref(take_batch);
}

static struct buffer *column_buffer(struct buffer_pool *pool, int64_t **ret)
{
    struct buffer *b = buffer_get(pool, ROWS * sizeof(int64_t));
    b->size = ROWS * sizeof(int64_t);
    *ret = (int64_t *)(void *)b->data;
    return b;
}

static struct batch *next_batch(struct stream *s)
{
    struct buffer_pool *pool = harness_pool(s->h);
    struct batch *b = batch_new(pool, harness_input_schema(s->h, 0));
    int64_t *keys, *values, *times;
    column_set_values(&b->columns[0], column_buffer(pool, &keys));
    column_set_values(&b->columns[1], column_buffer(pool, &values));
    b->timestamps = column_buffer(pool, &times);
    b->n_rows = b->n_sel = ROWS;
    for (int i = 0; i < ROWS; i++) {
        s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        keys[i] = (int64_t)(((s->random >> 32) * s->n_keys) >> 32);
        values[i] = (int64_t)(s->random >> 20 & 1023);
        times[i] = s->start_ms + (s->n + i) * 1000 / s->per_second;
    }
    s->n += ROWS;
    return b;
}

static void run(struct stream *s, int64_t records)
{
    struct error err = ERROR_INIT;
    for (int64_t end = s->n + records; s->n < end;) {
        check(harness_push(s->h, 0, next_batch(s), &err), &err);
        int64_t now = s->start_ms + s->n * 1000 / s->per_second;
        if (now - s->watermark_ms >= WATERMARK_MS) {
            s->watermark_ms = now;
            check(harness_watermark(s->h, 0, now, &err), &err);
        }
    }
}

/* What is measured. */
struct load {
    const char *kind;
    bool process; /* a process function; else an aggregate one */
    bool sliding;
    uint32_t keys;
    int64_t per_second;      /* of event time */
    int64_t fill_per_second; /* while the first window fills */
    int64_t records;
};

static void stream_open(struct stream *s, const struct load *l)
{
    Flinc__WindowConfig c = FLINC__WINDOW_CONFIG__INIT;
    Flinc__WindowAssigner assigner = FLINC__WINDOW_ASSIGNER__INIT;
    Flinc__WindowTrigger trigger = FLINC__WINDOW_TRIGGER__INIT;
    struct desc input, value;
    uint32_t key = 0;
    struct error err = ERROR_INIT;
    assigner.kind = l->sliding ? FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING
                               : FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING;
    assigner.size_ms = l->sliding ? SIZE_MS : SLIDE_MS;
    assigner.slide_ms = SLIDE_MS;
    c.assigner = &assigner;
    c.trigger = &trigger;
    c.key_columns = &key;
    c.n_key_columns = 1;
    c.function = l->process ? FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER
                            : FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    c.process = l->process;
    c.merges = !l->process;
    c.input = describe(&input, FLINC_TYPE(reading));
    c.output = c.value = c.accumulator = describe(&value, FLINC_TYPE(total));
    struct harness_options o = {.kind = l->kind,
                                .inputs = {FLINC_TYPE(reading)},
                                .outputs = {FLINC_TYPE(total)},
                                .config = &c.base,
                                .on_batch = sink,
                                .on_batch_arg = &result_count};
    if (l->process) {
        o.functions[0] = (struct harness_function){FLINC_FN_WINDOW, (flinc_any_fn)total_of,
                                                   "total_of", __FILE__};
    } else {
        o.functions[0] = (struct harness_function){FLINC_FN_AGGREGATE_ADD, (flinc_any_fn)total_add,
                                                   "add", __FILE__};
        o.functions[1] = (struct harness_function){FLINC_FN_AGGREGATE_RESULT,
                                                   (flinc_any_fn)total_result, "result", __FILE__};
        o.functions[2] = (struct harness_function){FLINC_FN_AGGREGATE_MERGE,
                                                   (flinc_any_fn)total_merge, "merge", __FILE__};
    }
    *s = (struct stream){.random = 88172645463325252u,
                         .n_keys = l->keys,
                         .per_second = l->per_second,
                         .watermark_ms = INT64_MIN / 2};
    check(harness_new(&o, &s->h, &err), &err);
    check(harness_open(s->h, &err), &err);
}

/* M records per second, at best, with full windows. */
static double rate(struct load l)
{
    struct stream s;
    double best = 0;
    stream_open(&s, &l);
    if (l.sliding) {
        s.per_second = l.fill_per_second;
        run(&s, SIZE_MS / 1000 * s.per_second);
        s.start_ms += s.n * 1000 / s.per_second;
        s.n = 0;
        s.per_second = l.per_second;
    }
    for (int i = 0; i < REPEATS; i++) {
        double t = bench_cpu_seconds();
        int64_t from = s.n;
        run(&s, l.records);
        double r = (double)(s.n - from) / (bench_cpu_seconds() - t) * 1e-6;
        best = r > best ? r : best;
    }
    harness_free(s.h);
    return best;
}

static void compare(struct bench_report *report, const char *what, struct load l, double bar)
{
    char name[80];
    l.kind = "flinc.window.general";
    l.sliding = false;
    double tumbling = rate(l);
    l.kind = "flinc.window.panes";
    l.sliding = true;
    double sliding = rate(l);
    snprintf(name, sizeof(name), "windows: tumbling 1 s, %s", what);
    bench_report_add(report, name, tumbling, "M rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "windows: sliding 10 min / 1 s, %s", what);
    bench_report_add(report, name, sliding, "M rows/s", 0, tumbling, BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "windows: sliding over tumbling, %s", what);
    bench_report_add(report, name, sliding / tumbling * 100, "%", bar, 0, BENCH_MORE_IS_BETTER);
    /* Each record into 600 windows: few of them must do. */
    l.kind = "flinc.window.general";
    l.fill_per_second = l.keys / 100;
    l.per_second = l.process ? l.keys / 10 : l.per_second;
    l.records = ROWS;
    double alone = rate(l);
    snprintf(name, sizeof(name), "windows: panes over windows alone, %s", what);
    bench_report_add(report, name, sliding / alone, "times", 0, 0, BENCH_MORE_IS_BETTER);
}

int main(void)
{
    static struct bench_report report;
    compare(&report, "user aggregate",
            (struct load){.keys = 10000,
                          .per_second = 1000000,
                          .fill_per_second = 10000,
                          .records = 2 * 1000 * 1000},
            30);
    compare(&report, "process function",
            (struct load){.process = true,
                          .keys = 1000,
                          .per_second = 10000,
                          .fill_per_second = 10000,
                          .records = 100 * 1000},
            0);
    bench_report_print(&report);
    return 0;
}
