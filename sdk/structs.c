/* C structs as schemas: FLINC_STRUCT descriptions are copied into the environment, checked, and turned
 * into a schema and into the message that operators read.  Flink: PojoTypeInfo. */
#include "sdk/internal.h"

#include "engine/operators/struct_schema.h"

static const uint32_t kind_sizes[] = {
    [FLINC_KIND_BOOL] = sizeof(bool),
    [FLINC_KIND_INT8] = 1,
    [FLINC_KIND_INT16] = 2,
    [FLINC_KIND_INT32] = 4,
    [FLINC_KIND_INT64] = 8,
    [FLINC_KIND_FLOAT] = 4,
    [FLINC_KIND_DOUBLE] = 8,
    [FLINC_KIND_STRING] = sizeof(flinc_string),
    [FLINC_KIND_BYTES] = sizeof(flinc_string),
    [FLINC_KIND_DATE] = 4,
    [FLINC_KIND_TIME] = 4,
    [FLINC_KIND_TIMESTAMP] = 8,
    [FLINC_KIND_TIMESTAMP_LTZ] = 8,
    [FLINC_KIND_NESTED] = sizeof(flinc_string),
};

enum { STRUCT_FIELDS_MAX = 1024, STRUCT_BYTES_MAX = 64 * 1024 };

#define SINGLE_VALUE(ctype, kind)                                                            \
    static const flinc_field ctype##_fields[] = {{"f0", (kind), 0, FLINC_NEVER_NULL, NULL}}; \
    const flinc_struct ctype##_struct = {sizeof(flinc_struct), sizeof(ctype), #ctype, 1,     \
                                         ctype##_fields}
SINGLE_VALUE(flinc_string, FLINC_KIND_STRING);
SINGLE_VALUE(flinc_int64, FLINC_KIND_INT64);
SINGLE_VALUE(flinc_int32, FLINC_KIND_INT32);
SINGLE_VALUE(flinc_double, FLINC_KIND_DOUBLE);
SINGLE_VALUE(flinc_bool, FLINC_KIND_BOOL);

static bool field_is_sound(const flinc_struct *type, const flinc_field *f)
{
    return f->name != NULL && f->kind > 0 && f->kind < ARRAY_LEN(kind_sizes) &&
           f->offset <= type->size && kind_sizes[f->kind] <= type->size - f->offset &&
           (f->null_offset == FLINC_NEVER_NULL || f->null_offset < type->size);
}

const flinc_struct *env_copy_struct(flinc_env *env, const flinc_struct *type, const char *call,
                                    flinc_place at)
{
    if (type == NULL || type->struct_size < sizeof(flinc_struct) || type->n_fields == 0 ||
        type->n_fields > STRUCT_FIELDS_MAX || type->size > STRUCT_BYTES_MAX) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                          "%s: the result type is missing or is no FLINC_STRUCT; give "
                          "FLINC_TYPE(name) of a struct with 1 to %d fields",
                          call, STRUCT_FIELDS_MAX);
        return NULL;
    }
    flinc_struct *copy = arena_alloc(&env->arena, sizeof(*copy));
    flinc_field *fields = arena_alloc(&env->arena, sizeof(*fields) * type->n_fields);
    *copy = *type;
    copy->name = arena_strdup(&env->arena, type->name);
    copy->fields = fields;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        if (!field_is_sound(type, &type->fields[i])) {
            (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                              "%s: field %u of struct '%s' is damaged: use FLINC_STRUCT to declare "
                              "it",
                              call, i, type->name);
            return NULL;
        }
        fields[i] = type->fields[i];
        fields[i].name = arena_strdup(&env->arena, type->fields[i].name);
        if (fields[i].kind == FLINC_KIND_NESTED) {
            struct error err = ERROR_INIT;
            if (struct_field_check(&fields[i], &err) < 0) {
                (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: struct '%s': %s", call,
                                  type->name, err.message);
                return NULL;
            }
            fields[i].type = arena_strdup(&env->arena, type->fields[i].type);
        }
    }
    return copy;
}

struct schema *env_schema_of(flinc_env *env, const flinc_struct *type)
{
    struct schema *schema = struct_schema_new(type);
    vec_push_ptr(&env->schemas, schema);
    return schema;
}

Flinc__StructDesc *env_struct_desc(flinc_env *env, const flinc_struct *type)
{
    Flinc__StructDesc *d = arena_alloc(&env->arena, sizeof(*d));

    flinc__struct_desc__init(d);
    d->name = arena_strdup(&env->arena, type->name);
    d->size = type->size;
    d->n_fields = type->n_fields;
    d->fields = arena_alloc(&env->arena, sizeof(Flinc__StructField *) * type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        Flinc__StructField *f = arena_alloc(&env->arena, sizeof(*f));
        flinc__struct_field__init(f);
        f->name = arena_strdup(&env->arena, type->fields[i].name);
        f->kind = type->fields[i].kind;
        f->offset = type->fields[i].offset;
        f->null_offset = type->fields[i].null_offset;
        if (type->fields[i].type != NULL) {
            f->type = arena_strdup(&env->arena, type->fields[i].type);
        }
        d->fields[i] = f;
    }
    return d;
}
