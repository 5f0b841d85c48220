/* The bundle of the worker host's tests: numbers through a function that behaves as it is told.
 *
 *   bundle.so MODE N     MODE: count, segv, abort, exit, hang, eat, slow */
#include <flinc/flinc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct behaviour {
    char mode[16];
};

static int *volatile nowhere; /* NULL, but the compiler does not know */

/* What nobody can see a compiler may leave out. */
static char *volatile eaten;

static void eat_memory(void)
{
    for (;;) {
        size_t size = 1 << 20;
        char *p = malloc(size);
        if (p != NULL) {
            memset(p, 1, size);
            eaten = p;
        }
        (void)usleep(100);
    }
}

/* A sanitizer would say so and exit: here the signal is what is tested. */
__attribute__((no_sanitize("undefined", "address"), noinline)) static void write_nowhere(void)
{
    nowhere[2] = 1;
}

static int behave(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    const struct behaviour *b = flinc_ctx_config(ctx);
    *out = *in;
    if (strcmp(b->mode, "segv") == 0 && *in == 3) {
        write_nowhere();
    } else if (strcmp(b->mode, "abort") == 0 && *in == 3) {
        abort();
    } else if (strcmp(b->mode, "exit") == 0 && *in == 3) {
        exit(5);
    } else if (strcmp(b->mode, "hang") == 0) {
        for (;;) {
            pause();
        }
    } else if (strcmp(b->mode, "eat") == 0) {
        eat_memory();
    } else if (strcmp(b->mode, "slow") == 0) {
        while (!flinc_ctx_is_cancelled(ctx)) {
            (void)usleep(1000);
        }
    }
    return flinc_ctx_accumulate(ctx, "rows", 1);
}

static int bundle(flinc_env *env, int argc, char **argv)
{
    struct behaviour b = {""};
    (void)snprintf(b.mode, sizeof(b.mode), "%s", argc > 1 ? argv[1] : "count");
    flinc_stream *numbers = flinc_from_sequence(env, 1, argc > 2 ? atoll(argv[2]) : 1000);
    flinc_stream *behaved = flinc_map(
        flinc_rebalance(numbers), FLINC_FUNCTION(behave, .config = &b, .config_size = sizeof(b)),
        FLINC_TYPE(flinc_int64));
    flinc_discard(behaved);
    return flinc_env_execute(env, "behaviour");
}
FLINC_JOB(bundle)
