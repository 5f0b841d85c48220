/* Parts of a table as CREATE and ALTER define them: columns, watermark, key, partition keys, distribution.  What is wrong is
 * said with Flink's sentences.  Flink: SqlCreateTableConverter, SchemaConverter, DefaultSchemaResolver. */
#include "sql/catalog/inside.h"
#include "sql/types/resolve.h"

enum { WATERMARK_PRECISION_MAX = 3, BUCKETS_MAX = INT32_MAX };

/* ---- messages ------------------------------------------------------------------------------------------ */

const char *sql_column_names(struct sql_execution *x, const struct sql_table *t, const char *quote)
{
    STR_AUTO out = STR_INIT;
    str_append_char(&out, '[');
    for (uint32_t i = 0; i < t->n_columns; i++) {
        str_printf(&out, "%s%s%s%s", i > 0 ? ", " : "", quote, t->columns[i].name, quote);
    }
    str_append_char(&out, ']');
    return arena_strdup(x->arena, str_cstr(&out));
}

const char *sql_hint_column(struct sql_execution *x, const struct sql_table *t, const char *name)
{
    struct text_list names = TEXT_LIST_INIT;
    STR_AUTO out = STR_INIT;
    for (uint32_t i = 0; i < t->n_columns; i++) {
        text_list_add(&names, slice_cstr(t->columns[i].name));
    }
    sql_hint(name, &names, &out);
    text_list_fini(&names);
    return arena_strdup(x->arena, str_cstr(&out));
}

/* ---- columns ------------------------------------------------------------------------------------------- */

static bool is_builtin(void *arg, struct slice name)
{
    return sql_manager_is_builtin(arg, name);
}

static const char *expr_text(struct sql_execution *x, struct sql_table *t, const struct sql_expr *e,
                             const struct sql_expr_info *info)
{
    const struct sql_unparse u = {x->text, is_builtin, x->m};
    STR_AUTO out = STR_INIT;
    if (info->text != NULL) {
        return arena_strdup(&t->arena, info->text);
    }
    sql_unparse_expr(&u, e, &out);
    return arena_strdup(&t->arena, str_cstr(&out));
}

static void info_fini(struct sql_expr_info *info)
{
    type_unref(info->type);
    mem_free(info->text);
}

/* Asks what an expression is that sees the columns. */
static int ask(struct sql_execution *x, const struct sql_expr *e,
               const struct sql_table_column *columns, uint32_t n, struct sql_expr_info *ret)
{
    const struct sql_column_scope scope = {x->text, columns, n};
    const struct sql_resolver *r = sql_manager_resolver(x->m);
    *ret = (struct sql_expr_info){.type = NULL};
    x->place->span = e->span;
    if (r == NULL || r->expression == NULL) {
        return sql_not_yet(x, e->span, "expressions in the definition of a table");
    }
    return r->expression(r->arg, e, &scope, ret, x->place, x->err);
}

static int simple_name(struct sql_execution *x, const struct sql_path *path, const char **ret)
{
    if (path->n != 1) {
        return sql_refuse(x, path->span, ERR_UNSUPPORTED,
                          "Alter nested row type is not supported yet.");
    }
    if (path->parts[0].text.len > SQL_OBJECT_NAME_MAX) {
        return sql_refuse(x, path->span, ERR_TOO_LARGE, "A name is longer than %d bytes",
                          SQL_OBJECT_NAME_MAX);
    }
    *ret = sql_text(x, path->parts[0].text);
    return 0;
}

static const char *keep(struct sql_table *t, struct slice text)
{
    return text.data != NULL ? arena_strndup(&t->arena, text.data, text.len) : NULL;
}

