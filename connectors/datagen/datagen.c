/* The datagen connector: options and the plan; see README.md. */
#include "connectors/datagen/datagen.h"

#include "engine/table/options.h"

static const struct conf_option datagen_options[] = {
    {"rows-per-second", CONF_TYPE_LONG, "10000", .min = "1",
     .description = "Rows per second of all subtasks together.", .flags = CONF_FLAG_EFFECTIVE},
    {"number-of-rows", CONF_TYPE_LONG, .min = "0",
     .description =
         "How many rows there are in all: the table is bounded. Without it, it is as long "
         "as the shortest sequence, or has no end.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"scan.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the source.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.kind", CONF_TYPE_ENUM, "random", .enum_values = "random|sequence",
     .description =
         "How the values of a column are made; of a field of a row by `<column>.<field>`, "
         "of an array's elements by `<column>.element`, of a map by `<column>.key` and "
         "`<column>.value`.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.min", CONF_TYPE_STRING,
     .description = "Least random number, of the column's type. Default: that of the type.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.max", CONF_TYPE_STRING,
     .description = "Greatest random number. Default: that of the type.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.max-past", CONF_TYPE_DURATION, "0 s",
     .description = "TIMESTAMP and TIMESTAMP_LTZ: how far they may lie before the present.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.length", CONF_TYPE_INT, .min = "1",
     .description =
         "Of VARCHAR, STRING, VARBINARY and BYTES (100), of ARRAY, MAP and MULTISET (3). A "
         "map may have fewer entries where keys would repeat.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.var-len", CONF_TYPE_BOOL, "false",
     .description = "VARCHAR, STRING, VARBINARY, BYTES: 1 to `length` long.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.null-rate", CONF_TYPE_FLOAT, "0", .min = "0", .max = "1",
     .description = "How many of the values are NULL.", .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.start", CONF_TYPE_STRING,
     .description = "First value of a sequence. Required for one.", .flags = CONF_FLAG_EFFECTIVE},
    {"fields.<field+>.end", CONF_TYPE_STRING,
     .description = "Last value of a sequence. Required for one.", .flags = CONF_FLAG_EFFECTIVE},
};
static const struct conf_group datagen_group = CONF_GROUP("datagen", datagen_options);
static const struct conf_group *const datagen_groups[] = {&table_options_common, &datagen_group};
static struct conf_schema datagen_schema = CONF_SCHEMA_INIT(datagen_groups);

/* The fields of all columns, and how many rows there are; INT64_MAX: no end. */
static int plan_rows(const struct table *t, struct arena *arena, Flinc__GenerateField ***ret_fields,
                     int64_t *ret_count, struct error *err)
{
    const struct conf *o = &t->options->conf;

    *ret_fields = arena_alloc(arena, sizeof(**ret_fields) * (t->schema->n_fields + 1));
    TRY(datagen_plan_fields(t, arena, *ret_fields, ret_count, err));
    if (conf_has(o, "number-of-rows")) {
        *ret_count = MIN(*ret_count, conf_long(o, "number-of-rows"));
    }
    return 0;
}

static int datagen_validate(const struct table *t, struct error *err)
{
    Flinc__GenerateField **fields;
    struct arena arena;
    int64_t count;

    arena_init(&arena, 0);
    int rc = plan_rows(t, &arena, &fields, &count, err);
    arena_fini(&arena);
    return rc;
}

static int64_t count_rows(const struct table *t)
{
    Flinc__GenerateField **fields;
    struct arena arena;
    int64_t count = INT64_MAX;

    arena_init(&arena, 0);
    int rc = plan_rows(t, &arena, &fields, &count, NULL);
    arena_fini(&arena);
    return rc < 0 ? INT64_MAX : count;
}

static bool datagen_is_bounded(const struct table *t)
{
    return count_rows(t) != INT64_MAX;
}

static double datagen_row_count(const struct table *t, const struct table_scan *scan)
{
    int64_t count = count_rows(t);

    (void)scan;
    return count == INT64_MAX ? -1 : (double)count;
}

static int datagen_plan(const struct table *t, const struct table_scan *scan, struct arena *arena,
                        struct table_node *ret, struct error *err)
{
    Flinc__TableDatagenConfig c = FLINC__TABLE_DATAGEN_CONFIG__INIT;
    Flinc__GenerateField **all;
    struct rng rng;

    TRY(plan_rows(t, arena, &all, &c.count, err));
    c.has_count = c.count != INT64_MAX;
    c.rows_per_second = (double)conf_long(&t->options->conf, "rows-per-second");
    rng_init_system(&rng); /* each job has rows of its own, and the same ones after a restart */
    c.seed = rng_next(&rng);
    c.n_fields = scan->columns != NULL ? scan->n_columns : t->schema->n_fields;
    c.fields = arena_alloc(arena, sizeof(*c.fields) * (c.n_fields + 1));
    for (size_t i = 0; i < c.n_fields; i++) {
        c.fields[i] = all[scan->columns != NULL ? scan->columns[i].fields[0] : i];
    }
    if (scan->has_limit) {
        c.has_limit = true;
        c.limit = scan->limit;
    }
    ret->bounded = c.has_count || scan->has_limit;
    ret->kind = operator_table_datagen.kind;
    table_node_set_config(ret, arena, &c.base);
    return 0;
}

static const struct table_source datagen_source = {
    .abilities = TABLE_PROJECTION | TABLE_LIMIT,
    .is_bounded = datagen_is_bounded,
    .row_count = datagen_row_count,
    .plan = datagen_plan,
};
static const struct operator_desc *const datagen_operators[] = {&operator_table_datagen};

const struct table_connector connector_datagen = {
    .struct_size = sizeof(struct table_connector),
    .version = TABLE_CONNECTOR_VERSION,
    .identifier = "datagen",
    .summary = "generated rows, random or in sequence",
    .options = &datagen_schema,
    .validate = datagen_validate,
    .source = &datagen_source,
    .operators = datagen_operators,
    .n_operators = ARRAY_LEN(datagen_operators),
};
