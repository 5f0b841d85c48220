/* FROM: tables, views, WITH, subqueries, joins, UNNEST. */
#include "sql/plan/calls.h"

#include <strings.h>

void source_fini(struct source *s)
{
    vec_fini(&s->columns);
}

/* ---- names -------------------------------------------------------------------------------------------- */

/* All columns of the relation under the table's name. */
static void show_all(struct convert *c, struct source *s, struct slice table)
{
    for (uint32_t i = 0; i < s->rel->schema->n_fields; i++) {
        *VEC_PUSH(&s->columns, struct sql_scope_column) = (struct sql_scope_column){
            .table = table,
            .name = slice_cstr(s->rel->schema->fields[i].name),
            .expr = plan_input(c->p, s->rel, i),
        };
    }
}

int convert_unique_names(struct convert *c, const struct sql_names *names, const char *what,
                         struct error *err)
{
    struct map seen;
    int rc = 0;
    map_init(&seen, NULL);
    for (uint32_t i = 0; i < names->n && rc == 0; i++) {
        const struct sql_name *name = &names->items[i];
        if (map_find_bytes(&seen, name->text.data, name->text.len) != NULL) {
            rc = convert_at(c, name->span,
                            error_set(err, ERR_INVALID_ARGUMENT, "Duplicate name '%.*s' in %s",
                                      (int)name->text.len, name->text.data, what));
        }
        map_put_bytes(&seen, name->text.data, name->text.len, (void *)(uintptr_t)name);
    }
    map_fini(&seen);
    return rc;
}

static int rename_columns(struct convert *c, const struct sql_alias *alias, struct source *s,
                          struct sql_span span, struct error *err)
{
    if (alias->columns.n == 0) {
        return 0;
    }
    if (alias->columns.n != s->columns.len) {
        return convert_at(c, span,
                          error_set(err, ERR_INVALID_ARGUMENT,
                                    "List of column aliases must have same degree as table; table "
                                    "has %zu columns, whereas alias list has %u columns",
                                    s->columns.len, alias->columns.n));
    }
    TRY(convert_unique_names(c, &alias->columns, "column alias list", err));
    for (uint32_t i = 0; i < alias->columns.n; i++) {
        VEC_AT(&s->columns, struct sql_scope_column, i)->name = alias->columns.items[i].text;
    }
    return 0;
}

static struct slice table_name(const struct sql_alias *alias, struct slice own)
{
    return alias->name.text.data != NULL ? alias->name.text : own;
}

/* ---- tables, views, WITH ------------------------------------------------------------------------------ */

static int convert_cte(struct convert *c, const struct cte *cte, const struct sql_path *name,
                       const struct rel **ret, struct error *err)
{
    const struct cte *around = c->ctes;
    const struct sql_names *columns = &cte->definition->columns;
    c->ctes = cte->next;
    int rc = convert_query(c, cte->definition->query, NULL, ret, err);
    c->ctes = around;
    TRY(rc);
    if (columns->n == 0) {
        return 0;
    }
    const struct rel *r = *ret;
    TRY(convert_unique_names(c, columns, "column list", err));
    if (columns->n != r->schema->n_fields) {
        return convert_at(c, cte->definition->name.span,
                          error_set(err, ERR_INVALID_ARGUMENT,
                                    "Number of columns must match number of query columns"));
    }
    const struct expr **outputs = arena_alloc(&c->p->arena, (columns->n + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&c->p->arena, (columns->n + 1) * sizeof(*names));
    for (uint32_t i = 0; i < columns->n; i++) {
        outputs[i] = plan_input(c->p, r, i);
        names[i] =
            arena_strndup(&c->p->arena, columns->items[i].text.data, columns->items[i].text.len);
    }
    *ret = plan_project(c->p, r, outputs, names, columns->n);
    return 0;
}

static const struct cte *find_cte(const struct convert *c, const struct sql_path *name)
{
    for (const struct cte *at = c->ctes; at != NULL && name->n == 1; at = at->next) {
        if (slice_eq(at->definition->name.text, name->parts[0].text)) {
            return at;
        }
    }
    return NULL;
}

/* The view's query with its columns' names and types. */
static int convert_view(struct convert *c, const struct sql_table *view, const struct rel **ret,
                        struct error *err)
{
    struct sql_statement *statement;
    const char *text = view->expanded_query != NULL ? view->expanded_query : view->original_query;
    const struct expanding_view self = {view, c->views};
    struct convert own = {
        .p = c->p, .text = slice_cstr(text), .nesting = c->nesting, .views = &self};
    const uint32_t n = view->n_columns;
    TRY(sql_parse_statement(own.text, &c->p->arena, &statement, NULL, err));
    if (statement->kind != SQL_STATEMENT_QUERY) {
        return error_set(err, ERR_INVALID_ARGUMENT, "The view's text is not a query");
    }
    TRY(convert_query(&own, statement->query, NULL, ret, err));
    if ((*ret)->schema->n_fields != n) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The view has %u columns and its query %u: a table that it reads has "
                         "changed",
                         n, (*ret)->schema->n_fields);
    }
    const struct expr **outputs = arena_alloc(&c->p->arena, (n + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&c->p->arena, (n + 1) * sizeof(*names));
    for (uint32_t i = 0; i < n; i++) {
        TRY(expr_cast(c->p->pool, plan_input(c->p, *ret, i), view->columns[i].type, false,
                      &outputs[i], err));
        names[i] = view->columns[i].name;
    }
    *ret = plan_project(c->p, *ret, outputs, names, n);
    return 0;
}

