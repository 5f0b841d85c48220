/* The table of partitioners; see partitioner.h. */
#include "engine/graph/partitioner.h"

static const struct {
    const char *name;
    bool pointwise, overtakable;
} partitioners[] = {
    [FLINC__PARTITIONER_KIND__PARTITION_FORWARD] = {"FORWARD", true, false},
    [FLINC__PARTITIONER_KIND__PARTITION_HASH] = {"HASH", false, true},
    [FLINC__PARTITIONER_KIND__PARTITION_REBALANCE] = {"REBALANCE", false, true},
    [FLINC__PARTITIONER_KIND__PARTITION_RESCALE] = {"RESCALE", true, false},
    [FLINC__PARTITIONER_KIND__PARTITION_BROADCAST] = {"BROADCAST", false, false},
    [FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE] = {"SHUFFLE", false, true},
    [FLINC__PARTITIONER_KIND__PARTITION_GLOBAL] = {"GLOBAL", false, true},
    [FLINC__PARTITIONER_KIND__PARTITION_CUSTOM] = {"CUSTOM", false, false},
};

const char *partitioner_name(Flinc__PartitionerKind kind)
{
    return (size_t)kind < ARRAY_LEN(partitioners) ? partitioners[kind].name : "UNKNOWN";
}

bool partitioner_is_pointwise(Flinc__PartitionerKind kind)
{
    return (size_t)kind < ARRAY_LEN(partitioners) && partitioners[kind].pointwise;
}

bool partitioner_is_overtakable(Flinc__PartitionerKind kind)
{
    return (size_t)kind < ARRAY_LEN(partitioners) && partitioners[kind].overtakable;
}
