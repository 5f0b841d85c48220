/* What benchmarks of windows share: a stream of (key, value) records with timestamps for one operator by the
 * harness, made a batch at a time, and its rate per CPU second of the one thread. */
#ifndef FLINC_BENCH_OPS_WINDOW_STREAM_H
#define FLINC_BENCH_OPS_WINDOW_STREAM_H

#include "bench/report.h"
#include "engine/operators/harness.h"
#include "flinc/types.h"
#include "proto/window.pb-c.h"

#include <stdlib.h>

enum { STREAM_ROWS = BATCH_ROWS_TARGET, STREAM_REPEATS = 3, STREAM_FIELDS_MAX = 4 };

struct stream {
    struct harness *h;
    uint64_t random;
    int64_t n;          /* records so far */
    int64_t per_second; /* of event time */
    uint32_t n_keys;
    int64_t late_percent;    /* of records that are `late_ms` behind */
    int64_t late_ms, lag_ms; /* of the watermark */
    int64_t start_ms, watermark_ms;
    int64_t watermark_each_ms;
};

static uint64_t stream_results; /* keeps results alive */

static inline void stream_check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

static inline void stream_sink(void *arg, uint32_t output, struct batch *take_batch)
{
    *(uint64_t *)arg += take_batch->n_sel;
    batch_unref(take_batch);
}

/* With `o` completed: its results are dropped. */
static inline struct stream stream_open(struct harness_options *o, uint32_t n_keys,
                                        int64_t per_second, int64_t watermark_each_ms)
{
    struct stream s = {.random = 88172645463325252u,
                       .per_second = per_second,
                       .n_keys = n_keys,
                       .watermark_ms = INT64_MIN / 2,
                       .watermark_each_ms = watermark_each_ms};
    struct error err = ERROR_INIT;
    o->on_batch = stream_sink;
    o->on_batch_arg = &stream_results;
    stream_check(harness_new(o, &s.h, &err), &err);
    stream_check(harness_open(s.h, &err), &err);
    return s;
}

static inline struct buffer *stream_buffer(struct buffer_pool *pool, int64_t **ret)
{
    struct buffer *b = buffer_get(pool, STREAM_ROWS * sizeof(int64_t));
    b->size = STREAM_ROWS * sizeof(int64_t);
    *ret = (int64_t *)(void *)b->data;
    return b;
}

/* xorshift64*: a few instructions per record. */
static inline uint64_t stream_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

static inline struct batch *stream_batch(struct stream *s)
{
    struct buffer_pool *pool = harness_pool(s->h);
    struct batch *b = batch_new(pool, harness_input_schema(s->h, 0));
    int64_t *keys, *values, *times;
    column_set_values(&b->columns[0], stream_buffer(pool, &keys));
    column_set_values(&b->columns[1], stream_buffer(pool, &values));
    b->timestamps = stream_buffer(pool, &times);
    b->n_rows = b->n_sel = STREAM_ROWS;
    /* Time in fixed point: no division per record. */
    uint64_t step = (UINT64_C(1000) << 32) / (uint64_t)s->per_second;
    uint64_t at = (uint64_t)((unsigned __int128)(uint64_t)s->n * 1000 * (UINT64_C(1) << 32) /
                             (uint64_t)s->per_second);
    for (int i = 0; i < STREAM_ROWS; i++) {
        uint64_t r = stream_random(&s->random);
        keys[i] = (int64_t)(((r >> 32) * s->n_keys) >> 32);
        values[i] = (int64_t)(r & 1023);
        bool late = s->late_percent > 0 && (int64_t)((r >> 10) % 100) < s->late_percent;
        times[i] = s->start_ms + (int64_t)(at >> 32) - (late ? s->late_ms : 0);
        at += step;
    }
    s->n += STREAM_ROWS;
    return b;
}

static inline void stream_run(struct stream *s, int64_t records)
{
    struct error err = ERROR_INIT;
    for (int64_t end = s->n + records; s->n < end;) {
        stream_check(harness_push(s->h, 0, stream_batch(s), &err), &err);
        int64_t now = s->start_ms + s->n * 1000 / s->per_second - s->lag_ms;
        if (now - s->watermark_ms >= s->watermark_each_ms) {
            s->watermark_ms = now;
            stream_check(harness_watermark(s->h, 0, now, &err), &err);
        }
    }
}

/* The first window, of `size_ms`, as full as it gets, at another rate of event time. */
static inline void stream_fill(struct stream *s, int64_t size_ms, int64_t per_second)
{
    int64_t before = s->per_second;
    s->per_second = per_second;
    stream_run(s, size_ms / 1000 * per_second);
    s->start_ms += s->n * 1000 / per_second;
    s->n = 0;
    s->per_second = before;
}

/* M records per CPU second: the best of a few stretches of the same stream, as it goes on. */
static inline double stream_rate(struct stream *s, int64_t records)
{
    double best = 0;
    for (int i = 0; i < STREAM_REPEATS; i++) {
        double t = bench_cpu_seconds();
        int64_t from = s->n;
        stream_run(s, records);
        double r = (double)(s->n - from) / (bench_cpu_seconds() - t) * 1e-6;
        best = r > best ? r : best;
    }
    return best;
}

/* ---- functions ----------------------------------------------------------------------------------- */

struct stream_desc {
    Flinc__StructDesc desc;
    Flinc__StructField fields[STREAM_FIELDS_MAX], *pointers[STREAM_FIELDS_MAX];
};

static inline Flinc__StructDesc *stream_describe(struct stream_desc *d, const flinc_struct *type)
{
    d->desc = (Flinc__StructDesc)FLINC__STRUCT_DESC__INIT;
    d->desc.name = (char *)(uintptr_t)type->name;
    d->desc.size = type->size;
    d->desc.n_fields = type->n_fields;
    d->desc.fields = d->pointers;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        d->fields[i] = (Flinc__StructField)FLINC__STRUCT_FIELD__INIT;
        d->fields[i].name = (char *)(uintptr_t)type->fields[i].name;
        d->fields[i].kind = type->fields[i].kind;
        d->fields[i].offset = type->fields[i].offset;
        d->fields[i].null_offset = type->fields[i].null_offset;
        d->pointers[i] = &d->fields[i];
    }
    return &d->desc;
}

/* A configuration over the key in column 0, with its parts. */
struct stream_windows {
    Flinc__WindowConfig config;
    Flinc__WindowAssigner assigner;
    Flinc__WindowTrigger trigger;
    uint32_t key;
};

static inline void stream_windows_init(struct stream_windows *w, Flinc__WindowAssignerKind kind,
                                       int64_t size_ms, int64_t slide_ms)
{
    *w = (struct stream_windows){.config = FLINC__WINDOW_CONFIG__INIT,
                                 .assigner = FLINC__WINDOW_ASSIGNER__INIT,
                                 .trigger = FLINC__WINDOW_TRIGGER__INIT};
    w->assigner.kind = kind;
    w->assigner.size_ms = w->assigner.gap_ms = size_ms;
    w->assigner.slide_ms = slide_ms;
    w->config.assigner = &w->assigner;
    w->config.trigger = &w->trigger;
    w->config.key_columns = &w->key;
    w->config.n_key_columns = 1;
}

#endif