int convert_check_hints(struct convert *c, const struct sql_hints *hints, struct error *err)
{
    static const char *const known[] = {"OPTIONS",       "BROADCAST",  "SHUFFLE_HASH",
                                        "SHUFFLE_MERGE", "NEST_LOOP",  "LOOKUP",
                                        "STATE_TTL",     "MULTI_JOIN", "EARLY_FIRE"};
    for (uint32_t i = 0; hints != NULL && i < hints->n; i++) {
        const struct sql_name *name = &hints->items[i].name;
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LEN(known); k++) {
            is_known |= name->text.len == strlen(known[k]) &&
                        strncasecmp(name->text.data, known[k], name->text.len) == 0;
        }
        if (!is_known) {
            char *text = mem_strndup(name->text.data, name->text.len);
            const char *near = cstr_nearest(text, known, ARRAY_LEN(known));
            mem_free(text);
            return convert_at(c, name->span,
                              error_set(err, ERR_INVALID_ARGUMENT,
                                        "Hint: %.*s should be registered in the "
                                        "HintStrategyTable%s%s%s",
                                        (int)name->text.len, name->text.data,
                                        near != NULL ? "; did you mean " : "",
                                        near != NULL ? near : "", near != NULL ? "?" : ""));
        }
    }
    return 0;
}

static const struct sql_properties *options_hint(const struct sql_hints *hints)
{
    for (uint32_t i = 0; hints != NULL && i < hints->n; i++) {
        if (slice_eq_cstr(hints->items[i].name.text, "OPTIONS")) {
            return &hints->items[i].properties;
        }
    }
    return NULL;
}

static int convert_found(struct convert *c, const struct sql_found_table *found,
                         const struct sql_hints *hints, const struct rel **ret, struct error *err)
{
    const struct sql_properties *options = options_hint(hints);
    const struct rel_table *table;
    if (found->table->kind == SQL_TABLE_KIND_VIEW) {
        STR_AUTO name = STR_INIT;
        sql_identifier_print(&found->id, &name);
        if (options != NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "View '%s' cannot be enriched with new options. Hints can only be "
                             "applied to tables.",
                             str_cstr(&name));
        }
        for (const struct expanding_view *v = c->views; v != NULL; v = v->around) {
            if (v->view == found->table) {
                return error_set(err, ERR_INVALID_ARGUMENT, "View '%s' reads itself",
                                 str_cstr(&name));
            }
        }
        TRY_CTX(err, convert_view(c, found->table, ret, err), "expanding view '%s'",
                str_cstr(&name));
        return 0;
    }
    TRY(plan_open_table(c->p, &found->id, found->table, options, &table, err));
    return plan_scan_table(c->p, table, ret, err);
}

