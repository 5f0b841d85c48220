/* The process's part of gRPC: its start and end, the threads that take completions off the queue, and
 * the loop thread with the timers.
 *
 * Nothing here wakes up by itself: completion threads wait without a deadline, the loop until the next
 * timer.  gRPC's own log lines go to ours; its errors are warnings here, because whoever made the call
 * gets them, too.  Thread: any, unless a function says otherwise. */
#include "common/rpc/grpc/runtime.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/tls/relay.h"
#include "common/rpc/grpc/wire.h"
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <stdlib.h>

enum { RPC_THREADS_DEFAULT = 1 };

_Atomic uint64_t rpc_tags_taken;

struct rpc_runtime {
    grpc_completion_queue *queue;
    pthread_t threads[RPC_THREADS_MAX];
    uint32_t n_threads;

    pthread_mutex_t relay_lock; /* guards relay; held while it starts */
    struct tls_relay *relay;    /* Owns; NULL: not needed yet */
    struct loop *loop;          /* Owns */
    pthread_t loop_thread;
    _Atomic bool stop;
    pthread_mutex_t timer_lock;
    struct rpc_timer *timers; /* Borrows; few: only what is late, connecting or closing has one */
    int64_t loop_due_ns;      /* until when the loop sleeps at most */
};

/* ---- log --------------------------------------------------------------------------------------- */

static void on_grpc_log(gpr_log_func_args *args)
{
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
        LOG_WARN("flinc.rpc.grpc", "%s (%s:%d)", args->message, args->file, args->line);
    } else {
        LOG_DEBUG("flinc.rpc.grpc", "%s", args->message);
    }
}

/* ---- settings ---------------------------------------------------------------------------------- */

