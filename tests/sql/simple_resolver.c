/* See simple_resolver.h. */
#include "tests/sql/simple_resolver.h"
#include "sql/types/resolve.h"
#include <ctype.h>

struct asking {
    struct simple_resolver *r;
    const struct sql_column_scope *scope;
    struct sql_error_place *place;
    struct error *err;
};

static int type_of(struct asking *q, const struct sql_expr *e, struct data_type **ret);

static int refuse(struct asking *q, struct sql_span span, const char *what, struct slice name)
{
    q->place->span = span;
    return error_set(q->err, ERR_INVALID_ARGUMENT, "%s%.*s", what, (int)MIN(name.len, (size_t)200),
                     name.data);
}

static int type_of_literal(const struct sql_literal *l, struct data_type **ret)
{
    bool has_point = l->text.data != NULL && memchr(l->text.data, '.', l->text.len) != NULL;
    switch (l->kind) {
    case SQL_LITERAL_NULL:
        *ret = type_new(TYPE_NULL, true);
        return 0;
    case SQL_LITERAL_EXACT:
        *ret = has_point ? type_new_precision(TYPE_DECIMAL, 38, 10, false)
                         : type_new(l->text.len > 9 ? TYPE_BIGINT : TYPE_INTEGER, false);
        return 0;
    case SQL_LITERAL_APPROXIMATE:
        *ret = type_new(TYPE_DOUBLE, false);
        return 0;
    case SQL_LITERAL_STRING:
        *ret = type_new_sized(TYPE_CHAR, (int32_t)MAX(l->text.len, (size_t)1), false);
        return 0;
    case SQL_LITERAL_BINARY:
        *ret = type_new_sized(TYPE_BINARY, (int32_t)MAX(l->text.len, (size_t)1), false);
        return 0;
    case SQL_LITERAL_DATE:
        *ret = type_new(TYPE_DATE, false);
        return 0;
    case SQL_LITERAL_TIME:
        *ret = type_new_precision(TYPE_TIME, 0, 0, false);
        return 0;
    case SQL_LITERAL_TIMESTAMP:
        *ret = type_new_precision(TYPE_TIMESTAMP, has_point ? 3 : 0, 0, false);
        return 0;
    case SQL_LITERAL_TIMESTAMP_LTZ:
        *ret = type_new_precision(TYPE_TIMESTAMP_LTZ, has_point ? 3 : 0, 0, false);
        return 0;
    case SQL_LITERAL_INTERVAL:
        *ret = type_new_interval(l->interval.from == SQL_UNIT_YEAR ||
                                         l->interval.from == SQL_UNIT_MONTH
                                     ? INTERVAL_MONTH
                                     : INTERVAL_DAY_TO_SECOND,
                                 2, 6, false);
        return 0;
    default:
        *ret = type_new(TYPE_BOOLEAN, false);
        return 0;
    }
}

/* A field of a row; the row's type is given up. */
static int field_of(struct asking *q, struct data_type *row, const struct sql_name *name,
                    struct data_type **ret)
{
    for (uint32_t i = 0; row->id == TYPE_ROW && i < row->n_children; i++) {
        if (slice_eq_cstr(name->text, row->names[i])) {
            *ret = type_ref(row->children[i]);
            type_unref(row);
            return 0;
        }
    }
    type_unref(row);
    return refuse(q, name->span, "There is no field ", name->text);
}

static const struct sql_table_column *find(const struct sql_column_scope *s, struct slice name)
{
    for (uint32_t i = 0; i < s->n_columns; i++) {
        if (slice_eq_cstr(name, s->columns[i].name)) {
            return &s->columns[i];
        }
    }
    return NULL;
}

static int type_of_column(struct asking *q, const struct sql_path *path, struct data_type **ret)
{
    const struct sql_table_column *c = find(q->scope, path->parts[0].text);
    if (c == NULL) {
        return refuse(q, path->span, "Column not found in any table: ", path->parts[0].text);
    }
    struct data_type *type = type_ref(c->type);
    for (uint32_t i = 1; i < path->n; i++) {
        int rc = field_of(q, type, &path->parts[i], &type);
        if (rc < 0) {
            return rc;
        }
    }
    *ret = type;
    return 0;
}

static const struct {
    const char *name, *type; /* NULL: of the first argument */
} functions[] = {
    {"ABS", NULL},
    {"CHAR_LENGTH", "INT"},
    {"COALESCE", NULL},
    {"CONCAT", "STRING"},
    {"CURRENT_DATE", "DATE NOT NULL"},
    {"CURRENT_TIMESTAMP", "TIMESTAMP_LTZ(3) NOT NULL"},
    {"EXTRACT", "BIGINT"},
    {"FLOOR", NULL},
    {"JSON_VALUE", "STRING"},
    {"LOWER", "STRING"},
    {"MD5", "STRING"},
    {"POSITION", "INT"},
    {"PROCTIME", "TIMESTAMP_LTZ(3) NOT NULL"},
    {"SOURCE_WATERMARK", "TIMESTAMP(3)"},
    {"SUBSTRING", "STRING"},
    {"TIMESTAMPADD", "TIMESTAMP(3)"},
    {"TO_TIMESTAMP", "TIMESTAMP(3)"},
    {"TO_TIMESTAMP_LTZ", "TIMESTAMP_LTZ(3)"},
    {"TRIM", "STRING"},
    {"UPPER", "STRING"},
};

