/* DESCRIBE and SHOW COLUMNS.  Flink: ShowColumnsOperation, Describe*Operation. */
#include "sql/catalog/inside.h"

/* ---- columns ---------------------------------------------------------------------------------------------- */

/* TIMESTAMP(3) *ROWTIME*; that it is NOT NULL has a column of its own. */
static void print_type(const struct sql_table_column *c, struct str *out)
{
    static const char *const time_words[] = {
        [SQL_TIME_NONE] = "",
        [SQL_TIME_ROWTIME] = " *ROWTIME*",
        [SQL_TIME_PROCTIME] = " *PROCTIME*",
    };
    struct data_type *nullable = type_with_nullable(c->type, true);
    type_print(nullable, out);
    type_unref(nullable);
    str_append_cstr(out, time_words[c->time]);
}

/* PRI(a, b) */
static void print_key(const struct sql_table_key *key, const char *column, struct str *out)
{
    if (!sql_name_list_has(&key->columns, column)) {
        return;
    }
    str_append_cstr(out, "PRI(");
    for (uint32_t i = 0; i < key->columns.n; i++) {
        str_printf(out, "%s%s", i > 0 ? ", " : "", key->columns.items[i]);
    }
    str_append_char(out, ')');
}

static const char *or_null(const struct str *s)
{
    return s->len > 0 ? str_cstr(s) : NULL;
}

static void add_column(struct sql_execution *x, const struct sql_table *t,
                       const struct sql_table_column *c)
{
    STR_AUTO type = STR_INIT;
    STR_AUTO key = STR_INIT;
    STR_AUTO extras = STR_INIT;
    bool is_time = t->watermark.column != NULL && strcmp(t->watermark.column, c->name) == 0;
    print_type(c, &type);
    print_key(&t->key, c->name, &key);
    sql_print_extras(c, &extras);
    const char *cells[] = {c->name,       str_cstr(&type),  c->type->nullable ? "TRUE" : "FALSE",
                           or_null(&key), or_null(&extras), is_time ? t->watermark.expr : NULL,
                           c->comment};
    sql_result_add(x->result, cells);
}

static bool has_comments(const struct sql_table *t)
{
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].comment != NULL) {
            return true;
        }
    }
    return false;
}

int sql_show_columns(struct sql_execution *x, const struct sql_path *path,
                     const struct sql_show *show)
{
    static const struct sql_result_column columns[] = {
        {"name", SQL_RESULT_STRING},    {"type", SQL_RESULT_STRING},
        {"null", SQL_RESULT_BOOLEAN},   {"key", SQL_RESULT_STRING},
        {"extras", SQL_RESULT_STRING},  {"watermark", SQL_RESULT_STRING},
        {"comment", SQL_RESULT_STRING},
    };
    struct sql_identifier id;
    struct sql_table *t = NULL;
    bool is_temporary = false;
    TRY(sql_qualify(x, path, &id));
    int rc = sql_placed(x, id.span, sql_manager_find_table(x->m, &id, &t, &is_temporary, x->err));
    TRY(rc);
    if (rc == 0) {
        STR_AUTO hint = STR_INIT;
        sql_manager_hint_table(x->m, &id, &hint);
        return sql_refuse(x, id.span, ERR_NOT_FOUND,
                          "Tables or views with the identifier '%s' doesn't exist.%s",
                          sql_printed(x, &id), str_cstr(&hint));
    }
    x->result = sql_result_new(columns, ARRAY_LEN(columns) - (has_comments(t) ? 0 : 1));
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (show == NULL || sql_pattern_matches(show, t->columns[i].name)) {
            add_column(x, t, &t->columns[i]);
        }
    }
    sql_table_unref(t);
    return 0;
}

/* ---- others: name and value ---------------------------------------------------------------------------------- */

static void begin_info(struct sql_execution *x)
{
    static const struct sql_result_column columns[] = {{"info name", SQL_RESULT_STRING},
                                                       {"info value", SQL_RESULT_STRING}};
    x->result = sql_result_new(columns, 2);
}

static void add_info(struct sql_execution *x, const char *name, const char *value)
{
    const char *cells[] = {name, value};
    sql_result_add(x->result, cells);
}

static void add_options(struct sql_execution *x, const struct sql_options *options)
{
    for (uint32_t i = 0; i < options->n; i++) {
        add_info(x, arena_printf(x->arena, "option:%s", options->items[i].key),
                 options->items[i].value);
    }
}

static int describe_catalog(struct sql_execution *x, const struct sql_statement *s)
{
    const char *name = NULL;
    struct sql_entity *e = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_only_name(x, &s->name, &name));
    int rc = sql_manager_describe_catalog(x->m, name, &e, &why);
    if (rc < 0) {
        return sql_refuse(x, s->name.span, rc,
                          "Cannot obtain metadata information from Catalog %s. %s", name,
                          why.message);
    }
    const char *type = sql_options_find(&e->options, "type");
    begin_info(x);
    add_info(x, "name", name);
    add_info(x, "type", type != NULL ? type : "");
    add_info(x, "comment", e->comment != NULL ? e->comment : "");
    if (s->is_extended) {
        add_options(x, &e->options);
    }
    sql_entity_unref(e);
    return 0;
}

