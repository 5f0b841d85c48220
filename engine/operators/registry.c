/* The registry of operator and coordinator kinds: const tables, searched once per operator and
 * deployment. */
#include "engine/operators/registry.h"

#include <string.h>

static const struct operator_desc *const operators[] = {
    &operator_async_map,
    &operator_broadcast_process,
    &operator_co_flat_map,
    &operator_co_map,
    &operator_co_process,
    &operator_filter,
    &operator_flat_map,
    &operator_interval_join,
    &operator_keyed_aggregate,
    &operator_keyed_broadcast_process,
    &operator_keyed_co_process,
    &operator_keyed_process,
    &operator_map,
    &operator_process,
    &operator_sink_discard,
    &operator_sink_file,
    &operator_sink_print,
    &operator_sink_text,
    &operator_source_datagen,
    &operator_source_elements,
    &operator_source_sequence,
    &operator_source_socket,
    &operator_source_text,
    &operator_timestamps_and_watermarks,
    &operator_window_general,
    &operator_window_join,
    &operator_window_panes,
    &operator_window_sessions,
    &operator_window_slices,
    &operator_window_values,
};

static const struct coordinator_desc *const coordinators[] = {
    &coordinator_source_text,
    &coordinator_watermark_alignment,
};

const struct operator_desc *const *operator_all(size_t *ret_n)
{
    *ret_n = ARRAY_LEN(operators);
    return operators;
}

const struct operator_desc *operator_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (strcmp(operators[i]->kind, kind) == 0) {
            return operators[i];
        }
    }
    return NULL;
}

const struct coordinator_desc *coordinator_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(coordinators); i++) {
        if (strcmp(coordinators[i]->kind, kind) == 0) {
            return coordinators[i];
        }
    }
    return NULL;
}
