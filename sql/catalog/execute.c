/* One statement, see execute.h: what is shared by its families, and the way to them. */
#include "common/text/utf8.h"
#include "sql/catalog/inside.h"
#include <ctype.h>

/* ---- errors -------------------------------------------------------------------------------------------- */

int sql_refuse(struct sql_execution *x, struct sql_span span, int code, const char *fmt, ...)
{
    STR_AUTO message = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&message, fmt, ap);
    va_end(ap);
    x->place->span = span;
    return error_set(x->err, code, "%s", str_cstr(&message));
}

int sql_placed(struct sql_execution *x, struct sql_span span, int rc)
{
    if (rc < 0) {
        x->place->span = span;
    }
    return rc;
}

int sql_not_yet(struct sql_execution *x, struct sql_span span, const char *feature)
{
    return sql_refuse(x, span, ERR_UNSUPPORTED, "not supported yet: %s", feature);
}

/* ---- names, text ----------------------------------------------------------------------------------------- */

int sql_qualify(struct sql_execution *x, const struct sql_path *path, struct sql_identifier *ret)
{
    return sql_manager_qualify(x->m, path, x->arena, ret, x->place, x->err);
}

int sql_only_name(struct sql_execution *x, const struct sql_path *path, const char **ret)
{
    return sql_name_text(&path->parts[0], x->arena, ret, x->place, x->err);
}

int sql_qualify_database(struct sql_execution *x, const struct sql_path *path,
                         struct sql_identifier *ret)
{
    struct sql_identifier id = {arena_strdup(x->arena, sql_manager_catalog(x->m)), NULL, NULL,
                                path->span};
    if (path->n > 1) {
        TRY(sql_name_text(&path->parts[0], x->arena, &id.catalog, x->place, x->err));
    }
    TRY(sql_name_text(&path->parts[path->n - 1], x->arena, &id.database, x->place, x->err));
    *ret = id;
    return 0;
}

int sql_catalog_of(struct sql_execution *x, const struct sql_identifier *id,
                   struct sql_catalog **ret)
{
    return sql_placed(x, id->span, sql_manager_get_catalog(x->m, id->catalog, ret, x->err));
}

const char *sql_quoted(struct sql_execution *x, const struct sql_identifier *id)
{
    STR_AUTO out = STR_INIT;
    sql_identifier_quote(id, &out);
    return arena_strdup(x->arena, str_cstr(&out));
}

const char *sql_printed(struct sql_execution *x, const struct sql_identifier *id)
{
    STR_AUTO out = STR_INIT;
    sql_identifier_print(id, &out);
    return arena_strdup(x->arena, str_cstr(&out));
}

char *sql_text(struct sql_execution *x, struct slice text)
{
    return arena_strndup(x->arena, text.data, text.len);
}

void sql_put_properties(const struct sql_properties *from, struct arena *arena,
                        struct sql_options *to)
{
    for (uint32_t i = 0; i < from->n; i++) {
        sql_options_put(to, arena, from->items[i].key, from->items[i].value);
    }
}

/* ---- LIKE ------------------------------------------------------------------------------------------------ */

static bool same_letter(char a, char b, bool folds)
{
    return a == b || (folds && tolower((unsigned char)a) == tolower((unsigned char)b));
}

/* One code point of UTF-8 text, at least a byte. */
static size_t point_bytes(struct slice text)
{
    uint32_t point;
    size_t n = utf8_decode(text.data, text.len, &point);
    return n > 0 ? n : 1;
}

static struct slice behind(struct slice text, size_t n)
{
    return slice_make(text.data + n, text.len - n);
}

/* Goes back to the last % only: what an earlier one could take more, the last one can take as well. */
static bool matches(struct slice name, struct slice pattern, bool folds)
{
    struct slice retry_name = {NULL, 0}, retry_pattern = {NULL, 0};
    for (;;) {
        if (pattern.len > 0 && pattern.data[0] == '%') {
            pattern = behind(pattern, 1);
            retry_name = name;
            retry_pattern = pattern;
        } else if (name.len == 0) {
            return pattern.len == 0;
        } else if (pattern.len > 0 && pattern.data[0] == '_') {
            pattern = behind(pattern, 1);
            name = behind(name, point_bytes(name));
        } else if (pattern.len > 0 && same_letter(name.data[0], pattern.data[0], folds)) {
            pattern = behind(pattern, 1);
            name = behind(name, 1);
        } else if (retry_pattern.data != NULL && retry_name.len > 0) {
            retry_name = behind(retry_name, point_bytes(retry_name));
            name = retry_name;
            pattern = retry_pattern;
        } else {
            return false;
        }
    }
}

