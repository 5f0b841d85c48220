/* The blackhole connector: the operator is flinc.sink.discard. */
#include "connectors/blackhole/blackhole.h"

#include "engine/operators/registry.h"
#include "engine/table/options.h"

static const struct conf_group *const blackhole_groups[] = {&table_options_common};
static struct conf_schema blackhole_schema = CONF_SCHEMA_INIT(blackhole_groups);

static uint32_t blackhole_kinds(const struct table *t, uint32_t requested)
{
    (void)t;
    return requested;
}

static int blackhole_plan(const struct table *t, const struct table_write *write,
                          struct arena *arena, struct table_node *ret, struct error *err)
{
    (void)t;
    (void)write;
    (void)arena;
    (void)err;
    ret->kind = operator_sink_discard.kind;
    return 0;
}

static const struct table_sink blackhole_sink = {
    .abilities = TABLE_PARTITIONS | TABLE_OVERWRITE,
    .kinds = blackhole_kinds,
    .plan = blackhole_plan,
};

const struct table_connector connector_blackhole = {
    .struct_size = sizeof(struct table_connector),
    .version = TABLE_CONNECTOR_VERSION,
    .identifier = "blackhole",
    .summary = "drops every row",
    .options = &blackhole_schema,
    .sink = &blackhole_sink,
};
