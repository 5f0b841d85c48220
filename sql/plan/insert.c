/* INSERT: the query's columns brought to the sink's. */
#include "sql/plan/convert.h"

#include "engine/expr/type_rules.h"
#include "sql/types/resolve.h"

enum { PLAN_ENFORCER_DROP = 1 }; /* of table.exec.sink.not-null-enforcer */

/* A sink being filled: what each of its columns gets. */
struct filling {
    struct sql_plan *p;
    const struct rel_table *table;
    const struct rel *query;
    const struct sql_table_column *
        *columns; /* of the sink: physical and metadata that is written */
    uint32_t n;
    uint32_t *from;            /* by sink column: the query's; PLAN_NO_COLUMN: not given */
    const struct expr **fixed; /* by sink column: of the static partition; NULL: none */
    uint32_t n_expected;       /* columns that the query has to have */
    bool has_columns;          /* a list was written */
    struct vec conds;          /* const struct expr *: rows that are written */
};

/* ---- columns ------------------------------------------------------------------------------------------ */

static uint32_t find_column(const struct filling *f, struct slice name)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (slice_eq_cstr(name, f->columns[i]->name)) {
            return i;
        }
    }
    return PLAN_NO_COLUMN;
}

static void gather_columns(struct filling *f)
{
    const struct sql_table *d = f->table->definition;
    f->columns = arena_alloc(&f->p->arena, (d->n_columns + 1) * sizeof(*f->columns));
    f->from = arena_alloc(&f->p->arena, (d->n_columns + 1) * sizeof(*f->from));
    f->fixed = arena_zalloc(&f->p->arena, (d->n_columns + 1) * sizeof(*f->fixed));
    for (uint32_t i = 0; i < d->n_columns; i++) {
        const struct sql_table_column *c = &d->columns[i];
        if (c->kind == SQL_COLUMN_PHYSICAL || (c->kind == SQL_COLUMN_METADATA && !c->is_virtual)) {
            f->from[f->n] = PLAN_NO_COLUMN;
            f->columns[f->n++] = c;
        }
    }
}

static int no_column(const struct filling *f, struct slice name, struct error *err)
{
    const struct sql_table *d = f->table->definition;
    for (uint32_t i = 0; i < d->n_columns; i++) {
        if (slice_eq_cstr(name, d->columns[i].name)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Column '%s' of table '%s' is computed or read only: it cannot be "
                             "written",
                             d->columns[i].name, f->table->table.name);
        }
    }
    const char **names = arena_alloc(&f->p->arena, (f->n + 1) * sizeof(*names));
    for (uint32_t i = 0; i < f->n; i++) {
        names[i] = f->columns[i]->name;
    }
    char *text = arena_strndup(&f->p->arena, name.data, name.len);
    const char *near = cstr_nearest(text, names, f->n);
    return error_set(err, ERR_NOT_FOUND, "Unknown target column '%s'%s%s%s", text,
                     near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                     near != NULL ? "'?" : "");
}

/* INSERT INTO t (b, a), or all that have no fixed value. */
static int assign(struct filling *f, const struct sql_insert *insert, struct sql_error_place *place,
                  struct error *err)
{
    for (uint32_t i = 0; i < insert->n_columns; i++) {
        const struct sql_path *path = &insert->columns[i];
        const uint32_t at = path->n == 1 ? find_column(f, path->parts[0].text) : PLAN_NO_COLUMN;
        place->span = path->span;
        if (path->n != 1) {
            return plan_unsupported(err, "INSERT into a field of a row");
        }
        if (at == PLAN_NO_COLUMN) {
            return no_column(f, path->parts[0].text, err);
        }
        if (f->from[at] != PLAN_NO_COLUMN || f->fixed[at] != NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Target column '%s' is assigned more than once", f->columns[at]->name);
        }
        f->from[at] = i;
    }
    f->n_expected = insert->n_columns;
    f->has_columns = insert->n_columns > 0;
    return 0;
}

