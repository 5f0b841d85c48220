/* A job whose function takes 100 ms for each row, and counts them: a batch would take minutes. */
#include <flinc/flinc.h>
#include <stdint.h>
#include <unistd.h>

static int slow(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    usleep(100000);
    *out = *in;
    return flinc_ctx_accumulate(ctx, "rows", 1);
}

static int job(flinc_env *env, int argc, char **argv)
{
    flinc_stream *numbers = flinc_from_sequence(env, 0, INT64_MAX - 1);
    flinc_discard(flinc_name(flinc_map(numbers, FLINC_FN(slow), FLINC_TYPE(flinc_int64)), "Slow"));
    return flinc_env_execute(env, "slow rows");
}
FLINC_JOB(job)
