/* ALTER TABLE: a copy of the definition is changed, everything that refers to columns is checked again, and then it takes the
 * place of the old one.  Flink: AlterSchemaConverter, SqlAlterTable*Converter. */
#include "sql/catalog/inside.h"

struct change {
    struct sql_execution *x;
    const struct sql_alter *a;
    struct sql_identifier id;
    struct sql_table *t; /* Owns: the copy */
};

static int at_table(const struct sql_table *t, const char *name)
{
    const struct sql_table_column *c = sql_table_find(t, name);
    return c != NULL ? (int)(c - t->columns) : -1;
}

static bool is_alone(const struct sql_path *path)
{
    return path->n == 1;
}

static int nested(struct change *k, const struct sql_path *path)
{
    return sql_refuse(
        k->x, path->span, ERR_UNSUPPORTED, "Alter nested row type %.*s is not supported yet.",
        (int)MIN(path->span.end - path->span.start, 200U), k->x->text.data + path->span.start);
}

/* ---- checks ---------------------------------------------------------------------------------------------- */

/* Names as they stand in an error: `a`, `b` */
static const char *quoted_names(struct sql_execution *x, const struct sql_name_list *names)
{
    STR_AUTO out = STR_INIT;
    for (uint32_t i = 0; i < names->n; i++) {
        str_append_cstr(&out, i > 0 ? ", " : "");
        sql_quote_name(names->items[i], &out);
    }
    return arena_strdup(x->arena, str_cstr(&out));
}

/* `scope` is what the expression sees, without its text; `what` says in messages what it is of. */
static int recheck_expr(struct change *k, const char *text, const char *what,
                        struct sql_column_scope *scope, struct sql_expr_info *ret)
{
    const struct sql_resolver *r = sql_manager_resolver(k->x->m);
    struct sql_error_place inside = {{0, 0}};
    struct error why = ERROR_INIT;
    struct sql_expr *e = NULL;
    *ret = (struct sql_expr_info){.type = NULL};
    scope->text = slice_cstr(text);
    if (r == NULL || r->expression == NULL) {
        return sql_not_yet(k->x, k->a->name.span, "expressions in the definition of a table");
    }
    int rc = sql_parse_expression(slice_cstr(text), k->x->arena, &e, &inside, &why);
    rc = rc < 0 ? rc : r->expression(r->arg, e, scope, ret, &inside, &why);
    return rc < 0 ? sql_refuse(k->x, k->a->name.span, rc, "Invalid expression for %s. %s", what,
                               why.message)
                  : 0;
}

static void set_type(struct sql_table *t, struct data_type **to, struct sql_expr_info *info)
{
    *to = sql_table_keep_type(t, info->type);
    type_unref(info->type);
    mem_free(info->text);
}

static int recheck_computed(struct change *k)
{
    struct sql_table *t = k->t;
    uint32_t n = 0;
    struct sql_table_column *seen = arena_alloc(k->x->arena, (t->n_columns + 1) * sizeof(*seen));
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].kind != SQL_COLUMN_COMPUTED) {
            seen[n++] = t->columns[i];
        }
    }
    struct sql_column_scope scope = {.columns = seen, .n_columns = n};
    for (uint32_t i = 0; i < t->n_columns; i++) {
        struct sql_table_column *c = &t->columns[i];
        struct sql_expr_info info;
        if (c->kind == SQL_COLUMN_COMPUTED) {
            const char *what = arena_printf(k->x->arena, "computed column '%s'", c->name);
            TRY(recheck_expr(k, c->expr, what, &scope, &info));
            set_type(t, &c->type, &info);
        }
    }
    return 0;
}

static int recheck_watermark(struct change *k)
{
    struct sql_table *t = k->t;
    struct sql_expr_info info;
    const struct sql_table_column *c = sql_table_find(t, t->watermark.column);
    bool is_time = c != NULL && c->time != SQL_TIME_PROCTIME &&
                   (c->type->id == TYPE_TIMESTAMP || c->type->id == TYPE_TIMESTAMP_LTZ) &&
                   c->type->precision <= 3;
    if (!is_time) {
        STR_AUTO type = STR_INIT;
        if (c != NULL) {
            type_print(c->type, &type);
        }
        return sql_refuse(
            k->x, k->a->name.span, ERR_INVALID_ARGUMENT,
            "Invalid data type of time field for watermark definition. The field must "
            "be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported precision 'p' "
            "is from 0 to 3, but the time field type is %s",
            str_cstr(&type));
    }
    struct sql_column_scope scope = {.columns = t->columns, .n_columns = t->n_columns};
    const char *what = arena_printf(k->x->arena, "watermark of '%s'", t->watermark.column);
    TRY(recheck_expr(k, t->watermark.expr, what, &scope, &info));
    if (info.is_source_watermark) {
        type_unref(info.type);
        info.type = type_ref(c->type);
    }
    set_type(t, &t->watermark.type, &info);
    return 0;
}

