/* Schema evolution: rows of state as they were written become rows as the job has them now.
 *
 * Per column of the new schema: shared as it is, widened, or made (NULLs or zeros).
 * Thread: any, one at a time; immutable after it was made.  Flink: PojoSerializer's and AvroSerializer's
 * schema evolution, TypeSerializerSchemaCompatibility. */
#include "engine/snapshot/segment.h"

enum column_step { COLUMN_SHARE, COLUMN_WIDEN, COLUMN_NULLS, COLUMN_ZEROS };

struct schema_migration {
    struct schema *to; /* Owns a ref */
    bool is_identity;
    enum column_step *steps; /* Owns; by column of `to` */
    int32_t *from;           /* Owns; column that it comes from, or -1 */
    int32_t *shared;         /* Owns; the same where it is shared, else -1 */
};

/* ---- what fits what --------------------------------------------------------------------------- */

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

static int refuse(struct error *err, const struct field *from, const struct field *to,
                  const char *why)
{
    STR_AUTO old = STR_INIT;
    STR_AUTO new = STR_INIT;
    type_print(from->type, &old);
    type_print(to->type, &new);
    error_set(
        err, ERR_STATE,
        "field '%s' was %s and is %s now: %s. Keep the field as it was and add one of another "
        "name, or start without this state",
        to->name, str_cstr(&old), str_cstr(&new), why);
    if (err != NULL) {
        error_set_class(err, ERROR_CLASS_USER);
    }
    return ERR_STATE;
}

static int plan_existing(const struct field *from, const struct field *to, enum column_step *ret,
                         struct error *err)
{
    if (from->type->nullable && !to->type->nullable) {
        return refuse(err, from, to, "what may be NULL in the state cannot become NOT NULL");
    }
    if (types_equal_but_null(from->type, to->type) || is_longer(from->type, to->type)) {
        *ret = COLUMN_SHARE;
        return 0;
    }
    if ((is_integer(from->type) && is_integer(to->type) && to->type->id > from->type->id) ||
        (from->type->id == TYPE_FLOAT && to->type->id == TYPE_DOUBLE)) {
        *ret = COLUMN_WIDEN;
        return 0;
    }
    if (type_child_columns(from->type) + type_child_columns(to->type) > 0) {
        return refuse(err, from, to, "nested types are not converted, not even inside");
    }
    return refuse(err, from, to,
                  "only integers become wider, FLOAT DOUBLE, and strings and decimals longer");
}

static int plan_added(const struct field *to, enum column_step *ret, struct error *err)
{
    if (!to->type->nullable && type_child_columns(to->type) > 0) {
        STR_AUTO text = STR_INIT;
        type_print(to->type, &text);
        error_set(err, ERR_STATE,
                  "field '%s' (%s) is not in the state and has no value to begin with: a new field "
                  "of a nested type must be nullable",
                  to->name, str_cstr(&text));
        if (err != NULL) {
            error_set_class(err, ERROR_CLASS_USER);
        }
        return ERR_STATE;
    }
    *ret = to->type->nullable ? COLUMN_NULLS : COLUMN_ZEROS;
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------- */

static int plan(struct schema_migration *m, const struct schema *from, struct error *err)
{
    m->is_identity = from->n_fields == m->to->n_fields;
    for (uint32_t i = 0; i < m->to->n_fields; i++) {
        const struct field *to = &m->to->fields[i];
        int32_t source = schema_find(from, to->name);
        if (source >= 0) {
            TRY(plan_existing(&from->fields[source], to, &m->steps[i], err));
        } else {
            TRY(plan_added(to, &m->steps[i], err));
        }
        m->from[i] = source;
        m->shared[i] = m->steps[i] == COLUMN_SHARE ? source : -1;
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
    m->steps = MEM_NEW_ARRAY(enum column_step, to->n_fields + 1);
    m->from = MEM_NEW_ARRAY(int32_t, to->n_fields + 1);
    m->shared = MEM_NEW_ARRAY(int32_t, to->n_fields + 1);
    int rc = plan(m, from, err);
    if (rc < 0) {
        schema_migration_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

struct schema_migration *schema_migration_free(struct schema_migration *m)
{
    if (m != NULL) {
        schema_unref(m->to);
        mem_free(m->steps);
        mem_free(m->from);
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

int schema_migration_apply(const struct schema_migration *m, struct buffer_pool *pool,
                           const struct batch *b, struct batch **ret, struct error *err)
{
    struct batch *source = (struct batch *)(uintptr_t)b; /* its buffers are shared, not changed */
    if (m->is_identity) {
        *ret = batch_ref(source);
        return 0;
    }
    struct batch *out = batch_project(pool, source, m->to, m->shared);
    for (uint32_t i = 0; i < out->n_columns && b->n_rows > 0; i++) {
        struct column *c = &out->columns[i];
        switch (m->steps[i]) {
        case COLUMN_SHARE:
            break;
        case COLUMN_WIDEN:
            widen(pool, c, &b->columns[m->from[i]], b->n_rows);
            break;
        case COLUMN_NULLS:
            column_fill_nulls(pool, c, b->n_rows);
            break;
        case COLUMN_ZEROS:
            fill_zeros(pool, c, b->n_rows);
            break;
        }
    }
    (void)err;
    *ret = out;
    return 0;
}
