/* A function that does not look whether it is cancelled; with -DDO_SLEEP one that sleeps in a system
 * call, and looks when that is interrupted. */
#include <flinc/flinc.h>
#include <poll.h>
#include <stdio.h>

static int stay(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    *out = *in;
    puts("in the function");
    (void)fflush(stdout);
#if defined(DO_SLEEP)
    while (!flinc_ctx_is_cancelled(ctx)) {
        (void)poll(NULL, 0, -1);
    }
    return 0;
#else
    bool told = false;
    for (;;) {
        if (!told && flinc_ctx_is_cancelled(ctx)) {
            puts("cancelled, but staying");
            (void)fflush(stdout);
            told = true;
        }
    }
#endif
}

static int job(flinc_env *env, int argc, char **argv)
{
    flinc_stream *one = flinc_from_sequence(env, 1, 1);
    flinc_discard(flinc_name(flinc_map(one, FLINC_FN(stay), FLINC_TYPE(flinc_int64)), "Stay"));
    return flinc_env_execute(env, "stuck job");
}
FLINC_JOB(job)
