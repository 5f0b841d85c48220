/* What scans can do themselves: predicates, fields of rows, limits, watermarks. */
#include "sql/plan/paths.h"

/* ---- paths -------------------------------------------------------------------------------------------- */

/* a, a.b.c: a column of the scan or a field below it. */
static bool path_of(const struct expr *e, const struct rel *scan, struct table_path *ret)
{
    uint32_t fields[TABLE_PATH_MAX], n = 0;
    while (e->kind == EXPR_FIELD && n < TABLE_PATH_MAX) {
        fields[n++] = e->index;
        e = e->args[0];
    }
    const struct table_scan *request = &scan->scan.request;
    const uint32_t n_columns = request->columns != NULL
                                   ? request->n_columns
                                   : scan->schema->n_fields - request->n_metadata;
    if (e->kind != EXPR_INPUT || e->index >= n_columns) {
        return false;
    }
    *ret =
        request->columns != NULL ? request->columns[e->index] : (struct table_path){1, {e->index}};
    while (n > 0 && ret->n < TABLE_PATH_MAX) {
        ret->fields[ret->n++] = fields[--n];
    }
    return n == 0;
}

/* ---- predicates --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum table_compare compare, swapped;
} compares[] = {
    {"=", TABLE_EQ, TABLE_EQ},  {"<>", TABLE_NE, TABLE_NE}, {"<", TABLE_LT, TABLE_GT},
    {"<=", TABLE_LE, TABLE_GE}, {">", TABLE_GT, TABLE_LT},  {">=", TABLE_GE, TABLE_LE},
};

static bool same_type(const struct data_type *a, const struct data_type *b)
{
    struct data_type *c = type_with_nullable(a, b->nullable);
    const bool same = type_equals(c, b);
    type_unref(c);
    return same;
}

/* The literal as a value of the column's type. */
static bool literal_of(const struct optimizer *o, const struct expr *e,
                       const struct data_type *type, struct table_literal *ret)
{
    if (e->kind != EXPR_LITERAL || e->value.is_null) {
        return false;
    }
    const bool is_text = (type->id == TYPE_VARCHAR || type->id == TYPE_CHAR) &&
                         (e->type->id == TYPE_CHAR || e->type->id == TYPE_VARCHAR);
    if (!is_text && !same_type(e->type, type)) {
        return false;
    }
    *ret = (struct table_literal){.type = type};
    switch (type->layout) {
    case LAYOUT_BIT:
        ret->whole = e->value.boolean;
        return true;
    case LAYOUT_I8:
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
        ret->whole = e->value.integer;
        return true;
    case LAYOUT_I128:
        ret->wide = e->value.wide;
        return true;
    case LAYOUT_F32:
    case LAYOUT_F64:
        ret->number = e->value.real;
        return true;
    case LAYOUT_TS_NANO:
        ret->nano = e->value.timestamp;
        return true;
    case LAYOUT_VIEW:
        ret->bytes = e->value.bytes;
        return true;
    default:
        return false;
    }
}

static bool compare_of(struct optimizer *o, const struct rel *scan, const struct expr *e,
                       struct table_predicate *ret)
{
    struct table_literal *literal = arena_alloc(&o->p->arena, sizeof(*literal));
    for (size_t i = 0; i < ARRAY_LEN(compares); i++) {
        if (strcmp(e->function->name, compares[i].name) != 0) {
            continue;
        }
        for (int k = 0; k < 2; k++) {
            if (path_of(e->args[k], scan, &ret->column) &&
                literal_of(o, e->args[1 - k], e->args[k]->type, literal)) {
                ret->compare = k == 0 ? compares[i].compare : compares[i].swapped;
                ret->values = literal;
                ret->n_values = 1;
                return true;
            }
        }
    }
    return false;
}

/* a = 1 OR a = 2 */
static bool in_of(struct optimizer *o, const struct rel *scan, const struct expr *e,
                  struct table_predicate *ret)
{
    struct table_literal *literals = arena_alloc(&o->p->arena, e->n_args * sizeof(*literals));
    for (uint32_t i = 0; i < e->n_args; i++) {
        struct table_predicate one;
        const struct expr *a = e->args[i];
        if (a->kind != EXPR_CALL || a->n_args != 2 || !compare_of(o, scan, a, &one) ||
            one.compare != TABLE_EQ ||
            (i > 0 &&
             memcmp(one.column.fields, ret->column.fields, one.column.n * sizeof(uint32_t)) != 0) ||
            (i > 0 && one.column.n != ret->column.n)) {
            return false;
        }
        ret->column = one.column;
        literals[i] = one.values[0];
    }
    ret->compare = TABLE_IN;
    ret->values = literals;
    ret->n_values = e->n_args;
    return true;
}

