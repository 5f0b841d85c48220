/* A job whose only task fails. */
#include <flinc/flinc.h>

static int fail(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    *out = *in;
    return flinc_ctx_fail(ctx, "the moon is not full enough");
}

static int job(flinc_env *env, int argc, char **argv)
{
    flinc_stream *one = flinc_from_sequence(env, 1, 1);
    flinc_discard(flinc_map(one, FLINC_FN(fail), FLINC_TYPE(flinc_int64)));
    return flinc_env_execute(env, "fails");
}
FLINC_JOB(job)