int sql_define_column(struct sql_execution *x, struct sql_table *t, const struct sql_column *c,
                      struct sql_table_column *ret)
{
    struct sql_span span = c->span;
    struct data_type *type = NULL;
    const char *name = NULL;
    TRY(simple_name(x, &c->name, &name));
    if (t->n_columns >= SCHEMA_FIELDS_MAX) {
        return sql_refuse(x, c->span, ERR_TOO_LARGE, "A table has at most %d columns",
                          SCHEMA_FIELDS_MAX);
    }
    struct sql_table_column column = {
        .name = arena_strdup(&t->arena, name),
        .kind = c->kind,
        .metadata_key = keep(t, c->metadata_key),
        .is_virtual = c->is_virtual,
        .comment = keep(t, c->comment),
    };
    if (c->kind == SQL_COLUMN_NAME) {
        return sql_refuse(
            x, c->span, ERR_INVALID_ARGUMENT,
            "Column '%s' has no type: columns without types order those of a query, in "
            "CREATE TABLE AS.",
            name);
    }
    if (c->kind != SQL_COLUMN_COMPUTED) {
        TRY(sql_placed(x, span, sql_type_resolve(c->type, &type, &span, x->err)));
        x->place->span = span;
        column.type = sql_table_keep_type(t, type);
        type_unref(type);
    }
    *ret = column;
    return 0;
}

/* Columns of the statement that are computed, and those of the table they became. */
int sql_resolve_computed(struct sql_execution *x, struct sql_table *t,
                         const struct sql_table_elements *elements)
{
    uint32_t n = 0;
    struct sql_table_column *seen = arena_alloc(x->arena, (t->n_columns + 1) * sizeof(*seen));
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].kind != SQL_COLUMN_COMPUTED) {
            seen[n++] = t->columns[i];
        }
    }
    for (uint32_t i = 0; i < elements->n_columns; i++) {
        const struct sql_column *c = &elements->columns[i];
        struct sql_expr_info info;
        if (c->kind != SQL_COLUMN_COMPUTED) {
            continue;
        }
        struct sql_table_column *column =
            sql_table_find(t, sql_text(x, c->name.parts[c->name.n - 1].text));
        ASSERT(column != NULL); /* it was added before */
        int rc = ask(x, c->expr, seen, n, &info);
        if (rc == 0) {
            column->type = sql_table_keep_type(t, info.type);
            column->time = info.is_proctime ? SQL_TIME_PROCTIME : SQL_TIME_NONE;
            column->expr = expr_text(x, t, c->expr, &info);
            column->refs = (struct sql_name_list){NULL, 0};
            sql_expr_columns(c->expr, seen, n, &t->arena, &column->refs);
        }
        info_fini(&info);
        TRY(rc);
    }
    return 0;
}

/* ---- watermark ----------------------------------------------------------------------------------------- */

static bool is_watermark_type(const struct data_type *type)
{
    return (type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMP_LTZ) &&
           type->precision <= WATERMARK_PRECISION_MAX;
}

static const char *type_text(struct sql_execution *x, const struct data_type *type)
{
    STR_AUTO out = STR_INIT;
    type_print(type, &out);
    return arena_strdup(x->arena, str_cstr(&out));
}

static int find_time_column(struct sql_execution *x, struct sql_table *t,
                            const struct sql_path *path, struct sql_table_column **ret)
{
    const char *name = sql_text(x, path->parts[0].text);
    if (path->n > 1) {
        return sql_refuse(x, path->span, ERR_UNSUPPORTED,
                          "Watermark strategy on nested column is not supported yet.");
    }
    struct sql_table_column *c = sql_table_find(t, name);
    if (c == NULL) {
        return sql_refuse(x, path->span, ERR_INVALID_ARGUMENT,
                          "The rowtime attribute field '%s' is not defined in the table schema. "
                          "Available fields: %s%s",
                          name, sql_column_names(x, t, "'"), sql_hint_column(x, t, name));
    }
    if (c->time == SQL_TIME_PROCTIME) {
        return sql_refuse(x, path->span, ERR_INVALID_ARGUMENT,
                          "A watermark can not be defined for a processing-time attribute.");
    }
    if (!is_watermark_type(c->type)) {
        return sql_refuse(
            x, path->span, ERR_INVALID_ARGUMENT,
            "Invalid data type of time field for watermark definition. The field must "
            "be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported precision 'p' "
            "is from 0 to 3, but the time field type is %s",
            type_text(x, c->type));
    }
    *ret = c;
    return 0;
}

