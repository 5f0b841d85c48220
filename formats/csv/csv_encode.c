/* Rows to records of CSV: the writer of csv_rows.h behind the table of the format.
 *
 * Thread: one owner.  Flink: CsvRowDataSerializationSchema. */
#include "formats/csv/csv.h"
#include "formats/csv/csv_rows.h"

struct csv_encoder {
    struct csv_rows rows;
    bool is_stream;
};

static char option_char(const flinc_format_options *o, const char *name)
{
    const char *text = o->get(o, name);
    return text != NULL ? text[0] : '\0';
}

int csv_encoder_open(const flinc_format_encode_config *config, void **ret_encoder,
                     flinc_format_error *error)
{
    const flinc_format_options *o = config->options;
    struct csv_encoder *e = MEM_NEW(struct csv_encoder);
    bool quotes = !flinc_format_option_bool(o, "disable-quote-character");
    bool scientific = flinc_format_option_bool(o, "write-bigdecimal-in-scientific-notation");
    const struct csv_rows_options options = {
        .style = {CELL_TIME_SQL, scientific ? CELL_DECIMAL_SCIENTIFIC : CELL_DECIMAL_STRIPPED},
        .delimiter = option_char(o, "field-delimiter"),
        .element_delimiter = option_char(o, "array-element-delimiter"),
        .quote = quotes ? option_char(o, "quote-character") : '\0',
        .escape = option_char(o, "escape-character"),
        .null_literal = o->get(o, "null-literal"),
        .writes_null_elements = true,
    };

    (void)error;
    csv_rows_init(&e->rows, &options);
    e->is_stream = config->framing == FLINC_FORMAT_STREAM;
    *ret_encoder = e;
    return 0;
}

int csv_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
               flinc_format_error *error)
{
    struct csv_encoder *e = encoder;
    const struct batch *b = rows->engine;
    struct str *out = sink->engine;

    (void)error;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        csv_rows_append(&e->rows, b, batch_row(b, i), out);
        if (e->is_stream) {
            char *p = cell_room(out, 1);
            *p = '\n';
            cell_wrote(out, p + 1);
        } else {
            sink->end_message(sink, false);
        }
    }
    cell_end(out);
    return 0;
}

void csv_encoder_close(void *encoder)
{
    struct csv_encoder *e = encoder;

    csv_rows_fini(&e->rows);
    mem_free(e);
}
