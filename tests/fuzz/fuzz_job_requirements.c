/* Bounds of the parallelism, as high availability keeps them: what decodes is the same when it was encoded again. */
#include "jobmanager/recovery/requirements.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vec first = VEC_INIT(struct job_requirement);
    if (requirements_unpack((struct slice){(const char *)data, size}, &first, NULL) == 0) {
        STR_AUTO bytes = STR_INIT;
        struct vec again = VEC_INIT(struct job_requirement);
        requirements_pack(first.data, first.len, &bytes);
        ASSERT(requirements_unpack(str_slice(&bytes), &again, NULL) == 0);
        ASSERT(again.len == first.len);
        ASSERT(first.len == 0 ||
               memcmp(first.data, again.data, first.len * sizeof(struct job_requirement)) == 0);
        vec_fini(&again);
    }
    vec_fini(&first);
    return 0;
}
