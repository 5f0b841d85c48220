/* What operators of a chain see as their host (op_context.host).  Thread: the task's; wakers any. */
#ifndef FLINC_TASKMANAGER_WORKER_CHAIN_HOST_H
#define FLINC_TASKMANAGER_WORKER_CHAIN_HOST_H

#include "taskmanager/worker/chain.h"

extern const struct op_host chain_host;
void chain_host_init_waker(struct chain_op *op);

/* Appends to an operator's list (chain.c). */
void chain_enqueue(struct chain *c, uint32_t op, struct chain_item take_item);

#endif
