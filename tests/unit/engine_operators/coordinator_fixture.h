/* A coordinator alone: a host that keeps what it sends, and runs its work and its timer when the test
 * says so. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_COORDINATOR_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_COORDINATOR_FIXTURE_H

#include "files_fixture.h"
#include "proto/operators.pb-c.h"

enum { SUBTASKS_MAX = 16 };

struct fake_work {
    void (*work)(void *arg);
    void (*done)(struct coordinator *c, void *arg);
    void (*drop)(void *arg);
    void *arg; /* NULL: none waits */
};

struct fake_coordinator {
    struct coordinator_context ctx;
    Flinc__Operator spec;
    struct coordinator *c; /* Owns */
    struct vec events;     /* struct fake_event, Owns */
    struct fake_work work;
    void (*timer)(struct coordinator *c);
    int64_t timer_delay_ms;
    struct error failure; /* code 0: none */
    const char *group;    /* Borrows: of group_least(); NULL: in none */
    int64_t group_value;
    struct fake_coordinator *others; /* Borrows: of the same job, `n_others` of them; NULL: none */
    size_t n_others;
};

struct fake_event {
    uint32_t subtask;
    struct str bytes;
};

static struct fake_coordinator *fake_of(struct coordinator_context *ctx)
{
    return ctx->host_data;
}

static void fake_send_event(struct coordinator_context *ctx, uint32_t subtask, const uint8_t *data,
                            size_t size)
{
    struct fake_event *e = VEC_PUSH(&fake_of(ctx)->events, struct fake_event);
    e->subtask = subtask;
    str_append(&e->bytes, (const char *)data, size);
}

static void fake_run_async(struct coordinator_context *ctx, void (*work)(void *arg),
                           void (*done)(struct coordinator *c, void *arg), void (*drop)(void *arg),
                           void *arg)
{
    assert_null(fake_of(ctx)->work.arg);
    fake_of(ctx)->work = (struct fake_work){work, done, drop, arg};
}

static void fake_schedule(struct coordinator_context *ctx, int64_t delay_ms,
                          void (*fn)(struct coordinator *c))
{
    fake_of(ctx)->timer = fn;
    fake_of(ctx)->timer_delay_ms = delay_ms;
}

static void fake_fail(struct coordinator_context *ctx, const struct error *err)
{
    error_copy(&fake_of(ctx)->failure, err);
}

static int64_t fake_group_least(struct coordinator_context *ctx, const char *group, int64_t value)
{
    struct fake_coordinator *f = fake_of(ctx);
    f->group = group;
    f->group_value = value;
    for (size_t i = 0; i < f->n_others; i++) {
        const struct fake_coordinator *other = &f->others[i];
        if (other->group != NULL && strcmp(other->group, group) == 0) {
            value = MIN(value, other->group_value);
        }
    }
    return value;
}

static const struct coordinator_host fake_host = {
    .send_event = fake_send_event,
    .run_async = fake_run_async,
    .schedule = fake_schedule,
    .fail = fake_fail,
    .group_least = fake_group_least,
};

/* Makes the coordinator of a kind; restore() may follow, and start() does. */
static inline void fake_make(struct fake_coordinator *f, const char *kind, uint32_t parallelism,
                             const ProtobufCMessage *config)
{
    const struct coordinator_desc *desc = coordinator_find(kind);
    assert_non_null(desc);
    *f = (struct fake_coordinator){.events = VEC_INIT(struct fake_event)};
    flinc__operator__init(&f->spec);
    f->spec.config.len = protobuf_c_message_get_packed_size(config);
    f->spec.config.data = mem_alloc(f->spec.config.len + 1);
    protobuf_c_message_pack(config, f->spec.config.data);
    f->ctx = (struct coordinator_context){.host = &fake_host,
                                          .host_data = f,
                                          .spec = &f->spec,
                                          .parallelism = parallelism,
                                          .clock = &clock_system};
    f->c = mem_zalloc(desc->instance_size);
    f->c->desc = desc;
    f->c->ctx = &f->ctx;
}

/* Makes and starts the coordinator of a kind. */
static inline void fake_start(struct fake_coordinator *f, const char *kind, uint32_t parallelism,
                              const ProtobufCMessage *config)
{
    fake_make(f, kind, parallelism, config);
    must(f->c->desc->start(f->c, &f->ctx, &err));
}

static inline void fake_clear_events(struct fake_coordinator *f)
{
    for (size_t i = 0; i < f->events.len; i++) {
        str_fini(&VEC_AT(&f->events, struct fake_event, i)->bytes);
    }
    vec_clear(&f->events);
}

static inline void fake_close(struct fake_coordinator *f)
{
    f->c->desc->close(f->c);
    if (f->work.arg != NULL) {
        f->work.drop(f->work.arg);
    }
    fake_clear_events(f);
    vec_fini(&f->events);
    mem_free(f->c);
    mem_free(f->spec.config.data);
}

/* Does the work that waits. */
static inline void fake_run_work(struct fake_coordinator *f)
{
    struct fake_work w = f->work;
    assert_non_null(w.arg);
    f->work.arg = NULL;
    w.work(w.arg);
    w.done(f->c, w.arg);
}

static inline void fake_fire_timer(struct fake_coordinator *f)
{
    void (*fn)(struct coordinator * c) = STEAL(f->timer);
    assert_non_null(fn);
    fn(f->c);
}

#endif
