/* A plug-in's table as a connector of engine/table: its options, its plans; see plugin.h. */
#include "connectors/plugin/plugin_internal.h"
#include "engine/table/options.h"

/* ---- what it says of itself ------------------------------------------------------------------------- */

static struct plugin_connector *of_table(const struct table *t)
{
    return plugin_connector_of(t->connector);
}

static int call_validate(const struct table *t, struct error *err)
{
    struct plugin_connector *c = of_table(t);
    Flinc__PluginTableConfig config;
    struct plugin_table table;
    flinc_connector_error why = {{0}};
    struct arena arena;

    if (c->table.validate == NULL) {
        return 0;
    }
    arena_init(&arena, 0);
    plugin_table_config(t, t->schema, &arena, &config);
    plugin_table_show(&table, &config, 0, 1);
    int code = c->table.validate(&table.face, &why);
    arena_fini(&arena);
    return plugin_connector_result(c, code, &why, "checking", t->name, err);
}

static bool source_is_bounded(const struct table *t)
{
    struct plugin_connector *c = of_table(t);
    Flinc__PluginTableConfig config;
    struct plugin_table table;
    struct arena arena;

    if (c->source.is_bounded == NULL) {
        return true;
    }
    arena_init(&arena, 0);
    plugin_table_config(t, t->schema, &arena, &config);
    plugin_table_show(&table, &config, 0, 1);
    bool bounded = c->source.is_bounded(&table.face);
    arena_fini(&arena);
    return bounded;
}

static uint32_t sink_kinds(const struct table *t, uint32_t requested)
{
    uint32_t kinds = of_table(t)->sink.kinds;

    kinds = kinds != 0 ? kinds : TABLE_INSERT;
    return (requested & ~kinds & ~(uint32_t)TABLE_UPDATE_BEFORE) == 0 ? requested & kinds : 0;
}

static void set_config(const struct table *t, struct arena *arena, struct table_node *ret,
                       const char *kind)
{
    Flinc__PluginTableConfig config;

    plugin_table_config(t, t->schema, arena, &config);
    config.is_bounded = ret->bounded;
    ret->kind = kind;
    table_node_set_config(ret, arena, &config.base);
}

static int plan_source(const struct table *t, const struct table_scan *scan, struct arena *arena,
                       struct table_node *ret, struct error *err)
{
    (void)scan;
    (void)err;
    set_config(t, arena, ret, operator_plugin_source.kind);
    return 0;
}

static int plan_sink(const struct table *t, const struct table_write *write, struct arena *arena,
                     struct table_node *ret, struct error *err)
{
    (void)write;
    (void)err;
    set_config(t, arena, ret, operator_plugin_sink.kind);
    return 0;
}

struct plugin_connector *plugin_connector_of(const struct table_connector *c)
{
    return c->validate == call_validate
               ? CONTAINER_OF((struct table_connector *)(uintptr_t)c, struct plugin_connector, base)
               : NULL;
}

/* ---- options --------------------------------------------------------------------------------------- */

static int take_option(const flinc_table_option *from, struct conf_option *to, const char *path,
                       struct error *err)
{
    static const enum conf_type types[] = {
        [FLINC_TABLE_OPTION_STRING] = CONF_TYPE_STRING,
        [FLINC_TABLE_OPTION_BOOL] = CONF_TYPE_BOOL,
        [FLINC_TABLE_OPTION_INT] = CONF_TYPE_INT,
        [FLINC_TABLE_OPTION_LONG] = CONF_TYPE_LONG,
        [FLINC_TABLE_OPTION_DOUBLE] = CONF_TYPE_DOUBLE,
        [FLINC_TABLE_OPTION_DURATION] = CONF_TYPE_DURATION,
        [FLINC_TABLE_OPTION_MEMORY] = CONF_TYPE_MEMORY,
        [FLINC_TABLE_OPTION_ENUM] = CONF_TYPE_ENUM,
        [FLINC_TABLE_OPTION_LIST] = CONF_TYPE_LIST,
    };

    if ((size_t)from->type >= ARRAY_LEN(types) || from->description == NULL ||
        (from->type == FLINC_TABLE_OPTION_ENUM && from->values == NULL)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: the option '%.60s' has no type, no description, or no values", path,
                         from->name);
    }
    *to = (struct conf_option){
        .name = from->name,
        .type = types[from->type],
        .default_text = from->default_text,
        .enum_values = from->values,
        .min = from->min,
        .max = from->max,
        .description = from->description,
        .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN |
                 ((from->flags & FLINC_TABLE_OPTION_REQUIRED) != 0 ? CONF_FLAG_REQUIRED : 0) |
                 ((from->flags & FLINC_TABLE_OPTION_FORWARDED) != 0 ? CONF_FLAG_FORWARDED : 0) |
                 ((from->flags & FLINC_TABLE_OPTION_SECRET) != 0 ? CONF_FLAG_SENSITIVE : 0)};
    return 0;
}