int convert_table(struct convert *c, const struct sql_path *name, const struct sql_hints *hints,
                  struct block *parent, const struct rel **ret, struct error *err)
{
    const struct cte *cte = find_cte(c, name);
    struct sql_found_table found;
    struct sql_error_place place = {name->span};
    if (cte != NULL) {
        return convert_cte(c, cte, name, ret, err);
    }
    int rc =
        sql_manager_resolve_table(c->p->options.manager, name, &c->p->arena, &found, &place, err);
    if (rc < 0) {
        return convert_at(c, place.span, rc);
    }
    rc = convert_found(c, &found, hints, ret, err);
    sql_table_unref(found.table);
    return convert_at(c, name->span, rc);
}

static int convert_named(struct convert *c, const struct sql_relation *r, struct block *parent,
                         struct source *ret, struct error *err)
{
    if (r->system_time != NULL) {
        return convert_at(c, r->system_time->span, plan_unsupported(err, "FOR SYSTEM_TIME AS OF"));
    }
    if (r->sample != NULL) {
        return convert_at(c, r->span, plan_unsupported(err, "TABLESAMPLE"));
    }
    TRY(convert_check_hints(c, &r->hints, err));
    TRY(convert_table(c, &r->name, &r->hints, parent, &ret->rel, err));
    show_all(c, ret, table_name(&r->alias, r->name.parts[r->name.n - 1].text));
    return rename_columns(c, &r->alias, ret, r->span, err);
}

/* ---- UNNEST ------------------------------------------------------------------------------------------- */

static void add_field(const char **names, struct data_type **types, uint32_t *n, const char *name,
                      const struct data_type *t, bool make_nullable)
{
    names[*n] = name;
    types[(*n)++] = type_with_nullable(t, t->nullable || make_nullable);
}

/* Columns of an element: those of a ROW, key and value of a MAP, else one. */
static int element_fields(const struct data_type *t, bool is_left, const char **names,
                          struct data_type **types, uint32_t *n, struct error *err)
{
    if (t->id == TYPE_MAP) {
        add_field(names, types, n, "KEY", t->children[0], is_left);
        add_field(names, types, n, "VALUE", t->children[1], is_left);
        return 0;
    }
    if (t->id != TYPE_ARRAY && t->id != TYPE_MULTISET) {
        STR_AUTO text = STR_INIT;
        type_print(t, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot apply 'UNNEST' to arguments of type 'UNNEST(<%s>)'. Supported "
                         "form(s): 'UNNEST(<MULTISET>)', 'UNNEST(<ARRAY>)', 'UNNEST(<MAP>)'",
                         str_cstr(&text));
    }
    const struct data_type *e = t->children[0];
    for (uint32_t i = 0; e->id == TYPE_ROW && i < e->n_children; i++) {
        add_field(names, types, n, e->names[i], e->children[i], is_left || e->nullable);
    }
    if (e->id != TYPE_ROW) {
        add_field(names, types, n, "EXPR$0", e, is_left);
    }
    return 0;
}

