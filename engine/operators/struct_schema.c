/* C structs as schemas and layouts.  Thread: any. */
#include "engine/operators/struct_schema.h"

#include "engine/operators/row_reader.h"

enum { STRUCT_FIELDS_MAX = 1024 };

static const struct {
    enum type_id id;
    int32_t precision; /* negative: the type's default */
} types[] = {
    [FLINC_KIND_BOOL] = {TYPE_BOOLEAN, -1},
    [FLINC_KIND_INT8] = {TYPE_TINYINT, -1},
    [FLINC_KIND_INT16] = {TYPE_SMALLINT, -1},
    [FLINC_KIND_INT32] = {TYPE_INTEGER, -1},
    [FLINC_KIND_INT64] = {TYPE_BIGINT, -1},
    [FLINC_KIND_FLOAT] = {TYPE_FLOAT, -1},
    [FLINC_KIND_DOUBLE] = {TYPE_DOUBLE, -1},
    [FLINC_KIND_STRING] = {TYPE_VARCHAR, -1},
    [FLINC_KIND_BYTES] = {TYPE_VARBINARY, -1},
    [FLINC_KIND_DATE] = {TYPE_DATE, -1},
    [FLINC_KIND_TIME] = {TYPE_TIME, 3},
    [FLINC_KIND_TIMESTAMP] = {TYPE_TIMESTAMP, 3},
    [FLINC_KIND_TIMESTAMP_LTZ] = {TYPE_TIMESTAMP_LTZ, 3},
    [FLINC_KIND_NESTED] = {TYPE_NULL, -1}, /* the field says it */
};

static int nested_type(const flinc_field *f, struct data_type **ret, struct error *err)
{
    struct data_type *t = NULL;
    if (f->type == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "field '%s' has no type", f->name);
    }
    TRY_CTX(err, type_parse(slice_cstr(f->type), &t, err), "the type of field '%s'", f->name);
    int rc = type_validate(t, err);
    if (rc == 0 && t->layout < LAYOUT_LIST) {
        rc = error_set(err, ERR_INVALID_ARGUMENT,
                       "field '%s' of type %s: FLINC_NESTED is for ARRAY, MAP, MULTISET and ROW",
                       f->name, type_id_name(t->id));
    }
    if (rc == 0) {
        *ret = type_with_nullable(t, f->null_offset != FLINC_NEVER_NULL);
    }
    type_unref(t);
    return rc;
}

int struct_field_check(const flinc_field *f, struct error *err)
{
    struct data_type *t = NULL;
    if (f->name == NULL || f->kind == 0 || f->kind >= ARRAY_LEN(types)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "field '%s' has the unknown kind %u",
                         f->name != NULL ? f->name : "", f->kind);
    }
    if (f->kind == FLINC_KIND_NESTED) {
        TRY(nested_type(f, &t, err));
        type_unref(t);
    }
    return 0;
}

void struct_fields_from(const Flinc__StructDesc *desc, flinc_field *ret_fields)
{
    for (size_t i = 0; i < desc->n_fields; i++) {
        const Flinc__StructField *f = desc->fields[i];
        ret_fields[i] = (flinc_field){.name = f->name,
                                      .kind = f->kind,
                                      .offset = f->offset,
                                      .null_offset = f->null_offset,
                                      .type = f->type[0] != '\0' ? f->type : NULL};
    }
}

static struct data_type *field_type(const flinc_field *f)
{
    bool nullable = f->null_offset != FLINC_NEVER_NULL;
    struct data_type *nested = NULL;
    ASSERT(f->kind > 0 && f->kind < ARRAY_LEN(types));
    if (f->kind == FLINC_KIND_NESTED) {
        int rc = nested_type(f, &nested, NULL);
        ASSERT(rc == 0); /* it was checked */
        return nested;
    }
    enum type_id id = types[f->kind].id;
    if (types[f->kind].precision >= 0) {
        return type_new_precision(id, types[f->kind].precision, 0, nullable);
    }
    bool sized = id == TYPE_VARCHAR || id == TYPE_VARBINARY;
    return sized ? type_new_sized(id, TYPE_LENGTH_MAX, nullable) : type_new(id, nullable);
}

struct schema *struct_schema_new(const flinc_struct *type)
{
    const char **names = MEM_NEW_ARRAY(const char *, type->n_fields);
    struct data_type **fields = MEM_NEW_ARRAY(struct data_type *, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        names[i] = type->fields[i].name;
        fields[i] = field_type(&type->fields[i]);
    }
    struct schema *s = schema_new(names, fields, type->n_fields);
    mem_free(names);
    mem_free(fields);
    return s;
}

static bool is_sound(const flinc_struct *type)
{
    return type != NULL && type->struct_size >= sizeof(flinc_struct) && type->n_fields > 0 &&
           type->n_fields <= STRUCT_FIELDS_MAX;
}

int struct_record_layout(struct record_layout *l, const flinc_struct *type, const char *what,
                         struct error *err)
{
    if (!is_sound(type)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: its type is missing or is no FLINC_STRUCT; give FLINC_TYPE(name)",
                         what);
    }
    for (uint32_t i = 0; i < type->n_fields; i++) {
        TRY_CTX(err, struct_field_check(&type->fields[i], err), "%s", what);
    }
    Flinc__StructDesc desc = FLINC__STRUCT_DESC__INIT;
    Flinc__StructField *fields = MEM_NEW_ARRAY(Flinc__StructField, type->n_fields);
    Flinc__StructField **pointers = MEM_NEW_ARRAY(Flinc__StructField *, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        flinc__struct_field__init(&fields[i]);
        fields[i].name = (char *)(uintptr_t)type->fields[i].name;
        fields[i].kind = type->fields[i].kind;
        fields[i].offset = type->fields[i].offset;
        fields[i].null_offset = type->fields[i].null_offset;
        pointers[i] = &fields[i];
    }
    desc.size = type->size;
    desc.n_fields = type->n_fields;
    desc.fields = pointers;
    struct schema *s = struct_schema_new(type);
    int rc = struct_layout_init(l, &desc, s, what, err);
    schema_unref(s);
    mem_free(fields);
    mem_free(pointers);
    return rc;
}

int row_record_layout(struct record_layout *l, const char *type, const char *what,
                      struct error *err)
{
    struct schema *s = NULL;
    TRY_CTX(err, schema_parse(slice_cstr(type), &s, err), "%s: its type", what);
    int rc = schema_validate(s, err);
    if (rc == 0 && s->n_fields == 0) {
        rc = error_set(err, ERR_INVALID_ARGUMENT, "a row without fields");
    }
    if (rc == 0) {
        rc = record_layout_init(l, s, err);
    }
    schema_unref(s);
    if (rc < 0) {
        error_context(err, "%s: its type", what);
    }
    return rc;
}

int state_record_layout(struct record_layout *l, const flinc_struct *type, const char *row,
                        const char *what, struct error *err)
{
    if (row == NULL) {
        return struct_record_layout(l, type, what, err);
    }
    if (type != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: it is a struct or a row, and cannot be both", what);
    }
    return row_record_layout(l, row, what, err);
}
