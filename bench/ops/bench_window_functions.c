/* Windows of user functions by the harness, per CPU second of the one thread: sliding windows of 10 minutes that
 * fire each second beside tumbling ones of one second over the same records, and, with fewer keys, beside windows
 * that keep everything for themselves (flinc.window.general). */
#include "bench/ops/window_stream.h"
#include "flinc/window.h"

enum {
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

static struct stream load_open(const struct load *l)
{
    struct stream_windows w;
    struct stream_desc input, value;
    stream_windows_init(&w,
                        l->sliding ? FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING
                                   : FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING,
                        l->sliding ? SIZE_MS : SLIDE_MS, SLIDE_MS);
    w.config.function = l->process ? FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER
                                   : FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    w.config.process = l->process;
    w.config.merges = !l->process;
    w.config.input = stream_describe(&input, FLINC_TYPE(reading));
    w.config.output = w.config.value = w.config.accumulator =
        stream_describe(&value, FLINC_TYPE(total));
    struct harness_options o = {.kind = l->kind,
                                .inputs = {FLINC_TYPE(reading)},
                                .outputs = {FLINC_TYPE(total)},
                                .config = &w.config.base};
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
    return stream_open(&o, l->keys, l->per_second, WATERMARK_MS);
}

/* M records per second, at best, with full windows. */
static double rate(struct load l)
{
    struct stream s = load_open(&l);
    if (l.sliding) {
        stream_fill(&s, SIZE_MS, l.fill_per_second);
    }
    double r = stream_rate(&s, l.records);
    harness_free(s.h);
    return r;
}

static void aggregates(struct bench_report *report)
{
    struct load l = {.kind = "flinc.window.values",
                     .keys = 10000,
                     .per_second = 1000000,
                     .fill_per_second = 10000,
                     .records = 10 * 1000 * 1000};
    double tumbling = rate(l);
    bench_report_add(report, "windows: tumbling 1 s, user aggregate", tumbling, "M rows/s", 10, 0,
                     BENCH_MORE_IS_BETTER);
    l.sliding = true;
    double sliding = rate(l);
    bench_report_add(report, "windows: sliding 10 min / 1 s, user aggregate", sliding, "M rows/s",
                     0, tumbling, BENCH_MORE_IS_BETTER);
    bench_report_add(report, "windows: sliding over tumbling, user aggregate",
                     sliding / tumbling * 100, "%", 80, 0, BENCH_MORE_IS_BETTER);
    l.sliding = false;
    l.kind = "flinc.window.general";
    bench_report_add(report, "windows: tumbling 1 s, user aggregate, each for itself", rate(l),
                     "M rows/s", 0, tumbling, BENCH_MORE_IS_BETTER);
}

/* The function looks at each record of a window: one record costs as many looks as it has windows. */
static void process_functions(struct bench_report *report)
{
    struct load l = {.kind = "flinc.window.general",
                     .process = true,
                     .keys = 1000,
                     .per_second = 10000,
                     .fill_per_second = 1000,
                     .records = 100 * 1000};
    double tumbling = rate(l);
    bench_report_add(report, "windows: tumbling 1 s, process function", tumbling, "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    l.kind = "flinc.window.panes";
    l.sliding = true;
    l.keys = 100;
    l.per_second = 1000;
    l.records = 10 * 1000;
    double sliding = rate(l);
    bench_report_add(report, "windows: sliding 10 min / 1 s, process function", sliding * 1e3,
                     "K rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    bench_report_add(report, "windows: the same, records that it looks at",
                     sliding * SIZE_MS / SLIDE_MS, "M/s", 0, 0, BENCH_MORE_IS_BETTER);
}

/* Each record into 600 windows: few of them must do. */
static void alone(struct bench_report *report, const char *what, bool process)
{
    char name[80];
    struct load l = {.kind = process ? "flinc.window.panes" : "flinc.window.values",
                     .process = process,
                     .sliding = true,
                     .keys = 20,
                     .per_second = 40,
                     .fill_per_second = 20,
                     .records = 2 * STREAM_ROWS};
    double shared = rate(l);
    l.kind = "flinc.window.general";
    snprintf(name, sizeof(name), "windows: panes over windows alone, %s", what);
    bench_report_add(report, name, shared / rate(l), "times", 0, 0, BENCH_MORE_IS_BETTER);
}

int main(void)
{
    static struct bench_report report;
    aggregates(&report);
    process_functions(&report);
    alone(&report, "user aggregate", false);
    alone(&report, "process function", true);
    bench_report_print(&report);
    return 0;
}
