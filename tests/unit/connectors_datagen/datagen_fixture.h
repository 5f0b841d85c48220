/* The datagen table for tests, and its source in a harness. */
#ifndef FLINC_TESTS_CONNECTORS_DATAGEN_FIXTURE_H
#define FLINC_TESTS_CONNECTORS_DATAGEN_FIXTURE_H

#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/datagen/datagen.h"
#include "engine/operators/harness.h"

enum { DATAGEN_SEED = 5 }; /* of all tables of tests */

struct datagen_test {
    struct table_fixture f;
    struct arena arena;
    struct table_node node;
    Flinc__TableDatagenConfig *config;
};

/* Without a rate. */
static inline void datagen_test_open(struct datagen_test *t, const char *schema,
                                     const char *const *options, const struct table_scan *scan)
{
    struct error err = ERROR_INIT;
    expect_ok(table_connector_register(&connector_datagen, &err), &err);
    expect_ok(table_fixture_open(&t->f, schema, options, &err), &err);
    arena_init(&t->arena, 0);
    expect_ok(table_plan_source(&t->f.table, scan, &t->arena, &t->node, &err), &err);
    t->config = flinc__table_datagen_config__unpack(NULL, t->node.config_size, t->node.config);
    t->config->seed = DATAGEN_SEED;
    t->config->rows_per_second = 0;
}

static inline void datagen_test_close(struct datagen_test *t)
{
    flinc__table_datagen_config__free_unpacked(t->config, NULL);
    table_node_fini(&t->node);
    table_fixture_fini(&t->f);
    arena_fini(&t->arena);
    conf_schema_fini(connector_datagen.options);
}

/* A harness of one subtask, opened; `o` says the rest. */
static inline struct harness *datagen_harness(const struct datagen_test *t,
                                              struct harness_options o)
{
    struct error err = ERROR_INIT;
    struct harness *h = NULL;
    STR_AUTO schema = STR_INIT;

    schema_print(t->node.schema, &schema);
    o.desc = &operator_table_datagen;
    o.config = &t->config->base;
    o.output_schemas[0] = str_cstr(&schema);
    expect_ok(harness_new(&o, &h, &err), &err);
    expect_ok(harness_open(h, &err), &err);
    return h;
}

static inline int datagen_drain(struct harness *h)
{
    struct error err = ERROR_INIT;
    int rc;
    while ((rc = harness_poll(h, &err)) == OP_DONE) {
    }
    expect_ok(rc, &err);
    return rc;
}

#endif
