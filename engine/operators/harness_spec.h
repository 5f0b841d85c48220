/* The spec that a harness gives its operator: the messages and schemas of harness_options.  Inside the
 * room only. */
#ifndef FLINC_ENGINE_OPERATORS_HARNESS_SPEC_H
#define FLINC_ENGINE_OPERATORS_HARNESS_SPEC_H

#include "engine/operators/harness.h"

struct harness_spec {
    Flinc__Operator op;                          /* what it points to lies in the harness's arena */
    struct schema *inputs[OPERATOR_INPUTS_MAX];  /* Owns refs */
    struct schema *outputs[HARNESS_OUTPUTS_MAX]; /* Owns refs */
    uint32_t n_inputs, n_outputs;
};

int harness_spec_init(struct harness_spec *s, const struct harness_options *options,
                      struct arena *arena, struct error *err) MUST_CHECK;
void harness_spec_fini(struct harness_spec *s);

#endif
