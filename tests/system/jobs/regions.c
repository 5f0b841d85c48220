/* Pipelines that have nothing to do with each other.  Keyed: the keys in --left and in --right (read slowly: --delay-us for
 * each line) are counted in slots of their own, "key,count" goes to --left-out and --right-out.  With --forward, lines of
 * --left go to --left-out as they are, by one chain per subtask.  The left one fails --failures times. */
#include <flinc/flinc.h>
#include <time.h>

FLINC_STRUCT(counted, FLINC_STRING(key), FLINC_INT64(count));
FLINC_STRUCT(settings, FLINC_INT64(delay_us), FLINC_INT64(failures));

enum { LINES_BEFORE_FAILURE = 300 };

static int slowly(flinc_ctx *ctx, const flinc_string *line, counted *out)
{
    static _Thread_local int64_t n_lines;
    const settings *s = flinc_ctx_config(ctx);
    struct timespec pause = {.tv_nsec = s->delay_us * 1000};

    if (s->delay_us > 0) {
        nanosleep(&pause, NULL);
    }
    n_lines++;
    if (flinc_ctx_attempt(ctx) < s->failures && n_lines >= LINES_BEFORE_FAILURE) {
        n_lines = 0;
        return flinc_ctx_fail(ctx, "told to fail");
    }
    out->key = *line;
    out->count = 1;
    return 0;
}

static flinc_stream *lines(flinc_env *env, flinc_params *p, const char *side, const char *input,
                           const settings *s)
{
    flinc_stream *read = flinc_env_read_text(
        env, FLINC_TEXT_SOURCE(.path = flinc_params_get(p, input, ""), .split_bytes = 20000));
    flinc_slot_sharing_group(read, side);
    return flinc_map(read, FLINC_FUNCTION(slowly, .config = s, .config_size = sizeof(*s)),
                     FLINC_TYPE(counted));
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"left",     "right",    "left-out", "right-out",
                                        "delay-us", "failures", "forward",  NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    settings left = {.delay_us = flinc_params_int(p, "delay-us", 0),
                     .failures = flinc_params_int(p, "failures", 0)};
    settings right = {.delay_us = left.delay_us};
    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *l = lines(env, p, "left", "left", &left);
    const char *left_out = flinc_params_get(p, "left-out", "");
    if (flinc_params_int(p, "forward", 0) != 0) {
        flinc_write_text(l, FLINC_TEXT_SINK(.path = left_out));
        return flinc_env_execute(env, "regions");
    }
    flinc_stream *r = lines(env, p, "right", "right", &right);
    flinc_write_text(flinc_sum(flinc_key_by(l, "key"), "count"), FLINC_TEXT_SINK(.path = left_out));
    flinc_write_text(flinc_sum(flinc_key_by(r, "key"), "count"),
                     FLINC_TEXT_SINK(.path = flinc_params_get(p, "right-out", "")));
    return flinc_env_execute(env, "regions");
}
FLINC_JOB(job)