static int describe_database(struct sql_execution *x, const struct sql_statement *s)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    struct sql_entity *e = NULL;
    TRY(sql_qualify_database(x, &s->name, &id));
    TRY(sql_catalog_of(x, &id, &c));
    TRY(sql_placed(x, s->name.span, c->ops->get_database(c, id.database, &e, x->err)));
    begin_info(x);
    add_info(x, "name", id.database);
    add_info(x, "comment", e->comment != NULL ? e->comment : "");
    if (s->is_extended) {
        add_options(x, &e->options);
    }
    sql_entity_unref(e);
    return 0;
}

/* [ResourceUri{resourceType=JAR, uri='x'}] */
static void add_resources(struct sql_execution *x, const struct sql_name_list *resources)
{
    STR_AUTO out = STR_INIT;
    str_append_char(&out, '[');
    for (uint32_t i = 0; i < resources->n; i++) {
        str_printf(&out, "%sResourceUri{resourceType=JAR, uri='%s'}", i > 0 ? ", " : "",
                   resources->items[i]);
    }
    str_append_char(&out, ']');
    add_info(x, "resource uris", str_cstr(&out));
}

static int describe_function(struct sql_execution *x, const struct sql_statement *s)
{
    struct sql_found_function f = {.function = NULL};
    int rc = sql_placed(x, s->name.span, sql_manager_find_function(x->m, &s->name, &f, x->err));
    TRY(rc);
    if (rc == 0) {
        return sql_refuse(x, s->name.span, ERR_NOT_FOUND,
                          "Function with the identifier '%.*s' doesn't exist.",
                          (int)MIN(s->name.span.end - s->name.span.start, 400U),
                          x->text.data + s->name.span.start);
    }
    begin_info(x);
    add_info(x, "is system function", f.is_system && f.function == NULL ? "true" : "false");
    add_info(x, "is temporary", f.is_temporary ? "true" : "false");
    if (f.function != NULL) {
        add_info(x, "class name", f.function->class_name);
        add_info(x, "function language", sql_language_name(f.function->language));
        add_resources(x, &f.function->resources);
    }
    sql_found_function_fini(&f);
    return 0;
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

int sql_find_model(struct sql_execution *x, const struct sql_identifier *id,
                   struct sql_entity **ret, bool *ret_is_temporary)
{
    struct sql_catalog *c = NULL;
    struct sql_entity *temporary = sql_manager_temporary(x->m, SQL_OBJECT_MODEL, id);
    *ret_is_temporary = temporary != NULL;
    if (temporary != NULL) {
        *ret = sql_entity_ref(temporary);
        return 0;
    }
    TRY(sql_catalog_of(x, id, &c));
    if (c->ops->get(c, SQL_OBJECT_MODEL, id->database, id->name, ret, NULL) == 0) {
        return 0;
    }
    struct text_list names = TEXT_LIST_INIT;
    STR_AUTO hint = STR_INIT;
    if (c->ops->list(c, SQL_OBJECT_MODEL, id->database, &names, NULL) == 0) {
        sql_hint(id->name, &names, &hint);
    }
    text_list_fini(&names);
    return sql_refuse(x, id->span, ERR_NOT_FOUND, "Model with the identifier '%s' doesn't exist.%s",
                      sql_printed(x, id), str_cstr(&hint));
}

static void add_model_columns(struct sql_execution *x, const struct sql_table *t, bool is_input)
{
    for (uint32_t i = 0; t != NULL && i < t->n_columns; i++) {
        const struct sql_table_column *c = &t->columns[i];
        STR_AUTO type = STR_INIT;
        print_type(c, &type);
        const char *cells[] = {c->name, str_cstr(&type), c->type->nullable ? "TRUE" : "FALSE",
                               is_input ? "TRUE" : "FALSE", c->comment};
        sql_result_add(x->result, cells);
    }
}

static int describe_model(struct sql_execution *x, const struct sql_statement *s)
{
    static const struct sql_result_column columns[] = {
        {"name", SQL_RESULT_STRING},    {"type", SQL_RESULT_STRING},
        {"null", SQL_RESULT_BOOLEAN},   {"is input", SQL_RESULT_BOOLEAN},
        {"comment", SQL_RESULT_STRING},
    };
    struct sql_identifier id;
    struct sql_entity *e = NULL;
    bool is_temporary = false;
    TRY(sql_qualify(x, &s->name, &id));
    TRY(sql_find_model(x, &id, &e, &is_temporary));
    bool comments = (e->input != NULL && has_comments(e->input)) ||
                    (e->output != NULL && has_comments(e->output));
    x->result = sql_result_new(columns, comments ? 5 : 4);
    add_model_columns(x, e->input, true);
    add_model_columns(x, e->output, false);
    sql_entity_unref(e);
    return 0;
}

int sql_execute_describe(struct sql_execution *x, const struct sql_statement *s)
{
    switch (s->object) {
    case SQL_OBJECT_TABLE:
        return sql_show_columns(x, &s->name, NULL);
    case SQL_OBJECT_CATALOG:
        return describe_catalog(x, s);
    case SQL_OBJECT_DATABASE:
        return describe_database(x, s);
    case SQL_OBJECT_FUNCTION:
        return describe_function(x, s);
    case SQL_OBJECT_MODEL:
        return describe_model(x, s);
    default:
        return sql_not_yet(x, s->name.span, "DESCRIBE CONNECTION");
    }
}
