/* JSON lines: an object per record, columns in their order by their names, NULL as null.
 *
 * Rows are objects, arrays arrays, maps and multisets objects (keys must be strings), bytes base64, times text as in
 * cell_text.h; NaN and infinities are strings, as Jackson writes them.  What is no UTF-8 in a string becomes U+FFFD.
 *
 * Thread: the task's.  Flink: JsonRowDataSerializationSchema. */
#include "common/text/json_writer.h"

#include "engine/operators/files/cell_text.h"
#include "engine/operators/files/encoder.h"

#include <math.h>

struct json_encoder {
    struct file_encoder base;
    struct str *names; /* Owns; by column: `{"a":` of the first, `,"b":` of the others */
    uint32_t n_names;
};

/* ---- what it can write --------------------------------------------------------------------------------- */

static bool can_write(const struct data_type *t)
{
    if (t->id == TYPE_RAW) {
        return false;
    }
    if ((t->id == TYPE_MAP || t->id == TYPE_MULTISET) && t->children[0]->id != TYPE_CHAR &&
        t->children[0]->id != TYPE_VARCHAR) {
        return false;
    }
    for (uint32_t i = 0; i < t->n_children; i++) {
        if (!can_write(t->children[i])) {
            return false;
        }
    }
    return true;
}

static int json_check(const struct schema *schema, const Flinc__FileSinkConfig *config,
                      struct error *err)
{
    (void)config;
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (!can_write(schema->fields[i].type)) {
            STR_AUTO type = STR_INIT;
            type_print(schema->fields[i].type, &type);
            return error_set(err, ERR_UNSUPPORTED,
                             "JSON cannot write the column '%s' of type %s: keys of maps are "
                             "strings, and RAW values are only their own language's",
                             schema->fields[i].name, str_cstr(&type));
        }
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static int json_open(struct file_encoder *base, const struct file_encoder_context *c,
                     struct error *err)
{
    struct json_encoder *e = CONTAINER_OF(base, struct json_encoder, base);

    (void)err;
    e->n_names = c->schema->n_fields;
    e->names = MEM_NEW_ARRAY(struct str, (size_t)e->n_names + 1);
    for (uint32_t i = 0; i < e->n_names; i++) {
        str_append_char(&e->names[i], i == 0 ? '{' : ',');
        json_append_quoted(&e->names[i], slice_cstr(c->schema->fields[i].name));
        str_append_char(&e->names[i], ':');
    }
    return 0;
}

static void json_close(struct file_encoder *base)
{
    struct json_encoder *e = CONTAINER_OF(base, struct json_encoder, base);

    for (uint32_t i = 0; i < e->n_names; i++) {
        str_fini(&e->names[i]);
    }
    mem_free(e->names);
}

/* ---- cells ------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE void put_char(struct str *out, char c)
{
    char *p = cell_room(out, 1);
    *p = c;
    cell_wrote(out, p + 1);
}

static ALWAYS_INLINE void put_bytes(struct str *out, const char *data, size_t n)
{
    char *p = cell_room(out, n);
    memcpy(p, data, n);
    cell_wrote(out, p + n);
}

static COLD void put_escaped(struct str *out, struct slice text)
{
    cell_end(out);
    json_append_quoted(out, text);
}

static ALWAYS_INLINE void put_text(struct str *out, struct slice text)
{
    bool special = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.data[i];
        special |= (c < 0x20) | (c >= 0x80) | (c == '"') | (c == '\\');
    }
    if (UNLIKELY(special)) {
        put_escaped(out, text);
        return;
    }
    char *p = cell_room(out, text.len + 2);
    *p++ = '"';
    memcpy(p, text.data, text.len);
    p[text.len] = '"';
    cell_wrote(out, p + text.len + 1);
}

static void put_value(struct str *out, const struct column *c, uint32_t row);

static void put_array(struct str *out, const struct column *c, uint32_t row)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;

    put_char(out, '[');
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        if (i > offsets[0]) {
            put_char(out, ',');
        }
        put_value(out, &c->children[0], (uint32_t)i);
    }
    put_char(out, ']');
}

/* A NULL key is "null", as Flink's LITERAL mode has it: it would fail a job that runs. */
static void put_map(struct str *out, const struct column *c, uint32_t row)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;

