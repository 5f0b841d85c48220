/* Tables and bytes as they pass between the engine and plug-ins; see plugin_internal.h. */
#include "connectors/plugin/plugin_internal.h"
#include "engine/table/options.h"

/* ---- tables ---------------------------------------------------------------------------------------- */

/* What was given, and the defaults of what was not. */
static void add_options(const struct table *t, struct arena *arena, Flinc__PluginTableConfig *ret)
{
    const struct conf_schema *schema = t->connector->options;
    size_t cap = t->options->conf.entries.len, n = 0;

    for (size_t g = 0; g < schema->n_groups; g++) {
        cap += schema->groups[g]->n_options;
    }
    ret->keys = arena_alloc(arena, sizeof(char *) * (cap + 1));
    ret->values = arena_alloc(arena, sizeof(char *) * (cap + 1));
    MAP_FOREACH (&t->options->conf.entries, item) {
        const struct conf_entry *e = item->value;
        ret->keys[n] = arena_strdup(arena, e->key);
        ret->values[n++] = arena_strdup(arena, e->value);
    }
    for (size_t g = 0; g < schema->n_groups; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options; i++) {
            const struct conf_option *o = &schema->groups[g]->options[i];
            if (o->default_text != NULL && conf_raw(&t->options->conf, o->name) == NULL) {
                ret->keys[n] = arena_strdup(arena, o->name);
                ret->values[n++] = arena_strdup(arena, o->default_text);
            }
        }
    }
    ret->n_keys = ret->n_values = n;
}

void plugin_table_config(const struct table *t, const struct schema *schema, struct arena *arena,
                         Flinc__PluginTableConfig *ret)
{
    flinc__plugin_table_config__init(ret);
    ret->connector = arena_strdup(arena, t->connector->identifier);
    ret->table = arena_strdup(arena, t->name);
    ret->columns = arena_alloc(arena, sizeof(char *) * (schema->n_fields + 1));
    ret->types = arena_alloc(arena, sizeof(char *) * (schema->n_fields + 1));
    ret->n_columns = ret->n_types = schema->n_fields;
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        STR_AUTO type = STR_INIT;
        type_print(schema->fields[i].type, &type);
        ret->columns[i] = arena_strdup(arena, schema->fields[i].name);
        ret->types[i] = arena_strdup(arena, str_cstr(&type));
    }
    add_options(t, arena, ret);
}

static const char *get_option(const flinc_connector_table *table, const char *option)
{
    const struct plugin_table *t = (const struct plugin_table *)table;

    for (size_t i = 0; i < t->config->n_keys; i++) {
        if (strcmp(t->config->keys[i], option) == 0) {
            return t->config->values[i];
        }
    }
    return NULL;
}

void plugin_table_show(struct plugin_table *ret, const Flinc__PluginTableConfig *config,
                       uint32_t subtask, uint32_t parallelism)
{
    *ret = (struct plugin_table){.face = {.struct_size = sizeof(ret->face),
                                          .name = config->table,
                                          .n_columns = (uint32_t)config->n_columns,
                                          .columns = (const char *const *)config->columns,
                                          .types = (const char *const *)config->types,
                                          .subtask = subtask,
                                          .parallelism = parallelism,
                                          .get = get_option},
                                 .config = config};
}

/* ---- operators ------------------------------------------------------------------------------------- */

int plugin_operator_open(struct plugin_operator *p, const struct op_context *ctx, struct error *err)
{
    const struct table_connector *found = NULL;

    p->config =
        flinc__plugin_table_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (p->config == NULL || p->config->n_keys != p->config->n_values ||
        p->config->n_columns != p->config->n_types) {
        return error_set(err, ERR_PARSE, "the configuration of a connector's operator is damaged");
    }
    TRY_CTX(
        err, table_connector_require(p->config->connector, &found, err),
        "looking for the connector of table '%s': its plug-in must lie in plugins/ of every task "
        "manager",
        p->config->table);
    p->connector = plugin_connector_of(found);
    if (p->connector == NULL) {
        return error_set(err, ERR_STATE, "the connector '%s' is none of a plug-in here",
                         p->config->connector);
    }
    plugin_table_show(&p->table, p->config, ctx->subtask, ctx->parallelism);
    return 0;
}

void plugin_operator_close(struct plugin_operator *p)
{
    if (p->config != NULL) {
        flinc__plugin_table_config__free_unpacked(p->config, NULL);
        p->config = NULL;
    }
}

int plugin_connector_result(const struct plugin_connector *c, int code,
                            const flinc_connector_error *why, const char *doing, const char *table,
                            struct error *err)
{
    static const int codes[] = {0, ERR_INVALID_ARGUMENT, ERR_UNAVAILABLE, ERR_CORRUPT};

    if (code == 0) {
        return 0;
    }
    int ours = code > 0 && code < (int)ARRAY_LEN(codes) ? codes[code] : ERR_UNAVAILABLE;
    return error_set(err, ours, "connector '%s', %s table '%s': %.*s", c->base.identifier, doing,
                     table, FLINC_CONNECTOR_MESSAGE_MAX - 1,
                     why->message[0] != '\0' ? why->message : "it failed without a reason");
}

int plugin_connector_misbehaves(const struct plugin_connector *c, const char *how,
                                struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "connector '%s' (%s) does not keep to flinc/connector.h: it %s",
                     c->base.identifier, c->path, how);
}

/* ---- bytes ----------------------------------------------------------------------------------------- */

static void add_bytes(flinc_connector_bytes *to, const void *data, size_t size)
{
    struct plugin_bytes *b = (struct plugin_bytes *)to;

    if (b->items.len == b->max) {
        b->too_many = true;
    } else if (size > FLINC_CONNECTOR_BYTES_MAX) {
        b->too_large = true;
    } else {
        struct str *s = VEC_PUSH(&b->items, struct str);
        *s = (struct str)STR_INIT;
        str_append(s, data, size);
    }
}

void plugin_bytes_init(struct plugin_bytes *b, uint32_t max)
{
    *b = (struct plugin_bytes){
        .face = {.add = add_bytes}, .items = VEC_INIT(struct str), .max = max};
}

void plugin_bytes_fini(struct plugin_bytes *b)
{
    for (size_t i = 0; i < b->items.len; i++) {
        str_fini(VEC_AT(&b->items, struct str, i));
    }
    vec_fini(&b->items);
}

int plugin_bytes_check(const struct plugin_bytes *b, const struct plugin_connector *c,
                       struct error *err)
{
    if (b->too_many) {
        return plugin_connector_misbehaves(
            c, "gives more splits, positions or committables than it may", err);
    }
    return b->too_large ? plugin_connector_misbehaves(
                              c, "gives more than FLINC_CONNECTOR_BYTES_MAX bytes at once", err)
                        : 0;
}
