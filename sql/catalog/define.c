/* A CREATE TABLE or CREATE VIEW becomes a definition: base of LIKE, own columns, then what refers to columns.
 * Flink: SqlCreateTableConverter, SqlCreateTableLikeConverter, SqlCreateViewConverter. */
#include "sql/catalog/inside.h"

/* A definition on its way. */
struct making {
    struct sql_execution *x;
    const struct sql_create *c;
    struct sql_like_rules rules;
    struct sql_table *base;        /* Owns a ref; what LIKE takes over; NULL: no LIKE */
    struct sql_table *table;       /* Owns */
    const struct sql_table *query; /* columns of CREATE TABLE AS; NULL: no query */
};

/* ---- LIKE ---------------------------------------------------------------------------------------------- */

static int find_base(struct making *k)
{
    struct sql_execution *x = k->x;
    struct sql_identifier id;
    struct sql_table *source = NULL;
    bool is_temporary;
    TRY(sql_like_rules_of(x, k->c, &k->rules));
    TRY(sql_qualify(x, &k->c->like, &id));
    int rc =
        sql_placed(x, id.span, sql_manager_find_table(x->m, &id, &source, &is_temporary, x->err));
    TRY(rc);
    if (rc == 0) {
        STR_AUTO hint = STR_INIT;
        sql_manager_hint_table(x->m, &id, &hint);
        return sql_refuse(x, id.span, ERR_NOT_FOUND,
                          "Source table '%s' of the LIKE clause not found in the catalog.%s",
                          sql_quoted(x, &id), str_cstr(&hint));
    }
    if (source->kind != SQL_TABLE_KIND_TABLE) {
        sql_table_unref(source);
        return sql_refuse(x, id.span, ERR_INVALID_ARGUMENT,
                          "Source table '%s' of the LIKE clause can not be a VIEW.",
                          sql_quoted(x, &id));
    }
    k->base = sql_like_base(source, &k->rules);
    sql_table_unref(source);
    return 0;
}

/* ---- columns ------------------------------------------------------------------------------------------- */

/* A generated or metadata column of the base table may be replaced by one of its kind, where OVERWRITING says so. */
static int check_replaced(struct making *k, const struct sql_column *c,
                          const struct sql_table_column *old)
{
    static const struct {
        enum sql_like_feature feature;
        const char *plural, *singular, *word;
    } rows[] = {
        [SQL_COLUMN_COMPUTED] = {SQL_LIKE_GENERATED, "Computed", "computed", "generated"},
        [SQL_COLUMN_METADATA] = {SQL_LIKE_METADATA, "Metadata", "metadata", "metadata"},
    };
    if (c->kind == SQL_COLUMN_PHYSICAL) {
        return sql_refuse(k->x, c->span, ERR_INVALID_ARGUMENT,
                          "A column named '%s' already exists in the base table.", old->name);
    }
    if (old->kind != c->kind) {
        return sql_refuse(
            k->x, c->span, ERR_INVALID_ARGUMENT,
            "A column named '%s' already exists in the base table. %s columns can only "
            "overwrite other %s columns.",
            old->name, rows[c->kind].plural, rows[c->kind].singular);
    }
    if (k->rules.rules[rows[c->kind].feature] != SQL_LIKE_OVERWRITING) {
        const char *feature = c->kind == SQL_COLUMN_COMPUTED ? "GENERATED" : "METADATA";
        return sql_refuse(
            k->x, c->span, ERR_INVALID_ARGUMENT,
            "A %s column named '%s' already exists in the base table. You might want to "
            "specify EXCLUDING %s or OVERWRITING %s.",
            rows[c->kind].word, old->name, feature, feature);
    }
    return 0;
}

static int add_column(struct making *k, uint32_t at)
{
    const struct sql_column *c = &k->c->elements.columns[at];
    struct sql_table_column made;
    for (uint32_t i = 0; i < at; i++) {
        const struct sql_path *other = &k->c->elements.columns[i].name;
        if (slice_compare(other->parts[other->n - 1].text, c->name.parts[c->name.n - 1].text) ==
            0) {
            return sql_refuse(k->x, c->name.span, ERR_INVALID_ARGUMENT,
                              "A column named '%.*s' already exists in the table.",
                              (int)MIN(c->name.parts[c->name.n - 1].text.len, (size_t)200),
                              c->name.parts[c->name.n - 1].text.data);
        }
    }
    TRY(sql_define_column(k->x, k->table, c, &made));
    struct sql_table_column *old = sql_table_find(k->table, made.name);
    if (old != NULL) {
        TRY(check_replaced(k, c, old));
        *old = made;
        return 0;
    }
    *sql_table_insert(k->table, k->table->n_columns) = made;
    return 0;
}