    put_char(out, '{');
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        if (i > offsets[0]) {
            put_char(out, ',');
        }
        if (column_is_null(&c->children[0], (uint32_t)i)) {
            put_bytes(out, "\"null\"", 6);
        } else {
            put_text(out, column_get_bytes(&c->children[0], (uint32_t)i));
        }
        put_char(out, ':');
        put_value(out, &c->children[1], (uint32_t)i);
    }
    put_char(out, '}');
}

static void put_row(struct str *out, const struct column *c, uint32_t row)
{
    put_char(out, '{');
    for (uint32_t i = 0; i < c->n_children; i++) {
        if (i > 0) {
            put_char(out, ',');
        }
        put_text(out, slice_cstr(c->type->names[i]));
        put_char(out, ':');
        put_value(out, &c->children[i], row);
    }
    put_char(out, '}');
}

static void put_quoted_scalar(struct str *out, const struct column *c, uint32_t row)
{
    put_char(out, '"');
    cell_append_scalar(out, c, row);
    put_char(out, '"');
}

static void put_other(struct str *out, const struct column *c, uint32_t row)
{
    switch (c->type->id) {
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        put_char(out, '"');
        cell_append_base64(out, column_get_bytes(c, row));
        put_char(out, '"');
        return;
    case TYPE_FLOAT:
    case TYPE_DOUBLE: {
        double v = c->type->id == TYPE_FLOAT ? (double)COLUMN_VALUES(c, const float)[row]
                                             : COLUMN_VALUES(c, const double)[row];
        if (!isfinite(v)) {
            put_quoted_scalar(out, c, row);
            return;
        }
        break;
    }
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        put_quoted_scalar(out, c, row);
        return;
    case TYPE_ARRAY:
        put_array(out, c, row);
        return;
    case TYPE_MAP:
    case TYPE_MULTISET:
        put_map(out, c, row);
        return;
    case TYPE_ROW:
        put_row(out, c, row);
        return;
    default:
        break;
    }
    cell_append_scalar(out, c, row);
}

static ALWAYS_INLINE void put_cell(struct str *out, const struct column *c, uint32_t row)
{
    if (UNLIKELY(c->type->id == TYPE_NULL || column_is_null(c, row))) {
        put_bytes(out, "null", 4);
        return;
    }
    switch (c->type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        put_text(out, column_get_bytes(c, row));
        return;
    case TYPE_BIGINT:
    case TYPE_INTEGER:
        cell_wrote(out, cell_put_i64(cell_room(out, CELL_INT_MAX), column_get_int(c, row)));
        return;
    default:
        put_other(out, c, row);
    }
}

static void put_value(struct str *out, const struct column *c, uint32_t row)
{
    put_cell(out, c, row);
}

static int json_encode(struct file_encoder *base, void *part, const struct batch *b,
                       struct str *out, struct error *err)
{
    const struct json_encoder *e = CONTAINER_OF(base, struct json_encoder, base);

    (void)part;
    (void)err;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        for (uint32_t k = 0; k < b->n_columns; k++) {
            put_bytes(out, e->names[k].data, e->names[k].len);
            put_cell(out, &b->columns[k], row);
        }
        char *p = cell_room(out, 2);
        memcpy(p, "}\n", 2);
        cell_wrote(out, p + 2);
    }
    cell_end(out);
    return 0;
}

const struct file_encoder_desc file_encoder_json = {
    .name = "json",
    .is_appendable = true,
    .instance_size = sizeof(struct json_encoder),
    .check = json_check,
    .open = json_open,
    .close = json_close,
    .encode = json_encode,
};
