/* A job with keyed state, a window and a text sink, in the versions that a user may make of it one after the
 * other.  Record i of key i % --keys counts; the output is
 *   R key n    the n-th record of a key
 *   W key n    its window of n records, which ends with the input (or when the job is drained)
 * Macros: VERSION (1, 2, 3: types of the state), EXTRA (one operator more), UNCHAINED, TTL_MS (time to live of
 * the counts). */
#include <flinc/flinc.h>
#include <flinc/state.h>
#include <flinc/time.h>
#include <flinc/window.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef VERSION
#define VERSION 1
#endif

#ifndef TTL_MS
#define TTL_MS 0
#endif

enum { WINDOW_MS = 1 << 30, MIXED = 7, PAYLOAD_MAX = 1 << 20 };

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(at_ms));
FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(n));
FLINC_STRUCT(settings, FLINC_INT64(keys), FLINC_INT64(payload), FLINC_INT64(slow_us));
#if VERSION == 1
FLINC_STRUCT(total, FLINC_INT64(n), FLINC_INT32(mixed), FLINC_INT64(gone));
#elif VERSION == 2 /* one field wider, one less, one more */
FLINC_STRUCT(total, FLINC_INT64(mixed), FLINC_INT64(n), FLINC_NULLABLE(FLINC_INT64(added)));
#else              /* a field of another type, which nothing can be made to */
FLINC_STRUCT(total, FLINC_STRING(n), FLINC_INT64(mixed));
#endif

struct counting {
    flinc_value_state *total, *weight;
    char *payload;
};

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    out->key = index % ((const settings *)flinc_ctx_config(ctx))->keys;
    out->at_ms = index / 1000;
    return 0;
}

static int open_count(flinc_ctx *ctx)
{
    struct counting *c = calloc(1, sizeof(*c));

    flinc_ctx_set_user(ctx, c);
    c->payload = malloc(PAYLOAD_MAX);
    c->total = flinc_ctx_value_state(
        ctx, FLINC_STATE(.name = "total", .type = FLINC_TYPE(total), .ttl = {.ms = TTL_MS}));
    c->weight =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "weight", .type = FLINC_TYPE(flinc_string)));
    return 0;
}

static void close_count(flinc_ctx *ctx)
{
    struct counting *c = flinc_ctx_user(ctx);

    if (c != NULL) {
        free(c->payload);
        free(c);
    }
}

/* Something of the wanted size that does not compress. */
static int keep_payload(flinc_ctx *ctx, struct counting *c, int64_t seed)
{
    int64_t size = ((const settings *)flinc_ctx_config(ctx))->payload;
    uint64_t x = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;

    if (size == 0 || flinc_value_get(c->weight) != NULL) {
        return 0;
    }
    for (int64_t i = 0; i < size; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        c->payload[i] = (char)x;
    }
    return flinc_value_set_string(c->weight, (flinc_string){c->payload, (size_t)size});
}

/* What makes an operator slower than its input. */
static void wait_for_disk(int64_t slow_us)
{
    if (slow_us > 0) {
        nanosleep(&(struct timespec){.tv_nsec = slow_us * 1000}, NULL);
    }
}

#if VERSION < 3
static int count(flinc_ctx *ctx, const event *in, pair *out)
{
    struct counting *c = flinc_ctx_user(ctx);
    const total *old = flinc_value_get(c->total);
    total now = {.n = 1, .mixed = MIXED};

    if (old != NULL) {
        if (old->mixed != old->n * MIXED) {
            return flinc_ctx_fail(ctx, "VIOLATION: key %lld: field mixed is %lld at %lld",
                                  (long long)in->key, (long long)old->mixed, (long long)old->n);
        }
        now = *old;
        now.n++;
        now.mixed += MIXED;
    }
#if VERSION == 2
    now.added = old == NULL ? 1 : old->added;
    now.added_is_null = old != NULL && old->added_is_null;
#endif
    *out = (pair){in->key, now.n};
    wait_for_disk(((const settings *)flinc_ctx_config(ctx))->slow_us);
    if (flinc_value_set(c->total, &now) < 0) {
        return -1;
    }
    return keep_payload(ctx, c, in->key);
}
#else
static int count(flinc_ctx *ctx, const event *in, pair *out)
{
    return flinc_ctx_fail(ctx, "VIOLATION: key %lld: the state cannot have been restored",
                          (long long)in->key);
}
#endif

