/* Workloads that check themselves: record i of key i % --keys is number i / --keys of its key, with a payload and its hash.
 * --job count: the number of each key is counted in its state, and each record is written as "key number" to --output, once;
 * a record that comes twice, too early or damaged fails the job with a sentence that begins with VIOLATION.
 * --job files: each record is a line of CSV "number,key,payload" in a bucket of its key modulo 4, by the file sink.
 * --slow-us: what each record takes behind the source (dealt round, so that much is in flight). */
#include <flinc/flinc.h>
#include <flinc/state.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 128, BUCKETS = 4 };

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(number), FLINC_STRING(payload),
             FLINC_INT64(hash));
FLINC_STRUCT(line, FLINC_INT64(number), FLINC_INT64(key), FLINC_STRING(payload));
FLINC_STRUCT(settings, FLINC_INT64(keys), FLINC_INT64(slow_us));

static int64_t hash_of(const char *data, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
    }
    return (int64_t)h;
}

static flinc_string payload_of(int64_t index, char *text)
{
    int len = snprintf(text, TEXT_MAX, "%lld:%.*s", (long long)index, (int)(index % 40),
                       "the quick brown fox jumps over the lazy dog");

    return (flinc_string){text, (size_t)len};
}

static int open_text(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, calloc(1, TEXT_MAX));
    return 0;
}

static void free_user(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    const settings *s = flinc_ctx_config(ctx);

    out->key = index % s->keys;
    out->number = index / s->keys;
    out->payload = payload_of(index, flinc_ctx_user(ctx));
    out->hash = hash_of(out->payload.data, out->payload.len);
    return 0;
}

static int take_time(flinc_ctx *ctx, const event *in, event *out)
{
    const settings *s = flinc_ctx_config(ctx);
    const struct timespec t = {.tv_nsec = s->slow_us * 8 * 1000};

    if (s->slow_us > 0 && in->number % 8 == 0) {
        nanosleep(&t, NULL);
    }
    *out = *in;
    return 0;
}

struct counter {
    flinc_value_state *next;
    char text[TEXT_MAX];
};

static int open_counter(flinc_ctx *ctx)
{
    struct counter *c = calloc(1, sizeof(*c));

    flinc_ctx_set_user(ctx, c);
    c->next =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "next", .type = FLINC_TYPE(flinc_int64)));
    return 0;
}

static int count(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    const settings *s = flinc_ctx_config(ctx);
    struct counter *c = flinc_ctx_user(ctx);
    int64_t next = flinc_value_get_int64(c->next, 0);
    flinc_string wanted = payload_of(in->number * s->keys + in->key, c->text);

    if (in->payload.len != wanted.len || memcmp(in->payload.data, wanted.data, wanted.len) != 0 ||
        in->hash != hash_of(in->payload.data, in->payload.len)) {
        return flinc_ctx_fail(ctx, "VIOLATION: the payload of record %lld of key %lld is damaged",
                              (long long)in->number, (long long)in->key);
    }
    if (in->number != next) {
        return flinc_ctx_fail(ctx, "VIOLATION: of key %lld record %lld came instead of %lld",
                              (long long)in->key, (long long)in->number, (long long)next);
    }
    flinc_value_set_int64(c->next, next + 1);
    int len =
        snprintf(c->text, sizeof(c->text), "%lld %lld", (long long)in->key, (long long)in->number);
    return flinc_emit_string(out, (flinc_string){c->text, (size_t)len});
}

static int to_line(flinc_ctx *ctx, const event *in, line *out)
{
    const settings *s = flinc_ctx_config(ctx);

    out->number = in->number * s->keys + in->key;
    out->key = in->key;
    out->payload = in->payload;
    return 0;
}

static int bucket_of(flinc_ctx *ctx, const line *in, flinc_text *out)
{
    (void)ctx;
    flinc_text_printf(out, "bucket=%d", (int)(in->key % BUCKETS));
    return 0;
}

static void write_lines(flinc_stream *events, flinc_params *p, const settings *s)
{
    flinc_stream *lines = flinc_map(
        events, FLINC_FUNCTION(to_line, .config = s, .config_size = sizeof(*s)), FLINC_TYPE(line));
    flinc_file_sink sink =
        FLINC_FILE_SINK(.path = flinc_params_get(p, "output", NULL), .format = "csv",
                        .buckets = (flinc_buckets)FLINC_FUNCTION_BUCKETS(FLINC_FN(bucket_of)),
                        .rolling = {.policy =
                                        strcmp(flinc_params_get(p, "roll", ""), "checkpoint") == 0
                                            ? FLINC_ROLL_ON_CHECKPOINT
                                            : FLINC_ROLL_DEFAULT,
                                    .part_bytes = (uint64_t)flinc_params_int(p, "part-bytes", 0),
                                    .interval_ms = 500,
                                    .check_interval_ms = 100},
                        .compaction = {.checkpoints = (uint32_t)flinc_params_int(p, "compact", 0)});

    flinc_uid(flinc_write_files(lines, sink), "files");
}

static void write_counts(flinc_stream *events, flinc_params *p, const settings *s)
{
    flinc_stream *counted =
        flinc_uid(flinc_process(flinc_key_by(events, "key"),
                                FLINC_FUNCTION(count, .open = open_counter, .close = free_user,
                                               .config = s, .config_size = sizeof(*s)),
                                FLINC_TYPE(flinc_string)),
                  "count");

    flinc_uid(
        flinc_write_text(counted, FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", "counts"))),
        "lines");
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"job",     "records", "keys",       "rate",    "output",
                                        "slow-us", "roll",    "part-bytes", "compact", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 3072),
                        .slow_us = flinc_params_int(p, "slow-us", 0)};

    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *events = flinc_uid(
        flinc_from_datagen(
            env,
            FLINC_DATAGEN(.generate = FLINC_FUNCTION(make, .open = open_text, .close = free_user,
                                                     .config = &s, .config_size = sizeof(s)),
                          .type = FLINC_TYPE(event),
                          .count = flinc_params_int(p, "records", 614400),
                          .rows_per_second = (double)flinc_params_int(p, "rate", 0))),
        "records");
    if (s.slow_us >
        0) { /* by key, because what a rebalance has in flight is dealt anew and keeps no order */
        events =
            flinc_uid(flinc_map(flinc_key_by(events, "key"),
                                FLINC_FUNCTION(take_time, .config = &s, .config_size = sizeof(s)),
                                FLINC_TYPE(event)),
                      "slow");
    }
    if (strcmp(flinc_params_get(p, "job", "count"), "files") == 0) {
        write_lines(flinc_rebalance(events), p, &s);
    } else {
        write_counts(events, p, &s);
    }
    return flinc_env_execute(env, "workload");
}
FLINC_JOB(job)
