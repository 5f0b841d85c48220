/* Copies lines: --input to --output, through a rebalance, so that they change tasks. */
#include <flinc/flinc.h>

static int keep(flinc_ctx *ctx, const flinc_string *line, flinc_text *out)
{
    (void)ctx;
    flinc_text_append(out, line->data, line->len);
    return 0;
}

static int lines(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"input", "output", "max-line", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_stream *all = flinc_env_read_text(
        env,
        FLINC_TEXT_SOURCE(.path = flinc_params_get(params, "input", NULL),
                          .max_line_bytes = (uint64_t)flinc_params_int(params, "max-line", 0)));

    flinc_write_text(flinc_rebalance(all),
                     FLINC_TEXT_SINK(.path = flinc_params_get(params, "output", NULL),
                                     .format = FLINC_FN(keep)));
    return flinc_env_execute(env, "lines");
}
FLINC_JOB(lines)
