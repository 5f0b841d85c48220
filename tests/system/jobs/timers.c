/* Counts per key and 1,000 ms of event time, by timers of a keyed process function and map state:
 *   --events N [--rate N per second] --output DIR      lines "key window count" */
#include <flinc/flinc.h>

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(at));
FLINC_STRUCT(result, FLINC_INT64(key), FLINC_INT64(window), FLINC_INT64(count));

enum { KEYS = 100, WINDOW_MS = 1000 };

static int generate(flinc_ctx *ctx, int64_t index, event *out)
{
    out->key = index % KEYS;
    out->at = index - index % 7; /* not quite in order */
    return 0;
}

static int open_counts(flinc_ctx *ctx)
{
    flinc_ctx_set_user(
        ctx, flinc_ctx_map_state(ctx, FLINC_STATE(.name = "counts", .type = FLINC_TYPE(flinc_int64),
                                                  .key_type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int count(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_map_state *counts = flinc_ctx_user(ctx);
    int64_t window = flinc_ctx_timestamp(ctx) / WINDOW_MS;
    const int64_t *n = flinc_map_get(counts, &window);
    int64_t next = n != NULL ? *n + 1 : 1;
    if (flinc_map_put(counts, &window, &next) < 0) {
        return -1;
    }
    return flinc_ctx_timer_event(ctx, (window + 1) * WINDOW_MS - 1);
}

static int emit_count(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    flinc_map_state *counts = flinc_ctx_user(ctx);
    int64_t window = timestamp / WINDOW_MS;
    const int64_t *n = flinc_map_get(counts, &window);
    if (n == NULL || timestamp > flinc_ctx_watermark(ctx)) {
        return flinc_ctx_fail(ctx, "a timer without records, or too early");
    }
    FLINC_EMIT(out, result, .key = flinc_ctx_key_int64(ctx, 0), .window = window, .count = *n);
    flinc_map_remove(counts, &window);
    return 0;
}

static int format(flinc_ctx *ctx, const result *in, flinc_text *out)
{
    flinc_text_printf(out, "%lld %lld %lld", (long long)in->key, (long long)in->window,
                      (long long)in->count);
    return 0;
}

static int timers(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"events", "rate", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_stream *events = flinc_assign_timestamps(
        flinc_from_datagen(
            env, FLINC_DATAGEN(.generate = FLINC_FN(generate), .type = FLINC_TYPE(event),
                               .count = flinc_params_int(params, "events", 0),
                               .rows_per_second = (double)flinc_params_int(params, "rate", 0))),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = 7,
                         .timestamp = "at"));
    flinc_stream *counts = flinc_process(
        flinc_key_by(events, "key"),
        FLINC_FUNCTION(count, .open = open_counts, .on_timer = emit_count), FLINC_TYPE(result));
    flinc_write_text(counts, FLINC_TEXT_SINK(.path = flinc_params_get(params, "output", ""),
                                             .format = FLINC_FN(format)));
    return flinc_env_execute(env, "Timers");
}
FLINC_JOB(timers)
