/* Columns by name: a, t.a, t.a.f; the nearest name when there is none. */
#include "sql/validate/inside.h"

#include "common/base/vec.h"

int sql_at_place(struct sql_validator *v, struct sql_span span, int rc)
{
    if (rc < 0 && !v->has_place) {
        v->place = span;
        v->has_place = true;
    }
    return rc;
}

static bool is_table(const struct sql_scope_column *c, struct slice name)
{
    return c->table.data != NULL && slice_eq(c->table, name);
}

/* The columns of the name (of the table when there is one): how many, and the last of them. */
static uint32_t find(const struct sql_scope *scope, const struct sql_name *table,
                     const struct sql_name *name, const struct sql_scope_column **ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < scope->n; i++) {
        const struct sql_scope_column *c = &scope->columns[i];
        if (slice_eq(c->name, name->text) &&
            (table == NULL ? !c->is_hidden : is_table(c, table->text))) {
            *ret = c;
            n++;
        }
    }
    return n;
}

static bool has_table(const struct sql_scope *scope, const struct sql_name *name)
{
    for (uint32_t i = 0; i < scope->n; i++) {
        if (is_table(&scope->columns[i], name->text)) {
            return true;
        }
    }
    return false;
}

/* "; did you mean 'x'?" of the columns (of a table) or of the fields of a row. */
static void add_nearest(const char *const *names, size_t n, const char *name, struct str *out)
{
    const char *near = cstr_nearest(name, names, n);
    if (near != NULL) {
        str_printf(out, "; did you mean '%s'?", near);
    }
}

static int not_found(struct sql_validator *v, const struct sql_scope *scope,
                     const struct sql_name *table, const struct sql_name *name, struct error *err)
{
    STR_AUTO hint = STR_INIT;
    struct arena arena;
    CLEANUP(vec_fini) struct vec names = VEC_INIT(const char *);
    arena_init(&arena, 0);
    for (uint32_t i = 0; i < scope->n; i++) {
        const struct sql_scope_column *c = &scope->columns[i];
        if (table == NULL || is_table(c, table->text)) {
            vec_push_ptr(&names, arena_strndup(&arena, c->name.data, c->name.len));
        }
    }
    const char *text = arena_strndup(&arena, name->text.data, name->text.len);
    add_nearest((const char *const *)names.data, names.len, text, &hint);
    int rc = table == NULL
                 ? error_set(err, ERR_NOT_FOUND, "Column '%s' not found in any table%s", text,
                             str_cstr(&hint))
                 : error_set(err, ERR_NOT_FOUND, "Column '%s' not found in table '%.*s'%s", text,
                             (int)table->text.len, table->text.data, str_cstr(&hint));
    arena_fini(&arena);
    return sql_at_place(v, name->span, rc);
}

static int table_not_found(struct sql_validator *v, const struct sql_scope *scope,
                           const struct sql_name *table, struct error *err)
{
    STR_AUTO hint = STR_INIT;
    struct arena arena;
    CLEANUP(vec_fini) struct vec names = VEC_INIT(const char *);
    arena_init(&arena, 0);
    for (const struct sql_scope *s = scope; s != NULL; s = s->parent) {
        for (uint32_t i = 0; i < s->n; i++) {
            const struct slice name = s->columns[i].table;
            if (name.data != NULL && (i == 0 || !slice_eq(name, s->columns[i - 1].table))) {
                vec_push_ptr(&names, arena_strndup(&arena, name.data, name.len));
            }
        }
    }
    const char *text = arena_strndup(&arena, table->text.data, table->text.len);
    add_nearest((const char *const *)names.data, names.len, text, &hint);
    int rc = error_set(err, ERR_NOT_FOUND, "Table '%s' not found%s", text, str_cstr(&hint));
    arena_fini(&arena);
    return sql_at_place(v, table->span, rc);
}

/* The fields behind a column: .f.g */
static int fields(struct sql_validator *v, const struct sql_path *path, uint32_t from,
                  const struct expr **e, struct error *err)
{
    for (uint32_t i = from; i < path->n; i++) {
        const struct data_type *row = (*e)->type;
        const struct slice name = path->parts[i].text;
        uint32_t k = 0;
        if (row->id != TYPE_ROW) {
            STR_AUTO text = STR_INIT;
            type_print(row, &text);
            return sql_at_place(
                v, path->parts[i].span,
                error_set(err, ERR_INVALID_ARGUMENT, "'%.*s' is no field: %.*s is %s, not a ROW",
                          (int)name.len, name.data, (int)path->parts[i - 1].text.len,
                          path->parts[i - 1].text.data, str_cstr(&text)));
        }
        while (k < row->n_children && !slice_eq_cstr(name, row->names[k])) {
            k++;
        }
        if (k == row->n_children) {
            STR_AUTO hint = STR_INIT;
            char *text = mem_strndup(name.data, name.len);
            add_nearest((const char *const *)row->names, row->n_children, text, &hint);
            int rc = error_set(err, ERR_NOT_FOUND, "Field '%s' not found in '%.*s'%s", text,
                               (int)path->parts[i - 1].text.len, path->parts[i - 1].text.data,
                               str_cstr(&hint));
            mem_free(text);
            return sql_at_place(v, path->parts[i].span, rc);
        }
        *e = expr_field(v->pool, *e, k);
    }
    return 0;
}

static int take(struct sql_validator *v, uint32_t level, const struct sql_scope_column *column,
                const struct expr **ret, struct error *err)
{
    if (level == 0) {
        *ret = column->expr;
        return 0;
    }
    if (v->outer == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: columns of a query around");
    }
    return v->outer(v->arg, v, level, column->expr, ret, err);
}

int sql_resolve_column(struct sql_validator *v, const struct sql_scope *scope,
                       const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct sql_path *path = &e->column;
    const struct sql_scope_column *column = NULL;
    uint32_t level = 0;
    for (const struct sql_scope *s = scope; s != NULL; s = s->parent, level++) {
        uint32_t n = 0, used = 1;
        if (path->n > 1) {
            n = find(s, &path->parts[0], &path->parts[1], &column);
            used = 2;
        }
        if (n == 0) {
            n = find(s, NULL, &path->parts[0], &column);
            used = 1;
        }
        if (n > 1) {
            return sql_at_place(v, path->parts[used - 1].span,
                                error_set(err, ERR_INVALID_ARGUMENT, "Column '%.*s' is ambiguous",
                                          (int)path->parts[used - 1].text.len,
                                          path->parts[used - 1].text.data));
        }
        if (n == 1) {
            TRY(take(v, level, column, ret, err));
            return fields(v, path, used, ret, err);
        }
    }
    static const struct sql_scope nothing;
    if (path->n == 1) {
        return not_found(v, scope != NULL ? scope : &nothing, NULL, &path->parts[0], err);
    }
    for (const struct sql_scope *s = scope; s != NULL; s = s->parent) {
        if (has_table(s, &path->parts[0])) {
            return not_found(v, s, &path->parts[0], &path->parts[1], err);
        }
    }
    return table_not_found(v, scope, &path->parts[0], err);
}
