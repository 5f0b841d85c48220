/* What the catalogs ask of the rooms above them: types by the planner, columns of queries, options by the connectors.
 * Flink: CatalogManager's SchemaResolver, ViewQuery expansion, FactoryUtil. */
#include "engine/expr/function.h"
#include "engine/table/options.h"
#include "engine/table/table.h"
#include "sql/exec/exec.h"
#include "sql/session/inside.h"
#include <strings.h>

enum { INTERVAL_DIGITS = 2, INTERVAL_FRACTION = 3 };

static bool is_call_of(const struct sql_expr *e, const char *name)
{
    if (e->kind != SQL_EXPR_CALL || e->call->name.n != 1) {
        return false;
    }
    struct slice word = e->call->name.parts[0].text;
    return word.len == strlen(name) && strncasecmp(word.data, name, word.len) == 0;
}

/* Schemas know two types of intervals, whatever the units that were written.  Takes `type`. */
static struct data_type *schema_type(struct data_type *type)
{
    struct data_type *made = type;
    if (type->id == TYPE_INTERVAL_YEAR_MONTH) {
        made = type_new_interval(INTERVAL_MONTH, INTERVAL_DIGITS, 0, type->nullable);
    } else if (type->id == TYPE_INTERVAL_DAY_TIME) {
        made =
            type_new_interval(INTERVAL_SECOND, INTERVAL_DIGITS, INTERVAL_FRACTION, type->nullable);
    }
    if (made != type) {
        type_unref(type);
    }
    return made;
}

/* Of the connector's making: it stands in WATERMARK clauses and is called nowhere. */
static bool is_source_watermark(const struct sql_expr *e)
{
    return is_call_of(e, "SOURCE_WATERMARK") && e->call->n_args == 0;
}

static int resolve_expression(void *arg, const struct sql_expr *expr,
                              const struct sql_column_scope *scope, struct sql_expr_info *ret,
                              struct sql_error_place *place, struct error *err)
{
    struct sql_planned p;
    const struct expr *made = NULL;
    if (is_source_watermark(expr)) {
        *ret = (struct sql_expr_info){.type = type_new_precision(TYPE_TIMESTAMP, 3, 0, true),
                                      .is_source_watermark = true};
        return 0;
    }
    TRY(sql_planned_open(arg, &p, err));
    int rc = sql_plan_table_expression(p.plan, expr, scope->columns, scope->n_columns, &made, place,
                                       err);
    if (rc == 0) {
        *ret = (struct sql_expr_info){.type = schema_type(type_ref(made->type)),
                                      .is_proctime = is_call_of(expr, "PROCTIME")};
    }
    sql_planned_close(&p);
    return rc;
}

static void add_column(struct sql_table *view, const struct field *f)
{
    const struct sql_table_column from = {
        .name = f->name, .kind = SQL_COLUMN_PHYSICAL, .type = f->type};
    sql_table_put(view, sql_table_insert(view, view->n_columns), &from);
}

static int resolve_query(void *arg, const struct sql_query *query, struct slice text,
                         struct sql_table *view, struct sql_error_place *place, struct error *err)
{
    struct sql_planned p;
    const struct rel *rel = NULL;
    TRY(sql_planned_open(arg, &p, err));
    int rc = sql_plan_query(p.plan, query, text, &rel, place, err);
    for (uint32_t i = 0; rc == 0 && i < rel->schema->n_fields; i++) {
        add_column(view, &rel->schema->fields[i]);
    }
    sql_planned_close(&p);
    STR_AUTO expanded = STR_INIT;
    rc = rc < 0 ? rc : sql_session_expand(arg, query, text, &expanded, err);
    if (rc == 0) {
        view->expanded_query = arena_strdup(&view->arena, str_cstr(&expanded));
    }
    return rc;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static int validate(const struct sql_table *t, const struct table_options *options,
                    struct error *err)
{
    struct table table = {.name = "the table", .connector = options->connector, .options = options};
    struct schema *schema = NULL;
    TRY(sql_table_schema(t, SQL_TABLE_PHYSICAL, &schema, err));
    table.schema = schema;
    int rc = table_validate(&table, err);
    schema_unref(schema);
    return rc;
}

/* A connector that is not there is said when the table is used, as in Flink: scripts define what they do not use. */
static int check_table(void *arg, const struct sql_table *t, struct error *err)
{
    struct text_map given = TEXT_MAP_INIT;
    struct table_options options;
    const char *connector = sql_options_find(&t->options, "connector");
    (void)arg;
    if (connector == NULL || table_connector_find(connector) == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < t->options.n; i++) {
        text_map_put(&given, slice_cstr(t->options.items[i].key),
                     slice_cstr(t->options.items[i].value));
    }
    int rc = table_options_read("the table", &given, &options, err);
    if (rc == 0) {
        rc = validate(t, &options, err);
        table_options_fini(&options);
    }
    text_map_fini(&given);
    if (rc < 0 && err != NULL) {
        err->frames[0] = '\0'; /* it is the table of the statement, at its place */
    }
    return rc;
}

/* ---- the rest -------------------------------------------------------------------------------------------- */

static void list_functions(void *arg, struct text_list *ret)
{
    (void)arg;
    text_list_add(ret, SLICE_LIT("SOURCE_WATERMARK"));
    for (uint32_t i = 0; i < expr_function_count(); i++) {
        const struct expr_function *f = expr_function_at(i);
        if ((f->flags & (EXPR_FN_HIDDEN | EXPR_FN_OPERATOR)) == 0 && !text_list_has(ret, f->name)) {
            text_list_add(ret, slice_cstr(f->name));
        }
    }
}

static const char *option(void *arg, const char *key)
{
    const struct sql_session *s = arg;
    return conf_raw(&s->conf, key);
}

void sql_session_resolver_init(struct sql_session *s)
{
    s->resolver = (struct sql_resolver){.arg = s,
                                        .expression = resolve_expression,
                                        .query = resolve_query,
                                        .check_table = check_table,
                                        .check_jar = sql_session_check_jar,
                                        .functions = list_functions,
                                        .option = option};
}
