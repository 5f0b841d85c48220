/* A job whose function keeps all memory that it asks for, and writes to it. */
#include <flinc/flinc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 8 << 20 };

static int hoard(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    static char *volatile last;

    last = malloc(PIECE_BYTES);
    if (last == NULL) {
        return flinc_ctx_fail(ctx, "malloc of %d bytes", PIECE_BYTES);
    }
    memset(last, 1, PIECE_BYTES);
    usleep(20000);
    *out = *in;
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    flinc_stream *numbers = flinc_from_sequence(env, 0, INT64_MAX - 1);
    flinc_discard(
        flinc_name(flinc_map(numbers, FLINC_FN(hoard), FLINC_TYPE(flinc_int64)), "Hoard"));
    return flinc_env_execute(env, "hoards");
}
FLINC_JOB(job)
