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
 * function of broadcast records has no key at hand. */
#define flinc_broadcast_process(s, broadcast, fn, broadcast_fn, type) \
    flinc_broadcast_process_((s), (broadcast), (fn), (broadcast_fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_broadcast_process_(flinc_stream *s, flinc_stream *broadcast,
                                                 const flinc_function *fn,
                                                 const flinc_function *broadcast_fn,
                                                 const flinc_struct *type, flinc_place at);

#ifdef __cplusplus
}
#endif

#endif
