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
};

static struct data_type *field_type(const flinc_field *f)
{
    bool nullable = f->null_offset != FLINC_NEVER_NULL;
    ASSERT(f->kind > 0 && f->kind < ARRAY_LEN(types));
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
    bool sound = type != NULL && type->struct_size >= sizeof(flinc_struct) && type->n_fields > 0 &&
                 type->n_fields <= STRUCT_FIELDS_MAX;
    for (uint32_t i = 0; sound && i < type->n_fields; i++) {
        const flinc_field *f = &type->fields[i];
        sound = f->name != NULL && f->kind > 0 && f->kind < ARRAY_LEN(types);
    }
    return sound;
}

int struct_record_layout(struct record_layout *l, const flinc_struct *type, const char *what,
                         struct error *err)
{
    if (!is_sound(type)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: its type is missing or is no FLINC_STRUCT; give FLINC_TYPE(name)",
                         what);
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
