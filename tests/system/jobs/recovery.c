/* A job that is killed while it runs: lines "key" from --input (read slowly: --delay-us for each) are counted per
 * key, and each "key,count" is written to --output.  Exactly once: the counts of a key are 1, 2, 3, ... */
#include <flinc/flinc.h>
#include <time.h>

FLINC_STRUCT(counted, FLINC_STRING(key), FLINC_INT64(count));
FLINC_STRUCT(settings, FLINC_INT64(delay_us));

static int slowly(flinc_ctx *ctx, const flinc_string *line, counted *out)
{
    const settings *s = flinc_ctx_config(ctx);
    struct timespec pause = {.tv_nsec = s->delay_us * 1000};

    if (s->delay_us > 0) {
        nanosleep(&pause, NULL);
    }
    out->key = *line;
    out->count = 1;
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"input", "output", "delay-us", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    settings s = {.delay_us = flinc_params_int(p, "delay-us", 0)};
    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *lines = flinc_env_read_text(
        env, FLINC_TEXT_SOURCE(.path = flinc_params_get(p, "input", ""), .split_bytes = 40000));
    flinc_stream *pairs = flinc_map(
        lines, FLINC_FUNCTION(slowly, .config = &s, .config_size = sizeof(s)), FLINC_TYPE(counted));
    flinc_write_text(flinc_sum(flinc_key_by(pairs, "key"), "count"),
                     FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", "")));
    return flinc_env_execute(env, "recovery");
}
FLINC_JOB(job)