bool sql_pattern_matches(const struct sql_show *show, const char *name)
{
    return show->pattern_kind == SQL_PATTERN_NONE ||
           matches(slice_cstr(name), show->pattern, show->pattern_kind == SQL_PATTERN_ILIKE) !=
               show->is_negated;
}

/* ---- statements ------------------------------------------------------------------------------------------ */

static int execute_module(struct sql_execution *x, const struct sql_statement *s)
{
    const char *name = sql_text(x, s->name.parts[0].text);
    int rc = s->kind == SQL_STATEMENT_LOAD_MODULE
                 ? sql_manager_load_module(x->m, name, &s->properties, x->err)
                 : sql_manager_unload_module(x->m, name, x->err);
    return sql_placed(x, s->name.span, rc);
}

static int execute_jar(struct sql_execution *x, const struct sql_statement *s)
{
    const char *path = sql_text(x, s->text);
    int rc = s->kind == SQL_STATEMENT_ADD_JAR ? sql_manager_add_jar(x->m, path, x->err)
                                              : sql_manager_remove_jar(x->m, path, x->err);
    return sql_placed(x, s->span, rc);
}

static int show_current(struct sql_execution *x, const struct sql_statement *s)
{
    bool is_catalog = s->object == SQL_OBJECT_CATALOG;
    const struct sql_result_column column = {
        is_catalog ? "current catalog name" : "current database name", SQL_RESULT_STRING};
    const char *cell = is_catalog ? sql_manager_catalog(x->m) : sql_manager_database(x->m);
    x->result = sql_result_new(&column, 1);
    sql_result_add(x->result, &cell);
    return 0;
}

static bool is_create_as(const struct sql_statement *s)
{
    return s->kind == SQL_STATEMENT_CREATE && s->create->object == SQL_OBJECT_TABLE &&
           s->create->query != NULL;
}

bool sql_catalog_takes(const struct sql_statement *s)
{
    switch (s->kind) {
    case SQL_STATEMENT_CREATE:
        return !is_create_as(s);
    case SQL_STATEMENT_ALTER:
    case SQL_STATEMENT_DROP:
    case SQL_STATEMENT_USE:
    case SQL_STATEMENT_SHOW_CURRENT:
    case SQL_STATEMENT_SHOW_CREATE:
    case SQL_STATEMENT_LOAD_MODULE:
    case SQL_STATEMENT_UNLOAD_MODULE:
    case SQL_STATEMENT_ADD_JAR:
    case SQL_STATEMENT_REMOVE_JAR:
        return true;
    case SQL_STATEMENT_SHOW:
        return s->show->object != SQL_OBJECT_JOB;
    case SQL_STATEMENT_DESCRIBE:
        return s->object != SQL_OBJECT_JOB;
    default:
        return false;
    }
}

static int execute(struct sql_execution *x, const struct sql_statement *s)
{
    switch (s->kind) {
    case SQL_STATEMENT_CREATE:
        return sql_execute_create(x, s->create);
    case SQL_STATEMENT_ALTER:
        return sql_execute_alter(x, s->alter);
    case SQL_STATEMENT_DROP:
        return sql_execute_drop(x, s->drop);
    case SQL_STATEMENT_USE:
        return sql_execute_use(x, s);
    case SQL_STATEMENT_SHOW:
        return sql_execute_show(x, s->show, s->span);
    case SQL_STATEMENT_SHOW_CURRENT:
        return show_current(x, s);
    case SQL_STATEMENT_SHOW_CREATE:
        return sql_execute_show_create(x, s);
    case SQL_STATEMENT_DESCRIBE:
        return sql_execute_describe(x, s);
    case SQL_STATEMENT_LOAD_MODULE:
    case SQL_STATEMENT_UNLOAD_MODULE:
        return execute_module(x, s);
    default:
        return execute_jar(x, s);
    }
}

int sql_catalog_execute(struct sql_manager *m, struct slice text,
                        const struct sql_statement *statement, struct sql_result **ret,
                        struct sql_error_place *place, struct error *err)
{
    struct arena arena;
    struct sql_error_place unused;
    struct sql_execution x = {
        .m = m,
        .text = text,
        .arena = &arena,
        .place = place != NULL ? place : &unused,
        .err = err,
    };
    x.place->span = statement->span;
    if (!sql_catalog_takes(statement)) {
        return error_set(err, ERR_STATE, "this statement is not executed by the catalogs");
    }
    arena_init(&arena, 0);
    int rc = execute(&x, statement);
    arena_fini(&arena);
    if (rc < 0) {
        sql_result_free(x.result);
        return rc;
    }
    *ret = x.result != NULL ? x.result : sql_result_new_ok();
    return 0;
}
