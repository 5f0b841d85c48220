/* A timer and a session for each of many keys, none of which is over before the input is:
 *   [--rate N per second] --output DIR      lines "timer KEY TIME" and "session KEY START END COUNT SUM"
 * A key has two records, half of the input apart; each of them sets a timer, the second one instead of the first. */
#include <flinc/flinc.h>
#include <stdio.h>

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(at), FLINC_INT64(value));
FLINC_STRUCT(deadline, FLINC_INT64(key), FLINC_INT64(at));
FLINC_STRUCT(visit, FLINC_INT64(key), FLINC_INT64(window_start), FLINC_INT64(window_end),
             FLINC_INT64(records), FLINC_INT64(total));

enum { KEYS = 400000 };

/* Times go on by 1 ms every 1,000 records. */
static int generate(flinc_ctx *ctx, int64_t index, event *out)
{
    out->key = index % KEYS;
    out->at = index / 1000;
    out->value = index;
    return 0;
}

/* Far behind the input, in an order of their own. */
static int64_t time_of(int64_t key, int64_t at)
{
    return 1000000 + at + key * 7919 % 10007;
}

/* The second record of a key takes the timer of the first back. */
static int set(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    int64_t first = time_of(in->key, in->key / 1000);
    if (in->value >= KEYS && flinc_ctx_timer_delete_event(ctx, first) < 0) {
        return -1;
    }
    return flinc_ctx_timer_event(ctx, time_of(in->key, in->at));
}

static int on_timer(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    FLINC_EMIT(out, deadline, .key = flinc_ctx_key_int64(ctx, 0), .at = timestamp);
    return 0;
}

static int format_deadline(flinc_ctx *ctx, const deadline *in, flinc_text *out)
{
    flinc_text_printf(out, "timer %lld %lld", (long long)in->key, (long long)in->at);
    return 0;
}

static int format_visit(flinc_ctx *ctx, const visit *in, flinc_text *out)
{
    flinc_text_printf(out, "session %lld %lld %lld %lld %lld", (long long)in->key,
                      (long long)in->window_start, (long long)in->window_end,
                      (long long)in->records, (long long)in->total);
    return 0;
}

static int deadlines(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"rate", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_stream *events = flinc_assign_timestamps(
        flinc_from_datagen(
            env, FLINC_DATAGEN(.generate = FLINC_FN(generate), .type = FLINC_TYPE(event),
                               .count = 2 * KEYS,
                               .rows_per_second = (double)flinc_params_int(params, "rate", 0))),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = 10000000,
                         .timestamp = "at"));
    flinc_stream *keyed = flinc_key_by(events, "key");
    flinc_stream *fired =
        flinc_process(keyed, FLINC_FUNCTION(set, .on_timer = on_timer), FLINC_TYPE(deadline));
    flinc_stream *visits =
        flinc_window_columns(flinc_window(keyed, FLINC_WINDOW(.assigner = FLINC_SESSION(1000000))),
                             "count() as records, sum(value) as total", FLINC_TYPE(visit));
    const char *output = flinc_params_get(params, "output", "");
    char path[4096];
    snprintf(path, sizeof(path), "%s/timers", output);
    flinc_write_text(fired, FLINC_TEXT_SINK(.path = path, .format = FLINC_FN(format_deadline)));
    snprintf(path, sizeof(path), "%s/sessions", output);
    flinc_write_text(visits, FLINC_TEXT_SINK(.path = path, .format = FLINC_FN(format_visit)));
    return flinc_env_execute(env, "Deadlines");
}
FLINC_JOB(deadlines)
