/* Batches as JSON; see json_rows.h. */
#include "formats/json/json_rows.h"

#include "common/text/json_writer.h"
#include "common/text/utf8.h"

#include <cell_block.h>
#include <math.h>

/* ---- life ------------------------------------------------------------------------------------------------ */

static bool is_text(const struct data_type *t)
{
    return t->id == TYPE_CHAR || t->id == TYPE_VARCHAR;
}

bool json_rows_can_write(const struct data_type *type)
{
    bool has_keys = type->id == TYPE_MAP || type->id == TYPE_MULTISET;

    if (type->id == TYPE_RAW || (has_keys && !is_text(type->children[0]))) {
        return false;
    }
    for (uint32_t i = 0; i < type->n_children; i++) {
        if (!json_rows_can_write(type->children[i])) {
            return false;
        }
    }
    return true;
}

static void node_init(struct json_rows_node *node, const char *name, const struct data_type *type)
{
    *node = (struct json_rows_node){.n_children = type_child_columns(type)};
    if (name != NULL) {
        str_append_char(&node->name, ',');
        json_append_quoted(&node->name, slice_cstr(name));
        str_append_char(&node->name, ':');
    }
    node->children = MEM_NEW_ARRAY(struct json_rows_node, (size_t)node->n_children + 1);
    for (uint32_t i = 0; i < node->n_children; i++) {
        node_init(&node->children[i], type->id == TYPE_ROW ? type->names[i] : NULL,
                  type_child_column(type, i));
    }
}

void json_rows_init(struct json_rows *w, const struct schema *schema,
                    const struct json_rows_options *options)
{
    *w = (struct json_rows){.options = *options, .top = {.n_children = schema->n_fields}};
    json_append_quoted(
        &w->null_key,
        slice_cstr(options->null_key_literal != NULL ? options->null_key_literal : "null"));
    w->options.null_key_literal = NULL;
    w->top.children = MEM_NEW_ARRAY(struct json_rows_node, (size_t)schema->n_fields + 1);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        node_init(&w->top.children[i], schema->fields[i].name, schema->fields[i].type);
    }
}

static void node_fini(struct json_rows_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++) {
        node_fini(&node->children[i]);
    }
    str_fini(&node->name);
    mem_free(node->children);
}

void json_rows_fini(struct json_rows *w)
{
    node_fini(&w->top);
    str_fini(&w->null_key);
}

/* ---- text --------------------------------------------------------------------------------------------------- */

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

/* Bytes of a column, which may be read past their end. */
static ALWAYS_INLINE void put_text(struct str *out, struct slice text)
{
    char *p = cell_room(out, text.len + 2 + CELL_BLOCK);
    uint32_t special = 0, high = 0;
    size_t i = 0;

    *p++ = '"';
    for (; i + CELL_BLOCK <= text.len; i += CELL_BLOCK) {
        cell_block b = cell_block_load(text.data + i);
        memcpy(p + i, &b, CELL_BLOCK);
        special |= cell_block_json(b);
        high |= cell_block_high(b);
    }
    if (i < text.len) {
        cell_block b = cell_block_load(text.data + i);
        uint32_t ours = (1u << (text.len - i)) - 1;
        memcpy(p + i, &b, CELL_BLOCK);
        special |= cell_block_json(b) & ours;
        high |= cell_block_high(b) & ours;
    }
    if (UNLIKELY(special != 0) ||
        (UNLIKELY(high != 0) && !utf8_validate(text.data, text.len, NULL))) {
        put_escaped(out, text);
        return;
    }
    p[text.len] = '"';
    cell_wrote(out, p + text.len + 1);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static int put_value(const struct json_rows *w, const struct json_rows_node *node, struct str *out,
                     const struct column *c, uint32_t row, struct error *err);

static int put_array(const struct json_rows *w, const struct json_rows_node *node, struct str *out,
                     const struct column *c, uint32_t row, struct error *err)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;

    put_char(out, '[');
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        if (i > offsets[0]) {
            put_char(out, ',');
        }
        TRY(put_value(w, &node->children[0], out, &c->children[0], (uint32_t)i, err));
    }
    put_char(out, ']');
    return 0;
}

static COLD int null_key(struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED,
                     "JSON format doesn't support to serialize map data with null keys. You can "
                     "drop null key entries or encode null in literals by specifying "
                     "map-null-key.mode option");
}

