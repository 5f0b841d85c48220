/* Rows of batches as JSON objects, without an allocation per row.
 *
 * Whole numbers, booleans, floats and decimals are JSON numbers (NaN and infinities strings); strings are
 * strings, bytes hex digits; times and intervals are strings as Flink prints them; arrays are arrays, rows
 * objects, maps and multisets arrays of {"key", "value"}.
 * Thread: one owner. */
#ifndef FLINC_CLIENT_STATETOOL_JSON_ROWS_H
#define FLINC_CLIENT_STATETOOL_JSON_ROWS_H

#include "engine/data/batch.h"

struct json_columns {
    uint32_t first, n;
    struct str *names; /* Owns: by column, `,"name":` */
};
/* Columns [first, first + n) of a schema. */
void json_columns_init(struct json_columns *c, const struct schema *s, uint32_t first, uint32_t n);
void json_columns_fini(struct json_columns *c);
void json_columns_append(const struct json_columns *c, const struct batch *b, uint32_t row,
                         struct str *out);
void json_append_int(struct str *out, int64_t v);

#endif
