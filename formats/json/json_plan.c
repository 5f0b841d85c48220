/* The tree of fields that a decoder fills; see json.h. */
#include "formats/json/json.h"

/* ---- types ------------------------------------------------------------------------------------------------- */

static bool is_text(const struct data_type *t)
{
    return t->id == TYPE_CHAR || t->id == TYPE_VARCHAR;
}

static int check_keys(const struct data_type *type, flinc_format_error *error)
{
    STR_AUTO text = STR_INIT;

    if (is_text(type->children[0])) {
        return 0;
    }
    type_print(type, &text);
    return flinc_format_fail(error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
                             "JSON format doesn't support non-string as key type of map. "
                             "The type is: %s",
                             str_cstr(&text));
}

int json_check_type(const char *column, const struct data_type *type, flinc_format_error *error)
{
    if (type->id == TYPE_RAW) {
        STR_AUTO text = STR_INIT;
        type_print(type, &text);
        return flinc_format_fail(error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
                                 "Unsupported type: %s, of the column '%s'", str_cstr(&text),
                                 column);
    }
    if (type->id == TYPE_MAP || type->id == TYPE_MULTISET) {
        int rc = check_keys(type, error);
        if (rc != 0) {
            return rc;
        }
    }
    for (uint32_t i = 0; i < type->n_children; i++) {
        int rc = json_check_type(column, type->children[i], error);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static enum json_op op_of(const struct data_type *t)
{
    static const enum json_op by_type[TYPE_COUNT] = {
        [TYPE_NULL] = JSON_OP_NULL,
        [TYPE_CHAR] = JSON_OP_STRING,
        [TYPE_VARCHAR] = JSON_OP_STRING,
        [TYPE_BOOLEAN] = JSON_OP_BOOL,
        [TYPE_BINARY] = JSON_OP_BYTES,
        [TYPE_VARBINARY] = JSON_OP_BYTES,
        [TYPE_DECIMAL] = JSON_OP_DECIMAL,
        [TYPE_TINYINT] = JSON_OP_I8,
        [TYPE_SMALLINT] = JSON_OP_I16,
        [TYPE_INTEGER] = JSON_OP_I32,
        [TYPE_BIGINT] = JSON_OP_I64,
        [TYPE_FLOAT] = JSON_OP_F32,
        [TYPE_DOUBLE] = JSON_OP_F64,
        [TYPE_DATE] = JSON_OP_DATE,
        [TYPE_TIME] = JSON_OP_TIME,
        [TYPE_TIMESTAMP] = JSON_OP_TIMESTAMP,
        [TYPE_TIMESTAMP_LTZ] = JSON_OP_TIMESTAMP,
        [TYPE_INTERVAL_YEAR_MONTH] = JSON_OP_I32,
        [TYPE_INTERVAL_DAY_TIME] = JSON_OP_I64,
        [TYPE_ARRAY] = JSON_OP_ARRAY,
        [TYPE_MAP] = JSON_OP_MAP,
        [TYPE_MULTISET] = JSON_OP_MAP,
        [TYPE_ROW] = JSON_OP_ROW,
        [TYPE_RAW] = JSON_OP_NULL, /* json_check_type() */
    };
    return by_type[t->id];
}

/* ---- fields by name -------------------------------------------------------------------------------------------- */

static uint32_t name_hash(struct slice name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (uint8_t)name.data[i]) * 16777619u;
    }
    return h ^ h >> 15;
}

int32_t json_find_field(const struct json_object *o, struct slice name)
{
    for (uint32_t i = name_hash(name);; i++) {
        uint32_t number = o->by_name[i & o->mask];
        if (number == 0) {
            return -1;
        }
        if (slice_eq(o->fields[number - 1].name, name)) {
            return (int32_t)number - 1;
        }
    }
}

/* The fields are there: their index, and room for the members' places. */
static void object_finish(struct json_object *o)
{
    uint32_t cap = 8;
    while (cap < o->n_fields * 2) {
        cap *= 2;
    }
    o->mask = cap - 1;
    o->by_name = MEM_NEW_ARRAY(uint32_t, cap);
    o->slots = MEM_NEW_ARRAY(struct json_slot, JSON_SLOTS_MAX);
    for (uint32_t k = 0; k < o->n_fields; k++) {
        uint32_t i = name_hash(o->fields[k].name);
        while (o->by_name[i & o->mask] != 0) {
            i++;
        }
        o->by_name[i & o->mask] = k + 1;
    }
}

static void plan_field(struct json_field *f, const char *name, const struct data_type *type,
                       uint32_t column);

static void plan_row(struct json_field *f)
{
    const struct data_type *t = f->type;

    f->object = MEM_NEW(struct json_object);
    f->object->n_fields = t->n_children;
    f->object->fields = MEM_NEW_ARRAY(struct json_field, (size_t)t->n_children + 1);
    for (uint32_t i = 0; i < t->n_children; i++) {
        plan_field(&f->object->fields[i], t->names[i], t->children[i], i);
    }
    object_finish(f->object);
}

static void plan_field(struct json_field *f, const char *name, const struct data_type *type,
                       uint32_t column)
{
    *f = (struct json_field){.type = type,
                             .op = op_of(type),
                             .nullable = type->nullable,
                             .column = column,
                             .name = slice_cstr(name)};
    if (f->op == JSON_OP_ROW) {
        plan_row(f);
    } else if (f->op == JSON_OP_ARRAY || f->op == JSON_OP_MAP) {
        f->n_children = type_child_columns(type);
        f->children = MEM_NEW_ARRAY(struct json_field, f->n_children);
        for (uint32_t i = 0; i < f->n_children; i++) {
            plan_field(&f->children[i], name, type_child_column(type, i), i);
        }
    }
}

void json_plan(struct json_object *top, const struct schema *schema, const uint32_t *columns)
{
    top->fields = MEM_NEW_ARRAY(struct json_field, (size_t)schema->n_fields + 1);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (columns[i] != FLINC_FORMAT_NO_COLUMN) {
            plan_field(&top->fields[top->n_fields++], schema->fields[i].name,
                       schema->fields[i].type, columns[i]);
        }
    }
    object_finish(top);
}

static void field_fini(struct json_field *f)
{
    if (f->object != NULL) {
        json_object_fini(f->object);
        mem_free(f->object);
    }
    for (uint32_t i = 0; i < f->n_children; i++) {
        field_fini(&f->children[i]);
    }
    mem_free(f->children);
}

void json_object_fini(struct json_object *o)
{
    for (uint32_t i = 0; i < o->n_fields; i++) {
        field_fini(&o->fields[i]);
    }
    mem_free(o->fields);
    mem_free(o->by_name);
    mem_free(o->slots);
}

/* ---- nested columns of a builder --------------------------------------------------------------------------------- */

static void bind_children(struct json_field *f, struct builder *b, struct builder_column *c)
{
    if (f->object != NULL) {
        json_bind(f->object, b, c);
    }
    for (uint32_t i = 0; i < f->n_children; i++) {
        f->children[i].cell = builder_child_of(c, i);
        bind_children(&f->children[i], b, f->children[i].cell);
    }
}

void json_bind(struct json_object *o, struct builder *b, struct builder_column *parent)
{
    for (uint32_t i = 0; i < o->n_fields; i++) {
        struct json_field *f = &o->fields[i];
        if (f->object == NULL && f->n_children == 0 && parent == NULL) {
            continue;
        }
        struct builder_column *c =
            parent == NULL ? builder_column_of(b, f->column) : builder_child_of(parent, f->column);
        f->cell = parent == NULL ? NULL : c;
        bind_children(f, b, c);
    }
}