static int line_of(flinc_out *out, char kind, const pair *in)
{
    char text[64];
    int len =
        snprintf(text, sizeof(text), "%c %lld %lld", kind, (long long)in->key, (long long)in->n);

    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

static int record_line(flinc_ctx *ctx, const pair *in, flinc_out *out)
{
    return line_of(out, 'R', in);
}

static int window_line(flinc_ctx *ctx, const pair *in, flinc_out *out)
{
    return line_of(out, 'W', in);
}

static int call_count(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    pair counted = {0};
    int rc = count(ctx, in, &counted);

    return rc < 0 ? rc : record_line(ctx, &counted, out);
}

#ifdef EXTRA
static int open_extra(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_value_state(
                                ctx, FLINC_STATE(.name = "seen", .type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int extra(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_value_state *seen = flinc_ctx_user(ctx);

    flinc_value_set_int64(seen, flinc_value_get_int64(seen, 0) + 1);
    return FLINC_EMIT(out, event, .key = in->key, .at_ms = in->at_ms);
}
#endif

/* A source that ends at once, beside the other, which does not. */
static flinc_stream *with_more(flinc_env *env, flinc_stream *events)
{
    static const event few[] = {{-1, 0}, {-2, 0}, {-3, 0}};

    return flinc_union(events,
                       flinc_uid(flinc_from_elements(env, few, 3, FLINC_TYPE(event)), "few"));
}

static int by_time(flinc_ctx *ctx, const event *in, int n_channels)
{
    return (int)(in->at_ms % n_channels);
}

static flinc_stream *unchained(flinc_stream *s)
{
#ifdef UNCHAINED
    return flinc_disable_chaining(s);
#else
    return s;
#endif
}

static flinc_stream *count_lines(flinc_stream *events, const settings *s)
{
    flinc_stream *timed = unchained(flinc_uid(
        flinc_assign_timestamps(events, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED,
                                                         .max_out_of_orderness_ms = WINDOW_MS / 4,
                                                         .timestamp = "at_ms")),
        "times"));
#ifdef EXTRA
    timed = flinc_uid(flinc_process(flinc_key_by(timed, "key"),
                                    FLINC_FUNCTION(extra, .open = open_extra), FLINC_TYPE(event)),
                      "extra");
#endif
    flinc_stream *keyed = flinc_key_by(timed, "key");
    flinc_stream *counted =
        flinc_uid(flinc_process(keyed,
                                FLINC_FUNCTION(call_count, .open = open_count, .close = close_count,
                                               .config = s, .config_size = sizeof(*s)),
                                FLINC_TYPE(flinc_string)),
                  "count");
    flinc_stream *windows =
        flinc_uid(flinc_window_columns(
                      flinc_window(keyed, FLINC_WINDOW(.assigner = FLINC_TUMBLING(WINDOW_MS))),
                      "count() as n", FLINC_TYPE(pair)),
                  "windows");
    return flinc_union(
        flinc_name(counted, "Count"),
        unchained(flinc_flat_map(windows, FLINC_FN(window_line), FLINC_TYPE(flinc_string))));
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records", "keys", "rate",   "payload", "beside",
                                        "output",  "slow", "custom", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 480),
                        .payload = flinc_params_int(p, "payload", 0),
                        .slow_us = flinc_params_int(p, "slow", 0)};
    const char *output = flinc_params_get(p, "output", "");

    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *events = flinc_uid(
        flinc_from_datagen(
            env,
            FLINC_DATAGEN(.generate = FLINC_FUNCTION(make, .config = &s, .config_size = sizeof(s)),
                          .type = FLINC_TYPE(event), .count = flinc_params_int(p, "records", -1),
                          .rows_per_second = (double)flinc_params_int(p, "rate", 0))),
        "events");
    if (flinc_params_int(p, "beside", 0) != 0) {
        events = with_more(env, events);
    }
    if (flinc_params_int(p, "custom", 0) != 0) {
        events = flinc_partition_custom(events, FLINC_FN(by_time));
    }
    flinc_stream *lines = count_lines(events, &s);
    if (output[0] != '\0') {
        flinc_uid(flinc_write_text(lines, FLINC_TEXT_SINK(.path = output)), "lines");
    } else {
        flinc_discard(lines);
    }
    return flinc_env_execute(env, "stateful");
}
FLINC_JOB(job)