static int recheck_key(struct change *k)
{
    struct sql_table *t = k->t;
    for (uint32_t i = 0; i < t->key.columns.n; i++) {
        struct sql_table_column *c = sql_table_find(t, t->key.columns.items[i]);
        ASSERT(c != NULL); /* dropping it was refused */
        if (c->kind != SQL_COLUMN_PHYSICAL) {
            return sql_refuse(k->x, k->a->name.span, ERR_INVALID_ARGUMENT,
                              "Invalid primary key '%s'. Column '%s' is not a physical column.",
                              t->key.name, c->name);
        }
        if (c->type->nullable) {
            struct data_type *type = type_with_nullable(c->type, false);
            c->type = sql_table_keep_type(t, type);
            type_unref(type);
        }
    }
    return 0;
}

static int recheck(struct change *k)
{
    TRY(recheck_key(k));
    TRY(recheck_computed(k));
    TRY(k->t->watermark.column != NULL ? recheck_watermark(k) : 0);
    sql_mark_rowtime(k->t);
    return 0;
}

/* What makes a column one that must keep its name: computed columns (but those that go with it), partitions, watermark. */
static int check_unused(struct change *k, const char *name, struct sql_span span,
                        const struct sql_name_list *going)
{
    struct sql_table *t = k->t;
    struct sql_name_list users = {NULL, 0};
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (sql_name_list_has(&t->columns[i].refs, name) &&
            !sql_name_list_has(going, t->columns[i].name)) {
            sql_name_list_add(&users, k->x->arena, slice_cstr(t->columns[i].name));
        }
    }
    if (users.n > 0) {
        return sql_refuse(k->x, span, ERR_INVALID_ARGUMENT,
                          "The column `%s` is referenced by computed column %s.", name,
                          quoted_names(k->x, &users));
    }
    if (sql_name_list_has(&t->partition_keys, name)) {
        return sql_refuse(k->x, span, ERR_INVALID_ARGUMENT,
                          "The column `%s` is used as the partition keys.", name);
    }
    if (sql_name_list_has(&t->watermark.refs, name)) {
        return sql_refuse(k->x, span, ERR_INVALID_ARGUMENT,
                          "The column `%s` is referenced by watermark expression.", name);
    }
    return 0;
}

static int no_column(struct change *k, const char *name, struct sql_span span)
{
    return sql_refuse(k->x, span, ERR_NOT_FOUND,
                      "The column `%s` does not exist in the base table.%s", name,
                      sql_hint_column(k->x, k->t, name));
}

/* ---- ADD and MODIFY ---------------------------------------------------------------------------------------- */

/* Where a column goes; `otherwise` when nothing is said of it. */
static int place_of(struct change *k, const struct sql_column *c, uint32_t otherwise, uint32_t *ret)
{
    *ret = c->place == SQL_PLACE_FIRST ? 0 : otherwise;
    if (c->place == SQL_PLACE_AFTER) {
        const char *name = sql_text(k->x, c->after.text);
        int at = at_table(k->t, name);
        if (at < 0) {
            return sql_refuse(k->x, c->after.span, ERR_NOT_FOUND,
                              "Referenced column `%s` by 'AFTER' does not exist in the table.%s",
                              name, sql_hint_column(k->x, k->t, name));
        }
        *ret = (uint32_t)at + 1;
    }
    return 0;
}

static int add_column(struct change *k, const struct sql_column *c)
{
    struct sql_table_column made;
    uint32_t at;
    TRY(sql_define_column(k->x, k->t, c, &made));
    if (sql_table_find(k->t, made.name) != NULL) {
        return sql_refuse(k->x, c->name.span, ERR_ALREADY_EXISTS,
                          "Try to add a column `%s` which already exists in the table.", made.name);
    }
    TRY(place_of(k, c, k->t->n_columns, &at));
    *sql_table_insert(k->t, at) = made;
    return 0;
}

