/* Windows by the harness, per CPU second of the one thread: records are generated, hashed, put into windows,
 * and the results dropped.  Event time runs at 1 million records per second (30,000 for sessions), with a
 * watermark each 100 ms of it. */
#include "bench/ops/window_stream.h"

enum {
    KEYS = 10000,
    SESSION_KEYS = 100 * 1000,
    PER_SECOND = 1000000,
    SESSIONS_PER_SECOND = 30000,
    WATERMARK_MS = 100,
    GAP_MS = 10000,
};

static struct stream columns_open(Flinc__WindowAssignerKind kind, int64_t size, int64_t slide,
                                  Flinc__WindowColumnKind aggregate)
{
    struct stream_windows w;
    Flinc__WindowColumn columns[2] = {FLINC__WINDOW_COLUMN__INIT, FLINC__WINDOW_COLUMN__INIT};
    Flinc__WindowColumn *pointers[2] = {&columns[0], &columns[1]};
    bool sessions = kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION;
    stream_windows_init(&w, kind, size, slide);
    columns[1].kind = aggregate;
    columns[1].column = 1;
    w.config.columns = pointers;
    w.config.n_columns = 2;
    struct harness_options o = {.kind = sessions ? "flinc.window.sessions" : "flinc.window.slices",
                                .input_schemas = {"ROW<k BIGINT NOT NULL, v BIGINT NOT NULL>"},
                                .output_schemas = {"ROW<k BIGINT NOT NULL, n BIGINT NOT NULL>"},
                                .config = &w.config.base};
    return stream_open(&o, sessions ? SESSION_KEYS : KEYS,
                       sessions ? SESSIONS_PER_SECOND : PER_SECOND, WATERMARK_MS);
}

static double window_rate(int64_t size, int64_t slide, Flinc__WindowColumnKind aggregate)
{
    bool tumbling = size == slide;
    struct stream s = columns_open(tumbling ? FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
                                            : FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING,
                                   size, slide, aggregate);
    if (!tumbling) {
        stream_fill(&s, size, KEYS);
    }
    double r = stream_rate(&s, 20 * 1000 * 1000);
    harness_free(s.h);
    return r;
}

static double session_rate(struct stream s)
{
    /* A tenth of the records comes 12 s late, one in ten of them between two sessions. */
    s.late_percent = 10;
    s.late_ms = 12000;
    s.lag_ms = 15000;
    stream_run(&s, 3 * 1000 * 1000);
    double r = stream_rate(&s, 10 * 1000 * 1000);
    harness_free(s.h);
    return r;
}

static struct stream session_columns(void)
{
    return columns_open(FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, GAP_MS, 0,
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
    struct stream_windows w;
    struct stream_desc desc;
    const flinc_struct *type = FLINC_TYPE(pair);
    stream_windows_init(&w, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, GAP_MS, 0);
    w.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    w.config.merges = true;
    w.config.input = w.config.accumulator = w.config.value = w.config.output =
        stream_describe(&desc, type);
    struct harness_options o = {
        .kind = "flinc.window.general",
        .functions = {{FLINC_FN_AGGREGATE_ADD, (flinc_any_fn)add, "add", "bench"},
                      {FLINC_FN_AGGREGATE_RESULT, (flinc_any_fn)result, "result", "bench"},
                      {FLINC_FN_AGGREGATE_MERGE, (flinc_any_fn)merge, "merge", "bench"}},
        .inputs = {type},
        .outputs = {type},
        .config = &w.config.base};
    return stream_open(&o, SESSION_KEYS, SESSIONS_PER_SECOND, WATERMARK_MS);
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
                     session_rate(session_aggregate()), "M rows/s", 6, 0, BENCH_MORE_IS_BETTER);
    bench_report_print(&report);
    return 0;
}
