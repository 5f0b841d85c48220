/* A SELECT without a cluster: the collect sink in a harness, its coordinator, and the way between them and the client, on
 * which requests and answers get lost when the test says so.
 *
 * The query makes rows that are its own in every run: row p of run r is p * 1000 + r.  `truth` has those of the runs that
 * count: a restart takes back what no checkpoint covers. */
#ifndef FLINC_TESTS_CLIENT_SUBMIT_COLLECT_WORLD_H
#define FLINC_TESTS_CLIENT_SUBMIT_COLLECT_WORLD_H

#include "client/submit/result_fetcher.h"
#include "engine/operators/harness.h"
#include "engine/query/collect.h"
#include "tests/unit/seeds.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
/* clang-format on */

#define must(expr)                                    \
    do {                                              \
        struct error err = ERROR_INIT;                \
        if ((expr) < 0) {                             \
            char text_[4096];                         \
            error_format(&err, text_, sizeof(text_)); \
            fail_msg("%s: %s", #expr, text_);         \
        }                                             \
    } while (0)

enum { WORLD_CHECKPOINTS_MAX = 64, WORLD_RUNS_MAX = 1000 };

struct world_checkpoint {
    uint64_t id;
    size_t position;
    Flinc__OperatorSubtaskState *state; /* Owns; NULL: none */
    struct str coordinator;             /* Owns */
};

struct world {
    struct rng rng;
    uint32_t flags; /* of the sink */
    uint64_t batch_bytes, buffer_bytes;
    struct harness *h; /* Owns; the sink's present run */
    bool is_full;      /* it has answered OP_WAIT */
    bool input_ended;
    size_t events_read; /* of the harness */
    int64_t run;
    struct vec truth; /* of int64_t */
    struct coordinator_context ctx;
    Flinc__Operator spec;
    struct coordinator *c; /* Owns; NULL: the job has ended */
    struct vec to_sink;    /* of struct str: events on their way */
    void (*timer)(struct coordinator *c);
    uint64_t next_checkpoint;
    struct world_checkpoint taken; /* under way; id 0: none */
    struct world_checkpoint latest;
    struct coordinator_reply reply;
    bool answered;
    int answer_rc;
    struct str answer;
    struct str result; /* of a job that has finished */
    struct str last_request;
    uint32_t lose_one_in;                   /* requests and answers; 0: none */
    void (*while_waiting)(struct world *w); /* before a request's time is over; may be NULL */
    const char *failure;                    /* the job has failed */
    bool cancelled;
};

static struct world *world_of_coordinator(struct coordinator_context *ctx)
{
    return ctx->host_data;
}

static void world_send_event(struct coordinator_context *ctx, uint32_t subtask, const uint8_t *data,
                             size_t size)
{
    struct world *w = world_of_coordinator(ctx);
    assert_int_equal(subtask, 0);
    struct str *e = VEC_PUSH(&w->to_sink, struct str);
    str_append(e, (const char *)data, size);
}

static void world_schedule(struct coordinator_context *ctx, int64_t delay_ms,
                           void (*fn)(struct coordinator *c))
{
    assert_true(delay_ms > 0);
    world_of_coordinator(ctx)->timer = fn;
}

static const struct coordinator_host world_host = {.send_event = world_send_event,
                                                   .schedule = world_schedule};

/* A clock whose time is always over: a timer that fires does so late. */
static inline int64_t world_now_ns(const struct clock *clock)
{
    static int64_t now;
    (void)clock;
    return now += (int64_t)60 * 1000 * 1000000;
}
static const struct clock world_clock = {.monotonic_ns = world_now_ns};

/* ---- the way between the halves ------------------------------------------------------------------ */

static inline void world_drop_events(struct world *w)
{
    for (size_t i = 0; i < w->to_sink.len; i++) {
        str_fini(VEC_AT(&w->to_sink, struct str, i));
    }
    vec_clear(&w->to_sink);
}

/* Until nobody has anything to say. */
static inline void world_pump(struct world *w)
{
    for (bool moved = true; moved;) {
        moved = false;
        while (w->events_read < harness_event_count(w->h)) {
            struct slice e = harness_event(w->h, w->events_read++);
            must(w->c->desc->on_event(w->c, 0, (const uint8_t *)e.data, e.len, &err));
            moved = true;
        }
        for (size_t i = 0; i < w->to_sink.len; i++) {
            struct str *e = VEC_AT(&w->to_sink, struct str, i);
            must(harness_send_event(w->h, (const uint8_t *)e->data, e->len, &err));
            moved = true;
        }
        world_drop_events(w);
        if (w->is_full && harness_wait_wake(w->h, 0)) {
            int rc = harness_resume(w->h, NULL);
            assert_true(rc >= 0);
            w->is_full = rc == OP_WAIT;
        }
    }
}

/* ---- the query ------------------------------------------------------------------------------------ */

static inline void world_start_sink(struct world *w)
{
    Flinc__CollectConfig config = FLINC__COLLECT_CONFIG__INIT;
    config.batch_bytes = w->batch_bytes;
    config.buffer_bytes = w->buffer_bytes;
    w->run++;
    assert_true(w->run < WORLD_RUNS_MAX);
    must(harness_new(
        &(struct harness_options){
            .desc = &query_collect,
            .flags = w->flags | (w->latest.state != NULL ? OP_FLAG_RESTORED : 0),
            .input_schemas = {"ROW<v BIGINT>"},
            .config = &config.base,
            .parallelism = 1,
            .restore = w->latest.state,
            .restore_checkpoint = w->latest.id,
        },
        &w->h, &err));
    must(harness_open(w->h, &err));
    w->events_read = 0;
    w->is_full = w->input_ended = false;
}

static inline void world_init(struct world *w, uint64_t seed)
{
    rng_init(&w->rng, seed);
    vec_init(&w->truth, sizeof(int64_t));
    vec_init(&w->to_sink, sizeof(struct str));
    flinc__operator__init(&w->spec);
    w->ctx = (struct coordinator_context){.host = &world_host,
                                          .host_data = w,
                                          .spec = &w->spec,
                                          .parallelism = 1,
                                          .clock = &world_clock};
    w->c = mem_zalloc(query_collect_coordinator.instance_size);
    w->c->desc = &query_collect_coordinator;
    w->c->ctx = &w->ctx;
    must(w->c->desc->start(w->c, &w->ctx, &err));
    world_start_sink(w);
    world_pump(w);
}

static inline void world_checkpoint_fini(struct world_checkpoint *c)
{
    if (c->state != NULL) {
        flinc__operator_subtask_state__free_unpacked(c->state, NULL);
    }
    str_fini(&c->coordinator);
    *c = (struct world_checkpoint){.id = 0};
}

static inline void world_fini(struct world *w)
{
    if (w->c != NULL) {
        w->c->desc->close(w->c);
        mem_free(w->c);
    }
    harness_free(w->h);
    world_drop_events(w);
    vec_fini(&w->to_sink);
    vec_fini(&w->truth);
    world_checkpoint_fini(&w->taken);
    world_checkpoint_fini(&w->latest);
    str_fini(&w->answer);
    str_fini(&w->result);
    str_fini(&w->last_request);
}

/* `n` rows come, unless the sink has no room. */
static inline void world_push(struct world *w, uint32_t n)
{
    STR_AUTO rows = STR_INIT;
    if (w->is_full || w->input_ended || n == 0) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        int64_t value = (int64_t)w->truth.len * WORLD_RUNS_MAX + w->run;
        *VEC_PUSH(&w->truth, int64_t) = value;
        str_printf(&rows, "%s%lld", i > 0 ? "\n" : "", (long long)value);
    }
    struct error err = ERROR_INIT;
    int rc = harness_push_rows(w->h, 0, str_cstr(&rows), &err);
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    w->is_full = rc == OP_WAIT;
    world_pump(w);
}

