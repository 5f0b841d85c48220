/* Key groups and their owners: Flink's KeyGroupRangeAssignment. */
#include "engine/data/hash.h"

void key_router_init(struct key_router *r, uint32_t max_parallelism, uint32_t parallelism)
{
    ASSERT(max_parallelism >= 1 && max_parallelism <= MAX_PARALLELISM_LIMIT);
    ASSERT(parallelism >= 1 && parallelism <= max_parallelism);
    r->max_parallelism = max_parallelism;
    r->parallelism = parallelism;
    r->fastmod = UINT64_MAX / max_parallelism + 1; /* 0 for one group, which is right */
    r->owner = MEM_NEW_ARRAY(uint16_t, max_parallelism);
    for (uint32_t i = 0; i < max_parallelism; i++) {
        r->owner[i] = (uint16_t)key_group_subtask(i, max_parallelism, parallelism);
    }
}

void key_router_fini(struct key_router *r)
{
    mem_free(r->owner);
    r->owner = NULL;
}

uint32_t key_group_subtask(uint32_t key_group, uint32_t max_parallelism, uint32_t parallelism)
{
    return (uint32_t)((uint64_t)key_group * parallelism / max_parallelism);
}

void key_group_range(uint32_t subtask, uint32_t max_parallelism, uint32_t parallelism,
                     uint32_t *ret_first, uint32_t *ret_last)
{
    ASSERT(subtask < parallelism && parallelism <= max_parallelism);
    uint64_t max = max_parallelism;
    *ret_first = (uint32_t)((subtask * max + parallelism - 1) / parallelism);
    *ret_last = (uint32_t)(((subtask + 1) * max - 1) / parallelism);
}

uint32_t max_parallelism_default(uint32_t parallelism)
{
    uint64_t wanted = (uint64_t)parallelism + parallelism / 2;
    uint64_t power = MAX_PARALLELISM_MIN_DEFAULT;
    while (power < wanted && power < MAX_PARALLELISM_LIMIT) {
        power *= 2;
    }
    return (uint32_t)power;
}
