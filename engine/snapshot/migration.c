/* Schema evolution: rows of state as they were written become rows as the job has them now.
 *
 * Per column of the new schema, and per column below it: shared as it is, widened, made (NULLs or zeros), or put
 * together of columns that are.
 * Thread: any, one at a time; immutable after it was made.  Flink: PojoSerializer's and AvroSerializer's
 * schema evolution, TypeSerializerSchemaCompatibility. */
#include "engine/snapshot/segment.h"

enum column_step { COLUMN_SHARE, COLUMN_WIDEN, COLUMN_NULLS, COLUMN_ZEROS, COLUMN_NESTED };

/* What becomes a column. */
struct column_plan {
    enum column_step step;
    int32_t from;                 /* column that it comes from, among its siblings; -1: none */
    uint32_t n_children;          /* COLUMN_NESTED */
    struct column_plan *children; /* Owns */
};

struct schema_migration {
    struct schema *to; /* Owns a ref */
    bool is_identity;
    struct column_plan *columns; /* Owns; by column of `to` */
    int32_t *shared;             /* Owns; column of the old schema where it is shared, else -1 */
};

/* ---- what fits what --------------------------------------------------------------------------- */

/* Where the planner is. */
struct place {
    struct str path; /* "orders.items[].price" */
    bool in_key;     /* of a map: what differs must go on to differ */
    struct error *err;
};

static int plan_column(struct place *at, const struct data_type *from, const struct data_type *to,
                       struct column_plan *ret);

static bool is_integer(const struct data_type *t)
{
    return t->id >= TYPE_TINYINT && t->id <= TYPE_BIGINT;
}

static bool types_equal_but_null(const struct data_type *a, const struct data_type *b)
{
    struct data_type *plain = type_with_nullable(a, b->nullable);
    bool equal = type_equals(plain, b);
    type_unref(plain);
    return equal;
}

/* The same bytes hold values of both. */
static bool is_longer(const struct data_type *from, const struct data_type *to)
{
    switch (from->id) {
    case TYPE_VARCHAR:
    case TYPE_VARBINARY:
        return to->id == from->id && to->length >= from->length;
    case TYPE_DECIMAL:
        return to->id == TYPE_DECIMAL && to->scale == from->scale &&
               to->precision >= from->precision && to->layout == from->layout;
    default:
        return false;
    }
}

static COLD int refuse(const struct place *at, const struct data_type *from,
                       const struct data_type *to, const char *why)
{
    STR_AUTO old = STR_INIT;
    STR_AUTO new = STR_INIT;
    type_print(from, &old);
    type_print(to, &new);
    error_set(at->err, ERR_STATE,
              "field '%s' was %s and is %s now: %s. Keep the field as it was and add one of "
              "another name, or start without this state",
              str_cstr(&at->path), str_cstr(&old), str_cstr(&new), why);
    if (at->err != NULL) {
        error_set_class(at->err, ERROR_CLASS_USER);
    }
    return ERR_STATE;
}

static int plan_added(const struct place *at, const struct data_type *to, struct column_plan *ret)
{
    if (!to->nullable && type_child_columns(to) > 0) {
        STR_AUTO text = STR_INIT;
        type_print(to, &text);
        error_set(at->err, ERR_STATE,
                  "field '%s' (%s) is not in the state and has no value to begin with: a new field "
                  "of a nested type must be nullable",
                  str_cstr(&at->path), str_cstr(&text));
        if (at->err != NULL) {
            error_set_class(at->err, ERROR_CLASS_USER);
        }
        return ERR_STATE;
    }
    *ret = (struct column_plan){.step = to->nullable ? COLUMN_NULLS : COLUMN_ZEROS, .from = -1};
    return 0;
}

/* Goes on at a part of the column at hand; go_back() with what it returns. */
static size_t go_to(struct place *at, const char *separator, const char *name)
{
    size_t before = at->path.len;
    str_append_cstr(&at->path, separator);
    str_append_cstr(&at->path, name);
    return before;
}

static void go_back(struct place *at, size_t len)
{
    at->path.len = len;
    at->path.data[len] = '\0';
}