/* ---- columns of a query ------------------------------------------------------------------------------------ */

static const struct sql_column *find_declared(struct making *k, const char *name)
{
    for (uint32_t i = 0; i < k->c->elements.n_columns; i++) {
        const struct sql_column *c = &k->c->elements.columns[i];
        if (slice_eq_cstr(c->name.parts[c->name.n - 1].text, name)) {
            return c;
        }
    }
    return NULL;
}

/* A column of the query, as it is or with the type that the statement gives it. */
static int add_from_query(struct making *k, const struct sql_table_column *from)
{
    const struct sql_column *declared = find_declared(k, from->name);
    struct sql_table_column made = {.name = from->name, .type = from->type};
    if (declared != NULL && declared->kind == SQL_COLUMN_PHYSICAL) {
        TRY(sql_define_column(k->x, k->table, declared, &made));
    }
    sql_table_put(k->table, sql_table_insert(k->table, k->table->n_columns), &made);
    return 0;
}

/* (b, a): the columns of the query in another order. */
static int reorder_query(struct making *k)
{
    const struct sql_table_elements *e = &k->c->elements;
    if (e->n_columns != k->query->n_columns) {
        return sql_refuse(
            k->x, k->c->name.span, ERR_INVALID_ARGUMENT,
            "The number of columns in the column list must match the number of columns "
            "in the source schema.");
    }
    for (uint32_t i = 0; i < e->n_columns; i++) {
        const struct sql_name *written = &e->columns[i].name.parts[0];
        const char *name = sql_text(k->x, written->text);
        const struct sql_table_column *from = sql_table_find(k->query, name);
        if (from == NULL) {
            return sql_refuse(k->x, written->span, ERR_NOT_FOUND,
                              "Column '%s' not found in the source schema.%s", name,
                              sql_hint_column(k->x, k->query, name));
        }
        if (sql_table_find(k->table, name) != NULL) {
            return sql_refuse(k->x, written->span, ERR_INVALID_ARGUMENT,
                              "A column named '%s' already exists in the table.", name);
        }
        TRY(add_from_query(k, from));
    }
    return 0;
}

/* Columns that the query does not have come first, then those of the query. */
static int add_query(struct making *k)
{
    const struct sql_table_elements *e = &k->c->elements;
    if (e->n_columns > 0 && e->columns[0].kind == SQL_COLUMN_NAME) {
        return reorder_query(k);
    }
    for (uint32_t i = 0; i < e->n_columns; i++) {
        const struct sql_column *c = &e->columns[i];
        const char *name = sql_text(k->x, c->name.parts[c->name.n - 1].text);
        bool is_of_query = sql_table_find(k->query, name) != NULL;
        if (is_of_query && c->kind != SQL_COLUMN_PHYSICAL) {
            return sql_refuse(k->x, c->span, ERR_INVALID_ARGUMENT,
                              "A column named '%s' already exists in the source schema.", name);
        }
        TRY(is_of_query ? 0 : add_column(k, i));
    }
    for (uint32_t i = 0; i < k->query->n_columns; i++) {
        TRY(add_from_query(k, &k->query->columns[i]));
    }
    return 0;
}

static int add_columns(struct making *k)
{
    if (k->query != NULL) {
        return add_query(k);
    }
    for (uint32_t i = 0; i < k->c->elements.n_columns; i++) {
        TRY(add_column(k, i));
    }
    return 0;
}

/* ---- what refers to columns ------------------------------------------------------------------------------ */

/* Columns of the base table that were left out may be read by others that were not. */
static int check_refs(struct making *k)
{
    struct sql_table *t = k->table;
    for (uint32_t i = 0; i < t->n_columns; i++) {
        const struct sql_table_column *c = &t->columns[i];
        for (uint32_t r = 0; r < c->refs.n; r++) {
            if (sql_table_find(t, c->refs.items[r]) == NULL) {
                return sql_refuse(k->x, k->c->like.span, ERR_INVALID_ARGUMENT,
                                  "Invalid expression for computed column '%s': column '%s' of the "
                                  "base table was left out.",
                                  c->name, c->refs.items[r]);
            }
        }
    }
    for (uint32_t r = 0; r < t->watermark.refs.n; r++) {
        if (sql_table_find(t, t->watermark.refs.items[r]) == NULL) {
            return sql_refuse(
                k->x, k->c->like.span, ERR_INVALID_ARGUMENT,
                "The rowtime attribute field '%s' is not defined in the table schema: "
                "the base table's watermark refers to column '%s', which was left out. "
                "You might want to specify EXCLUDING WATERMARKS.",
                t->watermark.column, t->watermark.refs.items[r]);
        }
    }
    return 0;
}