void rpc_args_add(struct rpc_args *a, const char *key, int value)
{
    ASSERT(a->base.num_args < ARRAY_LEN(a->args));
    a->args[a->base.num_args++] =
        (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

void rpc_args_init(struct rpc_args *a, uint64_t max_message_bytes)
{
    *a = (struct rpc_args){.base.args = a->args};
    rpc_args_add(a, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
                 (int)MIN(max_message_bytes + RPC_WIRE_CHECK_BYTES, (uint64_t)INT32_MAX));
    rpc_args_add(a, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1); /* our own limit is checked before */
    rpc_args_add(a, GRPC_ARG_MAX_METADATA_SIZE, RPC_METADATA_BYTES);
    rpc_args_add(a, GRPC_ARG_KEEPALIVE_TIME_MS, RPC_KEEPALIVE_MS);
    rpc_args_add(a, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, RPC_KEEPALIVE_TIMEOUT_MS);
    rpc_args_add(a, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0); /* no limit: streams may idle */
    /* A compressed message could unpack to any size. */
    rpc_args_add(a, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    rpc_args_add(a, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    rpc_args_add(a, GRPC_ARG_ENABLE_CENSUS, 0);
    rpc_args_add(a, GRPC_ARG_ENABLE_CHANNELZ, 0);
    rpc_args_add(a, GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0);
}

/* ---- timers ------------------------------------------------------------------------------------ */

gpr_timespec rpc_deadline(int64_t delay_ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(delay_ms, GPR_TIMESPAN));
}

void rpc_timer_set(struct rpc_runtime *r, struct rpc_timer *t, int64_t delay_ms,
                   void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&r->timer_lock);
    ASSERT(t->link == NULL);
    t->due_ns = clock_monotonic_ns(&clock_system) + delay_ms * 1000000;
    t->fn = fn;
    t->arg = arg;
    t->next = r->timers;
    t->link = &r->timers;
    if (t->next != NULL) {
        t->next->link = &t->next;
    }
    r->timers = t;
    bool sooner = t->due_ns < r->loop_due_ns;
    pthread_mutex_unlock(&r->timer_lock);
    if (sooner) {
        loop_wake(r->loop);
    }
}

/* Under timer_lock. */
static void timer_unlink(struct rpc_timer *t)
{
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
    t->link = NULL;
}

bool rpc_timer_clear(struct rpc_runtime *r, struct rpc_timer *t)
{
    pthread_mutex_lock(&r->timer_lock);
    bool waiting = t->link != NULL;
    if (waiting) {
        timer_unlink(t);
    }
    pthread_mutex_unlock(&r->timer_lock);
    return waiting;
}

/* Runs what is due; returns how long the loop may sleep, in milliseconds, -1 for ever. */
static int64_t runtime_run_timers(struct rpc_runtime *r)
{
    for (;;) {
        pthread_mutex_lock(&r->timer_lock);
        int64_t now_ns = clock_monotonic_ns(&clock_system);
        struct rpc_timer *first = NULL;
        for (struct rpc_timer *t = r->timers; t != NULL; t = t->next) {
            if (first == NULL || t->due_ns < first->due_ns) {
                first = t;
            }
        }
        if (first == NULL || first->due_ns > now_ns) {
            r->loop_due_ns = first != NULL ? first->due_ns : INT64_MAX;
            pthread_mutex_unlock(&r->timer_lock);
            return first != NULL ? (first->due_ns - now_ns) / 1000000 + 1 : -1;
        }
        void (*fn)(void *arg) = first->fn;
        void *arg = first->arg;
        timer_unlink(first);
        pthread_mutex_unlock(&r->timer_lock);
        fn(arg); /* may free the timer */
    }
}

/* ---- threads ----------------------------------------------------------------------------------- */

static void *loop_main(void *arg)
{
    struct rpc_runtime *r = arg;
    struct error err = ERROR_INIT;
    while (!atomic_load(&r->stop)) {
        int64_t wait_ms = runtime_run_timers(r);
        if (loop_run_once(r->loop, wait_ms, &err) < 0) {
            LOG_ERROR("flinc.rpc.grpc", "the loop of the RPC runtime ends: %s", err.message);
            abort(); /* epoll_wait fails for nothing that could be mended */
        }
    }
    return NULL;
}

static void *completions_main(void *arg)
{
    struct rpc_runtime *r = arg;
    for (;;) {
        grpc_event e =
            grpc_completion_queue_next(r->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (e.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        if (e.type == GRPC_OP_COMPLETE) {
            struct rpc_tag *tag = e.tag;
            rpc_tag_give(tag);
            tag->run(tag->arg, e.success != 0);
        }
    }
}

struct loop_call {
    void (*fn)(void *arg);
    void *arg;
    bool done; /* under lock; of a call that waits */
    pthread_mutex_t lock;
    pthread_cond_t cond;
};

static void loop_call_run(void *target, void *payload)
{
    struct loop_call *call = payload;
    call->fn(call->arg);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->cond);
    pthread_mutex_unlock(&call->lock);
}

void rpc_runtime_call(struct rpc_runtime *r, void (*fn)(void *arg), void *arg)
{
    struct loop_call call = {.fn = fn, .arg = arg};
    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.cond, NULL);
    struct mailbox_op op = {.run = loop_call_run, .payload = &call};
    int rc = mailbox_post_internal(loop_mailbox(r->loop), MAILBOX_LANE_CONTROL, &op);
    ASSERT(rc == 0); /* the loop lives as long as the runtime */
    pthread_mutex_lock(&call.lock);
    while (!call.done) {
        pthread_cond_wait(&call.cond, &call.lock);
    }
    pthread_mutex_unlock(&call.lock);
    pthread_mutex_destroy(&call.lock);
    pthread_cond_destroy(&call.cond);
}

struct loop_post {
    void (*fn)(void *arg);
    void *arg;
};

static void loop_post_run(void *target, void *payload)
{
    struct loop_post *post = payload;
    post->fn(post->arg);
    mem_free(post);
}

void rpc_runtime_post(struct rpc_runtime *r, void (*fn)(void *arg), void *arg)
{
    struct loop_post *post = MEM_NEW(struct loop_post);
    *post = (struct loop_post){.fn = fn, .arg = arg};
    struct mailbox_op op = {.run = loop_post_run, .payload = post};
    int rc = mailbox_post_internal(loop_mailbox(r->loop), MAILBOX_LANE_CONTROL, &op);
    ASSERT(rc == 0);
}

/* ---- life -------------------------------------------------------------------------------------- */

static int runtime_start(struct rpc_runtime *r, uint32_t n_threads, struct error *err)
{
    struct loop_options options = {.name = "rpc"};
    TRY(loop_new(&options, &r->loop, err));
    TRY(thread_start(&r->loop_thread, "rpc-loop", loop_main, r, err));
    for (; r->n_threads < n_threads; r->n_threads++) {
        TRY(thread_start(&r->threads[r->n_threads], "rpc", completions_main, r, err));
    }
    return 0;
}

int rpc_runtime_new(const struct rpc_runtime_options *options, struct rpc_runtime **ret,
                    struct error *err)
{
    uint32_t n_threads = options->n_threads != 0 ? options->n_threads : RPC_THREADS_DEFAULT;
    if (n_threads > RPC_THREADS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%u RPC threads are over the limit of %d",
                         n_threads, RPC_THREADS_MAX);
    }
    struct rpc_runtime *r = MEM_NEW(struct rpc_runtime);
    r->loop_due_ns = INT64_MAX;
    pthread_mutex_init(&r->timer_lock, NULL);
    pthread_mutex_init(&r->relay_lock, NULL);
    /* Names are resolved as by every other program here (nsswitch), not by gRPC's own DNS client. */
    setenv("GRPC_DNS_RESOLVER", "native", 0);
    gpr_set_log_function(on_grpc_log);
    grpc_init();
    r->queue = grpc_completion_queue_create_for_next(NULL);
    int rc = runtime_start(r, n_threads, err);
    if (rc < 0) {
        rpc_runtime_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct rpc_runtime *rpc_runtime_free(struct rpc_runtime *r)
{
    if (r == NULL) {
        return NULL;
    }
    grpc_completion_queue_shutdown(r->queue);
    for (uint32_t i = 0; i < r->n_threads; i++) {
        thread_join(r->threads[i]);
    }
    if (r->n_threads == 0) { /* a half-built one: nobody else drains it */
        completions_main(r);
    }
    grpc_completion_queue_destroy(r->queue);
    grpc_shutdown();
    tls_relay_free(r->relay); /* what gRPC wrote last is passed on */
    if (r->loop_thread != 0) {
        atomic_store(&r->stop, true);
        loop_wake(r->loop);
        thread_join(r->loop_thread);
    }
    ASSERT(r->timers == NULL);
    loop_free(r->loop);
    pthread_mutex_destroy(&r->timer_lock);
    pthread_mutex_destroy(&r->relay_lock);
    mem_free(r);
    return NULL;
}

grpc_completion_queue *rpc_runtime_queue(struct rpc_runtime *r)
{
    return r->queue;
}

int rpc_runtime_relay(struct rpc_runtime *r, struct tls_relay **ret, struct error *err)
{
    pthread_mutex_lock(&r->relay_lock);
    int rc = r->relay != NULL
                 ? 0
                 : tls_relay_new(&(struct tls_relay_options){.name = "rpc-tls"}, &r->relay, err);
    *ret = r->relay;
    pthread_mutex_unlock(&r->relay_lock);
    return rc;
}

struct loop *rpc_runtime_loop(struct rpc_runtime *r)
{
    return r->loop;
}
