/* Keyed count over uniform int64 keys, generator in the job: --keys, --rate (0: as fast as it goes).  Measured
 * and verified by run.py. */
#include <flinc/flinc.h>

FLINC_STRUCT(counted, FLINC_INT64(key), FLINC_INT64(count));
FLINC_STRUCT(settings, FLINC_INT64(keys));

static int number(flinc_ctx *ctx, int64_t index, counted *out)
{
    const settings *s = flinc_ctx_config(ctx);
    uint64_t x = (uint64_t)index * 0x9E3779B97F4A7C15u;

    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93u;
    /* The high bits of a product with the number of keys: uniform, without a division. */
    out->key = (int64_t)((x >> 32) * (uint64_t)s->keys >> 32);
    out->count = 1;
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"keys", "rate", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 1000000)};

    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *numbers = flinc_uid(
        flinc_from_datagen(
            env, FLINC_DATAGEN(.generate =
                                   FLINC_FUNCTION(number, .config = &s, .config_size = sizeof(s)),
                               .type = FLINC_TYPE(counted), .count = -1,
                               .rows_per_second = (double)flinc_params_int(p, "rate", 0))),
        "numbers");
    flinc_discard(flinc_uid(flinc_sum(flinc_key_by(numbers, "key"), "count"), "sums"));
    return flinc_env_execute(env, "keyed");
}
FLINC_JOB(job)
