/* A custom partitioner: a user function that reads a row as a C struct and chooses a channel.
 *
 * Opened once per subtask for the operator whose output is split; the exchange asks per batch.
 * Thread: one owner (the task).  Flink: CustomPartitionerWrapper. */
#ifndef FLINC_ENGINE_OPERATORS_PARTITION_FUNCTION_H
#define FLINC_ENGINE_OPERATORS_PARTITION_FUNCTION_H

#include "engine/operators/operator.h"

struct partition_function;

/* `spec` (function and function_input) and `ctx` must live as long. */
int partition_function_new(const Flinc__Partitioner *spec, const struct schema *schema,
                           struct op_context *ctx, struct partition_function **ret_function,
                           struct error *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
struct partition_function *partition_function_free(struct partition_function *p);
/* Writes what the function says about each selected row; a channel outside [0, n_channels) is an
 * error. */
int partition_function_call(struct partition_function *p, const struct batch *b,
                            uint32_t n_channels, int32_t *ret_channels,
                            struct error *err) MUST_CHECK;

#endif