static int modify_column(struct change *k, const struct sql_column *c)
{
    struct sql_table_column made;
    uint32_t at;
    TRY(sql_define_column(k->x, k->t, c, &made));
    int old = at_table(k->t, made.name);
    if (old < 0) {
        return sql_refuse(k->x, c->name.span, ERR_NOT_FOUND,
                          "Try to modify a column `%s` which does not exist in the table.%s",
                          made.name, sql_hint_column(k->x, k->t, made.name));
    }
    if (made.comment == NULL) {
        made.comment = k->t->columns[old].comment;
    }
    TRY(place_of(k, c, (uint32_t)old, &at));
    sql_table_remove(k->t, (uint32_t)old);
    at -= at > (uint32_t)old ? 1 : 0;
    *sql_table_insert(k->t, at) = made;
    return 0;
}

static int change_columns(struct change *k)
{
    const struct sql_table_elements *e = &k->a->elements;
    for (uint32_t i = 0; i < e->n_columns; i++) {
        if (!is_alone(&e->columns[i].name)) {
            return nested(k, &e->columns[i].name);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (slice_compare(e->columns[i].name.parts[0].text, e->columns[j].name.parts[0].text) ==
                0) {
                return sql_refuse(k->x, e->columns[i].name.span, ERR_INVALID_ARGUMENT,
                                  "Encounter duplicate column `%s`.",
                                  sql_text(k->x, e->columns[i].name.parts[0].text));
            }
        }
        TRY(k->a->kind == SQL_ALTER_ADD ? add_column(k, &e->columns[i])
                                        : modify_column(k, &e->columns[i]));
    }
    return 0;
}

static int change_watermark(struct change *k)
{
    const struct sql_table_elements *e = &k->a->elements;
    if (e->n_watermarks == 0) {
        return 0;
    }
    if (e->n_watermarks > 1) {
        return sql_refuse(k->x, e->watermarks[1].span, ERR_INVALID_ARGUMENT,
                          "Multiple WATERMARK statements is not supported yet.");
    }
    bool has_one = k->t->watermark.column != NULL;
    if (has_one && k->a->kind == SQL_ALTER_ADD) {
        return sql_refuse(
            k->x, e->watermarks[0].span, ERR_ALREADY_EXISTS,
            "The base table has already defined the watermark strategy `%s` AS %s. You "
            "might want to drop it before adding a new one.",
            k->t->watermark.column, k->t->watermark.expr);
    }
    if (!has_one && k->a->kind == SQL_ALTER_MODIFY) {
        return sql_refuse(
            k->x, e->watermarks[0].span, ERR_NOT_FOUND,
            "The base table does not define any watermark. You might want to add a new "
            "one.");
    }
    return sql_define_watermark(k->x, k->t, &e->watermarks[0]);
}

static int change_key(struct change *k)
{
    const struct sql_constraint *key = NULL;
    TRY(sql_find_key(k->x, &k->a->elements, &key));
    if (key == NULL) {
        return 0;
    }
    bool has_one = k->t->key.name != NULL;
    if (has_one && k->a->kind == SQL_ALTER_ADD) {
        return sql_refuse(k->x, key->span, ERR_ALREADY_EXISTS,
                          "The base table has already defined the primary key constraint [%s]. You "
                          "might want to drop it before adding a new one.",
                          quoted_names(k->x, &k->t->key.columns));
    }
    if (!has_one && k->a->kind == SQL_ALTER_MODIFY) {
        return sql_refuse(
            k->x, key->span, ERR_NOT_FOUND,
            "The base table does not define any primary key constraint. You might want "
            "to add a new one.");
    }
    return sql_define_key(k->x, k->t, key);
}

static int change_distribution(struct change *k)
{
    bool has_one = k->t->distribution.kind != SQL_DISTRIBUTION_NONE;
    if (k->a->distribution.kind == SQL_DISTRIBUTION_NONE) {
        return 0;
    }
    if (has_one && k->a->kind == SQL_ALTER_ADD) {
        return sql_refuse(k->x, k->a->name.span, ERR_ALREADY_EXISTS,
                          "The base table has already defined a distribution. You can modify it or "
                          "drop it before adding a new one.");
    }
    if (!has_one && k->a->kind == SQL_ALTER_MODIFY) {
        return sql_refuse(
            k->x, k->a->name.span, ERR_NOT_FOUND,
            "The base table does not define any distribution. You might want to add a "
            "new one.");
    }
    return sql_define_distribution(k->x, k->t, &k->a->distribution);
}

