/* SHOW CREATE: statements that make the object again, laid out as Flink does.  Flink: ShowCreateUtil. */
#include "sql/catalog/inside.h"

/* ---- parts ------------------------------------------------------------------------------------------------ */

static void print_names(const struct sql_name_list *names, struct str *out)
{
    str_append_char(out, '(');
    for (uint32_t i = 0; i < names->n; i++) {
        str_append_cstr(out, i > 0 ? ", " : "");
        sql_quote_name(names->items[i], out);
    }
    str_append_char(out, ')');
}

static void print_comment(const char *comment, struct str *out)
{
    if (comment != NULL && comment[0] != '\0') {
        str_append_cstr(out, "COMMENT ");
        sql_unparse_string(comment, out);
        str_append_char(out, '\n');
    }
}

static void print_options(const struct sql_options *options, struct str *out)
{
    if (options->n == 0) {
        return;
    }
    str_append_cstr(out, "WITH (\n");
    for (uint32_t i = 0; i < options->n; i++) {
        str_append_cstr(out, i > 0 ? ",\n  " : "  ");
        sql_unparse_string(options->items[i].key, out);
        str_append_cstr(out, " = ");
        sql_unparse_string(options->items[i].value, out);
    }
    str_append_cstr(out, "\n)\n");
}

bool sql_print_extras(const struct sql_table_column *c, struct str *out)
{
    if (c->kind == SQL_COLUMN_COMPUTED) {
        str_printf(out, "AS %s", c->expr);
        return true;
    }
    if (c->kind != SQL_COLUMN_METADATA) {
        return false;
    }
    str_append_cstr(out, "METADATA");
    if (c->metadata_key != NULL) {
        str_append_cstr(out, " FROM ");
        sql_unparse_string(c->metadata_key, out);
    }
    str_append_cstr(out, c->is_virtual ? " VIRTUAL" : "");
    return true;
}

void sql_print_column(const struct sql_table_column *c, struct str *out)
{
    sql_quote_name(c->name, out);
    str_append_char(out, ' ');
    if (c->kind != SQL_COLUMN_COMPUTED) {
        sql_unparse_type(c->type, out);
        str_append_cstr(out, c->kind == SQL_COLUMN_METADATA ? " " : "");
    }
    sql_print_extras(c, out);
    if (c->comment != NULL && c->comment[0] != '\0') {
        str_append_cstr(out, " COMMENT ");
        sql_unparse_string(c->comment, out);
    }
}

/* DISTRIBUTED BY HASH(`a`) INTO 4 BUCKETS */
static void print_distribution(const struct sql_table_distribution *d, struct str *out)
{
    if (d->kind == SQL_DISTRIBUTION_NONE) {
        return;
    }
    str_append_cstr(out, "DISTRIBUTED");
    if (d->columns.n > 0) {
        str_append_cstr(out, d->kind == SQL_DISTRIBUTION_HASH    ? " BY HASH"
                             : d->kind == SQL_DISTRIBUTION_RANGE ? " BY RANGE"
                                                                 : " BY ");
        print_names(&d->columns, out);
    }
    if (d->buckets != SQL_BUCKETS_NONE) {
        str_printf(out, " INTO %d BUCKETS", d->buckets);
    }
    str_append_char(out, '\n');
}

static void print_head(const char *object, bool is_temporary, const struct sql_identifier *id,
                       struct str *out)
{
    str_printf(out, "CREATE %s%s ", is_temporary ? "TEMPORARY " : "", object);
    sql_identifier_quote(id, out);
}

/* ---- objects ------------------------------------------------------------------------------------------------ */

void sql_print_create_table(const struct sql_identifier *id, const struct sql_table *t,
                            bool is_temporary, struct str *out)
{
    print_head("TABLE", is_temporary, id, out);
    str_append_cstr(out, " (\n");
    for (uint32_t i = 0; i < t->n_columns; i++) {
        str_append_cstr(out, i > 0 ? ",\n  " : "  ");
        sql_print_column(&t->columns[i], out);
    }
    if (t->watermark.column != NULL) {
        str_append_cstr(out, ",\n  WATERMARK FOR ");
        sql_quote_name(t->watermark.column, out);
        str_printf(out, " AS %s", t->watermark.expr);
    }
    if (t->key.name != NULL) {
        str_append_cstr(out, ",\n  CONSTRAINT ");
        sql_quote_name(t->key.name, out);
        str_append_cstr(out, " PRIMARY KEY ");
        print_names(&t->key.columns, out);
        str_append_cstr(out, " NOT ENFORCED");
    }
    str_append_cstr(out, "\n)\n");
    print_comment(t->comment, out);
    print_distribution(&t->distribution, out);
    if (t->partition_keys.n > 0) {
        str_append_cstr(out, "PARTITIONED BY ");
        print_names(&t->partition_keys, out);
        str_append_char(out, '\n');
    }
    print_options(&t->options, out);
}

