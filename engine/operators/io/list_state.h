/* Operator state as sources and sinks use it: lists of protobuf messages.  Thread: the task's. */
#ifndef FLINC_ENGINE_OPERATORS_IO_LIST_STATE_H
#define FLINC_ENGINE_OPERATORS_IO_LIST_STATE_H

#include "engine/operators/operator.h"
#include "engine/state/operator_state.h"

/* Opens a list of byte strings; what was restored is in it.  NULL where the host keeps no state. */
static inline int list_state_open(struct op_context *ctx, const char *name,
                                  Flinc__OperatorStateMode mode, struct operator_list **ret,
                                  struct error *err)
{
    struct operator_state *state = NULL;

    *ret = NULL;
    if (ctx->host->operator_state == NULL) {
        return 0;
    }
    TRY(op_operator_state(ctx, &state, err));
    return operator_state_list(state, name, mode, "ROW<message BYTES>", ret, err);
}

/* Adds a message. */
static inline int list_state_add(struct operator_list *list, const ProtobufCMessage *m,
                                 struct error *err)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = mem_alloc(size + 1);

    protobuf_c_message_pack(m, bytes);
    int rc = operator_list_add(list, bytes, size, err);
    mem_free(bytes);
    return rc;
}

#endif
