/* A handle of operator state from any bytes, its blob inline and with the right check sum: refused, or every
 * item of it can be read. */
#include "common/base/crc32c.h"
#include "engine/state/operator_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct operator_state *s, const Flinc__OperatorStateHandle *handle)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < handle->n_parts; i++) {
        const Flinc__OperatorStatePart *p = handle->parts[i];
        struct operator_list *l = NULL;
        if (p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST ||
            operator_state_list(s, p->name, p->mode, "ROW<a BYTES>", &l, NULL) < 0) {
            continue;
        }
        for (size_t k = 0; k < operator_list_len(l); k++) {
            struct slice item = operator_list_get(l, k);
            sum = crc32c(sum, (const uint8_t *)item.data, item.len);
        }
    }
    ASSERT(sum != 1 || handle->n_parts > 0); /* the sum is used */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Flinc__OperatorStateHandle *handle = flinc__operator_state_handle__unpack(NULL, size, data);
    Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT;
    struct mem_budget budget;

    if (handle == NULL) {
        return 0;
    }
    if (handle->blob != NULL) {
        Flinc__StateBlob *blob = handle->blob;
        if (blob->location[0] != '\0') { /* no files */
            blob->location[0] = '\0';
        }
        blob->size = blob->inline_data.len;
        blob->crc32c = crc32c(0, blob->inline_data.data, blob->inline_data.len);
    }
    mem_budget_init(&budget, "fuzz", 1024 * 1024, NULL);
    struct operator_state *s = operator_state_new("fuzz", &budget);
    state.operator_state = &handle;
    state.n_operator_state = 1;
    if (operator_state_restore(s, &state, "", NULL) == 0) {
        read_all(s, handle);
    }
    operator_state_free(s);
    ASSERT(budget.used_bytes == 0);
    flinc__operator_state_handle__free_unpacked(handle, NULL);
    return 0;
}
