/* See resolve.h.  The depth of types is bounded by the parser.  Thread: any. */
#include "sql/types/resolve.h"
#include "common/base/map.h"

enum {
    LENGTH_DEFAULT = 1, /* of CHAR and BINARY; VARCHAR is STRING, VARBINARY is BYTES */
    DECIMAL_PRECISION_DEFAULT = 10,
    TIMESTAMP_PRECISION_DEFAULT = 6,
    INTERVAL_DIGITS_DEFAULT = 2,
    INTERVAL_FRACTION_DEFAULT = 6,
};

static const enum type_id ids[SQL_TYPE_KIND_COUNT] = {
    [SQL_TYPE_CHAR] = TYPE_CHAR,           [SQL_TYPE_VARCHAR] = TYPE_VARCHAR,
    [SQL_TYPE_BINARY] = TYPE_BINARY,       [SQL_TYPE_VARBINARY] = TYPE_VARBINARY,
    [SQL_TYPE_BOOLEAN] = TYPE_BOOLEAN,     [SQL_TYPE_DECIMAL] = TYPE_DECIMAL,
    [SQL_TYPE_TINYINT] = TYPE_TINYINT,     [SQL_TYPE_SMALLINT] = TYPE_SMALLINT,
    [SQL_TYPE_INTEGER] = TYPE_INTEGER,     [SQL_TYPE_BIGINT] = TYPE_BIGINT,
    [SQL_TYPE_FLOAT] = TYPE_FLOAT,         [SQL_TYPE_DOUBLE] = TYPE_DOUBLE,
    [SQL_TYPE_DATE] = TYPE_DATE,           [SQL_TYPE_TIME] = TYPE_TIME,
    [SQL_TYPE_TIMESTAMP] = TYPE_TIMESTAMP, [SQL_TYPE_TIMESTAMP_LTZ] = TYPE_TIMESTAMP_LTZ,
    [SQL_TYPE_NULL] = TYPE_NULL,
};

static const char *const unsupported[SQL_TYPE_KIND_COUNT] = {
    [SQL_TYPE_TIMESTAMP_TZ] = "TIMESTAMP WITH TIME ZONE",
    [SQL_TYPE_STRUCTURED] = "STRUCTURED",
    [SQL_TYPE_VARIANT] = "VARIANT",
    [SQL_TYPE_BITMAP] = "BITMAP",
};

static int32_t or_default(int32_t written, int32_t otherwise)
{
    return written >= 0 ? written : otherwise;
}

struct data_type *sql_interval_resolve(const struct sql_interval_range *r, bool nullable)
{
    static const struct {
        enum sql_unit from, to;
        enum interval_resolution resolution;
    } rows[] = {
        {SQL_UNIT_YEAR, SQL_UNIT_NONE, INTERVAL_YEAR},
        {SQL_UNIT_QUARTER, SQL_UNIT_NONE, INTERVAL_MONTH},
        {SQL_UNIT_MONTH, SQL_UNIT_NONE, INTERVAL_MONTH},
        {SQL_UNIT_YEAR, SQL_UNIT_MONTH, INTERVAL_YEAR_TO_MONTH},
        {SQL_UNIT_WEEK, SQL_UNIT_NONE, INTERVAL_DAY},
        {SQL_UNIT_DAY, SQL_UNIT_NONE, INTERVAL_DAY},
        {SQL_UNIT_DAY, SQL_UNIT_HOUR, INTERVAL_DAY_TO_HOUR},
        {SQL_UNIT_DAY, SQL_UNIT_MINUTE, INTERVAL_DAY_TO_MINUTE},
        {SQL_UNIT_DAY, SQL_UNIT_SECOND, INTERVAL_DAY_TO_SECOND},
        {SQL_UNIT_HOUR, SQL_UNIT_NONE, INTERVAL_HOUR},
        {SQL_UNIT_HOUR, SQL_UNIT_MINUTE, INTERVAL_HOUR_TO_MINUTE},
        {SQL_UNIT_HOUR, SQL_UNIT_SECOND, INTERVAL_HOUR_TO_SECOND},
        {SQL_UNIT_MINUTE, SQL_UNIT_NONE, INTERVAL_MINUTE},
        {SQL_UNIT_MINUTE, SQL_UNIT_SECOND, INTERVAL_MINUTE_TO_SECOND},
        {SQL_UNIT_SECOND, SQL_UNIT_NONE, INTERVAL_SECOND},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].from == r->from && rows[i].to == r->to) {
            return type_new_interval(
                rows[i].resolution, or_default(r->leading_digits, INTERVAL_DIGITS_DEFAULT),
                or_default(r->second_digits, INTERVAL_FRACTION_DEFAULT), nullable);
        }
    }
    return NULL; /* the parser takes no others */
}

