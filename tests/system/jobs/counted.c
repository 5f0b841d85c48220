/* A job whose result is known: --records numbers, spread over --keys keys, counted per key and written to --output
 * when all have been seen; --rate records per second.  It starts over when something of it is lost, and its
 * result must not show it.  --misbehave makes one function go wrong at record --at: null, abort, exit, loop. */
#include <flinc/flinc.h>
#include <stdlib.h>
#include <string.h>

FLINC_STRUCT(counted, FLINC_INT64(key), FLINC_INT64(count));
FLINC_STRUCT(settings, FLINC_INT64(keys), FLINC_INT64(at), FLINC_INT64(how));

static int number(flinc_ctx *ctx, int64_t index, counted *out)
{
    (void)ctx;
    out->key = index;
    out->count = 1;
    return 0;
}

enum { BEHAVE, DEREFERENCE_NULL, ABORT, EXIT, LOOP };

static void misbehave(int64_t how)
{
    static volatile int *volatile nowhere;

    switch (how) {
    case DEREFERENCE_NULL:
        *nowhere = 1;
        break;
    case ABORT:
        abort();
    case EXIT:
        exit(3);
    case LOOP:
        for (;;) {
            nowhere = NULL;
        }
    default:
        break;
    }
}

static int to_key(flinc_ctx *ctx, const counted *in, counted *out)
{
    const settings *s = flinc_ctx_config(ctx);

    if (s->how != BEHAVE && in->key == s->at) {
        misbehave(s->how);
    }
    out->key = in->key % s->keys;
    out->count = in->count;
    return 0;
}

static int64_t how_of(const char *name)
{
    static const char *const names[] = {"", "null", "abort", "exit", "loop"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return (int64_t)i;
        }
    }
    return BEHAVE;
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records",   "keys", "rate", "output",
                                        "misbehave", "at",   NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {
        .keys = flinc_params_int(p, "keys", 1000),
        .at = flinc_params_int(p, "at", 0),
        .how = how_of(flinc_params_get(p, "misbehave", "")),
    };

    flinc_env_set_runtime_mode(env, FLINC_BATCH);
    flinc_stream *numbers = flinc_from_datagen(
        env, FLINC_DATAGEN(.generate = FLINC_FN(number), .type = FLINC_TYPE(counted),
                           .count = flinc_params_int(p, "records", 1000000),
                           .rows_per_second = (double)flinc_params_int(p, "rate", 0)));
    flinc_stream *pairs = flinc_map(flinc_rebalance(numbers),
                                    FLINC_FUNCTION(to_key, .config = &s, .config_size = sizeof(s)),
                                    FLINC_TYPE(counted));
    flinc_stream *counts = flinc_sum(flinc_key_by(pairs, "key"), "count");
    flinc_write_text(counts, FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", "counts")));
    return flinc_env_execute(env, "counted");
}
FLINC_JOB(job)