int sql_define_watermark(struct sql_execution *x, struct sql_table *t,
                         const struct sql_watermark *w)
{
    struct sql_table_column *c = NULL;
    struct sql_expr_info info;
    TRY(find_time_column(x, t, &w->column, &c));
    int rc = ask(x, w->expr, t->columns, t->n_columns, &info);
    if (rc == 0 && !info.is_source_watermark && !is_watermark_type(info.type)) {
        rc = sql_refuse(
            x, w->expr->span, ERR_INVALID_ARGUMENT,
            "Invalid data type of expression for watermark definition. The field must be "
            "of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported precision 'p' is "
            "from 0 to 3, but the watermark expression type is %s",
            type_text(x, info.type));
    }
    if (rc == 0) {
        const struct data_type *type = info.is_source_watermark ? c->type : info.type;
        t->watermark = (struct sql_table_watermark){
            .column = arena_strdup(&t->arena, c->name),
            .expr = expr_text(x, t, w->expr, &info),
            .type = sql_table_keep_type(t, type),
        };
        sql_name_list_add(&t->watermark.refs, &t->arena, slice_cstr(c->name));
        sql_expr_columns(w->expr, t->columns, t->n_columns, &t->arena, &t->watermark.refs);
    }
    info_fini(&info);
    return rc;
}

void sql_mark_rowtime(struct sql_table *t)
{
    for (uint32_t i = 0; i < t->n_columns; i++) {
        struct sql_table_column *c = &t->columns[i];
        bool is_it = t->watermark.column != NULL && strcmp(t->watermark.column, c->name) == 0;
        if (c->time != SQL_TIME_PROCTIME) {
            c->time = is_it ? SQL_TIME_ROWTIME : SQL_TIME_NONE;
        }
    }
}

/* ---- keys ------------------------------------------------------------------------------------------------ */

static int check_constraint(struct sql_execution *x, const struct sql_constraint *c)
{
    if (!c->is_primary) {
        return sql_refuse(x, c->span, ERR_UNSUPPORTED, "UNIQUE constraint is not supported yet");
    }
    if (c->enforcement != SQL_NOT_ENFORCED) {
        return sql_refuse(
            x, c->span, ERR_INVALID_ARGUMENT,
            "Flink doesn't support ENFORCED mode for PRIMARY KEY constraint. ENFORCED/NOT ENFORCED "
            "controls if the constraint checks are performed on the incoming/outgoing data. Flink "
            "does not own the data therefore the only supported mode is the NOT ENFORCED mode");
    }
    return 0;
}

int sql_find_key(struct sql_execution *x, const struct sql_table_elements *elements,
                 const struct sql_constraint **ret)
{
    const struct sql_constraint *found = NULL;
    for (uint32_t i = 0; i < elements->n_columns + elements->n_constraints; i++) {
        const struct sql_constraint *c = i < elements->n_columns
                                             ? elements->columns[i].constraint
                                             : &elements->constraints[i - elements->n_columns];
        if (c == NULL) {
            continue;
        }
        TRY(check_constraint(x, c));
        if (found != NULL) {
            return sql_refuse(x, c->span, ERR_INVALID_ARGUMENT,
                              "Duplicate primary key definition: a table has at most one");
        }
        found = c;
    }
    *ret = found;
    return 0;
}

static int add_key_column(struct sql_execution *x, struct sql_table *t,
                          const struct sql_name *written)
{
    const char *name = sql_text(x, written->text);
    struct sql_table_column *c = sql_table_find(t, name);
    if (c == NULL) {
        return sql_refuse(x, written->span, ERR_INVALID_ARGUMENT,
                          "Primary key column '%s' is not defined in the schema.%s", name,
                          sql_hint_column(x, t, name));
    }
    if (c->kind != SQL_COLUMN_PHYSICAL) {
        return sql_refuse(
            x, written->span, ERR_INVALID_ARGUMENT,
            "Could not create a PRIMARY KEY with column '%s'. A PRIMARY KEY constraint "
            "must be declared on physical columns.",
            name);
    }
    if (sql_name_list_has(&t->key.columns, name)) {
        return sql_refuse(x, written->span, ERR_INVALID_ARGUMENT,
                          "Invalid primary key. A primary key must not contain duplicate columns. "
                          "Found: [%s]",
                          name);
    }
    sql_name_list_add(&t->key.columns, &t->arena, slice_cstr(name));
    if (c->type->nullable) {
        struct data_type *type = type_with_nullable(c->type, false);
        c->type = sql_table_keep_type(t, type);
        type_unref(type);
    }
    return 0;
}

