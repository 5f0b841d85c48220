/* What the slots of a slot sharing group are worth, as a program asks for it.  Flink: SlotSharingGroup.Builder. */
#include "sdk/internal.h"

#define CALL "flinc_env_register_slot_sharing_group"

static bool asks_for_nothing(const flinc_slot_resources *r)
{
    return r->cpu_cores == 0 && r->task_heap_bytes == 0 && r->task_off_heap_bytes == 0 &&
           r->managed_bytes == 0 && r->n_external == 0;
}

static int check_memory(const flinc_slot_resources *r, struct error *err)
{
    const struct {
        const char *field;
        int64_t bytes;
    } memory[] = {{"task_heap_bytes", r->task_heap_bytes},
                  {"task_off_heap_bytes", r->task_off_heap_bytes},
                  {"managed_bytes", r->managed_bytes}};
    for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
        if (memory[i].bytes < 0 || (uint64_t)memory[i].bytes > RESOURCE_BYTES_MAX) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "%s must be between 0 and %llu, not %lld: give the bytes of one slot",
                             memory[i].field, (unsigned long long)RESOURCE_BYTES_MAX,
                             (long long)memory[i].bytes);
        }
    }
    return 0;
}

static int make_profile(const flinc_slot_resources *r, struct resource_profile *ret,
                        struct error *err)
{
    struct resource_profile p = {.task_heap_bytes = (uint64_t)r->task_heap_bytes,
                                 .task_off_heap_bytes = (uint64_t)r->task_off_heap_bytes,
                                 .managed_bytes = (uint64_t)r->managed_bytes};
    TRY(check_memory(r, err));
    if (resource_units_from(r->cpu_cores, &p.cpu_units) < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "cpu_cores must be between 0 and %g, not %g: give the cores of one slot",
                         RESOURCE_AMOUNT_MAX, r->cpu_cores);
    }
    if (p.cpu_units == 0 || p.task_heap_bytes == 0) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "cpu_cores (%g) and task_heap_bytes (%lld) are required with the resources "
            "of a group: set both to more than 0, or leave all of them out",
            r->cpu_cores, (long long)r->task_heap_bytes);
    }
    for (size_t i = 0; i < r->n_external; i++) {
        const flinc_external_resource *e = &r->external[i];
        TRY(resource_profile_add_extended(&p, e->name != NULL ? e->name : "", e->amount, err));
    }
    *ret = p;
    return 0;
}

void flinc_env_register_slot_sharing_group_(flinc_env *env, const char *group,
                                            flinc_slot_resources resources, flinc_place at)
{
    struct resource_profile profile;
    struct error err = ERROR_INIT;

    if (env->err.code != 0) {
        return;
    }
    if (group == NULL || group[0] == '\0') {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT, CALL ": the group needs a name");
        return;
    }
    if (resources.struct_size < sizeof(resources)) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                          CALL ": make the resources of group '%s' by FLINC_SLOT_RESOURCES(...)",
                          group);
        return;
    }
    if (resources.n_external > 0 && resources.external == NULL) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                          CALL ": group '%s' has %zu external resources, which are NULL", group,
                          resources.n_external);
        return;
    }
    if (asks_for_nothing(&resources)) {
        return; /* as if it was not registered */
    }
    if (make_profile(&resources, &profile, &err) < 0) {
        (void)env_fail_at(env, at, err.code, CALL ": slot sharing group '%s': %s", group,
                          err.message);
    } else if (stream_graph_set_profile(&env->graph, group, &profile, env_location(env, at), &err) <
               0) {
        (void)env_fail_at(env, at, err.code, CALL ": %s", err.message);
    }
}
