/* Rows to records of JSON: the writer of json_rows.h behind the table of the format.
 *
 * Thread: one owner.  Flink: JsonRowDataSerializationSchema. */
#include "formats/json/json.h"
#include "formats/json/json_rows.h"

struct json_encoder {
    struct json_rows rows;
    bool is_stream;
};

static enum json_null_keys null_keys(const flinc_format_options *o)
{
    return flinc_format_option_is(o, "map-null-key.mode", "DROP")      ? JSON_NULL_KEYS_DROP
           : flinc_format_option_is(o, "map-null-key.mode", "LITERAL") ? JSON_NULL_KEYS_LITERAL
                                                                       : JSON_NULL_KEYS_FAIL;
}

int json_encoder_open(const flinc_format_encode_config *config, void **ret_encoder,
                      flinc_format_error *error)
{
    const flinc_format_options *o = config->options;
    struct json_encoder *e = MEM_NEW(struct json_encoder);
    const struct json_rows_options options = {
        .style = {.time = flinc_format_option_is(o, "timestamp-format.standard", "ISO-8601")
                              ? CELL_TIME_ISO
                              : CELL_TIME_SQL,
                  .decimal = flinc_format_option_bool(o, "encode.decimal-as-plain-number")
                                 ? CELL_DECIMAL_STRIPPED
                                 : CELL_DECIMAL_SCIENTIFIC},
        .null_keys = null_keys(o),
        .null_key_literal = o->get(o, "map-null-key.literal"),
        .leaves_out_nulls = flinc_format_option_bool(o, "encode.ignore-null-fields"),
    };

    (void)error;
    json_rows_init(&e->rows, config->schema->engine, &options);
    e->is_stream = config->framing == FLINC_FORMAT_STREAM;
    *ret_encoder = e;
    return 0;
}

int json_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
                flinc_format_error *error)
{
    const struct json_encoder *e = encoder;
    const struct batch *b = rows->engine;
    struct str *out = sink->engine;
    struct error err = ERROR_INIT;
    int rc = 0;

    for (uint32_t i = 0; i < b->n_sel && rc == 0; i++) {
        rc = json_rows_append(&e->rows, b, batch_row(b, i), out, &err);
        if (e->is_stream) {
            char *p = cell_room(out, 1);
            *p = '\n';
            cell_wrote(out, p + 1);
        } else {
            sink->end_message(sink, false);
        }
    }
    cell_end(out);
    return rc == 0 ? 0
                   : flinc_format_fail(error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
                                       "%s", err.message);
}

void json_encoder_close(void *encoder)
{
    struct json_encoder *e = encoder;

    json_rows_fini(&e->rows);
    mem_free(e);
}
