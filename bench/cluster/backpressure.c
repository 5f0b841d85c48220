/* A source that makes records as fast as it can, keyed to a sink that takes --slow microseconds for each: under full
 * back pressure, everything between the two is full.  Measured by run.py. */
#include <flinc/flinc.h>
#include <time.h>

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_STRING(text));
FLINC_STRUCT(settings, FLINC_INT64(slow_us));

enum { KEYS = 100000 };

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    static const char text[] =
        "a record of some hundred bytes, as they come out of logs and queues: "
        "host, time, severity, and a sentence";

    out->key = index % KEYS;
    out->text = (flinc_string){text, sizeof(text) - 1};
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Sleeps when it is a millisecond ahead: shorter sleeps take longer than they say. */
static int slowly(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    const settings *s = flinc_ctx_config(ctx);
    static _Thread_local int64_t due_ns;
    int64_t now = now_ns();

    due_ns = (due_ns > now - 1000000 ? due_ns : now) + s->slow_us * 1000;
    if (due_ns - now > 1000000) {
        nanosleep(&(struct timespec){.tv_nsec = due_ns - now}, NULL);
    }
    return 0;
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"slow", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.slow_us = flinc_params_int(p, "slow", 100)};

    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *events =
        flinc_uid(flinc_from_datagen(env, FLINC_DATAGEN(.generate = FLINC_FUNCTION(make),
                                                        .type = FLINC_TYPE(event), .count = -1)),
                  "events");
    flinc_discard(
        flinc_uid(flinc_flat_map(flinc_key_by(events, "key"),
                                 FLINC_FUNCTION(slowly, .config = &s, .config_size = sizeof(s)),
                                 FLINC_TYPE(flinc_int64)),
                  "slow"));
    return flinc_env_execute(env, "backpressure");
}
FLINC_JOB(job)