static void assign_all(struct filling *f)
{
    for (uint32_t i = 0; i < f->n && !f->has_columns; i++) {
        if (f->fixed[i] == NULL) {
            f->from[i] = f->n_expected++;
        }
    }
}

/* CREATE TABLE AS: the table was made of these columns, perhaps in another order and with more of its own. */
static void assign_by_name(struct filling *f)
{
    const struct schema *s = f->query->schema;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        uint32_t at = find_column(f, slice_cstr(s->fields[i].name));
        if (at != PLAN_NO_COLUMN) {
            f->from[at] = i;
            f->n_expected++;
        }
    }
}

/* ---- the partition ------------------------------------------------------------------------------------ */

static int fix_item(struct filling *f, const struct sql_partition_item *item,
                    struct text_map *values, struct error *err)
{
    const struct slice name = item->column.text;
    const struct sql_scope nothing = {NULL, 0, NULL};
    const uint32_t at = find_column(f, name);
    const struct expr *e;
    struct sql_error_place inner;
    if (at == PLAN_NO_COLUMN ||
        !sql_name_list_has(&f->table->definition->partition_keys, f->columns[at]->name)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Static partition column '%.*s' not found in the partition keys of table "
                         "'%s'",
                         (int)name.len, name.data, f->table->table.name);
    }
    if (item->value == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The static partition column '%.*s' needs a value", (int)name.len,
                         name.data);
    }
    TRY(plan_resolve_plain(f->p, &nothing, item->value, &e, &inner, err));
    TRY(expr_cast(f->p->pool, e, f->columns[at]->type, false, &e, err));
    e = expr_fold(f->p->pool, e, f->p->options.zone);
    if (e->kind != EXPR_LITERAL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The value of the static partition column '%.*s' must be a literal",
                         (int)name.len, name.data);
    }
    f->fixed[at] = e;
    struct data_type *text = type_new_string(true);
    const struct expr *shown;
    int rc = expr_cast(f->p->pool, e, text, false, &shown, err);
    type_unref(text);
    TRY(rc);
    shown = expr_fold(f->p->pool, shown, f->p->options.zone);
    if (shown->kind == EXPR_LITERAL && !shown->value.is_null) {
        text_map_put(values, name, shown->value.bytes);
    }
    return 0;
}

static void drop_map(void *m)
{
    text_map_fini(m);
}

static int fix_partition(struct filling *f, const struct sql_insert *insert,
                         struct table_write *request, struct sql_error_place *place,
                         struct error *err)
{
    if (insert->partition.n == 0) {
        return 0;
    }
    struct text_map *values = arena_zalloc(&f->p->arena, sizeof(*values));
    arena_on_fini(&f->p->arena, drop_map, values);
    for (uint32_t i = 0; i < insert->partition.n; i++) {
        place->span = insert->partition.items[i].column.span;
        TRY(fix_item(f, &insert->partition.items[i], values, err));
    }
    request->partition = values;
    return 0;
}

/* ---- types -------------------------------------------------------------------------------------------- */

static void print_schema(const char *what, const struct schema *s, struct str *out)
{
    str_printf(out, "\n%s schema: %*s[", what, what[0] == 'S' ? 1 : 0, "");
    for (uint32_t i = 0; i < s->n_fields; i++) {
        str_printf(out, "%s%s: ", i > 0 ? ", " : "", s->fields[i].name);
        type_print(s->fields[i].type, out);
    }
    str_append_char(out, ']');
}

static struct schema *sink_schema(const struct filling *f)
{
    const char **names = mem_alloc((f->n + 1) * sizeof(*names));
    struct data_type **types = mem_alloc((f->n + 1) * sizeof(struct data_type *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->from[i] != PLAN_NO_COLUMN) {
            names[n] = f->columns[i]->name;
            types[n++] = type_ref(f->columns[i]->type);
        }
    }
    struct schema *s = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return s;
}

