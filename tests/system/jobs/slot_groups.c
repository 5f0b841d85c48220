/* Numbers that are counted by their last digits, endlessly or up to --records.  Reading is in slot sharing group "small",
 * counting in group "large": --small and --large give their profiles as "cpu,heapMb,managedMb,gpu" (left out: none). */
#include <flinc/flinc.h>
#include <stdio.h>

FLINC_STRUCT(counted, FLINC_INT64(key), FLINC_INT64(count));

enum { RATE = 50000 }; /* records a second: slots are looked at, not speed */

static int number(flinc_ctx *ctx, int64_t index, int64_t *out)
{
    *out = index;
    return 0;
}

static int digits(flinc_ctx *ctx, const int64_t *in, counted *out)
{
    *out = (counted){.key = *in % 100, .count = 1};
    return 0;
}

static void ask_for(flinc_env *env, flinc_params *p, const char *group)
{
    const char *text = flinc_params_get(p, group, NULL);
    double cpu = 0;
    double gpu = 0;
    long long heap_mb = 0;
    long long managed_mb = 0;

    if (text == NULL) {
        return;
    }
    sscanf(text, "%lf,%lld,%lld,%lf", &cpu, &heap_mb, &managed_mb, &gpu);
    flinc_external_resource external[] = {{"gpu", gpu}};
    flinc_env_register_slot_sharing_group(
        env, group,
        FLINC_SLOT_RESOURCES(.cpu_cores = cpu, .task_heap_bytes = heap_mb * 1024 * 1024,
                             .managed_bytes = managed_mb * 1024 * 1024,
                             .external = gpu != 0 ? external : NULL, .n_external = gpu != 0));
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"small", "large", "again", "records", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);

    ask_for(env, p, "small");
    ask_for(env, p, "large");
    if (flinc_params_has(p, "again")) { /* with another profile */
        flinc_env_register_slot_sharing_group(
            env, "large", FLINC_SLOT_RESOURCES(.cpu_cores = 7, .task_heap_bytes = 1 << 20));
    }
    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *numbers = flinc_from_datagen(
        env, FLINC_DATAGEN(.generate = FLINC_FN(number), .type = FLINC_TYPE(flinc_int64),
                           .count = flinc_params_int(p, "records", -1), .rows_per_second = RATE));
    flinc_slot_sharing_group(numbers, "small");
    flinc_stream *sums = flinc_sum(
        flinc_key_by(flinc_map(numbers, FLINC_FN(digits), FLINC_TYPE(counted)), "key"), "count");
    flinc_slot_sharing_group(flinc_name(sums, "Counting"), "large");
    flinc_discard(sums);
    return flinc_env_execute(env, "slot groups");
}
FLINC_JOB(job)
