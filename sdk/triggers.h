/* Triggers of windows, for the builders of windows.c. */
#ifndef FLINC_SDK_TRIGGERS_H
#define FLINC_SDK_TRIGGERS_H

#include "flinc/window.h"
#include "proto/window.pb-c.h"
#include "sdk/internal.h"

/* A copy that lives as long as the environment: the caller's may be gone when the operator is made. */
const flinc_function *env_copy_function(flinc_env *env, const flinc_function *fn);
/* Negative with the error recorded. */
int env_copy_trigger(flinc_env *env, const flinc_trigger *trigger, flinc_place at,
                     flinc_trigger *ret_copy) MUST_CHECK;
void env_trigger_config(flinc_env *env, const flinc_trigger *trigger,
                        Flinc__WindowTrigger *ret_config);
/* The functions of a custom trigger; negative with the error recorded. */
int env_add_trigger(flinc_env *env, struct stream_node *node, const flinc_trigger *trigger,
                    flinc_place at) MUST_CHECK;

#endif