static int put_map(const struct json_rows *w, const struct json_rows_node *node, struct str *out,
                   const struct column *c, uint32_t row, struct error *err)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    char before = '{';

    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        bool is_null = column_is_null(&c->children[0], (uint32_t)i);
        if (is_null && w->options.null_keys == JSON_NULL_KEYS_FAIL) {
            return null_key(err);
        }
        if (is_null && w->options.null_keys == JSON_NULL_KEYS_DROP) {
            continue;
        }
        put_char(out, before);
        before = ',';
        if (is_null) {
            put_bytes(out, w->null_key.data, w->null_key.len);
        } else {
            put_text(out, column_get_bytes(&c->children[0], (uint32_t)i));
        }
        put_char(out, ':');
        TRY(put_value(w, &node->children[1], out, &c->children[1], (uint32_t)i, err));
    }
    if (before == '{') {
        put_char(out, '{');
    }
    put_char(out, '}');
    return 0;
}

/* The fields of a row, or the columns of a batch. */
static ALWAYS_INLINE int put_object(const struct json_rows *w, const struct json_rows_node *node,
                                    struct str *out, const struct column *columns, uint32_t row,
                                    struct error *err)
{
    char before = '{';

    for (uint32_t i = 0; i < node->n_children; i++) {
        const struct str *name = &node->children[i].name;
        if (UNLIKELY(w->options.leaves_out_nulls) &&
            (columns[i].type->id == TYPE_NULL || column_is_null(&columns[i], row))) {
            continue;
        }
        char *p = cell_room(out, name->len);
        memcpy(p, name->data, name->len);
        *p = before;
        before = ',';
        cell_wrote(out, p + name->len);
        TRY(put_value(w, &node->children[i], out, &columns[i], row, err));
    }
    if (before == '{') {
        put_char(out, '{');
    }
    put_char(out, '}');
    return 0;
}

static int put_row(const struct json_rows *w, const struct json_rows_node *node, struct str *out,
                   const struct column *c, uint32_t row, struct error *err)
{
    return put_object(w, node, out, c->children, row, err);
}

static void put_quoted_scalar(const struct json_rows *w, struct str *out, const struct column *c,
                              uint32_t row)
{
    put_char(out, '"');
    cell_append_scalar(out, w->options.style, c, row);
    put_char(out, '"');
}

static bool is_finite(const struct column *c, uint32_t row)
{
    return c->type->id == TYPE_FLOAT ? isfinite(COLUMN_VALUES(c, const float)[row])
                                     : isfinite(COLUMN_VALUES(c, const double)[row]);
}

static int put_other(const struct json_rows *w, const struct json_rows_node *node, struct str *out,
                     const struct column *c, uint32_t row, struct error *err)
{
    switch (c->type->id) {
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        put_char(out, '"');
        cell_append_base64(out, column_get_bytes(c, row));
        put_char(out, '"');
        return 0;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (!is_finite(c, row)) {
            put_quoted_scalar(w, out, c, row);
            return 0;
        }
        break;
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        put_quoted_scalar(w, out, c, row);
        return 0;
    case TYPE_ARRAY:
        return put_array(w, node, out, c, row, err);
    case TYPE_MAP:
    case TYPE_MULTISET:
        return put_map(w, node, out, c, row, err);
    case TYPE_ROW:
        return put_row(w, node, out, c, row, err);
    default:
        break;
    }
    cell_append_scalar(out, w->options.style, c, row);
    return 0;
}

static ALWAYS_INLINE int put_cell(const struct json_rows *w, const struct json_rows_node *node,
                                  struct str *out, const struct column *c, uint32_t row,
                                  struct error *err)
{
    if (UNLIKELY(c->type->id == TYPE_NULL || column_is_null(c, row))) {
        put_bytes(out, "null", 4);
        return 0;
    }
    switch (c->type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        put_text(out, column_get_bytes(c, row));
        return 0;
    case TYPE_BIGINT:
    case TYPE_INTEGER:
        cell_wrote(out, cell_put_i64(cell_room(out, CELL_INT_MAX), column_get_int(c, row)));
        return 0;
    default:
        return put_other(w, node, out, c, row, err);
    }
}

static int put_value(const struct json_rows *w, const struct json_rows_node *node, struct str *out,
                     const struct column *c, uint32_t row, struct error *err)
{
    return put_cell(w, node, out, c, row, err);
}

int json_rows_append(const struct json_rows *w, const struct batch *b, uint32_t row,
                     struct str *out, struct error *err)
{
    return put_object(w, &w->top, out, b->columns, row, err);
}