static int make_unnest(struct convert *c, const struct sql_relation *r, const struct rel *input,
                       const struct expr *collection, bool is_left, const struct rel **ret,
                       struct error *err)
{
    const struct data_type *t = collection->type;
    const struct schema *s = input->schema;
    const uint64_t width =
        (uint64_t)s->n_fields + 3 + (t->n_children > 0 ? t->children[0]->n_children : 0);
    TRY(plan_check_width(c->p, width, err));
    const char **names = arena_alloc(&c->p->arena, width * sizeof(*names));
    struct data_type **types = arena_alloc(&c->p->arena, width * sizeof(struct data_type *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        add_field(names, types, &n, s->fields[i].name, s->fields[i].type, false);
    }
    const uint32_t own = n;
    int rc = element_fields(t, is_left, names, types, &n, err);
    if (rc < 0) {
        for (uint32_t i = 0; i < own; i++) {
            type_unref(types[i]);
        }
        return rc;
    }
    if (r->with_ordinality) {
        names[n] = "ORDINALITY";
        types[n++] = type_new(TYPE_INTEGER, is_left);
    }
    struct rel *made = plan_node(c->p, REL_UNNEST, &input, 1);
    made->unnest = (struct rel_unnest){
        .collection = collection, .with_ordinality = r->with_ordinality, .is_left = is_left};
    plan_set_schema(c->p, made, names, types, n);
    *ret = made;
    return 0;
}

static int convert_collection(struct convert *c, const struct sql_relation *r, struct block *left,
                              bool is_left, const struct rel **ret, struct error *err)
{
    const struct expr *collection;
    if (r->n_operands != 1) {
        return convert_at(c, r->span, plan_unsupported(err, "UNNEST of several collections"));
    }
    left->clause = "FROM";
    TRY(convert_expr(c, left, r->operands[0], &collection, err));
    if (plan_has_external(collection, PLAN_SUBQUERY) ||
        plan_has_external(collection, PLAN_CORRELATED)) {
        return convert_at(c, r->span, plan_unsupported(err, "UNNEST of a subquery"));
    }
    return convert_at(c, r->operands[0]->span,
                      make_unnest(c, r, left->rel, collection, is_left, ret, err));
}

/* UNNEST, or a table function, over the columns of `left`: the result's are those of both. */
static int convert_unnest(struct convert *c, const struct sql_relation *r, struct block *left,
                          bool is_left, struct source *ret, struct error *err)
{
    TRY(r->kind == SQL_RELATION_FUNCTION
            ? convert_table_function(c, r, left, is_left, &ret->rel, err)
            : convert_collection(c, r, left, is_left, &ret->rel, err));
    const uint32_t own = left->rel->schema->n_fields;
    struct source element = {ret->rel, VEC_INIT(struct sql_scope_column)};
    const struct slice none = {NULL, 0};
    for (uint32_t i = own; i < ret->rel->schema->n_fields; i++) {
        *VEC_PUSH(&element.columns, struct sql_scope_column) = (struct sql_scope_column){
            .table = table_name(&r->alias, none),
            .name = slice_cstr(ret->rel->schema->fields[i].name),
            .expr = plan_input(c->p, ret->rel, i),
        };
    }
    int rc = rename_columns(c, &r->alias, &element, r->span, err);
    for (size_t i = 0; i < element.columns.len; i++) {
        *VEC_PUSH(&ret->columns, struct sql_scope_column) =
            *VEC_AT(&element.columns, struct sql_scope_column, i);
    }
    source_fini(&element);
    return rc;
}

static int convert_unnest_alone(struct convert *c, const struct sql_relation *r,
                                struct block *parent, struct source *ret, struct error *err)
{
    struct source one = {plan_one_row(c->p), VEC_INIT(struct sql_scope_column)};
    struct block b;
    block_init(&b, parent, &one);
    int rc = convert_unnest(c, r, &b, false, ret, err);
    block_fini(&b);
    return rc;
}

/* ---- joins -------------------------------------------------------------------------------------------- */

static int convert_join(struct convert *c, const struct sql_relation *r, struct block *parent,
                        struct source *ret, struct error *err);

static const char *const kind_names[SQL_RELATION_KIND_COUNT] = {
    [SQL_RELATION_MATCH] = "MATCH_RECOGNIZE",
};

static int convert_derived(struct convert *c, const struct sql_relation *r, struct block *parent,
                           struct source *ret, struct error *err)
{
    const struct slice none = {NULL, 0};
    TRY(convert_query(c, r->query, parent, &ret->rel, err));
    show_all(c, ret, table_name(&r->alias, none));
    return rename_columns(c, &r->alias, ret, r->span, err);
}

int convert_relation(struct convert *c, const struct sql_relation *r, struct block *parent,
                     struct source *ret, struct error *err)
{
    TRY(plan_check(c->p, err));
    switch (r->kind) {
    case SQL_RELATION_TABLE:
        return convert_named(c, r, parent, ret, err);
    case SQL_RELATION_QUERY:
        return convert_derived(c, r, parent, ret, err);
    case SQL_RELATION_UNNEST:
    case SQL_RELATION_FUNCTION:
        return convert_unnest_alone(c, r, parent, ret, err);
    case SQL_RELATION_JOIN:
        return convert_join(c, r, parent, ret, err);
    default:
        return convert_at(c, r->span, plan_unsupported(err, kind_names[r->kind]));
    }
}

static const struct {
    Flinc__QueryJoinType type;
    bool left_null, right_null;
} join_types[] = {
    [SQL_JOIN_INNER] = {FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER, false, false},
    [SQL_JOIN_LEFT] = {FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT, false, true},
    [SQL_JOIN_RIGHT] = {FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT, true, false},
    [SQL_JOIN_FULL] = {FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL, true, true},
    [SQL_JOIN_CROSS] = {FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER, false, false},
    [SQL_JOIN_COMMA] = {FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER, false, false},
};

/* The columns of both sides over the relation that joins them, which may make them nullable. */
struct shifting {
    struct sql_plan *p;
    const struct rel *rel;
    uint32_t by;
};

static const struct expr *shift(void *arg, const struct expr *e)
{
    const struct shifting *s = arg;
    return e->kind == EXPR_INPUT ? plan_input(s->p, s->rel, e->index + s->by) : NULL;
}

static int show_side(struct convert *c, const struct source *side, uint32_t by, struct source *ret,
                     struct error *err)
{
    struct shifting s = {c->p, ret->rel, by};
    for (size_t i = 0; i < side->columns.len; i++) {
        struct sql_scope_column column = *VEC_AT(&side->columns, struct sql_scope_column, i);
        TRY(plan_replace(c->p, column.expr, shift, &s, &column.expr, err));
        *VEC_PUSH(&ret->columns, struct sql_scope_column) = column;
    }
    return 0;
}

/* The column of the name on one side: one that is shown. */
static int find_column(struct convert *c, const struct source *s, const struct sql_name *name,
                       bool is_asked, uint32_t from, uint32_t to, uint32_t *ret, struct error *err)
{
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct sql_scope_column *column = VEC_AT(&s->columns, struct sql_scope_column, i);
        if (!column->is_hidden && slice_eq(column->name, name->text)) {
            *ret = i;
            n++;
        }
    }
    if (n == 1 || (n == 0 && !is_asked)) {
        return (int)n;
    }
    return convert_at(c, name->span,
                      n == 0 ? error_set(err, ERR_NOT_FOUND, "Column '%.*s' not found in any table",
                                         (int)name->text.len, name->text.data)
                             : error_set(err, ERR_INVALID_ARGUMENT,
                                         "Column name '%.*s' in NATURAL join or USING clause is "
                                         "not unique on one side of join",
                                         (int)name->text.len, name->text.data));
}

