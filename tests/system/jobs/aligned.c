/* Two sources whose records' times ascend by 10 ms, a fast one and one with --rate records per second:
 *   --fast N --slow N --rate R [--fast-rate R] --drift MS --output DIR      lines "source at"
 * They are aligned unless --drift is 0. */
#include <flinc/flinc.h>

FLINC_STRUCT(event, FLINC_INT64(source), FLINC_INT64(at));

enum { STEP_MS = 10, INTERVAL_MS = 100 };

static int make_fast(flinc_ctx *ctx, int64_t index, event *out)
{
    *out = (event){.source = 0, .at = index * STEP_MS};
    return 0;
}

static int make_slow(flinc_ctx *ctx, int64_t index, event *out)
{
    *out = (event){.source = 1, .at = index * STEP_MS};
    return 0;
}

static int format(flinc_ctx *ctx, const event *in, flinc_text *out)
{
    flinc_text_printf(out, "%lld %lld", (long long)in->source, (long long)in->at);
    return 0;
}

static flinc_stream *events(flinc_env *env, const flinc_function *generate, int64_t count,
                            int64_t rate, int64_t drift_ms)
{
    flinc_stream *s =
        flinc_from_datagen(env, FLINC_DATAGEN(.generate = generate, .type = FLINC_TYPE(event),
                                              .count = count, .rows_per_second = (double)rate));
    return flinc_assign_timestamps(
        s, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "at",
                            .alignment_group = drift_ms > 0 ? "all" : NULL,
                            .alignment_drift_ms = drift_ms,
                            .alignment_interval_ms = drift_ms > 0 ? INTERVAL_MS : 0));
}

static int aligned(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"fast",  "slow",   "rate", "fast-rate",
                                          "drift", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    int64_t drift_ms = flinc_params_int(params, "drift", 0);
    flinc_stream *fast = events(env, FLINC_FN(make_fast), flinc_params_int(params, "fast", 0),
                                flinc_params_int(params, "fast-rate", 0), drift_ms);
    flinc_stream *slow = events(env, FLINC_FN(make_slow), flinc_params_int(params, "slow", 0),
                                flinc_params_int(params, "rate", 0), drift_ms);
    flinc_write_text(flinc_union(fast, slow),
                     FLINC_TEXT_SINK(.path = flinc_params_get(params, "output", ""),
                                     .format = FLINC_FN(format)));
    return flinc_env_execute(env, "Aligned");
}
FLINC_JOB(aligned)
