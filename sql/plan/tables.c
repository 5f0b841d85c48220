/* Tables of the catalog as relations: opened once per plan, scanned with computed columns, metadata and watermark. */
#include "sql/plan/convert.h"

#include "engine/table/options.h"

/* ---- opening ------------------------------------------------------------------------------------------ */

static void drop_options(void *o)
{
    table_options_fini(o);
}

static void drop_definition(void *t)
{
    sql_table_unref(t);
}

/* The options as WITH has them, and those of the hint over them. */
static void gather_options(const struct sql_table *t, const struct sql_properties *hints,
                           struct text_map *ret)
{
    for (uint32_t i = 0; i < t->options.n; i++) {
        text_map_put(ret, slice_cstr(t->options.items[i].key),
                     slice_cstr(t->options.items[i].value));
    }
    for (uint32_t i = 0; hints != NULL && i < hints->n; i++) {
        text_map_put(ret, hints->items[i].key, hints->items[i].value);
    }
}

static int check_hints(const struct sql_plan *p, const struct sql_properties *hints,
                       struct error *err)
{
    if (hints != NULL && hints->n > 0 && p->options.conf != NULL &&
        !conf_bool(p->options.conf, "table.dynamic-table-options.enabled")) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The 'OPTIONS' hint is allowed only when the config option "
                         "'table.dynamic-table-options.enabled' is set to true.");
    }
    for (uint32_t i = 0; hints != NULL && i < hints->n; i++) {
        if (slice_eq_cstr(hints->items[i].key, "connector")) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "The 'OPTIONS' hint cannot change the option 'connector'.");
        }
    }
    return 0;
}

/* Numbers of columns of the physical schema. */
static const uint32_t *numbers_of(struct sql_plan *p, const struct schema *s,
                                  const struct sql_name_list *names, uint32_t *ret_n)
{
    uint32_t *numbers = arena_alloc(&p->arena, (names->n + 1) * sizeof(*numbers));
    *ret_n = 0;
    for (uint32_t i = 0; i < names->n; i++) {
        int at = schema_find(s, names->items[i]);
        if (at >= 0) {
            numbers[(*ret_n)++] = (uint32_t)at;
        }
    }
    return numbers;
}

static int read_options(struct sql_plan *p, const char *name, const struct sql_table *t,
                        const struct sql_properties *hints, const struct table_options **ret,
                        struct error *err)
{
    CLEANUP(text_map_fini) struct text_map given = TEXT_MAP_INIT;
    struct table_options *options = arena_zalloc(&p->arena, sizeof(*options));
    gather_options(t, hints, &given);
    if (text_map_find(&given, "connector") == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Table options do not contain an option key 'connector' for discovering a "
                         "connector of table '%s'.",
                         name);
    }
    TRY(table_options_read(name, &given, options, err));
    arena_on_fini(&p->arena, drop_options, options);
    *ret = options;
    return 0;
}

static int open_table(struct sql_plan *p, const struct sql_identifier *id,
                      const struct sql_table *definition, const struct sql_properties *hints,
                      struct rel_table *t, struct error *err)
{
    STR_AUTO name = STR_INIT;
    struct schema *schema;
    sql_identifier_print(id, &name);
    t->id = *id;
    t->definition = sql_table_ref(definition);
    arena_on_fini(&p->arena, drop_definition, (void *)(uintptr_t)t->definition);
    t->table.name = arena_strdup(&p->arena, str_cstr(&name));
    TRY(sql_table_schema(definition, SQL_TABLE_PHYSICAL, &schema, err));
    t->table.schema = plan_keep_schema(p, schema);
    TRY(read_options(p, t->table.name, definition, hints, &t->table.options, err));
    t->table.connector = t->table.options->connector;
    t->table.partition_keys =
        numbers_of(p, schema, &definition->partition_keys, &t->table.n_partition_keys);
    t->table.primary_key = numbers_of(p, schema, &definition->key.columns, &t->table.n_primary_key);
    t->table.batch = p->options.is_batch;
    return 0;
}