struct using
{
    struct vec merged; /* struct sql_scope_column */
    struct vec conds;  /* const struct expr * */
};

static int merge(struct convert *c, enum sql_join_kind kind, struct source *ret, uint32_t left,
                 uint32_t right, struct using *u, struct error *err)
{
    struct sql_scope_column *a = VEC_AT(&ret->columns, struct sql_scope_column, left);
    struct sql_scope_column *b = VEC_AT(&ret->columns, struct sql_scope_column, right);
    const struct expr *pair[2] = {a->expr, b->expr}, *made;
    TRY(expr_call(c->p->pool, "=", pair, 2, &made, err));
    vec_push_ptr(&u->conds, made);
    made = kind == SQL_JOIN_RIGHT ? pair[1] : pair[0];
    if (kind == SQL_JOIN_FULL) {
        TRY(expr_call(c->p->pool, "COALESCE", pair, 2, &made, err));
    }
    *VEC_PUSH(&u->merged, struct sql_scope_column) =
        (struct sql_scope_column){.table = {NULL, 0}, .name = a->name, .expr = made};
    a->is_hidden = b->is_hidden = true;
    return 0;
}

/* Merged columns come first. */
static void put_first(struct source *ret, const struct vec *merged)
{
    struct vec all = VEC_INIT(struct sql_scope_column);
    const struct vec *const parts[] = {merged, &ret->columns};
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < parts[k]->len; i++) {
            *VEC_PUSH(&all, struct sql_scope_column) =
                *VEC_AT(parts[k], struct sql_scope_column, i);
        }
    }
    vec_fini(&ret->columns);
    ret->columns = all;
}

