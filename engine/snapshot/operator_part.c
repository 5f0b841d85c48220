/* Places of items; see operator_part.h. */
#include "engine/snapshot/operator_part.h"

#include <string.h>

static bool has_index(const Flinc__OperatorStatePart *p)
{
    return p->index_items > 0;
}

uint64_t operator_part_items(const Flinc__OperatorStatePart *p)
{
    return has_index(p) ? p->n_items : p->n_sizes;
}

uint64_t operator_part_bytes(const Flinc__OperatorStatePart *p)
{
    uint64_t bytes = has_index(p) ? p->index_offset - p->items_offset : 0;
    for (size_t i = 0; i < p->n_sizes; i++) {
        bytes += p->sizes[i];
    }
    return bytes;
}

void operator_part_narrow(Flinc__OperatorStatePart *p, uint64_t first, uint64_t n)
{
    if (has_index(p)) {
        p->first_item += first;
        p->n_items = n;
    } else {
        p->offsets += first;
        p->sizes += first;
        p->n_offsets = p->n_sizes = n;
    }
}

static int outside(struct error *err)
{
    return error_set(err, ERR_CORRUPT, "an item of operator state lies outside of its bytes");
}

static int check_index(const Flinc__OperatorStatePart *p, uint64_t size, struct error *err)
{
    if (p->n_offsets > 0 || p->first_item > p->index_items ||
        p->n_items > p->index_items - p->first_item) {
        return error_set(err, ERR_CORRUPT, "operator state that is described wrongly");
    }
    if (p->index_offset > size || p->items_offset > p->index_offset ||
        p->index_items > (size - p->index_offset) / sizeof(uint64_t)) {
        return outside(err);
    }
    return 0;
}

int operator_part_check(const Flinc__OperatorStatePart *p, uint64_t size, struct error *err)
{
    if (p->n_offsets != p->n_sizes ||
        (uint32_t)p->mode > FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST) {
        return error_set(err, ERR_CORRUPT, "operator state that is described wrongly");
    }
    if (has_index(p)) {
        return check_index(p, size, err);
    }
    for (size_t i = 0; i < p->n_offsets; i++) {
        if (p->offsets[i] > size || p->sizes[i] > size - p->offsets[i]) {
            return outside(err);
        }
    }
    return 0;
}

int operator_part_item(const Flinc__OperatorStatePart *p, const uint8_t *data, uint64_t i,
                       struct slice *ret_item, struct error *err)
{
    if (!has_index(p)) {
        *ret_item = slice_make((const char *)data + p->offsets[i], p->sizes[i]);
        return 0;
    }
    uint64_t from = 0, to;
    const uint8_t *ends = data + p->index_offset + (p->first_item + i) * sizeof(to);
    memcpy(&to, ends, sizeof(to));
    if (p->first_item + i > 0) {
        memcpy(&from, ends - sizeof(from), sizeof(from));
    }
    if (from > to || to > p->index_offset - p->items_offset) {
        return outside(err);
    }
    *ret_item = slice_make((const char *)data + p->items_offset + from, to - from);
    return 0;
}
