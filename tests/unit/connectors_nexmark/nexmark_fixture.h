/* The nexmark table for tests, and its source in a harness. */
#ifndef FLINC_TESTS_CONNECTORS_NEXMARK_FIXTURE_H
#define FLINC_TESTS_CONNECTORS_NEXMARK_FIXTURE_H

#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/nexmark/model.h"
#include "connectors/nexmark/nexmark.h"
#include "engine/operators/harness.h"

#define NEXMARK_ROW                                                                             \
    "ROW<event_type INT, person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard "   \
    "STRING, city STRING, state STRING, dateTime TIMESTAMP(3), extra STRING>, auction ROW<id "  \
    "BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, dateTime " \
    "TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>, bid "   \
    "ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime "    \
    "TIMESTAMP(3), extra STRING>>"

struct nexmark_test {
    struct table_fixture f;
    struct arena arena;
    struct table_node node;
};

static inline void nexmark_test_open(struct nexmark_test *t, const char *const *options,
                                     const struct table_scan *scan)
{
    struct error err = ERROR_INIT;
    expect_ok(table_connector_register(&connector_nexmark, &err), &err);
    expect_ok(table_fixture_open(&t->f, NEXMARK_ROW, options, &err), &err);
    arena_init(&t->arena, 0);
    expect_ok(table_plan_source(&t->f.table, scan, &t->arena, &t->node, &err), &err);
}

static inline void nexmark_test_close(struct nexmark_test *t)
{
    table_node_fini(&t->node);
    table_fixture_fini(&t->f);
    arena_fini(&t->arena);
    conf_schema_fini(connector_nexmark.options);
}

static uint32_t nexmark_rows_max; /* op_batch_rows() of harnesses; 0: no limit */

/* A harness of one subtask, opened; `o` says the rest. */
static inline struct harness *nexmark_harness(const struct nexmark_test *t,
                                              struct harness_options o)
{
    struct error err = ERROR_INIT;
    struct harness *h = NULL;
    STR_AUTO schema = STR_INIT;
    Flinc__NexmarkSourceConfig *c =
        flinc__nexmark_source_config__unpack(NULL, t->node.config_size, t->node.config);

    schema_print(t->node.schema, &schema);
    o.desc = &operator_table_nexmark;
    o.config = &c->base;
    o.output_schemas[0] = str_cstr(&schema);
    expect_ok(harness_new(&o, &h, &err), &err);
    flinc__nexmark_source_config__free_unpacked(c, NULL);
    harness_context(h)->rows_max = nexmark_rows_max;
    expect_ok(harness_open(h, &err), &err);
    return h;
}

#endif
