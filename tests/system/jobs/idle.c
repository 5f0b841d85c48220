/* A union of a source that never stops and one that says something now and then, by times in lines of a
 * socket; a watermark that goes back fails the job:
 *   --port P --idle MS --rate R */
#include <flinc/flinc.h>

#include <stdlib.h>

FLINC_STRUCT(event, FLINC_INT64(at));

enum { STEP_MS = 10 };

static int generate(flinc_ctx *ctx, int64_t index, event *out)
{
    out->at = index * STEP_MS;
    return 0;
}

static int parse(flinc_ctx *ctx, const flinc_string *line, event *out)
{
    char text[32] = "";
    memcpy(text, line->data, line->len < sizeof(text) ? line->len : sizeof(text) - 1);
    out->at = atoll(text);
    return 0;
}

static int check(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    static _Thread_local int64_t last = FLINC_NO_WATERMARK;
    int64_t now = flinc_ctx_watermark(ctx);
    if (now < last) {
        return flinc_ctx_fail(ctx, "the watermark went back");
    }
    last = now;
    return 0;
}

static int idle(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"port", "idle", "rate", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const flinc_watermarks strategy =
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "at",
                         .idle_timeout_ms = flinc_params_int(params, "idle", 0));
    flinc_stream *busy = flinc_from_datagen(
        env, FLINC_DATAGEN(.generate = FLINC_FN(generate), .type = FLINC_TYPE(event), .count = -1,
                           .rows_per_second = (double)flinc_params_int(params, "rate", 0)));
    flinc_stream *lines = flinc_socket_text(
        env,
        FLINC_SOCKET_SOURCE(.host = "localhost", .port = (int)flinc_params_int(params, "port", 0)));
    flinc_stream *silent =
        flinc_set_parallelism(flinc_map(lines, FLINC_FN(parse), FLINC_TYPE(event)), 1);
    flinc_stream *all =
        flinc_union(flinc_assign_timestamps(busy, strategy),
                    flinc_set_parallelism(flinc_assign_timestamps(silent, strategy), 1));
    flinc_discard(flinc_name(
        flinc_process(flinc_rebalance(all), FLINC_FN(check), FLINC_TYPE(event)), "check"));
    return flinc_env_execute(env, "Idle");
}
FLINC_JOB(idle)
