/* The table of the format `csv`; see csv.h. */
#include "formats/csv/csv.h"

static const flinc_format_option options[] = {
    {"field-delimiter", FLINC_OPTION_CHAR, ",", NULL, "What stands between fields.", 0},
    {"disable-quote-character", FLINC_OPTION_BOOL, "false", NULL,
     "Quotes are letters like others: line ends are no data then, and files can be split.", 0},
    {"quote-character", FLINC_OPTION_CHAR, "\"", NULL,
     "What stands around fields that have delimiters, quotes or line ends in them.", 0},
    {"allow-comments", FLINC_OPTION_BOOL, "false", NULL, "Lines that begin with # are passed over.",
     FLINC_OPTION_READING},
    {"ignore-parse-errors", FLINC_OPTION_BOOL, "false", NULL,
     "A field that cannot be read becomes NULL, a record that cannot be read is left out, one that "
     "is too short has NULLs at its end; counted.",
     FLINC_OPTION_READING},
    {"array-element-delimiter", FLINC_OPTION_CHAR, ";", NULL,
     "What stands between the elements of an ARRAY and the fields of a ROW.", 0},
    {"escape-character", FLINC_OPTION_CHAR, NULL, NULL,
     "The character behind it is data: escape + n, r, t, 0 are LF, CR, tab, NUL.", 0},
    {"null-literal", FLINC_OPTION_STRING, NULL, NULL,
     "A field with this text is NULL; without it, nothing is written for NULL, and nothing reads "
     "as NULL.",
     0},
    {"write-bigdecimal-in-scientific-notation", FLINC_OPTION_BOOL, "true", NULL,
     "Decimals may be written with an exponent: 1E+5 instead of 100000.", FLINC_OPTION_WRITING},
    {"trim-spaces", FLINC_OPTION_BOOL, "false", NULL,
     "Blanks and tabs around fields without quotes are left aside.", FLINC_OPTION_READING},
    {"ignore-trailing-unmappable", FLINC_OPTION_BOOL, "false", NULL,
     "Fields behind the last column are passed over; else they are an error.",
     FLINC_OPTION_READING},
    {"allow-trailing-comma", FLINC_OPTION_BOOL, "true", NULL,
     "A delimiter behind the last field is no further field.", FLINC_OPTION_READING},
    {"fail-on-missing-columns", FLINC_OPTION_BOOL, "false", NULL,
     "A record that is too short is an error, whatever else is set.", FLINC_OPTION_READING},
    {"empty-string-as-null", FLINC_OPTION_BOOL, "false", NULL,
     "A field with nothing in it is NULL.", FLINC_OPTION_READING},
};

static bool is_flat(const struct data_type *t)
{
    return t->n_children == 0 && t->id != TYPE_RAW && t->id != TYPE_ROW;
}

static int check_type(const char *column, const struct data_type *t, flinc_format_error *error)
{
    bool is_fine = is_flat(t) || t->id == TYPE_ARRAY || t->id == TYPE_ROW;

    for (uint32_t i = 0; i < t->n_children && is_fine; i++) {
        is_fine = is_flat(t->children[i]);
    }
    if (is_fine && t->id == TYPE_TIME && t->precision > 3) {
        return flinc_format_fail(error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
                                 "Csv does not support TIME type with precision: %d, it only "
                                 "supports precision 0 ~ 3 (column '%s')",
                                 t->precision, column);
    }
    if (!is_fine) {
        STR_AUTO text = STR_INIT;
        type_print(t, &text);
        return flinc_format_fail(
            error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
            "Unsupported type: %s, of the column '%s': arrays and rows of flat "
            "types are the most that CSV has",
            str_cstr(&text), column);
    }
    return 0;
}

/* One ASCII character that is no line end; 0: it is not set. */
static int take_char(const flinc_format_options *o, const char *name, char *ret,
                     flinc_format_error *error)
{
    const char *text = o->get(o, name);

    *ret = text != NULL ? text[0] : '\0';
    if (text != NULL &&
        (strlen(text) != 1 || (uint8_t)text[0] >= 0x80 || text[0] == '\n' || text[0] == '\r')) {
        return flinc_format_fail(error, FLINC_FORMAT_INVALID, FLINC_FORMAT_NO_OFFSET,
                                 "%s must be one ASCII character, and no line end", name);
    }
    return 0;
}

static int check(const flinc_format_schema *schema, const flinc_format_options *o, int write,
                 flinc_format_error *error)
{
    const struct schema *s = schema->engine;
    char delimiter, quote, escape, element;
    int rc = take_char(o, "field-delimiter", &delimiter, error);

    (void)write;
    rc = rc != 0 ? rc : take_char(o, "quote-character", &quote, error);
    rc = rc != 0 ? rc : take_char(o, "escape-character", &escape, error);
    rc = rc != 0 ? rc : take_char(o, "array-element-delimiter", &element, error);
    if (rc != 0) {
        return rc;
    }
    bool quotes = !flinc_format_option_bool(o, "disable-quote-character");
    if (quotes == false) {
        quote = '\0';
    }
    if (delimiter == '\0' || delimiter == quote || delimiter == escape ||
        (quote != '\0' && quote == escape)) {
        return flinc_format_fail(error, FLINC_FORMAT_INVALID, FLINC_FORMAT_NO_OFFSET,
                                 "field-delimiter, quote-character and escape-character must be "
                                 "three different characters");
    }
    for (uint32_t i = 0; i < s->n_fields; i++) {
        rc = check_type(s->fields[i].name, s->fields[i].type, error);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

const flinc_format format_csv = {
    .struct_size = sizeof(format_csv),
    .abi_version = FLINC_FORMAT_ABI_VERSION,
    .name = "csv",
    .description = "Fields by position, with quotes where they are needed; no header",
    .flags = FLINC_FORMAT_ENGINE,
    .framing = FLINC_FORMAT_MESSAGES | FLINC_FORMAT_STREAM,
    .reads = FLINC_FORMAT_INSERT,
    .writes = FLINC_FORMAT_INSERT,
    .n_options = ARRAY_LEN(options),
    .options = options,
    .check = check,
    .decoder_open = csv_decoder_open,
    .decode = csv_decode,
    .find_start = csv_find_start,
    .decoder_close = csv_decoder_close,
    .encoder_open = csv_encoder_open,
    .encode = csv_encode,
    .encoder_close = csv_encoder_close,
};