static int mismatch(const struct filling *f, const char *cause, struct error *err)
{
    STR_AUTO text = STR_INIT;
    struct schema *sink = sink_schema(f);
    print_schema("Query", f->query->schema, &text);
    print_schema("Sink", sink, &text);
    schema_unref(sink);
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "Column types of query result and sink for '%s' do not match.\nCause: "
                     "%s\n%s",
                     f->table->table.name, cause, str_cstr(&text));
}

/* NULL for a column that has none stops the job, or drops the row. */
static int enforce_not_null(struct filling *f, const struct sql_table_column *c,
                            const struct expr **inout, struct error *err)
{
    struct sql_plan *p = f->p;
    if (c->type->nullable || !(*inout)->type->nullable) {
        return 0;
    }
    if (p->options.conf != NULL &&
        conf_enum(p->options.conf, "table.exec.sink.not-null-enforcer") == PLAN_ENFORCER_DROP) {
        const struct expr *there;
        TRY(expr_call(p->pool, "IS NOT NULL", inout, 1, &there, err));
        vec_push_ptr(&f->conds, there);
        return 0;
    }
    const struct expr *args[2] = {*inout, expr_string(p->pool, slice_cstr(c->name))};
    return expr_call(p->pool, "$ENFORCE_NOT_NULL", args, 2, inout, err);
}

/* What the sink's column gets. */
static int fill_column(struct filling *f, uint32_t i, const struct expr **ret, struct error *err)
{
    struct sql_plan *p = f->p;
    const struct sql_table_column *c = f->columns[i];
    if (f->fixed[i] != NULL) {
        *ret = f->fixed[i];
        return 0;
    }
    if (f->from[i] == PLAN_NO_COLUMN) {
        if (!c->type->nullable) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Column '%s' has no default value and does not allow NULLs", c->name);
        }
        *ret = expr_null(p->pool, type_ref(c->type));
        return 0;
    }
    const struct expr *e = plan_input(p, f->query, f->from[i]);
    if (e->type->id == TYPE_NULL) {
        return expr_cast(p->pool, e, c->type, false, ret, err);
    }
    STR_AUTO cause = STR_INIT;
    if (!type_casts_implicitly(e->type, c->type)) {
        str_printf(&cause, "Incompatible types for sink column '%s' at position %u.", c->name, i);
        return mismatch(f, str_cstr(&cause), err);
    }
    TRY(expr_cast(p->pool, e, c->type, false, ret, err));
    return enforce_not_null(f, c, ret, err);
}

static int fill(struct filling *f, const struct rel **ret, struct error *err)
{
    const struct expr **outputs = arena_alloc(&f->p->arena, (f->n + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&f->p->arena, (f->n + 1) * sizeof(*names));
    uint32_t n = 0;
    if (f->query->schema->n_fields != f->n_expected) {
        return mismatch(f, "Different number of columns.", err);
    }
    /* Physical columns, then metadata, as connectors have them. */
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < f->n; i++) {
            if ((f->columns[i]->kind == SQL_COLUMN_METADATA) == (round == 1)) {
                names[n] = f->columns[i]->name;
                TRY(fill_column(f, i, &outputs[n++], err));
            }
        }
    }
    *ret = plan_project(f->p, plan_filter(f->p, f->query, plan_exprs(f->p, &f->conds)), outputs,
                        names, n);
    return 0;
}

/* ---- the sink ----------------------------------------------------------------------------------------- */

static int check_sink(const struct rel_table *t, struct error *err)
{
    if (t->definition->kind == SQL_TABLE_KIND_VIEW) {
        return error_set(err, ERR_INVALID_ARGUMENT, "A view cannot be written");
    }
    if (t->table.connector->sink == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "Unable to create a sink for writing table '%s': Connector '%s' can only "
                         "be used as a source. It cannot be used as a sink.",
                         t->table.name, t->table.connector->identifier);
    }
    return 0;
}