static int add_or_modify(struct change *k)
{
    TRY(change_columns(k));
    TRY(change_key(k));
    TRY(sql_resolve_computed(k->x, k->t, &k->a->elements));
    TRY(change_watermark(k));
    TRY(change_distribution(k));
    return recheck(k);
}

/* ---- DROP and RENAME of columns ------------------------------------------------------------------------------- */

static int drop_columns(struct change *k)
{
    struct sql_name_list going = {NULL, 0};
    for (uint32_t i = 0; i < k->a->n_columns; i++) {
        const struct sql_path *path = &k->a->columns[i];
        const char *name = sql_text(k->x, path->parts[0].text);
        if (!is_alone(path)) {
            return nested(k, path);
        }
        if (sql_name_list_has(&going, name)) {
            return sql_refuse(k->x, path->span, ERR_INVALID_ARGUMENT, "Duplicate column `%s`.",
                              name);
        }
        sql_name_list_add(&going, k->x->arena, slice_cstr(name));
    }
    for (uint32_t i = 0; i < going.n; i++) {
        struct sql_span span = k->a->columns[i].span;
        if (at_table(k->t, going.items[i]) < 0) {
            return no_column(k, going.items[i], span);
        }
        TRY(check_unused(k, going.items[i], span, &going));
        if (sql_name_list_has(&k->t->key.columns, going.items[i])) {
            return sql_refuse(k->x, span, ERR_INVALID_ARGUMENT,
                              "The column `%s` is used as the primary key.", going.items[i]);
        }
        if (sql_name_list_has(&k->t->distribution.columns, going.items[i])) {
            return sql_refuse(k->x, span, ERR_INVALID_ARGUMENT,
                              "The column `%s` is used as a distribution key.", going.items[i]);
        }
    }
    for (uint32_t i = 0; i < going.n; i++) {
        sql_table_remove(k->t, (uint32_t)at_table(k->t, going.items[i]));
    }
    return 0;
}

static void rename_in(struct sql_name_list *list, const char *name, const char *new_name)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], name) == 0) {
            list->items[i] = new_name;
        }
    }
}

static int rename_column(struct change *k)
{
    const struct sql_name_list none = {NULL, 0};
    const char *new_name = NULL;
    if (!is_alone(&k->a->column)) {
        return nested(k, &k->a->column);
    }
    if (!is_alone(&k->a->new_name)) {
        return nested(k, &k->a->new_name);
    }
    const char *name = sql_text(k->x, k->a->column.parts[0].text);
    int at = at_table(k->t, name);
    if (at < 0) {
        return no_column(k, name, k->a->column.span);
    }
    TRY(check_unused(k, name, k->a->column.span, &none));
    TRY(sql_name_text(&k->a->new_name.parts[0], &k->t->arena, &new_name, k->x->place, k->x->err));
    if (at_table(k->t, new_name) >= 0) {
        return sql_refuse(k->x, k->a->new_name.span, ERR_ALREADY_EXISTS,
                          "The column `%s` already existed in table schema.", new_name);
    }
    k->t->columns[at].name = new_name;
    rename_in(&k->t->key.columns, name, new_name);
    rename_in(&k->t->distribution.columns, name, new_name);
    return 0;
}

/* ---- DROP of other parts ------------------------------------------------------------------------------------------ */

static int drop_key(struct change *k)
{
    if (k->t->key.name == NULL) {
        return sql_refuse(k->x, k->a->name.span, ERR_NOT_FOUND,
                          "The base table does not define any primary key.");
    }
    if (k->a->kind == SQL_ALTER_DROP_CONSTRAINT) {
        const char *name = sql_text(k->x, k->a->new_name.parts[0].text);
        if (strcmp(name, k->t->key.name) != 0) {
            return sql_refuse(k->x, k->a->new_name.span, ERR_NOT_FOUND,
                              "The base table does not define a primary key constraint named '%s'. "
                              "Available constraint name: ['%s'].",
                              name, k->t->key.name);
        }
    }
    k->t->key = (struct sql_table_key){.name = NULL};
    return 0;
}

static int drop_watermark(struct change *k)
{
    if (k->t->watermark.column == NULL) {
        return sql_refuse(k->x, k->a->name.span, ERR_NOT_FOUND,
                          "The base table does not define any watermark strategy.");
    }
    k->t->watermark = (struct sql_table_watermark){.column = NULL};
    sql_mark_rowtime(k->t);
    return 0;
}

