/* Batches as JSON: the one writer of rows, which the format and the file sink share.
 *
 * An object per row, fields in their order.  Rows are objects, arrays arrays, maps and multisets objects (keys are strings), bytes
 * base64, times text as in formats/cells/cell_text.h; NaN and infinities are strings, as Jackson writes them.  What is no UTF-8 in a
 * string becomes U+FFFD.
 *
 * Thread: one owner.  Flink: RowDataToJsonConverters. */
#ifndef FLINC_FORMATS_JSON_JSON_ROWS_H
#define FLINC_FORMATS_JSON_JSON_ROWS_H

#include "formats/cells/cell_text.h"

enum json_null_keys { JSON_NULL_KEYS_FAIL, JSON_NULL_KEYS_DROP, JSON_NULL_KEYS_LITERAL };

struct json_rows_options {
    struct cell_style style;
    enum json_null_keys null_keys;
    const char *null_key_literal; /* borrowed by json_rows_init(); NULL: "null" */
    bool leaves_out_nulls;        /* fields of rows that are NULL */
};

/* A column, and what is below it. */
struct json_rows_node {
    struct str name;                 /* Owns: `,"name":`; of elements empty */
    struct json_rows_node *children; /* Owns */
    uint32_t n_children;
};

struct json_rows {
    struct json_rows_options options;
    struct str null_key; /* Owns: `"null"` */
    struct json_rows_node top;
};

/* Whether the type can be written: no RAW, and keys are strings. */
bool json_rows_can_write(const struct data_type *type);
void json_rows_init(struct json_rows *w, const struct schema *schema,
                    const struct json_rows_options *options);
void json_rows_fini(struct json_rows *w);
/* Appends the object of a physical row; the text has no NUL behind it until cell_end().  ERR_UNSUPPORTED: a NULL key with
 * JSON_NULL_KEYS_FAIL; the text then ends anywhere. */
int json_rows_append(const struct json_rows *w, const struct batch *b, uint32_t row,
                     struct str *out, struct error *err) MUST_CHECK;

#endif