static int make_sink(struct filling *f, struct table_write request, const struct rel **ret,
                     struct error *err)
{
    struct sql_plan *p = f->p;
    const struct rel *input;
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(char *);
    f->conds = (struct vec)VEC_INIT(void *);
    int rc = fill(f, &input, err);
    vec_fini(&f->conds);
    TRY(rc);
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->columns[i]->kind == SQL_COLUMN_METADATA) {
            vec_push_ptr(&keys, f->columns[i]->metadata_key != NULL ? f->columns[i]->metadata_key
                                                                    : f->columns[i]->name);
        }
    }
    request.metadata = plan_copy(p, keys.data, keys.len * sizeof(char *));
    request.n_metadata = (uint32_t)keys.len;
    request.kinds = input->kinds;
    struct rel *r = plan_node(p, REL_SINK, &input, 1);
    r->sink = (struct rel_sink){f->table, request, input->schema};
    *ret = r;
    return plan_check(p, err);
}

static int open_sink(struct sql_plan *p, const struct sql_found_table *found,
                     const struct sql_properties *hints, struct filling *f, struct error *err)
{
    if (found->table->kind == SQL_TABLE_KIND_VIEW) {
        STR_AUTO name = STR_INIT;
        sql_identifier_print(&found->id, &name);
        return error_set(err, ERR_INVALID_ARGUMENT, "View '%s' cannot be written", str_cstr(&name));
    }
    TRY(plan_open_table(p, &found->id, found->table, hints, &f->table, err));
    TRY(check_sink(f->table, err));
    f->p = p;
    gather_columns(f);
    return 0;
}

static int insert_found(struct sql_plan *p, const struct sql_insert *insert, struct slice text,
                        const struct sql_found_table *found, const struct rel **ret,
                        struct sql_error_place *place, struct error *err)
{
    struct filling f = {.p = p};
    struct table_write request = {.overwrite = insert->is_overwrite};
    const struct sql_properties *hints = NULL;
    for (uint32_t i = 0; i < insert->hints.n; i++) {
        if (slice_eq_cstr(insert->hints.items[i].name.text, "OPTIONS")) {
            hints = &insert->hints.items[i].properties;
        }
    }
    TRY(open_sink(p, found, hints, &f, err));
    if (insert->conflict != SQL_CONFLICT_DEFAULT) {
        return plan_unsupported(err, "ON CONFLICT");
    }
    TRY(fix_partition(&f, insert, &request, place, err));
    TRY(assign(&f, insert, place, err));
    assign_all(&f);
    TRY(plan_convert(p, insert->query, text, &f.query, place, err));
    place->span = insert->query->span;
    return make_sink(&f, request, ret, err);
}

int sql_plan_insert(struct sql_plan *p, const struct sql_statement *statement, struct slice text,
                    const struct rel **ret, struct sql_error_place *place, struct error *err)
{
    struct sql_error_place nowhere;
    struct sql_found_table found;
    const struct sql_insert *insert = statement->insert;
    struct sql_error_place *at = place != NULL ? place : &nowhere;
    TRY(sql_manager_resolve_table(p->options.manager, &insert->table, &p->arena, &found, at, err));
    at->span = insert->table.span;
    int rc = insert_found(p, insert, text, &found, ret, at, err);
    sql_table_unref(found.table);
    return rc;
}

int sql_plan_insert_into(struct sql_plan *p, const struct sql_identifier *sink,
                         const struct rel *query, const struct rel **ret, struct error *err)
{
    struct sql_found_table found = {.id = *sink};
    struct filling f = {.p = p, .query = query};
    const struct table_write request = {.overwrite = false};
    int rc =
        sql_manager_find_table(p->options.manager, sink, &found.table, &found.is_temporary, err);
    if (rc == 0) {
        return error_set(err, ERR_NOT_FOUND, "Table '%s.%s.%s' was not found.", sink->catalog,
                         sink->database, sink->name);
    }
    rc = rc > 0 ? open_sink(p, &found, NULL, &f, err) : rc;
    if (rc == 0) {
        assign_by_name(&f);
        rc = make_sink(&f, request, ret, err);
    }
    sql_table_unref(found.table);
    return rc;
}