static int join_using(struct convert *c, const struct sql_join *j, uint32_t n_left,
                      struct source *ret, struct using *u, struct error *err)
{
    const uint32_t n = (uint32_t)ret->columns.len;
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < j->using_columns.n; i++) {
        const struct sql_name *name = &j->using_columns.items[i];
        TRY(find_column(c, ret, name, true, 0, n_left, &left, err));
        TRY(find_column(c, ret, name, true, n_left, n, &right, err));
        TRY(merge(c, j->kind, ret, left, right, u, err));
    }
    for (uint32_t i = 0; j->is_natural && i < n_left; i++) {
        const struct sql_scope_column *a = VEC_AT(&ret->columns, struct sql_scope_column, i);
        const struct sql_name name = {.text = a->name, .span = j->right->span};
        if (a->is_hidden) {
            continue;
        }
        int found = find_column(c, ret, &name, false, n_left, n, &right, err);
        TRY(found);
        if (found > 0) {
            TRY(find_column(c, ret, &name, true, 0, n_left, &left, err));
            TRY(merge(c, j->kind, ret, left, right, u, err));
        }
    }
    put_first(ret, &u->merged);
    return 0;
}

/* ON, over the columns of both sides as they were before the join made them nullable. */
static int join_on(struct convert *c, const struct sql_join *j, struct block *parent,
                   const struct source *both, struct vec *conds, struct error *err)
{
    struct block b;
    if (j->condition == NULL) {
        return 0;
    }
    block_init(&b, parent, both);
    int rc = convert_condition(c, &b, j->condition, "ON", conds, err);
    for (size_t i = 0; i < conds->len && rc == 0; i++) {
        const struct expr *e = vec_ptr(conds, i);
        if (plan_has_external(e, PLAN_SUBQUERY)) {
            rc = convert_at(c, j->condition->span, plan_unsupported(err, "a subquery in ON"));
        }
    }
    block_fini(&b);
    return rc;
}

/* A node of the width of both sides, for names and types while conditions are resolved. */
static const struct rel *inner_join(struct convert *c, const struct rel *l, const struct rel *r)
{
    const struct rel_join j = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER};
    return plan_join(c->p, l, r, &j);
}

/* Is column i the first one of its table? */
static bool is_first(const struct source *s, size_t i)
{
    const struct slice name = VEC_AT(&s->columns, struct sql_scope_column, i)->table;
    return name.data != NULL &&
           (i == 0 || !slice_eq(name, VEC_AT(&s->columns, struct sql_scope_column, i - 1)->table));
}

static int check_table_names(struct convert *c, const struct sql_join *j, const struct source *left,
                             const struct source *right, struct error *err)
{
    for (size_t i = 0; i < right->columns.len; i++) {
        const struct slice name = VEC_AT(&right->columns, struct sql_scope_column, i)->table;
        for (size_t k = 0; is_first(right, i) && k < left->columns.len; k++) {
            if (is_first(left, k) &&
                slice_eq(name, VEC_AT(&left->columns, struct sql_scope_column, k)->table)) {
                return convert_at(c, j->right->span,
                                  error_set(err, ERR_INVALID_ARGUMENT,
                                            "Duplicate relation name '%.*s' in FROM clause",
                                            (int)name.len, name.data));
            }
        }
    }
    return 0;
}

static int finish_join(struct convert *c, const struct sql_join *j, struct block *parent,
                       const struct source *left, const struct source *right, struct source *ret,
                       struct error *err)
{
    struct using u = {VEC_INIT(struct sql_scope_column), VEC_INIT(void *)};
    struct source both = {NULL, VEC_INIT(struct sql_scope_column)};
    const uint32_t n_left = left->rel->schema->n_fields;
    TRY(plan_check_width(c->p, (uint64_t)n_left + right->rel->schema->n_fields, err));
    both.rel = inner_join(c, left->rel, right->rel);
    struct rel_join join = {.type = join_types[j->kind].type};
    join.hint = convert_join_hint(c, j, &join.hint_left);
    int rc = show_side(c, left, 0, &both, err);
    rc = rc == 0 ? show_side(c, right, n_left, &both, err) : rc;
    rc = rc == 0 ? join_on(c, j, parent, &both, &u.conds, err) : rc;
    if (rc == 0) {
        /* Equality of USING is between the sides as they are; what is shown is over the result. */
        struct using inside = {VEC_INIT(struct sql_scope_column), VEC_INIT(void *)};
        rc = join_using(c, j, (uint32_t)left->columns.len, &both, &inside, err);
        for (size_t i = 0; i < inside.conds.len && rc == 0; i++) {
            vec_push_ptr(&u.conds, vec_ptr(&inside.conds, i));
        }
        vec_fini(&inside.merged);
        vec_fini(&inside.conds);
    }
    if (rc == 0) {
        join.conditions = plan_exprs(c->p, &u.conds);
        ret->rel = plan_join(c->p, left->rel, right->rel, &join);
        rc = show_side(c, left, 0, ret, err);
        rc = rc == 0 ? show_side(c, right, n_left, ret, err) : rc;
        rc = rc == 0 ? join_using(c, j, (uint32_t)left->columns.len, ret, &u, err) : rc;
    }
    source_fini(&both);
    vec_fini(&u.merged);
    vec_fini(&u.conds);
    return rc;
}

