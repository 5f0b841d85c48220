/* A job that checks itself.  Record i of key i % --keys is number i / --keys of its key; keyed state, timers,
 * session windows and a text sink must see each exactly once and in order, whatever is lost meanwhile.  What is
 * wrong fails the job with a sentence that begins with VIOLATION; what is right is written to --output for the
 * oracle (chaos.py):
 *   R key number      a record, behind the check of its place and its payload
 *   T key session     the timer of a session, in order
 *   W key session n   a session window of n records */
#include <flinc/flinc.h>
#include <flinc/state.h>
#include <flinc/time.h>
#include <flinc/window.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSION = 40, STEP_MS = 100, GAP_MS = 60000, SESSION_MS = SESSION * STEP_MS + GAP_MS };

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(number), FLINC_INT64(at_ms),
             FLINC_STRING(payload), FLINC_INT64(hash));
FLINC_STRUCT(progress, FLINC_INT64(next), FLINC_INT64(timers), FLINC_INT64(mixed));
FLINC_STRUCT(session, FLINC_INT64(key), FLINC_INT64(window_start), FLINC_INT64(n));
FLINC_STRUCT(settings, FLINC_INT64(keys), FLINC_INT64(records));

static int64_t hash_of(const char *data, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
    }
    return (int64_t)h;
}

/* ---- source ------------------------------------------------------------------------------------------ */

static int open_text(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, calloc(1, 256));
    return 0;
}

static void close_text(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    const settings *s = flinc_ctx_config(ctx);
    char *text = flinc_ctx_user(ctx);

    out->key = index % s->keys;
    out->number = index / s->keys;
    out->at_ms = out->number * STEP_MS + out->number / SESSION * GAP_MS;
    int len = snprintf(text, 256, "%lld:%.*s", (long long)index, (int)(index % 50),
                       "the quick brown fox jumps over the lazy dog and back again");
    out->payload = (flinc_string){text, (size_t)len};
    out->hash = hash_of(text, (size_t)len);
    return 0;
}

/* ---- the order of each key --------------------------------------------------------------------------- */

static int open_check(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_value_state(ctx, FLINC_STATE(.name = "progress",
                                                                   .type = FLINC_TYPE(progress))));
    return 0;
}

static int emit_line(flinc_out *out, char kind, int64_t key, int64_t number)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%c %lld %lld", kind, (long long)key, (long long)number);
    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

static int check(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    progress *p = flinc_value_edit(flinc_ctx_user(ctx));

    if (p == NULL) {
        return -1;
    }
    if (in->number != p->next) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: record %lld came instead of %lld",
                              (long long)in->key, (long long)in->number, (long long)p->next);
    }
    if (in->hash != hash_of(in->payload.data, in->payload.len)) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: the payload of record %lld is damaged",
                              (long long)in->key, (long long)in->number);
    }
    p->next++;
    p->mixed = p->mixed * 31 + in->hash;
    if (in->number % SESSION == SESSION - 1) {
        int rc = flinc_ctx_timer_event(ctx, in->at_ms + STEP_MS);
        if (rc < 0) {
            return rc;
        }
    }
    return emit_line(out, 'R', in->key, in->number);
}

static int on_timer(flinc_ctx *ctx, int64_t time_ms, flinc_out *out)
{
    progress *p = flinc_value_edit(flinc_ctx_user(ctx));
    int64_t number = time_ms / SESSION_MS, key = flinc_ctx_key_int64(ctx, 0);

    if (p == NULL) {
        return -1;
    }
    if (number != p->timers || p->next < (number + 1) * SESSION) {
        return flinc_ctx_fail(
            ctx, "VIOLATION: key %lld: timer %lld came instead of %lld, after %lld records",
            (long long)key, (long long)number, (long long)p->timers, (long long)p->next);
    }
    p->timers++;
    return emit_line(out, 'T', key, number);
}

/* ---- sessions ---------------------------------------------------------------------------------------- */

static int session_line(flinc_ctx *ctx, const session *in, flinc_out *out)
{
    char text[96];

    if (in->window_start % SESSION_MS != 0) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: a session begins at %lld",
                              (long long)in->key, (long long)in->window_start);
    }
    int len = snprintf(text, sizeof(text), "W %lld %lld %lld", (long long)in->key,
                       (long long)(in->window_start / SESSION_MS), (long long)in->n);
    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records", "keys", "rate", "output", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 3840),
                        .records = flinc_params_int(p, "records", 1228800)};

    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *made = flinc_uid(
        flinc_from_datagen(
            env,
            FLINC_DATAGEN(.generate = FLINC_FUNCTION(make, .open = open_text, .close = close_text,
                                                     .config = &s, .config_size = sizeof(s)),
                          .type = FLINC_TYPE(event), .count = s.records,
                          .rows_per_second = (double)flinc_params_int(p, "rate", 0))),
        "records");
    flinc_stream *timed = flinc_uid(
        flinc_assign_timestamps(made, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED,
                                                       .max_out_of_orderness_ms = GAP_MS + 10000,
                                                       .timestamp = "at_ms")),
        "times");
    flinc_stream *keyed = flinc_key_by(timed, "key");
    flinc_stream *checked = flinc_uid(
        flinc_process(keyed, FLINC_FUNCTION(check, .open = open_check, .on_timer = on_timer),
                      FLINC_TYPE(flinc_string)),
        "order");
    flinc_windowed *windows =
        flinc_window(keyed, FLINC_WINDOW(.assigner = FLINC_SESSION(GAP_MS / 2)));
    flinc_stream *sessions =
        flinc_uid(flinc_window_columns(windows, "count() as n", FLINC_TYPE(session)), "sessions");
    flinc_stream *lines = flinc_union(
        checked, flinc_flat_map(sessions, FLINC_FN(session_line), FLINC_TYPE(flinc_string)));
    flinc_uid(
        flinc_write_text(lines, FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", "checked"))),
        "lines");
    return flinc_env_execute(env, "checker");
}
FLINC_JOB(job)
