/* A map function that does, at the number of --at, what a function should not: built with -DDO_<what>. */
#include <flinc/flinc.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    int64_t at;
};

static int stumble(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    const struct settings *s = flinc_ctx_config(ctx);

    *out = *in;
    if (*in != s->at) {
        return 0;
    }
#if defined(DO_FAIL)
    return flinc_ctx_fail(ctx, "the number %lld is not liked", (long long)*in);
#elif defined(DO_RETURN)
    return -42;
#elif defined(DO_DEREFERENCE_NULL)
    volatile int *nothing = NULL;
    return *nothing;
#elif defined(DO_ABORT)
    abort();
#elif defined(DO_OVERFLOW_THE_STACK)
    volatile char deep[4096];
    memset((char *)deep, 1, sizeof(deep));
    return stumble(ctx, in, out) + deep[17];
#elif defined(DO_DIVIDE)
    volatile int zero = 0;
    return (int)*in / zero;
#elif defined(DO_FAIL_ONCE)
    return flinc_ctx_attempt(ctx) == 0 ? flinc_ctx_fail(ctx, "not at the first attempt") : 0;
#endif
}

static int open_stumble(flinc_ctx *ctx)
{
#if defined(DO_FAIL_OPEN)
    return flinc_ctx_fail(ctx, "no oil");
#else
    return 0;
#endif
}

static int functions(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"count", "at", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const struct settings settings = {.at = flinc_params_int(params, "at", 500)};
    const char *output = flinc_params_get(params, "output", NULL);
    flinc_stream *numbers = flinc_from_sequence(env, 1, flinc_params_int(params, "count", 1000));

    numbers =
        flinc_name(flinc_map(flinc_rebalance(numbers),
                             FLINC_FUNCTION(stumble, .open = open_stumble, .config = &settings,
                                            .config_size = sizeof(settings)),
                             FLINC_TYPE(flinc_int64)),
                   "Stumble");
    if (output != NULL) {
        flinc_write_text(numbers, FLINC_TEXT_SINK(.path = output));
    } else {
        flinc_discard(numbers);
    }
    return flinc_env_execute(env, "stumbling job");
}
FLINC_JOB(functions)
