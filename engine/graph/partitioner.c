/* The table of partitioners; see partitioner.h. */
#include "engine/graph/partitioner.h"

static const struct {
    const char *name;
    bool pointwise;
} partitioners[] = {
    [FLINC__PARTITIONER_KIND__PARTITION_FORWARD] = {"FORWARD", true},
    [FLINC__PARTITIONER_KIND__PARTITION_HASH] = {"HASH", false},
    [FLINC__PARTITIONER_KIND__PARTITION_REBALANCE] = {"REBALANCE", false},
    [FLINC__PARTITIONER_KIND__PARTITION_RESCALE] = {"RESCALE", true},
    [FLINC__PARTITIONER_KIND__PARTITION_BROADCAST] = {"BROADCAST", false},
    [FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE] = {"SHUFFLE", false},
    [FLINC__PARTITIONER_KIND__PARTITION_GLOBAL] = {"GLOBAL", false},
    [FLINC__PARTITIONER_KIND__PARTITION_CUSTOM] = {"CUSTOM", false},
};

const char *partitioner_name(Flinc__PartitionerKind kind)
{
    return (size_t)kind < ARRAY_LEN(partitioners) ? partitioners[kind].name : "UNKNOWN";
}

bool partitioner_is_pointwise(Flinc__PartitionerKind kind)
{
    return (size_t)kind < ARRAY_LEN(partitioners) && partitioners[kind].pointwise;
}
