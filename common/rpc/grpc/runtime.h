/* What the files of this room share: the completion queue and its tags, timers, and groups of streams
 * and calls that their server or client ends.
 *
 * Threads of a runtime: `n_threads` that take completions off the queue (they also do gRPC's I/O), and
 * one loop for listeners, timers and cancel tokens.  All of them sleep without a time limit when there is
 * nothing to do.
 *
 * Lock order: group, then a member's own lock, then the runtime's timers. */
#ifndef FLINC_COMMON_RPC_GRPC_RUNTIME_H
#define FLINC_COMMON_RPC_GRPC_RUNTIME_H

#include "common/loop/loop.h"
#include "common/rpc/grpc/grpc.h"
#include <grpc/grpc.h>

enum {
    RPC_THREADS_MAX = 16,
    RPC_LINGER_MS = 5000, /* how long what was sent before a close may take to leave */
    /* A peer that answers no ping is given up after both together.  Heartbeats find silent deaths sooner;
     * this bounds what they leave behind. */
    RPC_KEEPALIVE_MS = 30000,
    RPC_KEEPALIVE_TIMEOUT_MS = 60000,
    RPC_METADATA_BYTES = 16384, /* headers and trailers of a call; holds an error with its frames */
};

/* ---- settings ---------------------------------------------------------------------------------- */

/* Channel arguments of servers and clients. */
struct rpc_args {
    grpc_channel_args base;
    grpc_arg args[32];
};
/* With what both have: our limit on messages, keepalive, and nothing that we do not use. */
void rpc_args_init(struct rpc_args *a, uint64_t max_message_bytes);
void rpc_args_add(struct rpc_args *a, const char *key, int value);

/* ---- completions ------------------------------------------------------------------------------ */

/* What a batch is started with: run(arg, ok) is called on a completion thread.  Taken for a batch, given
 * back by its completion: no tag is in two batches. */
struct rpc_tag {
    void (*run)(void *arg, bool ok);
    void *arg;
    _Atomic bool in_flight;
};
/* Counts batches.  gRPC's queue orders what is written before a batch and after its completion; this says so
 * in terms that ThreadSanitizer knows, too. */
extern _Atomic uint64_t rpc_tags_taken;
static inline struct rpc_tag *rpc_tag_take(struct rpc_tag *tag)
{
    bool before = atomic_exchange_explicit(&tag->in_flight, true, memory_order_relaxed);
    ASSERT(!before);
    atomic_fetch_add_explicit(&rpc_tags_taken, 1, memory_order_acq_rel);
    return tag;
}
static inline void rpc_tag_give(struct rpc_tag *tag)
{
    (void)atomic_load_explicit(&rpc_tags_taken, memory_order_acquire);
    bool before = atomic_exchange_explicit(&tag->in_flight, false, memory_order_relaxed);
    ASSERT(before);
}

grpc_completion_queue *rpc_runtime_queue(struct rpc_runtime *r);
/* For connections with TLS; made when first asked for. */
struct tls_relay;
int rpc_runtime_relay(struct rpc_runtime *r, struct tls_relay **ret, struct error *err) MUST_CHECK;
/* A point in time from now. */
gpr_timespec rpc_deadline(int64_t delay_ms);

/* ---- the loop ---------------------------------------------------------------------------------- */

struct loop *rpc_runtime_loop(struct rpc_runtime *r);
/* Runs fn(arg) on the loop, some time; or before it returns. */
void rpc_runtime_post(struct rpc_runtime *r, void (*fn)(void *arg), void *arg);
void rpc_runtime_call(struct rpc_runtime *r, void (*fn)(void *arg), void *arg);

/* Caller's memory, zeroed at first. */
struct rpc_timer {
    struct rpc_timer *next, **link; /* link NULL: not waiting */
    int64_t due_ns;
    void (*fn)(void *arg);
    void *arg;
};
/* Calls fn(arg) on the loop after a delay; the timer is not waiting.  Thread: any. */
void rpc_timer_set(struct rpc_runtime *r, struct rpc_timer *t, int64_t delay_ms,
                   void (*fn)(void *arg), void *arg);
/* True: it was waiting and will not be called.  False: it has fired, or is being called. */
bool rpc_timer_clear(struct rpc_runtime *r, struct rpc_timer *t);

/* ---- groups ------------------------------------------------------------------------------------- */

/* The streams and calls of one server or client, and what is counted there.  Counted: each member holds
 * a reference. */
struct rpc_group;
struct rpc_counters {
    _Atomic uint64_t calls, streams, refused, malformed;
};
struct rpc_member {
    struct rpc_member *next, **link;
    /* Both under the group's lock.  close: ends it in order, may be NULL; cancel: at once. */
    void (*close)(struct rpc_member *m);
    void (*cancel)(struct rpc_member *m);
};
struct rpc_group *rpc_group_new(uint32_t limit);
struct rpc_group *rpc_group_ref(struct rpc_group *g);
struct rpc_group *rpc_group_unref(struct rpc_group *g);
struct rpc_counters *rpc_group_counters(struct rpc_group *g);
/* ERR_CLOSED once rpc_group_end() began, ERR_LIMIT. */
int rpc_group_add(struct rpc_group *g, struct rpc_member *m, struct error *err) MUST_CHECK;
void rpc_group_remove(struct rpc_group *g, struct rpc_member *m);
/* No more members come; closes those that there are, cancels what is left after grace_ms (at once when it
 * cannot be closed), and waits for the last. */
void rpc_group_end(struct rpc_group *g, int64_t grace_ms);

#endif