static int take_options(struct plugin_connector *c, struct error *err)
{
    static const struct conf_option parallelism[] = {
        {"scan.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the source.",
         .flags = CONF_FLAG_EFFECTIVE},
        {"sink.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the sink.",
         .flags = CONF_FLAG_EFFECTIVE},
    };
    const char *at = (const char *)c->table.options;
    struct conf_option *rows =
        MEM_NEW_ARRAY(struct conf_option, FLINC_CONNECTOR_OPTIONS_MAX + ARRAY_LEN(parallelism));
    size_t n = 0;
    int rc = 0;

    for (; at != NULL && rc == 0; at += c->table.option_size) {
        const flinc_table_option *o = (const flinc_table_option *)(const void *)at;
        if (o->name == NULL) {
            break;
        }
        rc = n == FLINC_CONNECTOR_OPTIONS_MAX
                 ? error_set(err, ERR_INVALID_ARGUMENT, "%s has more than %d options", c->path,
                             FLINC_CONNECTOR_OPTIONS_MAX)
                 : take_option(o, &rows[n++], c->path, err);
    }
    if (c->table.source != NULL) {
        rows[n++] = parallelism[0];
    }
    if (c->table.sink != NULL) {
        rows[n++] = parallelism[1];
    }
    c->group = (struct conf_group){c->table.name, rows, n};
    c->groups[0] = &table_options_common;
    c->groups[1] = &c->group;
    c->schema = (struct conf_schema){
        .groups = c->groups, .n_groups = ARRAY_LEN(c->groups), .lock = PTHREAD_MUTEX_INITIALIZER};
    TRY(rc);
    TRY_CTX(err, conf_schema_check(&c->schema, err), "the options of %s", c->path);
    return 0;
}

/* ---- taking one over ------------------------------------------------------------------------------- */

static int bad_table(const struct plugin_connector *c, const char *what, struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT, "%s: %s", c->path, what);
}

static int take_source(struct plugin_connector *c, struct error *err)
{
    if (c->table.source == NULL) {
        return 0;
    }
    memcpy(&c->source, c->table.source,
           MIN((size_t)c->table.source->struct_size, sizeof(c->source)));
    if (c->source.splits == NULL || c->source.open == NULL || c->source.poll == NULL ||
        c->source.position == NULL || c->source.close == NULL) {
        return bad_table(c, "a function that a source must have is missing", err);
    }
    c->base_source = (struct table_source){.is_bounded = source_is_bounded, .plan = plan_source};
    c->base.source = &c->base_source;
    return 0;
}

static int take_sink(struct plugin_connector *c, struct error *err)
{
    if (c->table.sink == NULL) {
        return 0;
    }
    memcpy(&c->sink, c->table.sink, MIN((size_t)c->table.sink->struct_size, sizeof(c->sink)));
    if (c->sink.open == NULL || c->sink.write == NULL || c->sink.close == NULL ||
        (c->sink.prepare == NULL) != (c->sink.commit == NULL)) {
        return bad_table(c, "a function that a sink must have is missing", err);
    }
    c->base_sink = (struct table_sink){.kinds = sink_kinds, .plan = plan_sink};
    c->base.sink = &c->base_sink;
    return 0;
}

/* Nothing behind the first two fields is read before they fit. */
static int take_table(struct plugin_connector *c, const flinc_connector *theirs, struct error *err)
{
    if (theirs == NULL) {
        return bad_table(c, "it gives no table of functions", err);
    }
    if (theirs->abi_version != FLINC_CONNECTOR_ABI_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s was built for version %u of the interface of connectors, this is "
                         "version %d: %s",
                         c->path, theirs->abi_version, FLINC_CONNECTOR_ABI_VERSION,
                         theirs->abi_version < FLINC_CONNECTOR_ABI_VERSION
                             ? "build it again with the headers of this version"
                             : "it is made for a newer version, upgrade this installation");
    }
    if (theirs->struct_size < sizeof(flinc_connector) || theirs->struct_size > 64 * 1024 ||
        theirs->option_size < sizeof(flinc_table_option) || theirs->option_size > 4096) {
        return bad_table(c,
                         "its tables have sizes that cannot be; build it again with the headers of "
                         "this version",
                         err);
    }
    memcpy(&c->table, theirs, sizeof(c->table));
    size_t n = c->table.name != NULL ? strlen(c->table.name) : 0;
    if (n == 0 || n > 100 || strspn(c->table.name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != n ||
        c->table.description == NULL) {
        return bad_table(c, "the connector has no proper name, or no description", err);
    }
    TRY(take_options(c, err));
    TRY(take_source(c, err));
    return take_sink(c, err);
}

static int take(struct plugin_connector *c, const flinc_connector *theirs, struct error *err)
{
    TRY(take_table(c, theirs, err));
    if (c->base.source == NULL && c->base.sink == NULL) {
        return bad_table(c, "the connector is neither a source nor a sink", err);
    }
    c->base.struct_size = sizeof(c->base);
    c->base.version = TABLE_CONNECTOR_VERSION;
    c->base.identifier = c->table.name;
    c->base.summary = c->table.description;
    c->base.options = &c->schema;
    c->base.validate = call_validate;
    TRY_CTX(err, table_connector_register(&c->base, err), "%s", c->path);
    return 0;
}

int connector_plugin_add(const flinc_connector *theirs, const char *path, struct error *err)
{
    struct plugin_connector *c = MEM_NEW(struct plugin_connector);

    c->path = mem_strdup(path);
    int rc = take(c, theirs, err);
    if (rc < 0) {
        conf_schema_fini(&c->schema);
        mem_free((void *)(uintptr_t)c->group.options);
        mem_free(c->path);
        mem_free(c);
    }
    return rc;
}
