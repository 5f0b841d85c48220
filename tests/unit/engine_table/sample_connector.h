/* A connector for the tests of the contract: 'sample', with a "format" of its own. */
#ifndef FLINC_TESTS_ENGINE_TABLE_SAMPLE_CONNECTOR_H
#define FLINC_TESTS_ENGINE_TABLE_SAMPLE_CONNECTOR_H

#include "table_fixture.h"

static const struct conf_option sample_rows[] = {
    {"path", CONF_TYPE_STRING, .flags = CONF_FLAG_REQUIRED},
    {"format", CONF_TYPE_STRING, .flags = CONF_FLAG_REQUIRED},
    {"rows-per-second", CONF_TYPE_LONG, "10000", .min = "1", .aliases = "rate",
     .flags = CONF_FLAG_FORWARDED},
    {"mode", CONF_TYPE_ENUM, "FAST", .enum_values = "FAST|SLOW"},
    {"interval", CONF_TYPE_DURATION},
    {"size", CONF_TYPE_MEMORY},
    {"names", CONF_TYPE_LIST},
    {"password", CONF_TYPE_INT},
    {"fields.<field+>.kind", CONF_TYPE_ENUM, .enum_values = "random|sequence"},
    {"scan.parallelism", CONF_TYPE_INT, .min = "1"},
    {"sink.parallelism", CONF_TYPE_INT, .min = "1"},
};
static const struct conf_group sample_group = CONF_GROUP("Sample", sample_rows);
static const struct conf_group *const sample_groups[] = {&table_options_common, &sample_group};
static struct conf_schema sample_options = CONF_SCHEMA_INIT(sample_groups);

static const struct conf_option form_rows[] = {
    {"delimiter", CONF_TYPE_STRING, ","},
    {"url", CONF_TYPE_STRING, .flags = CONF_FLAG_REQUIRED},
    {"lines", CONF_TYPE_INT, "1", .flags = CONF_FLAG_FORWARDED},
};
static const struct conf_group form_group = CONF_GROUP("Form", form_rows);
static const struct conf_group *const form_groups[] = {&form_group};
static struct conf_schema form_options = CONF_SCHEMA_INIT(form_groups);

static int sample_parts(const struct text_map *given, struct vec *ret_parts, struct error *err)
{
    const char *format = text_map_find(given, "format");
    if (format != NULL && strcmp(format, "form") == 0) {
        *VEC_PUSH(ret_parts, struct table_option_part) =
            (struct table_option_part){"form.", &form_options};
    } else if (format != NULL && strcmp(format, "plain") != 0) {
        return error_set(err, ERR_NOT_FOUND, "no format '%s'", format);
    }
    return 0;
}

static int sample_validate(const struct table *t, struct error *err)
{
    return strcmp(conf_string(&t->options->conf, "path"), "/") == 0
               ? table_option_invalid(t, "path", err, "not the root")
               : 0;
}

static bool sample_is_bounded(const struct table *t)
{
    return !conf_has(&t->options->conf, "interval");
}

static int sample_plan_source(const struct table *t, const struct table_scan *scan,
                              struct arena *arena, struct table_node *ret, struct error *err)
{
    ret->kind = "sample.source";
    ret->coordinator = "sample.splits";
    ret->config = (const uint8_t *)arena_strdup(arena, "abc");
    ret->config_size = 3;
    return 0;
}

static uint32_t sample_kinds(const struct table *t, uint32_t requested)
{
    return (requested & TABLE_UPDATE_BEFORE) != 0 ? 0 : requested;
}

static int sample_plan_sink(const struct table *t, const struct table_write *write,
                            struct arena *arena, struct table_node *ret, struct error *err)
{
    ret->kind = "sample.sink";
    ret->name = "Sample";
    ret->parallelism_limit = 1;
    return 0;
}

static const struct table_source sample_source = {
    .abilities = TABLE_PROJECTION | TABLE_NESTED_PROJECTION | TABLE_METADATA,
    .is_bounded = sample_is_bounded,
    .plan = sample_plan_source,
};
static const struct table_sink sample_sink = {
    .abilities = TABLE_METADATA, .kinds = sample_kinds, .plan = sample_plan_sink};
static const struct table_metadata sample_metadata[] = {
    {"offset", "BIGINT NOT NULL", TABLE_READABLE, "position"},
    {"time", "TIMESTAMP_LTZ(3)", TABLE_READABLE | TABLE_WRITABLE, "of the record"},
};
static const struct operator_desc sample_operator = {.kind = "sample.source"};
static const struct operator_desc *const sample_operators[] = {&sample_operator};
static const struct coordinator_desc sample_coordinator = {.kind = "sample.splits"};
static const struct coordinator_desc *const sample_coordinators[] = {&sample_coordinator};

static const struct table_connector sample_connector = {
    .struct_size = sizeof(struct table_connector),
    .version = TABLE_CONNECTOR_VERSION,
    .identifier = "sample",
    .summary = "for tests",
    .options = &sample_options,
    .option_parts = sample_parts,
    .validate = sample_validate,
    .metadata = sample_metadata,
    .n_metadata = ARRAY_LEN(sample_metadata),
    .source = &sample_source,
    .sink = &sample_sink,
    .operators = sample_operators,
    .n_operators = ARRAY_LEN(sample_operators),
    .coordinators = sample_coordinators,
    .n_coordinators = ARRAY_LEN(sample_coordinators),
};

static int register_sample(void **state)
{
    return table_connector_register(&sample_connector, NULL);
}

static int forget_options(void **state)
{
    conf_schema_fini(&sample_options);
    conf_schema_fini(&form_options);
    return 0;
}

#endif
