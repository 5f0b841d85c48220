/* The table of the format `json`; see json.h. */
#include "formats/json/json.h"

static const flinc_format_option options[] = {
    {"fail-on-missing-field", FLINC_OPTION_BOOL, "false", NULL,
     "Fails on a record that has not all fields; else what is missing is NULL.",
     FLINC_OPTION_READING},
    {"ignore-parse-errors", FLINC_OPTION_BOOL, "false", NULL,
     "A field that cannot be read becomes NULL, a record that cannot be read is left out; both are "
     "counted.",
     FLINC_OPTION_READING},
    {"timestamp-format.standard", FLINC_OPTION_ENUM, "SQL", "SQL|ISO-8601",
     "How timestamps are written: 2020-12-30 12:13:14.123 or 2020-12-30T12:13:14.123, with a Z "
     "behind TIMESTAMP_LTZ.",
     0},
    {"map-null-key.mode", FLINC_OPTION_ENUM, "FAIL", "FAIL|DROP|LITERAL",
     "What is done with NULL keys of maps: an error, left out, or written as map-null-key.literal.",
     FLINC_OPTION_WRITING},
    {"map-null-key.literal", FLINC_OPTION_STRING, "null", NULL,
     "The key that stands for NULL with map-null-key.mode = LITERAL.", FLINC_OPTION_WRITING},
    {"encode.decimal-as-plain-number", FLINC_OPTION_BOOL, "false", NULL,
     "Writes decimals without an exponent: 0.000000027 instead of 2.7E-8.", FLINC_OPTION_WRITING},
    {"encode.ignore-null-fields", FLINC_OPTION_BOOL, "false", NULL,
     "Leaves out fields that are NULL.", FLINC_OPTION_WRITING},
    {"decode.json-parser.enabled", FLINC_OPTION_BOOL, "true", NULL,
     "Taken for Flink's sake: there is one parser here, and it makes no tree.",
     FLINC_OPTION_READING},
};

static int check(const flinc_format_schema *schema, const flinc_format_options *o, int write,
                 flinc_format_error *error)
{
    const struct schema *s = schema->engine;

    (void)write;
    if (flinc_format_option_bool(o, "fail-on-missing-field") &&
        flinc_format_option_bool(o, "ignore-parse-errors")) {
        return flinc_format_fail(
            error, FLINC_FORMAT_INVALID, FLINC_FORMAT_NO_OFFSET,
            "fail-on-missing-field and ignore-parse-errors shouldn't both be true");
    }
    for (uint32_t i = 0; i < s->n_fields; i++) {
        int rc = json_check_type(s->fields[i].name, s->fields[i].type, error);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

const flinc_format format_json = {
    .struct_size = sizeof(format_json),
    .abi_version = FLINC_FORMAT_ABI_VERSION,
    .name = "json",
    .description = "An object for each row; in files one on each line",
    .flags = FLINC_FORMAT_SPLITTABLE | FLINC_FORMAT_ENGINE,
    .framing = FLINC_FORMAT_MESSAGES | FLINC_FORMAT_STREAM,
    .reads = FLINC_FORMAT_INSERT,
    .writes = FLINC_FORMAT_INSERT,
    .n_options = ARRAY_LEN(options),
    .options = options,
    .check = check,
    .decoder_open = json_decoder_open,
    .decode = json_decode,
    .find_start = json_find_start,
    .decoder_close = json_decoder_close,
    .encoder_open = json_encoder_open,
    .encode = json_encode,
    .encoder_close = json_encoder_close,
};