static inline void world_end_input(struct world *w)
{
    if (!w->is_full && !w->input_ended) {
        w->input_ended = true;
        assert_true(harness_end_of_input(w->h, 0, NULL) >= 0);
        world_pump(w);
    }
}

static inline void world_take_checkpoint(struct world *w)
{
    world_checkpoint_fini(&w->taken);
    w->taken.id = ++w->next_checkpoint;
    must(w->c->desc->snapshot(w->c, w->taken.id, &w->taken.coordinator, &err));
    must(harness_snapshot(w->h, w->taken.id, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL,
                          &w->taken.state, &err));
    w->taken.position = w->truth.len;
}

/* Durable; the tasks may die before they hear of it. */
static inline void world_complete_checkpoint(struct world *w)
{
    if (w->taken.id != 0) {
        world_checkpoint_fini(&w->latest);
        w->latest = w->taken;
        w->taken = (struct world_checkpoint){.id = 0};
    }
}

static inline void world_notify(struct world *w)
{
    must(harness_notify(w->h, OP_NOTICE_COMPLETE, w->latest.id, &err));
    w->c->desc->notify(w->c, OP_NOTICE_COMPLETE, w->latest.id);
    world_pump(w);
}

/* The sink dies; a new run goes on from the latest checkpoint. */
static inline void world_restart(struct world *w, bool globally)
{
    world_checkpoint_fini(&w->taken);
    world_drop_events(w);
    w->h = harness_free(w->h);
    w->truth.len = w->latest.position;
    if (globally) {
        must(w->c->desc->reset(w->c, &err));
        w->timer = NULL;
        must(w->c->desc->restore(w->c, w->latest.id, (const uint8_t *)w->latest.coordinator.data,
                                 w->latest.coordinator.len, &err));
    } else {
        w->c->desc->subtask_reset(w->c, 0, w->latest.id);
    }
    world_start_sink(w);
    world_pump(w);
}

