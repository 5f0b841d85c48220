/* The formulas behind edge_channels.h.  Pointwise edges give consumer c the producers
 * [c * P / C, (c + 1) * P / C), at least one; the consumers of a producer are the inverse of that. */
#include "engine/graph/edge_channels.h"

struct subtask_range edge_consumers(const struct edge_shape *edge, uint32_t producer)
{
    uint64_t p = edge->producers, c = edge->consumers;
    ASSERT(producer < p);
    if (!partitioner_is_pointwise(edge->kind)) {
        return (struct subtask_range){0, edge->consumers};
    }
    if (p >= c) {
        /* The consumer whose range of producers holds this one. */
        uint64_t consumer = ((producer + 1) * c + p - 1) / p - 1;
        return (struct subtask_range){(uint32_t)consumer, 1};
    }
    uint64_t from = (producer * c + p - 1) / p;
    uint64_t to = ((producer + UINT64_C(1)) * c + p - 1) / p;
    return (struct subtask_range){(uint32_t)from, (uint32_t)(to - from)};
}

struct subtask_range edge_producers(const struct edge_shape *edge, uint32_t consumer)
{
    uint64_t p = edge->producers, c = edge->consumers;
    ASSERT(consumer < c);
    if (!partitioner_is_pointwise(edge->kind)) {
        return (struct subtask_range){0, edge->producers};
    }
    uint64_t from = consumer * p / c;
    uint64_t to = p >= c ? (consumer + UINT64_C(1)) * p / c : from + 1;
    return (struct subtask_range){(uint32_t)from, (uint32_t)(to - from)};
}

uint32_t edge_subpartition(const struct edge_shape *edge, uint32_t producer, uint32_t consumer)
{
    struct subtask_range range = edge_consumers(edge, producer);
    ASSERT(consumer >= range.first && consumer - range.first < range.n);
    return consumer - range.first;
}
