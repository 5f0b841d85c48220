/* The kinds of operators and coordinators in the tree, each defined last in its own file.
 * To add one: its line here, its row in registry.c. */
#ifndef FLINC_ENGINE_OPERATORS_REGISTRY_H
#define FLINC_ENGINE_OPERATORS_REGISTRY_H

#include "engine/operators/operator.h"

extern const struct operator_desc operator_async_map;
extern const struct operator_desc operator_broadcast_process;
extern const struct operator_desc operator_co_flat_map;
extern const struct operator_desc operator_co_map;
extern const struct operator_desc operator_co_process;
extern const struct operator_desc operator_filter;
extern const struct operator_desc operator_flat_map;
extern const struct operator_desc operator_interval_join;
extern const struct operator_desc operator_keyed_aggregate;
extern const struct operator_desc operator_keyed_broadcast_process;
extern const struct operator_desc operator_keyed_co_process;
extern const struct operator_desc operator_keyed_process;
extern const struct operator_desc operator_map;
extern const struct operator_desc operator_process;
extern const struct operator_desc operator_sink_discard;
extern const struct operator_desc operator_sink_file;
extern const struct operator_desc operator_sink_print;
extern const struct operator_desc operator_sink_text;
extern const struct operator_desc operator_source_datagen;
extern const struct operator_desc operator_source_elements;
extern const struct operator_desc operator_source_sequence;
extern const struct operator_desc operator_source_socket;
extern const struct operator_desc operator_source_text;
extern const struct operator_desc operator_timestamps_and_watermarks;
extern const struct operator_desc operator_window_general;
extern const struct operator_desc operator_window_join;
extern const struct operator_desc operator_window_panes;
extern const struct operator_desc operator_window_sessions;
extern const struct operator_desc operator_window_slices;
extern const struct operator_desc operator_window_values;

extern const struct coordinator_desc coordinator_source_text;
extern const struct coordinator_desc coordinator_watermark_alignment;

/* All operator kinds, for the reference page. */
const struct operator_desc *const *operator_all(size_t *ret_n);

#endif
