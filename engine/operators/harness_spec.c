/* Specs of the harness: schemas and messages from C structs, and rows from text. */
#include "engine/operators/harness_spec.h"

#include "engine/data/builder.h"
#include "engine/operators/struct_schema.h"
#include "proto/operators.pb-c.h"

#include <errno.h>
#include <stdlib.h>

/* ---- schemas and messages ---------------------------------------------------------------------- */

struct schema *harness_struct_schema(const flinc_struct *type)
{
    return struct_schema_new(type);
}

static int stream_schema(const flinc_struct *type, const char *text, struct schema **ret,
                         struct error *err)
{
    if (text != NULL) {
        return schema_parse(slice_cstr(text), ret, err);
    }
    *ret = harness_struct_schema(type);
    return 0;
}

static Flinc__StructDesc *struct_desc(const flinc_struct *type, struct arena *arena)
{
    Flinc__StructDesc *d = arena_alloc(arena, sizeof(*d));
    flinc__struct_desc__init(d);
    d->name = arena_strdup(arena, type->name);
    d->size = type->size;
    d->n_fields = type->n_fields;
    d->fields = arena_alloc(arena, sizeof(*d->fields) * type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        Flinc__StructField *f = arena_alloc(arena, sizeof(*f));
        flinc__struct_field__init(f);
        f->name = arena_strdup(arena, type->fields[i].name);
        f->kind = type->fields[i].kind;
        f->offset = type->fields[i].offset;
        f->null_offset = type->fields[i].null_offset;
        if (type->fields[i].type != NULL) {
            f->type = arena_strdup(arena, type->fields[i].type);
        }
        d->fields[i] = f;
    }
    return d;
}

static void pack(const ProtobufCMessage *message, struct arena *arena, ProtobufCBinaryData *ret)
{
    ret->len = protobuf_c_message_get_packed_size(message);
    ret->data = arena_alloc(arena, ret->len + 1);
    protobuf_c_message_pack(message, ret->data);
}

/* Key columns by their names; returns how many. */
static size_t key_columns(const struct schema *schema, const char *names, struct arena *arena,
                          uint32_t **ret)
{
    struct slice rest = slice_cstr(names != NULL ? names : ""), name;
    size_t n = 0;
    *ret = arena_alloc(arena, sizeof(uint32_t) * (schema->n_fields + 1));
    while (rest.len > 0 && slice_next(&rest, ',', &name)) {
        int column = schema_find(schema, arena_strndup(arena, name.data, name.len));
        ASSERT(column >= 0 && n < schema->n_fields);
        (*ret)[n++] = (uint32_t)column;
    }
    return n;
}

static void pack_function_config(const struct harness_spec *s, const struct harness_options *o,
                                 struct arena *arena, ProtobufCBinaryData *ret)
{
    Flinc__FunctionOperatorConfig config = FLINC__FUNCTION_OPERATOR_CONFIG__INIT;
    Flinc__StructDesc *inputs[OPERATOR_INPUTS_MAX], *outputs[HARNESS_OUTPUTS_MAX];
    for (; config.n_inputs < s->n_inputs && o->inputs[config.n_inputs] != NULL; config.n_inputs++) {
        inputs[config.n_inputs] = struct_desc(o->inputs[config.n_inputs], arena);
    }
    for (; config.n_outputs < s->n_outputs && o->outputs[config.n_outputs] != NULL;
         config.n_outputs++) {
        outputs[config.n_outputs] = struct_desc(o->outputs[config.n_outputs], arena);
    }
    config.inputs = inputs;
    config.outputs = outputs;
    config.batch_callback = o->batch_callback;
    if (s->n_inputs > 0) {
        config.n_key_columns = key_columns(s->inputs[0], o->keys[0], arena, &config.key_columns);
    }
    if (s->n_inputs > 1) {
        config.n_key_columns_second =
            key_columns(s->inputs[1], o->keys[1], arena, &config.key_columns_second);
    }
    pack(&config.base, arena, ret);
}

static void add_functions(struct harness_spec *s, const struct harness_options *o,
                          struct arena *arena)
{
    s->op.functions = arena_alloc(arena, sizeof(*s->op.functions) * HARNESS_FUNCTIONS_MAX);
    for (uint32_t i = 0; i < HARNESS_FUNCTIONS_MAX && o->functions[i].kind != 0; i++) {
        const struct harness_function *f = &o->functions[i];
        Flinc__FunctionRef *ref = arena_alloc(arena, sizeof(*ref));
        flinc__function_ref__init(ref);
        ref->kind = f->kind;
        ref->offset = (uint64_t)(uintptr_t)f->call;
        ref->name = arena_strdup(arena, f->name != NULL ? f->name : "function");
        ref->location = arena_strdup(arena, f->location != NULL ? f->location : "");
        ref->config.len = f->config_size;
        ref->config.data = (uint8_t *)(uintptr_t)f->config;
        s->op.functions[s->op.n_functions++] = ref;
    }
}

static int add_schemas(struct harness_spec *s, const struct harness_options *o, struct arena *arena,
                       struct error *err)
{
    for (uint32_t i = 0; i < OPERATOR_INPUTS_MAX; i++) {
        if (o->inputs[i] == NULL && o->input_schemas[i] == NULL) {
            break;
        }
        TRY(stream_schema(o->inputs[i], o->input_schemas[i], &s->inputs[i], err));
        s->n_inputs++;
    }
    s->op.outputs = arena_alloc(arena, sizeof(*s->op.outputs) * HARNESS_OUTPUTS_MAX);
    for (uint32_t i = 0; i < HARNESS_OUTPUTS_MAX; i++) {
        if (o->outputs[i] == NULL && o->output_schemas[i] == NULL) {
            break;
        }
        TRY(stream_schema(o->outputs[i], o->output_schemas[i], &s->outputs[i], err));
        s->n_outputs++;
        Flinc__OperatorOutput *out = arena_alloc(arena, sizeof(*out));
        flinc__operator_output__init(out);
        out->tag = arena_strdup(arena, o->tags[i] != NULL ? o->tags[i] : "");
        s->op.outputs[s->op.n_outputs++] = out;
    }
    return 0;
}