static bool predicate_of(struct optimizer *o, const struct rel *scan, const struct expr *e,
                         struct table_predicate *ret)
{
    if (e->kind != EXPR_CALL) {
        return false;
    }
    if (e->function->control == EXPR_CONTROL_OR) {
        return in_of(o, scan, e, ret);
    }
    if (e->n_args == 1 && path_of(e->args[0], scan, &ret->column)) {
        ret->n_values = 0;
        ret->values = NULL;
        ret->compare = TABLE_IS_NULL;
        if (strcmp(e->function->name, "IS NOT NULL") == 0) {
            ret->compare = TABLE_IS_NOT_NULL;
            return true;
        }
        return strcmp(e->function->name, "IS NULL") == 0;
    }
    return e->n_args == 2 && compare_of(o, scan, e, ret);
}

static const struct rel *with_request(struct optimizer *o, const struct rel *scan,
                                      const struct table_scan *request)
{
    struct rel *made = plan_copy(o->p, scan, sizeof(*scan));
    made->id = o->p->n_nodes++;
    made->scan.request = *request;
    return made;
}

/* Offers the conditions; those not taken are left in *inout_conds. */
static int push_filters(struct optimizer *o, const struct rel **inout_scan,
                        struct rel_exprs *inout_conds, struct error *err)
{
    const struct rel *scan = *inout_scan;
    const struct table_source *source = scan->scan.table->table.connector->source;
    const uint32_t n = inout_conds->n;
    if ((source->abilities & TABLE_FILTER) == 0 || n == 0 || scan->scan.request.n_filters > 0) {
        return 0;
    }
    struct table_predicate *offered = arena_alloc(&o->p->arena, n * sizeof(*offered));
    uint32_t *of = arena_alloc(&o->p->arena, n * sizeof(*of)), n_offered = 0;
    bool *taken = arena_zalloc(&o->p->arena, n);
    for (uint32_t i = 0; i < n; i++) {
        of[i] = UINT32_MAX;
        if (predicate_of(o, scan, inout_conds->items[i], &offered[n_offered])) {
            of[i] = n_offered++;
        }
    }
    if (n_offered == 0) {
        return 0;
    }
    TRY(source->push_filters(&scan->scan.table->table, offered, n_offered, taken, err));
    const struct expr **rest = arena_alloc(&o->p->arena, n * sizeof(*rest));
    struct table_predicate *kept = arena_alloc(&o->p->arena, n * sizeof(*kept));
    struct table_scan request = scan->scan.request;
    uint32_t n_rest = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (of[i] != UINT32_MAX && taken[of[i]]) {
            kept[request.n_filters++] = offered[of[i]];
        } else {
            rest[n_rest++] = inout_conds->items[i];
        }
    }
    request.filters = kept;
    *inout_scan = with_request(o, scan, &request);
    *inout_conds = (struct rel_exprs){rest, n_rest};
    return 0;
}

/* ---- fields ------------------------------------------------------------------------------------------- */

static int push_paths(struct optimizer *o, struct paths *p, const struct rel **inout_scan,
                      struct rel_exprs *conds, struct rel_exprs *outputs, struct error *err)
{
    const struct rel *scan = *inout_scan;
    struct table_scan request = scan->scan.request;
    struct schema *schema;
    struct table_path *columns = arena_zalloc(&o->p->arena, (p->items.len + 1) * sizeof(*columns));
    for (size_t i = 0; i < p->items.len; i++) {
        if (!path_of(vec_ptr(&p->items, i), scan, &columns[i])) {
            return 0;
        }
    }
    request.columns = columns;
    request.n_columns = (uint32_t)p->items.len;
    TRY(table_scan_schema(&scan->scan.table->table, &request, &schema, err));
    struct rel *made = plan_copy(o->p, scan, sizeof(*scan));
    made->id = o->p->n_nodes++;
    made->scan.request = request;
    made->schema = plan_keep_schema(o->p, schema);
    *inout_scan = made;
    TRY(paths_map_all(p, *conds, conds, err));
    return paths_map_all(p, *outputs, outputs, err);
}

