/* All kinds of edges on the way of numbers: forward in a chain, rebalance, hash by key. */
#include <flinc/flinc.h>

FLINC_STRUCT(entry, FLINC_STRING(key), FLINC_INT64(value));

/* Short keys lie in the columns themselves, the others behind them. */
static int name(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    static const char *const keys[] = {"a", "bb", "a key that does not fit into a view", "dddd"};

    (void)ctx;
    return FLINC_EMIT(out, entry, .key = FLINC_STR(keys[*in % 4]), .value = *in);
}

static int is_kept(flinc_ctx *ctx, const entry *in)
{
    (void)ctx;
    return in->value % 10 != 0;
}

static int pipeline(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"count", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_stream *numbers = flinc_from_sequence(env, 1, flinc_params_int(params, "count", 1000));
    flinc_stream *entries =
        flinc_flat_map(flinc_rebalance(numbers), FLINC_FN(name), FLINC_TYPE(entry));
    flinc_stream *kept = flinc_filter(entries, FLINC_FN(is_kept));

    flinc_discard(flinc_sum(flinc_key_by(kept, "key"), "value"));
    return flinc_env_execute(env, "pipeline");
}
FLINC_JOB(pipeline)