int harness_spec_init(struct harness_spec *s, const struct harness_options *options,
                      struct arena *arena, struct error *err)
{
    *s = (struct harness_spec){.n_inputs = 0};
    flinc__operator__init(&s->op);
    s->op.name = arena_strdup(arena, options->name != NULL ? options->name : "Test");
    s->op.kind = arena_strdup(arena, options->desc != NULL ? options->desc->kind : options->kind);
    s->op.version = 1;
    add_functions(s, options, arena);
    TRY(add_schemas(s, options, arena, err));
    if (options->config != NULL) {
        pack(options->config, arena, &s->op.config);
    } else {
        pack_function_config(s, options, arena, &s->op.config);
    }
    return 0;
}

void harness_spec_fini(struct harness_spec *s)
{
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        schema_unref(s->inputs[i]);
    }
    for (uint32_t i = 0; i < s->n_outputs; i++) {
        schema_unref(s->outputs[i]);
    }
}

/* ---- rows from text ---------------------------------------------------------------------------- */

/* Splits a value off the line: quoted, or up to a comma or a timestamp. */
static int next_value(struct slice *line, struct slice *ret_value, bool *ret_quoted,
                      struct error *err)
{
    struct slice s = slice_trim(*line);
    *ret_quoted = s.len > 0 && s.data[0] == '\'';
    size_t end = 0;
    if (*ret_quoted) {
        const char *quote = memchr(s.data + 1, '\'', s.len - 1);
        if (quote == NULL) {
            return error_set(err, ERR_PARSE, "a quote is not closed: %.*s", (int)s.len, s.data);
        }
        end = (size_t)(quote + 1 - s.data);
        *ret_value = slice_make(s.data + 1, end - 2);
    } else {
        while (end < s.len && s.data[end] != ',' && s.data[end] != '@') {
            end++;
        }
        *ret_value = slice_trim(slice_make(s.data, end));
    }
    s = slice_trim(slice_make(s.data + end, s.len - end));
    if (s.len > 0 && s.data[0] == ',') {
        s = slice_make(s.data + 1, s.len - 1);
    }
    *line = s;
    return 0;
}

static int put_number(struct builder *b, uint32_t column, struct slice value, struct error *err)
{
    enum type_layout layout = b->schema->fields[column].type->layout;
    char text[64], *end = NULL;
    if (value.len == 0 || value.len >= sizeof(text)) {
        return error_set(err, ERR_PARSE, "'%.*s' is no number", (int)value.len, value.data);
    }
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    errno = 0;
    if (layout == LAYOUT_F32 || layout == LAYOUT_F64) {
        builder_put_f64(b, column, strtod(text, &end));
    } else {
        builder_put_i64(b, column, strtoll(text, &end, 10));
    }
    if (*end != '\0' || (errno != 0 && layout != LAYOUT_F32 && layout != LAYOUT_F64)) {
        return error_set(err, ERR_PARSE, "'%s' is no value of column '%s'", text,
                         b->schema->fields[column].name);
    }
    return 0;
}

static int put_value(struct builder *b, uint32_t column, struct slice value, bool quoted,
                     struct error *err)
{
    if (!quoted && slice_eq_cstr(value, "NULL")) {
        builder_put_null(b, column);
        return 0;
    }
    switch (b->schema->fields[column].type->layout) {
    case LAYOUT_VIEW:
        return builder_put_bytes(b, column, value.data, value.len, err);
    case LAYOUT_BIT:
        builder_put_bool(b, column, slice_eq_cstr(value, "true"));
        return 0;
    default:
        return put_number(b, column, value, err);
    }
}

static int put_row(struct builder *b, struct slice line, struct error *err)
{
    for (int kind = ROW_KIND_INSERT; kind <= ROW_KIND_DELETE; kind++) {
        const char *name = row_kind_name((enum row_kind)kind);
        if (slice_starts_with(line, name) && line.len > 2 && line.data[2] == ' ') {
            builder_set_kind(b, (enum row_kind)kind);
            line = slice_make(line.data + 3, line.len - 3);
            break;
        }
    }
    for (uint32_t i = 0; i < b->schema->n_fields; i++) {
        struct slice value;
        bool quoted;
        TRY(next_value(&line, &value, &quoted, err));
        TRY(put_value(b, i, value, quoted, err));
    }
    if (line.len > 0) {
        if (line.data[0] != '@') {
            return error_set(err, ERR_PARSE, "too many values: %.*s", (int)line.len, line.data);
        }
        builder_set_timestamp(b, strtoll(line.data + 1, NULL, 10));
    }
    builder_end_row(b);
    return 0;
}

int harness_parse_rows(struct buffer_pool *pool, const struct schema *schema, const char *rows,
                       struct batch **ret_batch, struct error *err)
{
    struct builder b;
    struct slice rest = slice_cstr(rows), line;
    int rc = 0;
    builder_init(&b, pool, schema, BATCH_ROWS_MAX);
    while (rc == 0 && rest.len > 0 && slice_next(&rest, '\n', &line)) {
        rc = put_row(&b, slice_trim(line), err);
    }
    if (rc == 0) {
        *ret_batch = builder_finish(&b);
    }
    builder_fini(&b);
    return rc;
}