int plan_open_table(struct sql_plan *p, const struct sql_identifier *id,
                    const struct sql_table *definition, const struct sql_properties *hints,
                    const struct rel_table **ret, struct error *err)
{
    STR_AUTO key = STR_INIT;
    sql_identifier_quote(id, &key);
    str_printf(&key, " %p", (const void *)definition);
    for (uint32_t i = 0; hints != NULL && i < hints->n; i++) {
        str_append_char(&key, '\0');
        str_append_slice(&key, hints->items[i].key);
        str_append_char(&key, '\0');
        str_append_slice(&key, hints->items[i].value);
    }
    struct rel_table *t = map_find_bytes(&p->tables, key.data, key.len);
    if (t == NULL) {
        t = arena_zalloc(&p->arena, sizeof(*t));
        TRY(check_hints(p, hints, err));
        TRY(open_table(p, id, definition, hints, t, err));
        map_put_bytes(&p->tables, key.data, key.len, t);
    }
    *ret = t;
    return 0;
}

/* ---- scans -------------------------------------------------------------------------------------------- */

static const char *metadata_key(const struct sql_table_column *c)
{
    return c->metadata_key != NULL ? c->metadata_key : c->name;
}

/* Where the key is in the list; it is put there when it is not. */
static uint32_t add_key(struct vec *keys, const char *key)
{
    for (size_t i = 0; i < keys->len; i++) {
        if (strcmp(vec_ptr(keys, i), key) == 0) {
            return (uint32_t)i;
        }
    }
    vec_push_ptr(keys, key);
    return (uint32_t)keys->len - 1;
}

static int make_scan(struct sql_plan *p, const struct rel_table *t, const struct rel **ret,
                     struct error *err)
{
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(const char *);
    const struct table_connector *c = t->table.connector;
    struct schema *schema;
    if (c->source == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "Unable to create a source for reading table '%s': Connector '%s' can "
                         "only be used as a sink. It cannot be used as a source.",
                         t->table.name, c->identifier);
    }
    for (uint32_t i = 0; i < t->definition->n_columns; i++) {
        if (t->definition->columns[i].kind == SQL_COLUMN_METADATA) {
            add_key(&keys, metadata_key(&t->definition->columns[i]));
        }
    }
    struct rel *r = plan_node(p, REL_SCAN, NULL, 0);
    r->scan.table = t;
    r->scan.request = TABLE_SCAN_ALL;
    r->scan.request.metadata = plan_copy(p, keys.data, keys.len * sizeof(char *));
    r->scan.request.n_metadata = (uint32_t)keys.len;
    r->is_bounded = c->source->is_bounded == NULL || c->source->is_bounded(&t->table);
    r->kinds = c->source->kinds != NULL ? c->source->kinds(&t->table) : TABLE_INSERT;
    TRY(table_scan_schema(&t->table, &r->scan.request, &schema, err));
    r->schema = plan_keep_schema(p, schema);
    TRY(plan_check_width(p, schema->n_fields, err));
    *ret = r;
    return 0;
}

struct expanding {
    struct sql_plan *p;
    const struct rel_table *table;
    const struct rel *scan;
    struct vec keys;                  /* of metadata, as the scan has them */
    struct sql_scope_column *columns; /* what computed columns see */
    uint32_t n_columns;
};

static int expand_text(struct expanding *x, const char *text, const struct expr **ret,
                       struct error *err)
{
    struct sql_expr *e;
    struct sql_error_place place;
    const struct sql_scope scope = {x->columns, x->n_columns, NULL};
    TRY(sql_parse_expression(slice_cstr(text), &x->p->arena, &e, &place, err));
    return plan_resolve_plain(x->p, &scope, e, ret, &place, err);
}

static void show_column(struct expanding *x, const char *name, const struct expr *e)
{
    x->columns[x->n_columns++] =
        (struct sql_scope_column){.name = slice_cstr(name), .expr = e, .table = {NULL, 0}};
}

/* The column over the scan; physical ones are counted in *physical. */
static int expand_column(struct expanding *x, const struct sql_table_column *c, uint32_t *physical,
                         const struct expr **ret, struct error *err)
{
    if (c->kind == SQL_COLUMN_PHYSICAL) {
        *ret = plan_input(x->p, x->scan, (*physical)++);
        return 0;
    }
    if (c->kind == SQL_COLUMN_METADATA) {
        const uint32_t at = x->table->table.schema->n_fields + add_key(&x->keys, metadata_key(c));
        const struct expr *e = plan_input(x->p, x->scan, at);
        TRY_CTX(err, expr_cast(x->p->pool, e, c->type, false, ret, err), "metadata column '%s'",
                c->name);
        return 0;
    }
    TRY_CTX(err, expand_text(x, c->expr, ret, err), "computed column '%s' of table '%s'", c->name,
            x->table->table.name);
    return 0;
}

