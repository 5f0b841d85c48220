/* CSV by RFC 4180, by the writer of formats/csv (csv_rows.h): LF behind each record, and a header when it is asked for.
 *
 * Decimals have all digits of their type; nothing stands for a NULL element of an array.
 *
 * Thread: the task's.  Flink: CsvRowDataSerializationSchema, CsvBulkWriter. */
#include "common/text/csv.h"

#include "engine/operators/files/encoder.h"
#include "formats/csv/csv_rows.h"

struct csv_encoder {
    struct file_encoder base;
    struct csv_rows rows;
    struct str header;
};

static int csv_check(const struct schema *schema, const Flinc__FileSinkConfig *config,
                     struct error *err)
{
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (!csv_rows_can_write(schema->fields[i].type)) {
            STR_AUTO type = STR_INIT;
            type_print(schema->fields[i].type, &type);
            return error_set(err, ERR_UNSUPPORTED,
                             "CSV cannot write the column '%s' of type %s; write \"json\", or make "
                             "it a string before",
                             schema->fields[i].name, str_cstr(&type));
        }
    }
    const Flinc__CsvFormat *f = config->csv;
    if (f != NULL &&
        (f->delimiter > 127 || f->quote > 127 || f->delimiter == '\n' || f->delimiter == '\r' ||
         f->quote == '\n' || f->quote == '\r' || (f->delimiter != 0 && f->delimiter == f->quote))) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the delimiter and the quote of CSV are two different ASCII characters, "
                         "and no line ends");
    }
    return 0;
}

static void make_header(struct csv_encoder *e, const struct schema *schema)
{
    const struct csv_format format = {.delimiter = e->rows.options.delimiter,
                                      .quote = e->rows.options.quote};

    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (i > 0) {
            str_append_char(&e->header, format.delimiter);
        }
        csv_append_field(&e->header, slice_cstr(schema->fields[i].name), &format);
    }
    str_append_char(&e->header, '\n');
    e->base.header = str_slice(&e->header);
}

static int csv_open(struct file_encoder *base, const struct file_encoder_context *c,
                    struct error *err)
{
    struct csv_encoder *e = CONTAINER_OF(base, struct csv_encoder, base);
    const Flinc__CsvFormat *f = c->config->csv;
    const struct csv_rows_options options = {
        .style = {CELL_TIME_SQL, CELL_DECIMAL_EXACT},
        .delimiter = f != NULL && f->delimiter != 0 ? (char)f->delimiter : ',',
        .element_delimiter = ';',
        .quote = f != NULL && f->quote != 0 ? (char)f->quote : '"',
        .null_literal = f != NULL ? f->null_literal : NULL,
    };

    (void)err;
    csv_rows_init(&e->rows, &options);
    if (f != NULL && f->header) {
        make_header(e, c->schema);
    }
    return 0;
}

static void csv_close(struct file_encoder *base)
{
    struct csv_encoder *e = CONTAINER_OF(base, struct csv_encoder, base);

    csv_rows_fini(&e->rows);
    str_fini(&e->header);
}

static int csv_encode(struct file_encoder *base, void *part, const struct batch *b, struct str *out,
                      struct error *err)
{
    struct csv_encoder *e = CONTAINER_OF(base, struct csv_encoder, base);

    (void)part;
    (void)err;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        csv_rows_append(&e->rows, b, batch_row(b, i), out);
        char *p = cell_room(out, 1);
        *p = '\n';
        cell_wrote(out, p + 1);
    }
    cell_end(out);
    return 0;
}

const struct file_encoder_desc file_encoder_csv = {
    .name = "csv",
    .is_appendable = true,
    .instance_size = sizeof(struct csv_encoder),
    .check = csv_check,
    .open = csv_open,
    .close = csv_close,
    .encode = csv_encode,
};
