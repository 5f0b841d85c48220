/* flinc/broadcast.h: a stream and a broadcast one, with broadcast state, which is the same in all
 * subtasks (flinc_ctx_broadcast_state() of flinc/state.h).
 *
 *   flinc_stream *alerts = flinc_broadcast_process(
 *       flinc_key_by(readings, "sensor"), flinc_broadcast(rules),
 *       FLINC_FUNCTION(on_reading, .open = open, .on_timer = on_timer), FLINC_FN(on_rule),
 *       FLINC_TYPE(alert));
 *
 * Each record of the second stream comes to every subtask, where its function may change broadcast state; the
 * function of the first stream and timers only read it.  So that the state is the same everywhere, what
 * the second function puts must follow from its records alone, in whatever order those of several
 * senders come.
 *
 * Flink: BroadcastConnectedStream, BroadcastProcessFunction, KeyedBroadcastProcessFunction. */
#ifndef FLINC_BROADCAST_H
#define FLINC_BROADCAST_H

#include "flinc/state.h"
#include "flinc/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `s` is keyed or not, `broadcast` is of flinc_broadcast().  Keyed state and timers are those of `s`; the
 * function of broadcast records has no key at hand, but may go through all keys
 * (flinc_ctx_apply_to_keyed_state). */
#define flinc_broadcast_process(s, broadcast, fn, broadcast_fn, type) \
    flinc_broadcast_process_((s), (broadcast), (fn), (broadcast_fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_broadcast_process_(flinc_stream *s, flinc_stream *broadcast,
                                                 const flinc_function *fn,
                                                 const flinc_function *broadcast_fn,
                                                 const flinc_struct *type, flinc_place at);

/* Called for one key of a keyed state: the key is at hand, so that all keyed states of the operator (reading,
 * changing, clearing) and flinc_ctx_key_int64() and its siblings are about it; timers cannot be set.  Negative:
 * the task fails, and flinc_ctx_fail() says why. */
typedef int (*flinc_keyed_state_fn)(flinc_ctx *ctx, void *arg);
/* In the function of broadcast records beside a keyed stream: calls `fn` for each key of this subtask that has
 * something in `state`, a handle of flinc_ctx_value_state() or one of its siblings, in no order that means
 * anything.  The keys are those that are there at the call.  0, or a negative code: return it.
 *   flinc_ctx_apply_to_keyed_state(ctx, c->count, reset, NULL)
 * Flink: KeyedBroadcastProcessFunction.Context.applyToKeyedState, KeyedStateFunction. */
FLINC_API int flinc_ctx_apply_to_keyed_state(flinc_ctx *ctx, void *state, flinc_keyed_state_fn fn,
                                             void *arg);

#ifdef __cplusplus
}
#endif

#endif