/* Computed columns see the others only. */
static int expand_columns(struct expanding *x, const struct sql_table *d,
                          const struct expr **outputs, struct error *err)
{
    for (int round = 0; round < 2; round++) {
        uint32_t physical = 0;
        for (uint32_t i = 0; i < d->n_columns; i++) {
            const struct sql_table_column *c = &d->columns[i];
            if ((c->kind == SQL_COLUMN_COMPUTED) != (round == 1)) {
                continue;
            }
            TRY(expand_column(x, c, &physical, &outputs[i], err));
            if (round == 0) {
                show_column(x, c->name, outputs[i]);
            }
        }
    }
    return 0;
}

/* REL_WATERMARK, of streams. */
static int add_watermark(struct expanding *x, const struct rel *input, const struct rel **ret,
                         struct error *err)
{
    struct sql_plan *p = x->p;
    const struct sql_table *d = x->table->definition;
    struct rel_watermark w = {.rowtime = 0};
    x->n_columns = 0;
    for (uint32_t i = 0; i < d->n_columns; i++) {
        show_column(x, d->columns[i].name, plan_input(p, input, i));
    }
    const int at = schema_find(input->schema, d->watermark.column);
    if (at < 0) {
        return plan_unsupported(err, "a watermark on a field of a row");
    }
    TRY_CTX(err, expand_text(x, d->watermark.expr, &w.value, err), "the watermark of table '%s'",
            x->table->table.name);
    w.rowtime = (uint32_t)at;
    w.idle_timeout_ms = p->options.conf != NULL
                            ? conf_duration_ms(p->options.conf, "table.exec.source.idle-timeout")
                            : 0;
    struct rel *r = plan_node(p, REL_WATERMARK, &input, 1);
    r->watermark = w;
    r->schema = input->schema;
    *ret = r;
    return 0;
}

static int expand(struct expanding *x, const struct rel **ret, struct error *err)
{
    const struct sql_table *d = x->table->definition;
    struct sql_plan *p = x->p;
    const struct expr **outputs = arena_alloc(&p->arena, (d->n_columns + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&p->arena, (d->n_columns + 1) * sizeof(*names));
    bool is_plain = true;
    TRY(expand_columns(x, d, outputs, err));
    for (uint32_t i = 0; i < d->n_columns; i++) {
        names[i] = d->columns[i].name;
        is_plain &= d->columns[i].kind == SQL_COLUMN_PHYSICAL;
    }
    *ret = is_plain ? x->scan : plan_project(p, x->scan, outputs, names, d->n_columns);
    return d->watermark.column != NULL && !p->options.is_batch ? add_watermark(x, *ret, ret, err)
                                                               : 0;
}

int plan_scan_table(struct sql_plan *p, const struct rel_table *table, const struct rel **ret,
                    struct error *err)
{
    struct expanding x = {.p = p, .table = table, .keys = VEC_INIT(const char *)};
    x.columns = arena_alloc(&p->arena, (table->definition->n_columns + 1) * sizeof(*x.columns));
    TRY(make_scan(p, table, &x.scan, err));
    int rc = expand(&x, ret, err);
    vec_fini(&x.keys);
    return rc;
}

/* ---- expressions of definitions ----------------------------------------------------------------------- */

static int on_function(void *arg, const struct sql_path *name, const struct expr_function **ret,
                       struct error *err)
{
    return plan_user_function(arg, name, ret, err);
}

int plan_resolve_plain(struct sql_plan *p, const struct sql_scope *scope, const struct sql_expr *e,
                       const struct expr **ret, struct sql_error_place *place, struct error *err)
{
    struct sql_validator v = {
        .pool = p->pool, .zone = p->options.zone, .function = on_function, .arg = p};
    int rc = sql_resolve(&v, scope, e, ret, err);
    if (rc < 0 && place != NULL) {
        place->span = v.has_place ? v.place : e->span;
    }
    return rc;
}

int sql_plan_table_expression(struct sql_plan *p, const struct sql_expr *e,
                              const struct sql_table_column *columns, uint32_t n_columns,
                              const struct expr **ret, struct sql_error_place *place,
                              struct error *err)
{
    struct sql_scope_column *seen = arena_alloc(&p->arena, (n_columns + 1) * sizeof(*seen));
    for (uint32_t i = 0; i < n_columns; i++) {
        seen[i] = (struct sql_scope_column){
            .name = slice_cstr(columns[i].name),
            .table = {NULL, 0},
            .expr = expr_input(p->pool, i, type_ref(columns[i].type)),
        };
    }
    const struct sql_scope scope = {seen, n_columns, NULL};
    return plan_resolve_plain(p, &scope, e, ret, place, err);
}