/* The columns alone, for sources that know no fields. */
static void widen(struct paths *p)
{
    struct vec fields = p->items;
    vec_init(&p->items, sizeof(void *));
    for (size_t i = 0; i < fields.len; i++) {
        const struct expr *e = vec_ptr(&fields, i);
        while (e->kind == EXPR_FIELD) {
            e = e->args[0];
        }
        paths_add(p, e);
    }
    vec_fini(&fields);
}

/* Only what conditions and outputs read; those that the source took over read nothing. */
static int push_columns(struct optimizer *o, const struct rel **inout_scan, struct rel_exprs *conds,
                        struct rel_exprs *outputs, struct error *err)
{
    const struct rel *scan = *inout_scan;
    const uint32_t abilities = scan->scan.table->table.connector->source->abilities;
    struct paths p;
    int rc = 0;
    if ((abilities & TABLE_PROJECTION) == 0 || scan->scan.request.n_metadata > 0) {
        return 0;
    }
    paths_init(&p, o->p);
    paths_gather_all(&p, *conds);
    paths_gather_all(&p, *outputs);
    if ((abilities & TABLE_NESTED_PROJECTION) == 0) {
        widen(&p);
    }
    if (p.items.len > 0 && (p.items.len < scan->schema->n_fields || paths_have_field(&p))) {
        rc = push_paths(o, &p, inout_scan, conds, outputs, err);
    }
    paths_fini(&p);
    return rc;
}

/* ---- limits ------------------------------------------------------------------------------------------- */

static int64_t rows_wanted(const struct rel_sort *s)
{
    int64_t n;
    return s->has_fetch && !__builtin_add_overflow(s->offset, s->fetch, &n) ? n : -1;
}

/* A limit without an order over a scan, with at most a projection between. */
static const struct rel *push_limit(struct optimizer *o, const struct rel *r)
{
    const struct rel *calc = r->inputs[0]->kind == REL_CALC ? r->inputs[0] : NULL;
    const struct rel *scan = calc != NULL ? calc->inputs[0] : r->inputs[0];
    const int64_t n = rows_wanted(&r->sort);
    if (r->sort.keys.n > 0 || n < 0 || scan->kind != REL_SCAN ||
        (calc != NULL && calc->conditions.n > 0) || scan->scan.request.has_limit ||
        (scan->scan.table->table.connector->source->abilities & TABLE_LIMIT) == 0) {
        return r;
    }
    struct table_scan request = scan->scan.request;
    request.has_limit = true;
    request.limit = n;
    const struct rel *limited = with_request(o, scan, &request);
    limited = calc != NULL ? plan_with_inputs(o->p, calc, &limited) : limited;
    return plan_with_inputs(o->p, r, &limited);
}

/* ---- the pass ----------------------------------------------------------------------------------------- */

static int push_calc(struct optimizer *o, const struct rel *calc, const struct rel **ret,
                     struct error *err)
{
    const struct rel *scan = calc->inputs[0];
    struct rel_exprs conds = calc->conditions, outputs = calc->outputs;
    const char **names = arena_alloc(&o->p->arena, (calc->schema->n_fields + 1) * sizeof(*names));
    for (uint32_t i = 0; i < calc->schema->n_fields; i++) {
        names[i] = calc->schema->fields[i].name;
    }
    TRY(push_filters(o, &scan, &conds, err));
    TRY(push_columns(o, &scan, &conds, &outputs, err));
    if (scan == calc->inputs[0]) {
        *ret = calc;
        return 0;
    }
    return make_calc(o, scan, conds, outputs, names, ret, err);
}

int rule_push_scans(struct optimizer *o, const struct rel *r, const struct rel **ret,
                    struct error *err)
{
    const struct rel **in = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*in));
    bool is_same = true;
    TRY(plan_check(o->p, err));
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(rule_push_scans(o, r->inputs[i], &in[i], err));
        is_same &= in[i] == r->inputs[i];
    }
    *ret = is_same ? r : plan_with_inputs(o->p, r, in);
    if (r->kind == REL_CALC && (*ret)->inputs[0]->kind == REL_SCAN) {
        return push_calc(o, *ret, ret, err);
    }
    if (r->kind == REL_SORT) {
        *ret = push_limit(o, *ret);
    }
    return 0;
}