static int32_t find_field(const struct data_type *row, const char *name)
{
    for (uint32_t i = 0; i < row->n_children; i++) {
        if (strcmp(row->names[i], name) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

static int plan_row(struct place *at, const struct data_type *from, const struct data_type *to,
                    struct column_plan *ret)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < to->n_children; i++) {
        struct column_plan *c = &ret->children[i];
        size_t before = go_to(at, ".", to->names[i]);
        int32_t source = find_field(from, to->names[i]);
        if (source >= 0) {
            TRY(plan_column(at, from->children[source], to->children[i], c));
            found++;
        } else {
            TRY(plan_added(at, to->children[i], c));
        }
        c->from = source;
        go_back(at, before);
    }
    return at->in_key && found < from->n_children
               ? refuse(at, from, to, "keys of a map that differ in a field only would be equal")
               : 0;
}

static int plan_nested(struct place *at, const struct data_type *from, const struct data_type *to,
                       struct column_plan *ret)
{
    uint32_t n = type_child_columns(to);
    *ret = (struct column_plan){.step = COLUMN_NESTED, .n_children = n};
    ret->children = MEM_NEW_ARRAY(struct column_plan, n + 1);
    if (to->id == TYPE_ROW) {
        return plan_row(at, from, to, ret);
    }
    for (uint32_t i = 0; i < n; i++) {
        bool was_in_key = at->in_key;
        bool is_key = to->id != TYPE_ARRAY && i == 0;
        size_t before = go_to(at, to->id != TYPE_MAP ? "[]" : is_key ? ".key" : ".value", "");
        at->in_key = was_in_key || is_key;
        TRY(plan_column(at, type_child_column(from, i), type_child_column(to, i),
                        &ret->children[i]));
        ret->children[i].from = (int32_t)i;
        at->in_key = was_in_key;
        go_back(at, before);
    }
    return 0;
}

static int plan_column(struct place *at, const struct data_type *from, const struct data_type *to,
                       struct column_plan *ret)
{
    if (from->nullable && !to->nullable) {
        return refuse(at, from, to, "what may be NULL in the state cannot become NOT NULL");
    }
    if (types_equal_but_null(from, to) || is_longer(from, to)) {
        *ret = (struct column_plan){.step = COLUMN_SHARE};
        return 0;
    }
    if ((is_integer(from) && is_integer(to) && to->id > from->id) ||
        (from->id == TYPE_FLOAT && to->id == TYPE_DOUBLE)) {
        *ret = (struct column_plan){.step = COLUMN_WIDEN};
        return 0;
    }
    if (from->id == to->id && from->layout >= LAYOUT_LIST) {
        return plan_nested(at, from, to, ret);
    }
    if (from->layout >= LAYOUT_LIST || to->layout >= LAYOUT_LIST) {
        return refuse(at, from, to, "nested types change inside only");
    }
    return refuse(at, from, to,
                  "only integers become wider, FLOAT DOUBLE, and strings and decimals longer");
}

/* ---- life ------------------------------------------------------------------------------------- */

static int plan(struct schema_migration *m, const struct schema *from, struct place *at)
{
    m->is_identity = from->n_fields == m->to->n_fields;
    for (uint32_t i = 0; i < m->to->n_fields; i++) {
        const struct field *to = &m->to->fields[i];
        struct column_plan *c = &m->columns[i];
        int32_t source = schema_find(from, to->name);
        size_t before = go_to(at, "", to->name);
        if (source >= 0) {
            TRY(plan_column(at, from->fields[source].type, to->type, c));
        } else {
            TRY(plan_added(at, to->type, c));
        }
        go_back(at, before);
        c->from = source;
        m->shared[i] = c->step == COLUMN_SHARE ? source : -1;
        m->is_identity = m->is_identity && source == (int32_t)i &&
                         type_equals(from->fields[source].type, to->type);
    }
    return 0;
}

int schema_migration_new(const struct schema *from, const struct schema *to,
                         struct schema_migration **ret, struct error *err)
{
    struct schema_migration *m = MEM_NEW(struct schema_migration);
    m->to = schema_ref(to);
    m->columns = MEM_NEW_ARRAY(struct column_plan, to->n_fields + 1);
    m->shared = MEM_NEW_ARRAY(int32_t, to->n_fields + 1);
    struct place at = {.path = STR_INIT, .err = err};
    int rc = plan(m, from, &at);
    str_fini(&at.path);
    if (rc < 0) {
        schema_migration_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

static void plan_fini(struct column_plan *p)
{
    for (uint32_t i = 0; i < p->n_children; i++) {
        plan_fini(&p->children[i]);
    }
    mem_free(p->children);
}

struct schema_migration *schema_migration_free(struct schema_migration *m)
{
    if (m != NULL) {
        for (uint32_t i = 0; i < m->to->n_fields; i++) {
            plan_fini(&m->columns[i]);
        }
        schema_unref(m->to);
        mem_free(m->columns);
        mem_free(m->shared);
        mem_free(m);
    }
    return NULL;
}

bool schema_migration_is_identity(const struct schema_migration *m)
{
    return m->is_identity;
}

/* ---- rows ------------------------------------------------------------------------------------- */

static int64_t integer_at(const void *values, enum type_layout layout, uint32_t i)
{
    switch (layout) {
    case LAYOUT_I8:
        return ((const int8_t *)values)[i];
    case LAYOUT_I16:
        return ((const int16_t *)values)[i];
    default:
        return ((const int32_t *)values)[i];
    }
}

static void widen(struct buffer_pool *pool, struct column *to, const struct column *from,
                  uint32_t n)
{
    struct buffer *values = buffer_get(pool, (uint64_t)n * to->type->width);
    values->size = (uint64_t)n * to->type->width;
    for (uint32_t i = 0; i < n; i++) {
        switch (to->type->layout) {
        case LAYOUT_F64:
            ((double *)(void *)values->data)[i] = COLUMN_VALUES(from, const float)[i];
            break;
        case LAYOUT_I16:
            ((int16_t *)(void *)values->data)[i] =
                (int16_t)integer_at(from->values->data, from->type->layout, i);
            break;
        case LAYOUT_I32:
            ((int32_t *)(void *)values->data)[i] =
                (int32_t)integer_at(from->values->data, from->type->layout, i);
            break;
        default:
            ((int64_t *)(void *)values->data)[i] =
                integer_at(from->values->data, from->type->layout, i);
            break;
        }
    }
    column_set_values(to, values);
    if (from->validity != NULL) {
        column_set_validity(to, buffer_ref(from->validity));
    }
}

static void fill_zeros(struct buffer_pool *pool, struct column *c, uint32_t n)
{
    uint64_t bytes = column_values_bytes(c->type, n);
    struct buffer *values = buffer_get(pool, bytes);
    memset(values->data, 0, bytes);
    values->size = bytes;
    column_set_values(c, values);
}

/* Fills a column of `n` rows; `from`: the columns that it may come from. */
static void make_column(struct buffer_pool *pool, const struct column_plan *p, struct column *to,
                        const struct column *from, uint32_t n)
{
    const struct column *source = p->from >= 0 ? &from[p->from] : NULL;
    if (n == 0) {
        return;
    }
    switch (p->step) {
    case COLUMN_SHARE:
        column_share(pool, to, source);
        break;
    case COLUMN_WIDEN:
        widen(pool, to, source, n);
        break;
    case COLUMN_NULLS:
        column_fill_nulls(pool, to, n);
        break;
    case COLUMN_ZEROS:
        fill_zeros(pool, to, n);
        break;
    case COLUMN_NESTED:
        if (source->values != NULL) {
            column_set_values(to, buffer_ref(source->values));
        }
        if (source->validity != NULL) {
            column_set_validity(to, buffer_ref(source->validity));
        }
        to->child_rows = source->child_rows;
        for (uint32_t i = 0; i < p->n_children; i++) {
            make_column(pool, &p->children[i], &to->children[i], source->children,
                        column_child_rows(source, n));
        }
        break;
    }
}

int schema_migration_apply(const struct schema_migration *m, struct buffer_pool *pool,
                           const struct batch *b, struct batch **ret, struct error *err)
{
    struct batch *source = (struct batch *)(uintptr_t)b; /* its buffers are shared, not changed */
    if (m->is_identity) {
        *ret = batch_ref(source);
        return 0;
    }
    struct batch *out = batch_project(pool, source, m->to, m->shared);
    for (uint32_t i = 0; i < out->n_columns; i++) {
        if (m->columns[i].step != COLUMN_SHARE) {
            make_column(pool, &m->columns[i], &out->columns[i], b->columns, b->n_rows);
        }
    }
    (void)err;
    *ret = out;
    return 0;
}
