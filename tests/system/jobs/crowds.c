/* Many keys in few windows: counts and sums of each key in tumbling windows, and in sliding ones of twice the size, by
 * built-in aggregates (--by columns), or the largest number by a reduce function (--by function):
 *   --events N --window MS --rate R --by HOW --output DIR      lines "kind key start number sum" */
#include <flinc/flinc.h>

#include <string.h>

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(id), FLINC_INT64(time));
FLINC_STRUCT(sums, FLINC_INT64(key), FLINC_INT64(window_start), FLINC_INT64(number),
             FLINC_INT64(sum));

enum { KEYS = 150000 };

static int make_event(flinc_ctx *ctx, int64_t index, event *out)
{
    out->key = (int64_t)((uint64_t)index * 2654435761u % 4294967291u % KEYS);
    out->id = index;
    out->time = index;
    return 0;
}

static int later(flinc_ctx *ctx, const event *a, const event *b, event *out)
{
    *out = *(a->id > b->id ? a : b);
    return 0;
}

static int with_window(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    const event *e = FLINC_PANE_RECORD(pane, event, 0);
    return FLINC_EMIT(out, sums, .key = e->key, .window_start = pane->start_ms, .number = 1,
                      .sum = e->id);
}

static int format_tumbling(flinc_ctx *ctx, const sums *in, flinc_text *out)
{
    flinc_text_printf(out, "t %lld %lld %lld %lld", (long long)in->key, (long long)in->window_start,
                      (long long)in->number, (long long)in->sum);
    return 0;
}

static int format_sliding(flinc_ctx *ctx, const sums *in, flinc_text *out)
{
    flinc_text_printf(out, "s %lld %lld %lld %lld", (long long)in->key, (long long)in->window_start,
                      (long long)in->number, (long long)in->sum);
    return 0;
}

static flinc_stream *results_of(flinc_windowed *w, bool by_columns)
{
    return by_columns
               ? flinc_window_columns(w, "count() as number, sum(id) as sum", FLINC_TYPE(sums))
               : flinc_window_reduce_process(w, FLINC_FN(later), FLINC_FN(with_window),
                                             FLINC_TYPE(sums));
}

static int crowds(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"events", "window", "rate", "by", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const int64_t window_ms = flinc_params_int(params, "window", 1000);
    const bool by_columns = strcmp(flinc_params_get(params, "by", "columns"), "columns") == 0;
    const char *output = flinc_params_get(params, "output", "");
    flinc_stream *timed = flinc_assign_timestamps(
        flinc_set_parallelism(
            flinc_from_datagen(
                env, FLINC_DATAGEN(.generate = FLINC_FN(make_event), .type = FLINC_TYPE(event),
                                   .count = flinc_params_int(params, "events", 0),
                                   .rows_per_second = (double)flinc_params_int(params, "rate", 0))),
            1),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED,
                         .max_out_of_orderness_ms = window_ms / 20, .timestamp = "time"));
    flinc_windowed *tumbling = flinc_window(flinc_key_by(timed, "key"),
                                            FLINC_WINDOW(.assigner = FLINC_TUMBLING(window_ms)));
    flinc_windowed *sliding =
        flinc_window(flinc_key_by(timed, "key"),
                     FLINC_WINDOW(.assigner = FLINC_SLIDING(2 * window_ms, window_ms)));
    flinc_write_text(
        results_of(tumbling, by_columns),
        FLINC_TEXT_SINK(.path = output, .prefix = "t", .format = FLINC_FN(format_tumbling)));
    flinc_write_text(
        results_of(sliding, by_columns),
        FLINC_TEXT_SINK(.path = output, .prefix = "s", .format = FLINC_FN(format_sliding)));
    return flinc_env_execute(env, "Crowds");
}
FLINC_JOB(crowds)
