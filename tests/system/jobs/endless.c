/* A job that runs until it is cancelled.  Its first argument is its name. */
#include <flinc/flinc.h>
#include <stdint.h>
#include <unistd.h>

static int slow(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    if (*in % 512 ==
        0) { /* often enough for little load, seldom enough for batches that end soon */
        usleep(10000);
    }
    *out = *in;
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    flinc_stream *numbers = flinc_rebalance(flinc_from_sequence(env, 0, INT64_MAX - 1));
    flinc_discard(flinc_name(flinc_map(numbers, FLINC_FN(slow), FLINC_TYPE(flinc_int64)), "Slow"));
    return flinc_env_execute(env, argc > 1 ? argv[1] : "endless");
}
FLINC_JOB(job)