static struct data_type *resolve_plain(const struct sql_type *t)
{
    bool nullable = !t->not_null;
    enum type_id id = ids[t->kind];
    switch (t->kind) {
    case SQL_TYPE_CHAR:
    case SQL_TYPE_VARCHAR:
    case SQL_TYPE_BINARY:
    case SQL_TYPE_VARBINARY: {
        const bool is_fixed = t->kind == SQL_TYPE_CHAR || t->kind == SQL_TYPE_BINARY;
        const int32_t otherwise = is_fixed ? LENGTH_DEFAULT : (int32_t)TYPE_LENGTH_MAX;
        return type_new_sized(id, or_default(t->precision, otherwise), nullable);
    }
    case SQL_TYPE_DECIMAL:
        return type_new_precision(id, or_default(t->precision, DECIMAL_PRECISION_DEFAULT),
                                  or_default(t->scale, 0), nullable);
    case SQL_TYPE_TIME:
        return type_new_precision(id, or_default(t->precision, 0), 0, nullable);
    case SQL_TYPE_TIMESTAMP:
    case SQL_TYPE_TIMESTAMP_LTZ:
        return type_new_precision(id, or_default(t->precision, TIMESTAMP_PRECISION_DEFAULT), 0,
                                  nullable);
    case SQL_TYPE_INTERVAL:
        return sql_interval_resolve(&t->interval, nullable);
    default:
        return type_new(id, nullable);
    }
}

/* ---- constructed types ------------------------------------------------------------------------------ */

struct fields {
    struct data_type **types; /* Owns, and the first n */
    const char **names;       /* Owns the array */
    uint32_t n;
    struct arena arena; /* of the names */
};

static void fields_fini(struct fields *f)
{
    while (f->n > 0) {
        type_unref(f->types[--f->n]);
    }
    mem_free(f->types);
    mem_free(f->names);
    arena_fini(&f->arena);
}

static int resolve_row(const struct sql_type *t, struct data_type **ret, struct sql_span *ret_span,
                       struct error *err)
{
    CLEANUP(fields_fini)
    struct fields f = {
        .types = MEM_NEW_ARRAY(struct data_type *, t->n_fields + 1),
        .names = MEM_NEW_ARRAY(const char *, t->n_fields + 1),
    };
    CLEANUP(map_fini) struct map seen;
    map_init(&seen, NULL);
    arena_init(&f.arena, 0);
    if (t->n_fields > TYPE_CHILDREN_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "A ROW of %u fields: at most %d are allowed",
                         t->n_fields, TYPE_CHILDREN_MAX);
    }
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct sql_type_field *field = &t->fields[i];
        struct slice name = field->name.text;
        f.names[i] = name.data != NULL ? arena_strndup(&f.arena, name.data, name.len)
                                       : arena_printf(&f.arena, "f%u", i);
        if (!map_put(&seen, f.names[i], NULL)) {
            *ret_span = name.data != NULL ? field->name.span : field->type->span;
            return error_set(err, ERR_INVALID_ARGUMENT, "A ROW has two fields with the name %s",
                             f.names[i]);
        }
        TRY(sql_type_resolve(field->type, &f.types[i], ret_span, err));
        f.n = i + 1;
    }
    uint32_t n = f.n;
    f.n = 0; /* the row takes them */
    *ret = type_new_row(f.types, f.names, n, !t->not_null);
    return 0;
}

static int resolve_collection(const struct sql_type *t, struct data_type **ret,
                              struct sql_span *ret_span, struct error *err)
{
    struct data_type *element = NULL, *value = NULL;
    TRY(sql_type_resolve(t->element, &element, ret_span, err));
    if (t->kind == SQL_TYPE_MAP) {
        int rc = sql_type_resolve(t->value, &value, ret_span, err);
        if (rc < 0) {
            type_unref(element);
            return rc;
        }
        *ret = type_new_map(element, value, !t->not_null);
    } else if (t->kind == SQL_TYPE_ARRAY) {
        *ret = type_new_array(element, !t->not_null);
    } else {
        *ret = type_new_multiset(element, !t->not_null);
    }
    return 0;
}

static int resolve_raw(const struct sql_type *t, struct data_type **ret)
{
    STR_AUTO name = STR_INIT;
    str_append_slice(&name, t->class_name);
    *ret = type_new_raw(str_cstr(&name), !t->not_null);
    return 0;
}

static int resolve(const struct sql_type *t, struct data_type **ret, struct sql_span *ret_span,
                   struct error *err)
{
    switch (t->kind) {
    case SQL_TYPE_ROW:
        return resolve_row(t, ret, ret_span, err);
    case SQL_TYPE_ARRAY:
    case SQL_TYPE_MULTISET:
    case SQL_TYPE_MAP:
        return resolve_collection(t, ret, ret_span, err);
    case SQL_TYPE_RAW:
        return resolve_raw(t, ret);
    default:
        *ret = resolve_plain(t);
        return 0;
    }
}

int sql_type_resolve(const struct sql_type *type, struct data_type **ret, struct sql_span *ret_span,
                     struct error *err)
{
    struct data_type *found = NULL;
    *ret_span = type->span;
    if (unsupported[type->kind] != NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: type %s",
                         unsupported[type->kind]);
    }
    TRY(resolve(type, &found, ret_span, err));
    int rc = type_validate(found, err);
    if (rc < 0) {
        type_unref(found);
        return rc;
    }
    *ret = found;
    return 0;
}