static inline void world_finish(struct world *w)
{
    w->c->desc->result(w->c, &w->result);
    w->c->desc->close(w->c);
    mem_free(w->c);
    w->c = NULL;
}

/* ---- the client's way ----------------------------------------------------------------------------- */

static void world_on_reply(struct coordinator_reply *reply, int rc, const uint8_t *data,
                           size_t size, const struct error *why)
{
    struct world *w = CONTAINER_OF(reply, struct world, reply);
    (void)why;
    assert_false(w->answered);
    w->answered = true;
    w->answer_rc = rc;
    str_clear(&w->answer);
    str_append(&w->answer, (const char *)data, size);
}

static inline bool world_loses(struct world *w)
{
    return w->lose_one_in > 0 && rng_below(&w->rng, w->lose_one_in) == 0;
}

static inline void world_request(struct world *w, struct slice request)
{
    w->answered = false;
    w->reply.answer = world_on_reply;
    w->c->desc->on_request(w->c, (const uint8_t *)request.data, request.len, &w->reply);
    world_pump(w);
    if (!w->answered && w->while_waiting != NULL) {
        w->while_waiting(w);
    }
    if (!w->answered && w->c != NULL && w->timer != NULL) {
        void (*timer)(struct coordinator * c) = STEAL(w->timer);
        timer(w->c);
    }
    assert_true(w->answered);
}

static inline void world_wrap(struct world *w, const struct str *answer, struct str *ret)
{
    Flinc__CoordinationAnswer m = FLINC__COORDINATION_ANSWER__INIT;
    m.job_ended = w->c == NULL || w->failure != NULL || w->cancelled;
    m.job_status = (char *)(w->failure != NULL ? "FAILED"
                            : w->cancelled     ? "CANCELED"
                            : w->c == NULL     ? "FINISHED"
                                               : "RUNNING");
    m.failure = (char *)(w->failure != NULL ? w->failure : "");
    m.answer = (ProtobufCBinaryData){answer->len, (uint8_t *)answer->data};
    size_t size = flinc__coordination_answer__get_packed_size(&m);
    str_reserve(ret, size);
    flinc__coordination_answer__pack(&m, (uint8_t *)ret->data);
    ret->len = size;
}

static int world_ask(void *arg, struct slice request, int64_t timeout_ms, struct str *ret_answer,
                     struct error *err)
{
    struct world *w = arg;
    (void)timeout_ms;
    if (world_loses(w)) {
        return error_set(err, ERR_UNAVAILABLE, "the request was lost");
    }
    if (w->c != NULL && w->last_request.len > 0 && world_loses(w)) { /* an old one comes late */
        world_request(w, str_slice(&w->last_request));
    }
    if (w->c != NULL && w->failure == NULL && !w->cancelled) {
        world_request(w, request);
        str_clear(&w->last_request);
        str_append_slice(&w->last_request, request);
        if (w->answer_rc < 0) {
            return error_set(err, w->answer_rc, "refused");
        }
    }
    if (world_loses(w)) {
        return error_set(err, ERR_TIMEOUT, "the answer was lost");
    }
    if (w->failure != NULL || w->cancelled) {
        str_clear(&w->answer);
    }
    world_wrap(w, w->c == NULL ? &w->result : &w->answer, ret_answer);
    return 0;
}

static int world_cancel(void *arg, struct error *err)
{
    (void)err;
    ((struct world *)arg)->cancelled = true;
    return 0;
}

#endif
