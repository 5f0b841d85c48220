/* JSON lines: an object per record, by the writer of formats/json; see json_rows.h.
 *
 * Decimals have all digits of their type; a NULL key of a map is "null", as Flink's LITERAL mode has it: it would fail a job that runs.
 *
 * Thread: the task's.  Flink: JsonRowDataSerializationSchema. */
#include "engine/operators/files/encoder.h"
#include "formats/json/json_rows.h"

struct json_encoder {
    struct file_encoder base;
    struct json_rows rows;
};

static int json_check(const struct schema *schema, const Flinc__FileSinkConfig *config,
                      struct error *err)
{
    (void)config;
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (!json_rows_can_write(schema->fields[i].type)) {
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

static int json_open(struct file_encoder *base, const struct file_encoder_context *c,
                     struct error *err)
{
    struct json_encoder *e = CONTAINER_OF(base, struct json_encoder, base);
    const struct json_rows_options options = {.style = {CELL_TIME_SQL, CELL_DECIMAL_EXACT},
                                              .null_keys = JSON_NULL_KEYS_LITERAL};

    (void)err;
    json_rows_init(&e->rows, c->schema, &options);
    return 0;
}

static void json_close(struct file_encoder *base)
{
    json_rows_fini(&CONTAINER_OF(base, struct json_encoder, base)->rows);
}

static int json_encode(struct file_encoder *base, void *part, const struct batch *b,
                       struct str *out, struct error *err)
{
    const struct json_encoder *e = CONTAINER_OF(base, struct json_encoder, base);

    (void)part;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        TRY(json_rows_append(&e->rows, b, batch_row(b, i), out, err));
        char *p = cell_room(out, 1);
        *p = '\n';
        cell_wrote(out, p + 1);
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