int sql_define_key(struct sql_execution *x, struct sql_table *t, const struct sql_constraint *c)
{
    STR_AUTO name = STR_INIT;
    t->key.columns = (struct sql_name_list){NULL, 0};
    str_append_cstr(&name, "PK");
    for (uint32_t i = 0; i < c->columns.n; i++) {
        TRY(add_key_column(x, t, &c->columns.items[i]));
        str_append_char(&name, '_');
        str_append_slice(&name, c->columns.items[i].text);
    }
    if (c->name.text.data != NULL) {
        str_clear(&name);
        str_append_slice(&name, c->name.text);
    }
    t->key.name = arena_strdup(&t->arena, str_cstr(&name));
    return 0;
}

int sql_check_partition_keys(struct sql_execution *x, struct sql_table *t,
                             const struct sql_names *names)
{
    if (names->n > SQL_PARTITION_KEYS_MAX) {
        return sql_refuse(x, names->items[0].span, ERR_TOO_LARGE,
                          "A table has at most %d partition keys", SQL_PARTITION_KEYS_MAX);
    }
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = sql_text(x, names->items[i].text);
        if (sql_table_find(t, name) == NULL) {
            return sql_refuse(x, names->items[i].span, ERR_INVALID_ARGUMENT,
                              "Partition column '%s' not defined in the table schema. Available "
                              "columns: %s%s",
                              name, sql_column_names(x, t, "'"), sql_hint_column(x, t, name));
        }
        if (sql_name_list_has(&t->partition_keys, name)) {
            return sql_refuse(x, names->items[i].span, ERR_INVALID_ARGUMENT,
                              "Partition column '%s' is named twice.", name);
        }
        sql_name_list_add(&t->partition_keys, &t->arena, slice_cstr(name));
    }
    return 0;
}

/* ---- distribution ------------------------------------------------------------------------------------------ */

static int parse_buckets(struct sql_execution *x, const struct sql_expr *e, int32_t *ret)
{
    int64_t n = 0;
    bool is_number = e->kind == SQL_EXPR_LITERAL && e->literal.kind == SQL_LITERAL_EXACT;
    for (size_t i = 0; is_number && i < e->literal.text.len; i++) {
        char c = e->literal.text.data[i];
        is_number = c >= '0' && c <= '9' && n <= BUCKETS_MAX;
        n = is_number ? n * 10 + (c - '0') : n;
    }
    if (!is_number || n < 1 || n > BUCKETS_MAX) {
        return sql_refuse(
            x, e->span, ERR_INVALID_ARGUMENT,
            "Invalid bucket count '%.*s'. The number of buckets for a distributed table "
            "must be at least 1.",
            (int)MIN(e->span.end - e->span.start, 40U), x->text.data + e->span.start);
    }
    *ret = (int32_t)n;
    return 0;
}

int sql_define_distribution(struct sql_execution *x, struct sql_table *t,
                            const struct sql_distribution *d)
{
    struct sql_table_distribution made = {.kind = d->kind, .buckets = SQL_BUCKETS_NONE};
    for (uint32_t i = 0; i < d->columns.n; i++) {
        const struct sql_name *written = &d->columns.items[i];
        const char *name = sql_text(x, written->text);
        const struct sql_table_column *c = sql_table_find(t, name);
        if (c == NULL || c->kind != SQL_COLUMN_PHYSICAL) {
            return sql_refuse(x, written->span, ERR_INVALID_ARGUMENT,
                              "Invalid bucket key '%s'. A bucket key for a distribution must "
                              "reference a physical column in the schema. Available columns are: "
                              "%s%s",
                              name, sql_column_names(x, t, ""), sql_hint_column(x, t, name));
        }
        sql_name_list_add(&made.columns, &t->arena, slice_cstr(name));
    }
    if (d->buckets != NULL) {
        TRY(parse_buckets(x, d->buckets, &made.buckets));
    }
    t->distribution = made;
    return 0;
}

int sql_check_table(struct sql_execution *x, const struct sql_table *t, struct sql_span span)
{
    const struct sql_resolver *r = sql_manager_resolver(x->m);
    x->place->span = span;
    return r != NULL && r->check_table != NULL ? r->check_table(r->arg, t, x->err) : 0;
}
