/* ALTER TABLE ADD and DROP PARTITION, SHOW PARTITIONS. */
#include "sql/catalog/inside.h"

/* ---- values ---------------------------------------------------------------------------------------------- */

/* CatalogPartitionSpec{{a=1, b=x}} as it was written */
static const char *written(struct sql_execution *x, const struct sql_partition *p)
{
    STR_AUTO out = STR_INIT;
    str_append_cstr(&out, "CatalogPartitionSpec{{");
    for (uint32_t i = 0; i < p->n && out.len < 400; i++) {
        const struct sql_expr *value = p->items[i].value;
        str_append_cstr(&out, i > 0 ? ", " : "");
        str_append_slice(&out, p->items[i].column.text);
        str_append_char(&out, '=');
        if (value != NULL && value->kind == SQL_EXPR_LITERAL) {
            str_append_slice(&out, value->literal.text);
        }
    }
    str_append_cstr(&out, "}}");
    return arena_strdup(x->arena, str_cstr(&out));
}

static int no_match(struct sql_execution *x, const struct sql_partition *p,
                    const struct sql_identifier *id, const struct sql_table *t)
{
    STR_AUTO keys = STR_INIT;
    for (uint32_t i = 0; i < t->partition_keys.n; i++) {
        str_printf(&keys, "%s%s", i > 0 ? ", " : "", t->partition_keys.items[i]);
    }
    return sql_refuse(
        x, p->span, ERR_INVALID_ARGUMENT,
        "PartitionSpec %s does not match partition keys [%s] of table %s.%s in catalog "
        "%s.",
        written(x, p), str_cstr(&keys), id->database, id->name, id->catalog);
}

static const char *literal_text(const struct sql_literal *l)
{
    switch (l->kind) {
    case SQL_LITERAL_TRUE:
        return "true";
    case SQL_LITERAL_FALSE:
        return "false";
    default:
        return NULL;
    }
}

/* The text of a value: a literal, maybe with a minus. */
static int value_of(struct sql_execution *x, const struct sql_expr *e, const char **ret)
{
    bool is_minus = e->kind == SQL_EXPR_UNARY && e->op == SQL_OP_MINUS &&
                    e->operands[0]->kind == SQL_EXPR_LITERAL;
    const struct sql_expr *value = is_minus ? e->operands[0] : e;
    bool is_fine = value->kind == SQL_EXPR_LITERAL && value->literal.kind != SQL_LITERAL_NULL &&
                   value->literal.kind != SQL_LITERAL_UNKNOWN &&
                   value->literal.kind != SQL_LITERAL_INTERVAL &&
                   value->literal.kind != SQL_LITERAL_BINARY;
    if (!is_fine) {
        return sql_refuse(x, e->span, ERR_INVALID_ARGUMENT,
                          "The value of a partition column is a literal that is not NULL");
    }
    const char *word = literal_text(&value->literal);
    const char *text = word != NULL ? word : sql_text(x, value->literal.text);
    *ret = is_minus ? arena_printf(x->arena, "-%s", text) : text;
    return 0;
}

/* Values in the order of the keys; NULL where nothing is said of one. */
static int values_of(struct sql_execution *x, const struct sql_partition *p,
                     const struct sql_identifier *id, const struct sql_table *t,
                     const char **ret_values)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const char *column = sql_text(x, p->items[i].column.text);
        uint32_t key = 0;
        while (key < t->partition_keys.n && strcmp(t->partition_keys.items[key], column) != 0) {
            key++;
        }
        if (key == t->partition_keys.n || ret_values[key] != NULL || p->items[i].value == NULL) {
            return no_match(x, p, id, t);
        }
        TRY(value_of(x, p->items[i].value, &ret_values[key]));
    }
    return 0;
}

static int whole_values(struct sql_execution *x, const struct sql_partition *p,
                        const struct sql_identifier *id, const struct sql_table *t,
                        struct sql_partition_values *ret)
{
    const char *values[SQL_PARTITION_KEYS_MAX] = {NULL};
    *ret = (struct sql_partition_values){.values = {NULL, 0}};
    TRY(values_of(x, p, id, t, values));
    if (p->n != t->partition_keys.n) {
        return no_match(x, p, id, t);
    }
    for (uint32_t i = 0; i < t->partition_keys.n; i++) {
        sql_name_list_add(&ret->values, x->arena, slice_cstr(values[i]));
    }
    sql_put_properties(&p->properties, x->arena, &ret->options);
    return 0;
}

static int check_partitioned(struct sql_execution *x, const struct sql_identifier *id,
                             const struct sql_table *t)
{
    return t->partition_keys.n > 0 ? 0
                                   : sql_refuse(x, id->span, ERR_INVALID_ARGUMENT,
                                                "Table %s.%s in catalog %s is not partitioned.",
                                                id->database, id->name, id->catalog);
}

/* ---- ADD, DROP ----------------------------------------------------------------------------------------------- */

