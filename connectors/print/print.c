/* The print connector: the operator is flinc.sink.print, which prints rows with their kinds for it. */
#include "connectors/print/print.h"

#include "engine/operators/registry.h"
#include "engine/table/options.h"
#include "proto/operators.pb-c.h"

static const struct conf_option print_options[] = {
    {"print-identifier", CONF_TYPE_STRING,
     .description = "In front of each line, with `>` behind it.", .flags = CONF_FLAG_EFFECTIVE},
    {"standard-error", CONF_TYPE_BOOL, "false",
     .description = "Prints to standard error instead of standard output.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"sink.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the sink.",
     .flags = CONF_FLAG_EFFECTIVE},
};
static const struct conf_group print_group = CONF_GROUP("print", print_options);
static const struct conf_group *const print_groups[] = {&table_options_common, &print_group};
static struct conf_schema print_schema = CONF_SCHEMA_INIT(print_groups);

static uint32_t print_kinds(const struct table *t, uint32_t requested)
{
    (void)t;
    return requested;
}

static int print_plan(const struct table *t, const struct table_write *write, struct arena *arena,
                      struct table_node *ret, struct error *err)
{
    const struct conf *o = &t->options->conf;
    Flinc__PrintSinkConfig c = FLINC__PRINT_SINK_CONFIG__INIT;

    (void)write;
    (void)err;
    if (conf_has(o, "print-identifier")) {
        c.identifier = arena_strdup(arena, conf_string(o, "print-identifier"));
    }
    c.to_stderr = conf_bool(o, "standard-error");
    c.rows = true;
    ret->kind = operator_sink_print.kind;
    table_node_set_config(ret, arena, &c.base);
    return 0;
}

static const struct table_sink print_sink = {
    .abilities = TABLE_PARTITIONS,
    .kinds = print_kinds,
    .plan = print_plan,
};

const struct table_connector connector_print = {
    .struct_size = sizeof(struct table_connector),
    .version = TABLE_CONNECTOR_VERSION,
    .identifier = "print",
    .summary = "a line per row on standard output",
    .options = &print_schema,
    .sink = &print_sink,
};