static int add_watermark(struct making *k)
{
    const struct sql_table_elements *e = &k->c->elements;
    if (e->n_watermarks > 1) {
        return sql_refuse(k->x, e->watermarks[1].span, ERR_INVALID_ARGUMENT,
                          "Multiple WATERMARK statements is not supported yet.");
    }
    if (e->n_watermarks == 0) {
        return 0;
    }
    if (k->table->watermark.column != NULL &&
        k->rules.rules[SQL_LIKE_WATERMARKS] != SQL_LIKE_OVERWRITING) {
        return sql_refuse(
            k->x, e->watermarks[0].span, ERR_INVALID_ARGUMENT,
            "There already exists a watermark spec for column '%s' in the base table. "
            "You might want to specify EXCLUDING WATERMARKS or OVERWRITING WATERMARKS.",
            k->table->watermark.column);
    }
    return sql_define_watermark(k->x, k->table, &e->watermarks[0]);
}

static int add_key(struct making *k)
{
    const struct sql_constraint *key = NULL;
    TRY(sql_find_key(k->x, &k->c->elements, &key));
    if (key != NULL && k->table->key.name != NULL) {
        return sql_refuse(k->x, key->span, ERR_INVALID_ARGUMENT,
                          "The base table already has a primary key. You might want to specify "
                          "EXCLUDING CONSTRAINTS.");
    }
    return key != NULL ? sql_define_key(k->x, k->table, key) : 0;
}

static int add_partitions(struct making *k)
{
    const struct sql_names *names = &k->c->partitioned;
    if (names->n > 0 && k->table->partition_keys.n > 0) {
        return sql_refuse(
            k->x, names->items[0].span, ERR_INVALID_ARGUMENT,
            "The base table already has partitions defined. You might want to specify "
            "EXCLUDING PARTITIONS.");
    }
    return sql_check_partition_keys(k->x, k->table, names);
}

static int add_distribution(struct making *k)
{
    const struct sql_distribution *d = &k->c->distribution;
    if (d->kind == SQL_DISTRIBUTION_NONE) {
        return 0;
    }
    if (k->table->distribution.kind != SQL_DISTRIBUTION_NONE) {
        return sql_refuse(k->x, k->c->name.span, ERR_INVALID_ARGUMENT,
                          "The base table already has a distribution defined. You might want to "
                          "specify EXCLUDING DISTRIBUTION.");
    }
    return sql_define_distribution(k->x, k->table, d);
}