/* One after the other; when one fails, those before it are taken back. */
static int add_partitions(struct sql_execution *x, const struct sql_alter *a,
                          const struct sql_identifier *id,
                          const struct sql_partition_values *values, struct sql_catalog *c)
{
    bool *is_new = arena_zalloc(x->arena, a->n_partitions);
    for (uint32_t i = 0; i < a->n_partitions; i++) {
        struct error why = ERROR_INIT;
        int rc = c->ops->create_partition(c, id->database, id->name, &values[i], &why);
        is_new[i] = rc == 0;
        if (rc == 0 || (rc == ERR_ALREADY_EXISTS && a->if_exists)) {
            continue;
        }
        while (i-- > 0) {
            if (is_new[i]) {
                int ignored =
                    c->ops->drop_partition(c, id->database, id->name, &values[i].values, NULL);
                (void)ignored;
            }
        }
        return sql_refuse(x, a->name.span, rc, "%s", why.message);
    }
    return 0;
}

static int drop_partitions(struct sql_execution *x, const struct sql_alter *a,
                           const struct sql_identifier *id,
                           const struct sql_partition_values *values, struct sql_catalog *c)
{
    for (uint32_t i = 0; i < a->n_partitions; i++) {
        struct error why = ERROR_INIT;
        int rc = c->ops->drop_partition(c, id->database, id->name, &values[i].values, &why);
        if (rc == 0 || (rc == ERR_NOT_FOUND && a->if_exists)) {
            continue;
        }
        return sql_refuse(x, a->partitions[i].span, rc, "%s", why.message);
    }
    return 0;
}

int sql_execute_partitions(struct sql_execution *x, const struct sql_alter *a,
                           const struct sql_identifier *id, const struct sql_table *t)
{
    struct sql_catalog *c = NULL;
    struct sql_partition_values *values = arena_zalloc(x->arena, a->n_partitions * sizeof(*values));
    TRY(check_partitioned(x, id, t));
    TRY(sql_catalog_of(x, id, &c));
    if (c->ops->create_partition == NULL || c->ops->drop_partition == NULL) {
        return sql_not_yet(x, id->span, "partitions in this kind of catalog");
    }
    for (uint32_t i = 0; i < a->n_partitions; i++) {
        TRY(whole_values(x, &a->partitions[i], id, t, &values[i]));
    }
    return a->kind == SQL_ALTER_ADD_PARTITIONS ? add_partitions(x, a, id, values, c)
                                               : drop_partitions(x, a, id, values, c);
}

/* ---- SHOW ------------------------------------------------------------------------------------------------------ */

struct listing {
    struct sql_execution *x;
    const struct sql_table *table;
    const char *wanted[SQL_PARTITION_KEYS_MAX]; /* NULL: any */
};

/* a=1/b=x */
static void list_one(void *arg, const struct sql_partition_values *p)
{
    struct listing *l = arg;
    STR_AUTO out = STR_INIT;
    for (uint32_t i = 0; i < p->values.n; i++) {
        if (l->wanted[i] != NULL && strcmp(l->wanted[i], p->values.items[i]) != 0) {
            return;
        }
        str_printf(&out, "%s%s=%s", i > 0 ? "/" : "", l->table->partition_keys.items[i],
                   p->values.items[i]);
    }
    const char *cell = str_cstr(&out);
    sql_result_add(l->x->result, &cell);
}

static int list_partitions(struct sql_execution *x, const struct sql_show *show,
                           const struct sql_identifier *id, const struct sql_table *t)
{
    static const struct sql_result_column column = {"partition name", SQL_RESULT_STRING};
    struct listing l = {.x = x, .table = t};
    struct sql_catalog *c = NULL;
    TRY(check_partitioned(x, id, t));
    TRY(values_of(x, &show->partition, id, t, l.wanted));
    TRY(sql_catalog_of(x, id, &c));
    x->result = sql_result_new(&column, 1);
    return sql_placed(x, id->span,
                      c->ops->list_partitions(c, id->database, id->name, list_one, &l, x->err));
}

int sql_show_partitions(struct sql_execution *x, const struct sql_show *show)
{
    struct sql_identifier id;
    struct sql_table *t = NULL;
    bool is_temporary = false;
    TRY(sql_qualify(x, &show->in, &id));
    int rc = sql_placed(x, id.span, sql_manager_find_table(x->m, &id, &t, &is_temporary, x->err));
    TRY(rc);
    if (rc == 0 || is_temporary) {
        STR_AUTO hint = STR_INIT;
        sql_table_unref(t);
        sql_manager_hint_table(x->m, &id, &hint);
        return sql_refuse(x, id.span, ERR_NOT_FOUND,
                          "Table %s doesn't exist or is a temporary table.%s", sql_quoted(x, &id),
                          is_temporary ? "" : str_cstr(&hint));
    }
    rc = list_partitions(x, show, &id, t);
    sql_table_unref(t);
    return rc;
}