static int type_of_call(struct asking *q, const struct sql_call *call, struct sql_span span,
                        struct data_type **ret)
{
    char word[32] = "";
    struct slice name = call->name.parts[call->name.n - 1].text;
    struct data_type *first = NULL;
    int rc = 0;
    for (size_t i = 0; i < MIN(name.len, sizeof(word) - 1); i++) {
        word[i] = (char)toupper((unsigned char)name.data[i]);
    }
    for (uint32_t i = 0; i < call->n_args && rc == 0; i++) {
        struct data_type *type = NULL;
        if (call->args[i].expr->kind == SQL_EXPR_SYMBOL) {
            continue;
        }
        rc = type_of(q, call->args[i].expr, &type);
        if (first == NULL) {
            first = type;
        } else {
            type_unref(type);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(functions) && rc == 0; i++) {
        if (strcmp(word, functions[i].name) == 0 && (functions[i].type != NULL || first != NULL)) {
            if (functions[i].type == NULL) {
                *ret = first;
                return 0;
            }
            type_unref(first);
            return type_parse(slice_cstr(functions[i].type), ret, q->err);
        }
    }
    type_unref(first);
    return rc < 0 ? rc : refuse(q, span, "No match found for function signature ", name);
}

/* All operands are looked at; the type is that of one of them. */
static int type_of_operands(struct asking *q, const struct sql_expr *e, uint32_t which,
                            struct data_type **ret)
{
    struct data_type *kept = NULL;
    int rc = 0;
    for (uint32_t i = 0; i < e->n_operands && rc == 0; i++) {
        struct data_type *type = NULL;
        rc = type_of(q, e->operands[i], &type);
        if (rc == 0 && i == which) {
            kept = type;
        } else {
            type_unref(type);
        }
    }
    if (rc == 0 && kept == NULL) {
        rc = refuse(q, e->span, "An expression without operands", slice_make("", 0));
    }
    if (rc < 0) {
        type_unref(kept);
        return rc;
    }
    *ret = kept;
    return 0;
}

static int type_of_truth(struct asking *q, const struct sql_expr *e, struct data_type **ret)
{
    struct data_type *type = NULL;
    if (e->query != NULL) {
        return refuse(q, e->span, "There are no subqueries here", slice_make("", 0));
    }
    int rc = type_of_operands(q, e, 0, &type);
    type_unref(type);
    *ret = rc == 0 ? type_new(TYPE_BOOLEAN, true) : *ret;
    return rc;
}

static int type_of_element(struct asking *q, const struct sql_expr *e, struct data_type **ret)
{
    struct data_type *type = NULL;
    int rc = type_of(q, e->operands[0], &type);
    if (rc < 0) {
        return rc;
    }
    bool is_fine = type->id == TYPE_ARRAY || type->id == TYPE_MAP;
    *ret = is_fine ? type_ref(type->children[type->n_children - 1]) : *ret;
    type_unref(type);
    return is_fine ? 0 : refuse(q, e->span, "This has no elements", slice_make("", 0));
}

static int type_of(struct asking *q, const struct sql_expr *e, struct data_type **ret)
{
    struct sql_span span;
    struct data_type *type = NULL;
    switch (e->kind) {
    case SQL_EXPR_LITERAL:
        return type_of_literal(&e->literal, ret);
    case SQL_EXPR_COLUMN:
        return type_of_column(q, &e->column, ret);
    case SQL_EXPR_UNARY:
        return type_of_operands(q, e, 0, ret);
    case SQL_EXPR_BINARY:
        return e->op <= SQL_OP_CONCAT ? type_of_operands(q, e, 0, ret) : type_of_truth(q, e, ret);
    case SQL_EXPR_LOGIC:
    case SQL_EXPR_IS:
    case SQL_EXPR_BETWEEN:
    case SQL_EXPR_IN:
        return type_of_truth(q, e, ret);
    case SQL_EXPR_CASE:
        return type_of_operands(q, e, 1, ret);
    case SQL_EXPR_CAST:
        TRY(type_of(q, e->operands[0], &type));
        type_unref(type);
        return sql_type_resolve(e->type, ret, &span, q->err);
    case SQL_EXPR_CALL:
        return type_of_call(q, e->call, e->span, ret);
    case SQL_EXPR_FIELD:
        TRY(type_of(q, e->operands[0], &type));
        return field_of(q, type, &e->field, ret);
    case SQL_EXPR_ITEM:
        return type_of_element(q, e, ret);
    default:
        return refuse(q, e->span, "This expression is not known here", slice_make("", 0));
    }
}

static bool is_call_of(const struct sql_expr *e, const char *name)
{
    struct slice word = e->kind == SQL_EXPR_CALL ? e->call->name.parts[0].text : slice_make("", 0);
    return e->kind == SQL_EXPR_CALL && word.len == strlen(name) &&
           strncasecmp(word.data, name, word.len) == 0;
}

static int resolve_expression(void *arg, const struct sql_expr *expr,
                              const struct sql_column_scope *scope, struct sql_expr_info *ret,
                              struct sql_error_place *place, struct error *err)
{
    struct asking q = {arg, scope, place, err};
    ret->is_proctime = is_call_of(expr, "PROCTIME");
    ret->is_source_watermark = is_call_of(expr, "SOURCE_WATERMARK");
    return type_of(&q, expr, &ret->type);
}

/* ---- queries ------------------------------------------------------------------------------------------- */

static void add_column(struct sql_table *view, const char *name, const struct data_type *type,
                       enum sql_time_kind time)
{
    const struct sql_table_column from = {
        .name = name, .kind = SQL_COLUMN_PHYSICAL, .type = (struct data_type *)type, .time = time};
    sql_table_put(view, sql_table_insert(view, view->n_columns), &from);
}

static int add_item(struct asking *q, const struct sql_select_item *item, uint32_t number,
                    struct sql_table *view)
{
    const struct sql_expr *e = item->expr;
    struct data_type *type = NULL;
    enum sql_time_kind time = SQL_TIME_NONE;
    if (e->kind == SQL_EXPR_STAR) {
        for (uint32_t i = 0; i < q->scope->n_columns; i++) {
            add_column(view, q->scope->columns[i].name, q->scope->columns[i].type,
                       q->scope->columns[i].time);
        }
        return 0;
    }
    struct slice name = item->alias.text;
    if (e->kind == SQL_EXPR_COLUMN) {
        const struct sql_table_column *c = find(q->scope, e->column.parts[0].text);
        time = c != NULL && e->column.n == 1 ? c->time : SQL_TIME_NONE;
        name = name.data != NULL ? name : e->column.parts[e->column.n - 1].text;
    }
    TRY(type_of(q, e, &type));
    char *text = name.data != NULL ? arena_strndup(&view->arena, name.data, name.len)
                                   : arena_printf(&view->arena, "EXPR$%u", number);
    add_column(view, text, type, time);
    type_unref(type);
    return 0;
}

static int add_select(struct asking *q, const struct sql_select *s, struct sql_table *view)
{
    for (uint32_t i = 0; i < s->n_items; i++) {
        TRY(add_item(q, &s->items[i], i, view));
    }
    return 0;
}

static int add_values(struct asking *q, const struct sql_body *b, struct sql_table *view)
{
    const struct sql_expr *row = b->rows[0];
    for (uint32_t i = 0; i < row->n_operands; i++) {
        const struct sql_select_item item = {.expr = row->operands[i]};
        TRY(add_item(q, &item, i, view));
    }
    return 0;
}

static int resolve_query(void *arg, const struct sql_query *query, struct slice text,
                         struct sql_table *view, struct sql_error_place *place, struct error *err)
{
    struct simple_resolver *r = arg;
    struct sql_column_scope scope = {.text = text};
    struct asking q = {r, &scope, place, err};
    struct sql_found_table from = {.table = NULL};
    const struct sql_body *b = query->body;
    struct arena arena;
    while (b->kind == SQL_BODY_SET) {
        b = b->left;
    }
    bool is_known = b->kind == SQL_BODY_VALUES ||
                    (b->kind == SQL_BODY_SELECT &&
                     (b->select->from == NULL || b->select->from->kind == SQL_RELATION_TABLE));
    if (!is_known || query->n_ctes > 0) {
        place->span = query->span;
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: this query");
    }
    if (b->kind == SQL_BODY_VALUES) {
        return add_values(&q, b, view);
    }
    arena_init(&arena, 0);
    int rc = 0;
    if (b->select->from != NULL) {
        rc = sql_manager_resolve_table(r->m, &b->select->from->name, &arena, &from, place, err);
    }
    if (rc == 0) {
        scope.columns = from.table != NULL ? from.table->columns : NULL;
        scope.n_columns = from.table != NULL ? from.table->n_columns : 0;
        rc = add_select(&q, b->select, view);
    }
    sql_table_unref(from.table);
    arena_fini(&arena);
    return rc;
}

static void list_functions(void *arg, struct text_list *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        text_list_add(ret, slice_cstr(functions[i].name));
    }
}

void simple_resolver_init(struct simple_resolver *r)
{
    *r = (struct simple_resolver){
        .base = {.arg = r,
                 .expression = resolve_expression,
                 .query = resolve_query,
                 .functions = list_functions},
    };
}
