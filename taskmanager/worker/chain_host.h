/* What operators of a chain see as their host (op_context.host).  Thread: the task's; wakers any. */
#ifndef FLINC_TASKMANAGER_WORKER_CHAIN_HOST_H
#define FLINC_TASKMANAGER_WORKER_CHAIN_HOST_H

#include "taskmanager/worker/chain.h"

extern const struct op_host chain_host;
void chain_host_init_waker(struct chain_op *op);

/* chain.c: appends to an operator's list. */
void chain_enqueue(struct chain *c, uint32_t op, struct chain_item take_item);
/* Around a call of an operator; end_call gives its answer, or the failure of something that it emitted. */
void chain_begin_call(struct chain_op *op);
int chain_end_call(struct chain_op *op, int rc, struct error *err) MUST_CHECK;
/* What the answer leads to. */
int chain_op_after(struct chain_op *op, int rc, enum chain_call during,
                   struct error *err) MUST_CHECK;
/* op_hold_sources(). */
uint32_t chain_hold_sources(struct chain_op *op, bool hold);
int chain_op_flush(struct chain_op *op, enum chain_call during, struct error *err) MUST_CHECK;

/* chain_time.c: valves, watermarks of operators. */
void chain_time_make(struct chain_op *op);
void chain_time_fini(struct chain_op *op);
/* Takes a WATERMARK, IDLE or ACTIVE from the list. */
int chain_time_take(struct chain_op *op, const struct chain_item *item,
                    struct error *err) MUST_CHECK;
/* A feed has ended: it counts no more. */
int chain_time_end_feed(struct chain_op *op, uint32_t input, uint32_t feed,
                        struct error *err) MUST_CHECK;
/* What op_watermark() is from here on. */
void chain_time_set_input(struct chain_op *op, int64_t watermark_ms);
/* watermark() is done: whether anything is to go on, behind a flush. */
bool chain_time_goes_on(const struct chain_op *op);
/* The flush is done, too. */
void chain_time_forward(struct chain_op *op);
/* To all that is below. */
void chain_send_watermark(struct chain_op *op, int64_t watermark_ms);
void chain_send_idle(struct chain_op *op, bool idle);

/* chain_latency.c: latency markers. */
void chain_latency_init(struct chain_op *op);
void chain_latency_fini(struct chain_op *op);
/* A source sends one, and plans the next. */
int chain_latency_mark(struct chain_op *op, int64_t now_ms, struct error *err) MUST_CHECK;
/* Takes a MARKER from the list. */
int chain_latency_take(struct chain_op *op, struct latency_marker *take_marker,
                       struct error *err) MUST_CHECK;
/* The flush is done: the marker goes on. */
void chain_latency_forward(struct chain_op *op);

/* chain_state.c: state of operators. */
int chain_state_keyed(struct chain_op *op, struct keyed_backend **ret_backend,
                      struct error *err) MUST_CHECK;
int chain_state_operator(struct chain_op *op, struct operator_state **ret_state,
                         struct error *err) MUST_CHECK;
/* After open(): what the operator did not ask for is carried along. */
int chain_state_carry(struct chain_op *op, struct error *err) MUST_CHECK;
void chain_state_fini(struct chain_op *op);
/* NULL: nothing was restored for it. */
const Flinc__OperatorSubtaskState *chain_state_restored(const struct chain_op *op);

#endif
