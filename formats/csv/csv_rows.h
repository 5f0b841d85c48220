/* Batches as CSV: the one writer of rows, which the format and the file sink share.
 *
 * Quotes only where they are needed.  A NULL is null_literal, else nothing; an empty string is "" then, so that it differs.  Elements of an
 * array and fields of a row are joined in one field.
 *
 * Thread: one owner.  Flink: RowDataToCsvConverters. */
#ifndef FLINC_FORMATS_CSV_CSV_ROWS_H
#define FLINC_FORMATS_CSV_CSV_ROWS_H

#include "formats/cells/cell_text.h"

struct csv_rows_options {
    struct cell_style style;
    char delimiter, element_delimiter;
    char quote, escape;        /* 0: none */
    const char *null_literal;  /* borrowed by csv_rows_init(); NULL: nothing */
    bool writes_null_elements; /* as null_literal; else nothing stands for them */
};

struct csv_rows {
    struct csv_rows_options options;
    struct str null_literal; /* Owns */
    bool special[256];       /* bytes that make quotes necessary */
    struct str nested;       /* a nested value, before it is quoted */
};

/* Whether the type can be written: flat, or an array or a row of such. */
bool csv_rows_can_write(const struct data_type *type);
void csv_rows_init(struct csv_rows *w, const struct csv_rows_options *options);
void csv_rows_fini(struct csv_rows *w);
/* Appends the fields of a physical row, without a line end and without a NUL behind them. */
void csv_rows_append(struct csv_rows *w, const struct batch *b, uint32_t row, struct str *out);
/* Appends a text that is no column's: a name of a header. */
void csv_rows_append_text(struct csv_rows *w, struct str *out, struct slice text);

#endif