static void print_create_view(const struct sql_identifier *id, const struct sql_table *t,
                              bool is_temporary, struct str *out)
{
    print_head("VIEW", is_temporary, id, out);
    str_append_cstr(out, " (\n");
    for (uint32_t i = 0; i < t->n_columns; i++) {
        str_append_cstr(out, i > 0 ? ",\n  " : "  ");
        sql_quote_name(t->columns[i].name, out);
    }
    str_append_cstr(out, "\n)\n");
    print_comment(t->comment, out);
    str_printf(out, "AS %s\n", t->expanded_query);
}

static void print_model_columns(const char *word, const struct sql_table *t, struct str *out)
{
    if (t == NULL || t->n_columns == 0) {
        return;
    }
    str_printf(out, "%s (", word);
    for (uint32_t i = 0; i < t->n_columns; i++) {
        str_append_cstr(out, i > 0 ? ", " : "");
        sql_print_column(&t->columns[i], out);
    }
    str_append_cstr(out, ")\n");
}

static void give(struct sql_execution *x, const struct str *text)
{
    static const struct sql_result_column column = {"result", SQL_RESULT_STRING};
    const char *cell = str_cstr(text);
    x->result = sql_result_new(&column, 1);
    sql_result_add(x->result, &cell);
}

static int show_table(struct sql_execution *x, const struct sql_statement *s)
{
    bool is_view = s->object == SQL_OBJECT_VIEW;
    STR_AUTO out = STR_INIT;
    struct sql_identifier id;
    struct sql_table *t = NULL;
    bool is_temporary = false;
    TRY(sql_qualify(x, &s->name, &id));
    int rc = sql_placed(x, id.span, sql_manager_find_table(x->m, &id, &t, &is_temporary, x->err));
    TRY(rc);
    if (rc == 0) {
        STR_AUTO hint = STR_INIT;
        sql_manager_hint_table(x->m, &id, &hint);
        return sql_refuse(
            x, id.span, ERR_NOT_FOUND,
            "Could not execute SHOW CREATE %s. %s with identifier %s does not exist.%s",
            is_view ? "VIEW" : "TABLE", is_view ? "View" : "Table", sql_quoted(x, &id),
            str_cstr(&hint));
    }
    if ((t->kind == SQL_TABLE_KIND_VIEW) != is_view) {
        sql_table_unref(t);
        return sql_refuse(
            x, id.span, ERR_INVALID_ARGUMENT,
            "SHOW CREATE %s is only supported for %ss, but %s is a %s. Please use SHOW "
            "CREATE %s instead.",
            is_view ? "VIEW" : "TABLE", is_view ? "view" : "table", sql_quoted(x, &id),
            is_view ? "table" : "view", is_view ? "TABLE" : "VIEW");
    }
    if (is_view) {
        print_create_view(&id, t, is_temporary, &out);
    } else {
        sql_print_create_table(&id, t, is_temporary, &out);
    }
    sql_table_unref(t);
    give(x, &out);
    return 0;
}

static int show_catalog(struct sql_execution *x, const struct sql_statement *s)
{
    STR_AUTO out = STR_INIT;
    const char *name = NULL;
    struct sql_entity *e = NULL;
    TRY(sql_only_name(x, &s->name, &name));
    TRY(sql_placed(x, s->name.span, sql_manager_describe_catalog(x->m, name, &e, x->err)));
    str_append_cstr(&out, "CREATE CATALOG ");
    sql_quote_name(name, &out);
    str_append_char(&out, '\n');
    print_comment(e->comment, &out);
    print_options(&e->options, &out);
    sql_entity_unref(e);
    give(x, &out);
    return 0;
}

static int show_model(struct sql_execution *x, const struct sql_statement *s)
{
    STR_AUTO out = STR_INIT;
    struct sql_identifier id;
    struct sql_entity *e = NULL;
    bool is_temporary = false;
    TRY(sql_qualify(x, &s->name, &id));
    TRY(sql_find_model(x, &id, &e, &is_temporary));
    print_head("MODEL", is_temporary, &id, &out);
    str_append_char(&out, '\n');
    print_model_columns("INPUT", e->input, &out);
    print_model_columns("OUTPUT", e->output, &out);
    print_comment(e->comment, &out);
    print_options(&e->options, &out);
    sql_entity_unref(e);
    give(x, &out);
    return 0;
}

int sql_execute_show_create(struct sql_execution *x, const struct sql_statement *s)
{
    switch (s->object) {
    case SQL_OBJECT_TABLE:
    case SQL_OBJECT_VIEW:
        return show_table(x, s);
    case SQL_OBJECT_CATALOG:
        return show_catalog(x, s);
    case SQL_OBJECT_MODEL:
        return show_model(x, s);
    case SQL_OBJECT_CONNECTION:
        return sql_not_yet(x, s->name.span, "SHOW CREATE CONNECTION");
    default:
        return sql_not_yet(x, s->name.span, "SHOW CREATE MATERIALIZED TABLE");
    }
}