/* UNNEST, and a table function, on the right read the left. */
static int join_unnest(struct convert *c, const struct sql_join *j, struct block *parent,
                       const struct source *left, struct source *ret, struct error *err)
{
    struct block b;
    const bool is_left = j->kind == SQL_JOIN_LEFT;
    if (j->kind == SQL_JOIN_RIGHT || j->kind == SQL_JOIN_FULL || j->is_natural ||
        j->using_columns.n > 0) {
        return convert_at(c, j->right->span,
                          plan_unsupported(err, j->right->kind == SQL_RELATION_UNNEST
                                                    ? "UNNEST in this kind of join"
                                                    : "a table function in this kind of join"));
    }
    block_init(&b, parent, left);
    struct source made = {NULL, VEC_INIT(struct sql_scope_column)};
    int rc = convert_unnest(c, j->right, &b, is_left, &made, err);
    block_fini(&b);
    if (rc == 0) {
        ret->rel = made.rel;
        rc = show_side(c, left, 0, ret, err);
    }
    for (size_t i = 0; rc == 0 && i < made.columns.len; i++) {
        *VEC_PUSH(&ret->columns, struct sql_scope_column) =
            *VEC_AT(&made.columns, struct sql_scope_column, i);
    }
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    if (rc == 0) {
        rc = join_on(c, j, parent, ret, &conds, err);
    }
    if (rc == 0 && conds.len > 0 && !is_left) {
        ret->rel = plan_filter(c->p, ret->rel, plan_exprs(c->p, &conds));
    } else if (rc == 0 && conds.len > 0) {
        struct rel *filtered = plan_copy(c->p, ret->rel, sizeof(*ret->rel));
        filtered->id = c->p->n_nodes++;
        filtered->unnest.conditions = plan_exprs(c->p, &conds);
        ret->rel = filtered;
    }
    source_fini(&made);
    return rc;
}

static int join_sides(struct convert *c, const struct sql_join *j, struct block *parent,
                      const struct source *left, struct source *ret, struct error *err)
{
    struct source right = {NULL, VEC_INIT(struct sql_scope_column)};
    if (j->right->kind == SQL_RELATION_UNNEST || j->right->kind == SQL_RELATION_FUNCTION) {
        return join_unnest(c, j, parent, left, ret, err);
    }
    if (j->right->is_lateral) {
        return convert_lateral(c, j, parent, left, ret, err);
    }
    int rc = convert_relation(c, j->right, parent, &right, err);
    rc = rc == 0 ? check_table_names(c, j, left, &right, err) : rc;
    rc = rc == 0 ? finish_join(c, j, parent, left, &right, ret, err) : rc;
    source_fini(&right);
    return rc;
}

/* a, b, c lean to the left: the spine is walked without recursion. */
static int convert_join(struct convert *c, const struct sql_relation *r, struct block *parent,
                        struct source *ret, struct error *err)
{
    CLEANUP(vec_fini) struct vec spine = VEC_INIT(void *);
    struct source left = {NULL, VEC_INIT(struct sql_scope_column)};
    const struct sql_relation *at = r;
    while (at->kind == SQL_RELATION_JOIN) {
        vec_push_ptr(&spine, at->join);
        at = at->join->left;
    }
    int rc = convert_relation(c, at, parent, &left, err);
    for (size_t i = spine.len; i-- > 0 && rc == 0;) {
        struct source next = {NULL, VEC_INIT(struct sql_scope_column)};
        rc = join_sides(c, vec_ptr(&spine, i), parent, &left, &next, err);
        source_fini(&left);
        left = next;
    }
    if (rc == 0) {
        *ret = left;
    } else {
        source_fini(&left);
    }
    return rc;
}
