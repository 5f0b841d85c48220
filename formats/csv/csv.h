/* The format `csv`: what its decoder and encoder share.  Inside the room only, but for the descriptor.
 *
 * Records by RFC 4180: fields by position, quotes doubled inside of quotes, line ends in quotes are data; a record ends with LF, CR LF or CR.
 * Flink: CsvRowDataDeserializationSchema, CsvRowDataSerializationSchema, and Jackson's CSV parser in what they leave to it. */
#ifndef FLINC_FORMATS_CSV_CSV_H
#define FLINC_FORMATS_CSV_CSV_H

#include "engine/data/builder.h"
#include "flinc/format.h"
#include "formats/cells/cell_parse.h"

extern const flinc_format format_csv;

/* A field that is wanted, or an element of one. */
struct csv_field {
    const struct data_type *type; /* Borrows: the schema's; NULL: nobody wants it */
    const char *name;             /* Borrows: the schema's */
    uint32_t column;              /* of the builder */
    struct builder_column *cell;  /* Borrows: of the builder; NULL: a top column */
    struct csv_field *children;   /* Owns: of ARRAY 1, of ROW its fields */
    uint32_t n_children;
};

/* Which of 64 bytes mean something: delimiters, quotes, escapes, line ends. */
struct csv_scan {
    const char *base, *end; /* of the block, of the data */
    uint64_t mask;
    uint64_t high; /* not 0: the blocks since the field's begin have other letters than ASCII's */
};

struct csv_decoder {
    struct schema *schema;    /* Owns a ref */
    struct csv_field *fields; /* Owns: of all physical columns */
    uint32_t n_fields;
    char delimiter, element_delimiter;
    char quote, escape; /* 0: none; `special`: as a byte that is looked for */
    char special[2];
    struct slice null_literal; /* Borrows: the options'; data NULL: none */
    bool is_stream, ignores_errors, allows_comments, trims, ignores_trailing, allows_trailing_comma,
        fails_on_missing, empty_is_null, has_nested;
    struct str scratch; /* unescaped text */
    struct str bytes;   /* of base64 */

    /* Of the call. */
    struct builder *b;
    flinc_out *out;
    struct csv_scan scan;
    bool at_end;
    uint64_t n_nulled;
    uint64_t n_lines; /* of the record: line ends in it */

    /* Of the error. */
    const char *wrong_at;
    int wrong_code; /* enum flinc_format_code; 0: none in this record */
    char wrong[256];
};

/* ---- csv_value.c: text to columns ------------------------------------------------------------------------- */

void csv_fail(struct csv_decoder *d, const char *at, const char *fmt, ...) PRINTF(3, 4) COLD;
/* False: it cannot be stored, and the record is lost.  `at`: where the field begins in the data. */
bool csv_store(struct csv_decoder *d, struct csv_field *f, struct slice text, const char *at);
bool csv_store_null(struct csv_decoder *d, struct csv_field *f, const char *at);

/* ---- csv_decode.c, csv_encode.c: functions of the descriptor ------------------------------------------------- */

int csv_decoder_open(const flinc_format_decode_config *config, void **ret_decoder,
                     flinc_format_error *error);
int csv_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
               flinc_format_progress *ret, flinc_format_error *error);
int csv_find_start(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                   flinc_format_error *error);
void csv_decoder_close(void *decoder);
int csv_encoder_open(const flinc_format_encode_config *config, void **ret_encoder,
                     flinc_format_error *error);
int csv_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
               flinc_format_error *error);
void csv_encoder_close(void *encoder);

#endif
