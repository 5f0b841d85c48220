/* A job with --keys keys of keyed state (by default about 100 MB) that says when records flow: every BEAT-th record that comes out of
 * the keyed sum writes the monotonic time to --beat.  Killed, restored and rescaled by run.py. */
#include <fcntl.h>
#include <flinc/flinc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { KEYS_DEFAULT = 6500000, BEAT = 256 };

FLINC_STRUCT(counted, FLINC_INT64(key), FLINC_INT64(count));
FLINC_STRUCT(settings, FLINC_INT64(keys));

static int number(flinc_ctx *ctx, int64_t index, counted *out)
{
    const settings *s = flinc_ctx_config(ctx);

    /* The first records fill the state, later ones meet keys in no order. */
    out->key = index < s->keys
                   ? index
                   : (int64_t)((uint64_t)index * 0x9E3779B97F4A7C15u % (uint64_t)s->keys);
    out->count = 1;
    return 0;
}

struct beat {
    int fd;
    uint64_t n;
};

static int beat_open(flinc_ctx *ctx)
{
    struct beat *b = calloc(1, sizeof(*b));
    b->fd = open((const char *)flinc_ctx_config(ctx), O_WRONLY | O_CREAT, 0666);
    flinc_ctx_set_user(ctx, b);
    return b->fd < 0 ? flinc_ctx_fail(ctx, "cannot open the file of beats") : 0;
}

static void beat_close(flinc_ctx *ctx)
{
    struct beat *b = flinc_ctx_user(ctx);
    if (b != NULL) {
        close(b->fd);
        free(b);
    }
}

static int beat(flinc_ctx *ctx, const counted *in)
{
    struct beat *b = flinc_ctx_user(ctx);
    (void)in;
    if (b->n++ % BEAT == 0) {
        struct timespec now;
        char text[32];
        clock_gettime(CLOCK_MONOTONIC, &now);
        int len = snprintf(text, sizeof(text), "%020lld\n",
                           (long long)now.tv_sec * 1000000000 + now.tv_nsec);
        if (pwrite(b->fd, text, (size_t)len, 0) != len) {
            return flinc_ctx_fail(ctx, "cannot write a beat");
        }
    }
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"beat", "keys", "rate", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", KEYS_DEFAULT)};
    char path[256] = "";

    snprintf(path, sizeof(path), "%s", flinc_params_get(p, "beat", "beat"));
    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *numbers = flinc_from_datagen(
        env,
        FLINC_DATAGEN(.generate = FLINC_FUNCTION(number, .config = &s, .config_size = sizeof(s)),
                      .type = FLINC_TYPE(counted), .count = -1,
                      .rows_per_second = (double)flinc_params_int(p, "rate", 2000000)));
    flinc_stream *sums = flinc_sum(flinc_key_by(numbers, "key"), "count");
    flinc_discard(flinc_filter(sums, FLINC_FUNCTION(beat, .open = beat_open, .close = beat_close,
                                                    .config = path, .config_size = sizeof(path))));
    return flinc_env_execute(env, "recovering");
}
FLINC_JOB(job)
