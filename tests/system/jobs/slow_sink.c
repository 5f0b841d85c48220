/* Rows of a kilobyte, made much faster than they are taken. */
#include <flinc/flinc.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

FLINC_STRUCT(row, FLINC_INT64(number), FLINC_STRING(text));

enum { TEXT_BYTES = 1000 };

static int make(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    char text[TEXT_BYTES + 1];

    (void)ctx;
    memset(text, 'a' + (int)(*in % 26), TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    return FLINC_EMIT(out, row, .number = *in, .text = FLINC_STR(text));
}

static int take(flinc_ctx *ctx, const row *in, int64_t *out)
{
    (void)ctx;
    if (in->number % 8 == 0) {
        usleep(1000);
    }
    *out = in->number;
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    flinc_stream *numbers = flinc_from_sequence(env, 0, INT64_MAX - 1);
    flinc_stream *rows = flinc_flat_map(numbers, FLINC_FN(make), FLINC_TYPE(row));
    flinc_stream *taken = flinc_map(flinc_rebalance(rows), FLINC_FN(take), FLINC_TYPE(flinc_int64));
    flinc_discard(flinc_name(taken, "Slow"));
    return flinc_env_execute(env, "slow sink");
}
FLINC_JOB(job)