static int add_options(struct making *k)
{
    const struct sql_properties *own = &k->c->properties;
    for (uint32_t i = 0; i < own->n; i++) {
        const char *key = sql_text(k->x, own->items[i].key);
        const char *old = k->base != NULL ? sql_options_find(&k->base->options, key) : NULL;
        if (old != NULL && k->rules.rules[SQL_LIKE_OPTIONS] != SQL_LIKE_OVERWRITING) {
            return sql_refuse(
                k->x, own->items[i].span, ERR_INVALID_ARGUMENT,
                "There already exists an option ['%s' -> '%s'] in the base table. You "
                "might want to specify EXCLUDING OPTIONS or OVERWRITING OPTIONS.",
                key, old);
        }
    }
    sql_put_properties(own, &k->table->arena, &k->table->options);
    return 0;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static int make(struct making *k)
{
    TRY(k->c->like.n > 0 ? find_base(k) : 0);
    k->table = k->base != NULL ? sql_table_copy(k->base) : sql_table_new(SQL_TABLE_KIND_TABLE);
    TRY(add_columns(k));
    TRY(add_key(k)); /* before what reads its columns, which are NOT NULL now */
    TRY(sql_resolve_computed(k->x, k->table, &k->c->elements));
    TRY(add_watermark(k));
    TRY(add_partitions(k));
    TRY(add_distribution(k));
    TRY(add_options(k));
    TRY(check_refs(k));
    sql_mark_rowtime(k->table);
    if (k->c->comment.len > 0) {
        k->table->comment = arena_strndup(&k->table->arena, k->c->comment.data, k->c->comment.len);
    }
    return 0;
}

int sql_define_table(struct sql_execution *x, const struct sql_create *c,
                     const struct sql_table *query, struct sql_table **ret)
{
    struct making k = {.x = x, .c = c, .query = query};
    int rc = make(&k);
    sql_table_unref(k.base);
    if (rc < 0) {
        sql_table_unref(k.table);
        return rc;
    }
    *ret = k.table;
    return 0;
}

/* ---- views ----------------------------------------------------------------------------------------------- */

static int rename_columns(struct sql_execution *x, struct sql_table *view,
                          const struct sql_names *names)
{
    if (names->n != view->n_columns) {
        STR_AUTO defined = STR_INIT;
        for (uint32_t i = 0; i < names->n && defined.len < 400; i++) {
            str_append_cstr(&defined, i > 0 ? ", " : "");
            str_append_slice(&defined, names->items[i].text);
        }
        return sql_refuse(
            x, names->items[0].span, ERR_INVALID_ARGUMENT,
            "VIEW definition and input fields not match:\n\tDef fields: [%s].\n\tInput "
            "fields: %s.",
            str_cstr(&defined), sql_column_names(x, view, ""));
    }
    for (uint32_t i = 0; i < names->n; i++) {
        TRY(sql_name_text(&names->items[i], &view->arena, &view->columns[i].name, x->place,
                          x->err));
    }
    return 0;
}

static int refuse_twice(struct sql_execution *x, struct sql_span span, const char *name)
{
    return sql_refuse(x, span, ERR_INVALID_ARGUMENT,
                      "Schema must not contain duplicate column names. Found duplicates: [%s]",
                      name);
}

/* The name that an item of SELECT has as it is written; NULL: none. */
static const struct sql_name *written_name(const struct sql_select_item *item)
{
    const struct sql_expr *e = item->expr;
    if (item->alias.text.data != NULL) {
        return &item->alias;
    }
    return e->kind == SQL_EXPR_COLUMN ? &e->column.parts[e->column.n - 1] : NULL;
}

/* A query makes names different that a view has to say: SELECT 1 AS a, 2 AS a has the columns a and a0. */
static int check_written(struct sql_execution *x, const struct sql_query *query)
{
    const struct sql_select *select =
        query->body->kind == SQL_BODY_SELECT ? query->body->select : NULL;
    struct map seen;
    int rc = 0;
    map_init(&seen, NULL);
    for (uint32_t i = 0; select != NULL && i < select->n_items && rc == 0; i++) {
        const struct sql_name *name = written_name(&select->items[i]);
        const char *text = NULL;
        if (name != NULL) {
            rc = sql_name_text(name, x->arena, &text, x->place, x->err);
        }
        if (rc == 0 && text != NULL && !map_put(&seen, text, (void *)query)) {
            rc = refuse_twice(x, name->span, text);
        }
    }
    map_fini(&seen);
    return rc;
}

static int check_names(struct sql_execution *x, const struct sql_table *view, struct sql_span span)
{
    struct map seen;
    int rc = 0;
    map_init(&seen, NULL);
    for (uint32_t i = 0; i < view->n_columns && rc == 0; i++) {
        if (!map_put(&seen, view->columns[i].name, (void *)view)) {
            rc = refuse_twice(x, span, view->columns[i].name);
        }
    }
    map_fini(&seen);
    return rc;
}

int sql_define_view(struct sql_execution *x, const struct sql_query *query,
                    struct sql_span query_text, const struct sql_names *names,
                    struct sql_table **ret)
{
    const struct sql_resolver *r = sql_manager_resolver(x->m);
    x->place->span = query_text;
    if (r == NULL || r->query == NULL) {
        return sql_not_yet(x, query_text, "queries of views");
    }
    struct sql_table *view = sql_table_new(SQL_TABLE_KIND_VIEW);
    view->original_query = arena_strndup(&view->arena, x->text.data + query_text.start,
                                         query_text.end - query_text.start);
    int rc = r->query(r->arg, query, x->text, view, x->place, x->err);
    if (rc == 0 && names != NULL) {
        rc = names->n > 0 ? rename_columns(x, view, names) : check_written(x, query);
    }
    rc = rc < 0 ? rc : check_names(x, view, query_text);
    if (rc < 0) {
        sql_table_unref(view);
        return rc;
    }
    if (view->expanded_query == NULL) {
        view->expanded_query = view->original_query;
    }
    *ret = view;
    return 0;
}