static int drop_distribution(struct change *k)
{
    if (k->t->distribution.kind == SQL_DISTRIBUTION_NONE) {
        return sql_refuse(k->x, k->a->name.span, ERR_NOT_FOUND,
                          "Table %s does not have a distribution to drop.",
                          sql_quoted(k->x, &k->id));
    }
    k->t->distribution = (struct sql_table_distribution){.buckets = SQL_BUCKETS_NONE};
    return 0;
}

/* ---- options, name --------------------------------------------------------------------------------------------------- */

static int reset_options(struct change *k)
{
    if (k->a->n_keys == 0) {
        return sql_refuse(k->x, k->a->name.span, ERR_INVALID_ARGUMENT,
                          "ALTER TABLE RESET does not support empty key");
    }
    for (uint32_t i = 0; i < k->a->n_keys; i++) {
        if (slice_eq_cstr(k->a->keys[i], "connector")) {
            return sql_refuse(k->x, k->a->name.span, ERR_INVALID_ARGUMENT,
                              "ALTER TABLE RESET does not support changing 'connector'");
        }
        sql_options_remove(&k->t->options, sql_text(k->x, k->a->keys[i]));
    }
    return 0;
}

static int rename_table(struct change *k)
{
    struct sql_identifier new_id;
    struct sql_catalog *c = NULL;
    TRY(sql_qualify(k->x, &k->a->new_name, &new_id));
    bool stays =
        strcmp(new_id.catalog, k->id.catalog) == 0 && strcmp(new_id.database, k->id.database) == 0;
    if (k->a->new_name.n > 1 && !stays) {
        return sql_refuse(k->x, new_id.span, ERR_INVALID_ARGUMENT,
                          "A table stays in its database when it is renamed: it is in %s.%s",
                          k->id.catalog, k->id.database);
    }
    TRY(sql_catalog_of(k->x, &k->id, &c));
    return sql_placed(k->x, new_id.span,
                      c->ops->rename_table(c, k->id.database, k->id.name, new_id.name, k->x->err));
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

static int change_table(struct change *k)
{
    switch (k->a->kind) {
    case SQL_ALTER_ADD:
    case SQL_ALTER_MODIFY:
        return add_or_modify(k);
    case SQL_ALTER_DROP_COLUMNS:
        return drop_columns(k);
    case SQL_ALTER_RENAME_COLUMN:
        return rename_column(k);
    case SQL_ALTER_DROP_PRIMARY_KEY:
    case SQL_ALTER_DROP_CONSTRAINT:
        return drop_key(k);
    case SQL_ALTER_DROP_WATERMARK:
        return drop_watermark(k);
    case SQL_ALTER_DROP_DISTRIBUTION:
        return drop_distribution(k);
    case SQL_ALTER_RESET:
        return reset_options(k);
    default:
        sql_put_properties(&k->a->properties, &k->t->arena, &k->t->options);
        return 0;
    }
}

static bool is_schema_change(enum sql_alter_kind kind)
{
    return kind != SQL_ALTER_SET && kind != SQL_ALTER_RESET;
}

static int replace(struct change *k)
{
    struct sql_execution *x = k->x;
    struct sql_catalog *c = NULL;
    int rc = change_table(k);
    if (rc < 0 && is_schema_change(k->a->kind) && x->err != NULL) {
        struct error plain;
        error_copy(&plain, x->err);
        return error_set(x->err, rc, "Failed to execute ALTER TABLE statement.\n%.900s",
                         plain.message);
    }
    TRY(rc);
    TRY(sql_check_table(x, k->t, k->a->name.span));
    TRY(sql_catalog_of(x, &k->id, &c));
    return sql_placed(x, k->a->name.span,
                      c->ops->alter_table(c, k->id.database, k->id.name, k->t, x->err));
}

int sql_execute_alter_table(struct sql_execution *x, const struct sql_alter *a)
{
    struct change k = {.x = x, .a = a};
    struct sql_table *old = NULL;
    int rc =
        sql_table_to_change(x, &a->name, SQL_TABLE_KIND_TABLE, a->object_if_exists, &k.id, &old);
    if (rc <= 0) {
        return rc;
    }
    if (a->kind == SQL_ALTER_RENAME) {
        rc = rename_table(&k);
    } else if (a->kind == SQL_ALTER_ADD_PARTITIONS || a->kind == SQL_ALTER_DROP_PARTITIONS) {
        rc = sql_execute_partitions(x, a, &k.id, old);
    } else {
        k.t = sql_table_copy(old);
        rc = replace(&k);
        sql_table_unref(k.t);
    }
    sql_table_unref(old);
    return rc;
}
