/* Arrow's format strings: one table, and the few that carry parameters. */
#include "engine/data/arrow/format.h"
#include "common/text/number.h"

enum { MS_PER_DAY = 86400000 };

struct format_row {
    const char *text; /* all of it, or up to the colon behind which a time zone may follow */
    enum type_id id;
    int32_t precision;
    struct arrow_format format;
};

/* What is exported comes first of its type. */
static const struct format_row FORMATS[] = {
    {"n", TYPE_NULL, 0, {.storage = ARROW_NULLS}},
    {"b", TYPE_BOOLEAN, 0, {.storage = ARROW_BITS}},
    {"c", TYPE_TINYINT, 0, {ARROW_FIXED, ARROW_COPY, 1, false, 0, 0}},
    {"s", TYPE_SMALLINT, 0, {ARROW_FIXED, ARROW_COPY, 2, false, 0, 0}},
    {"i", TYPE_INTEGER, 0, {ARROW_FIXED, ARROW_COPY, 4, false, 0, 0}},
    {"l", TYPE_BIGINT, 0, {ARROW_FIXED, ARROW_COPY, 8, false, 0, 0}},
    {"C", TYPE_SMALLINT, 0, {ARROW_FIXED, ARROW_SCALE, 1, true, 1, 1}},
    {"S", TYPE_INTEGER, 0, {ARROW_FIXED, ARROW_SCALE, 2, true, 1, 1}},
    {"I", TYPE_BIGINT, 0, {ARROW_FIXED, ARROW_SCALE, 4, true, 1, 1}},
    {"L", TYPE_DECIMAL, 20, {ARROW_FIXED, ARROW_DECIMAL, 8, true, 0, 0}},
    {"f", TYPE_FLOAT, 0, {ARROW_FIXED, ARROW_COPY, 4, false, 0, 0}},
    {"g", TYPE_DOUBLE, 0, {ARROW_FIXED, ARROW_COPY, 8, false, 0, 0}},
    {"vu", TYPE_VARCHAR, 0, {.storage = ARROW_VIEWS}},
    {"u", TYPE_VARCHAR, 0, {.storage = ARROW_STRINGS, .width = 4}},
    {"U", TYPE_VARCHAR, 0, {.storage = ARROW_STRINGS, .width = 8}},
    {"vz", TYPE_VARBINARY, 0, {.storage = ARROW_VIEWS}},
    {"z", TYPE_VARBINARY, 0, {.storage = ARROW_STRINGS, .width = 4}},
    {"Z", TYPE_VARBINARY, 0, {.storage = ARROW_STRINGS, .width = 8}},
    {"tdD", TYPE_DATE, 0, {ARROW_FIXED, ARROW_COPY, 4, false, 0, 0}},
    {"tdm", TYPE_DATE, 0, {ARROW_FIXED, ARROW_SCALE, 8, false, 1, MS_PER_DAY}},
    {"ttm", TYPE_TIME, 3, {ARROW_FIXED, ARROW_COPY, 4, false, 0, 0}},
    {"tts", TYPE_TIME, 0, {ARROW_FIXED, ARROW_SCALE, 4, false, 1000, 1}},
    {"ttu", TYPE_TIME, 6, {ARROW_FIXED, ARROW_SCALE, 8, false, 1, 1000}},
    {"ttn", TYPE_TIME, 9, {ARROW_FIXED, ARROW_SCALE, 8, false, 1, 1000000}},
    {"tsm:", TYPE_TIMESTAMP, 3, {ARROW_FIXED, ARROW_COPY, 8, false, 0, 0}},
    {"tsu:", TYPE_TIMESTAMP, 6, {ARROW_FIXED, ARROW_COPY, 8, false, 0, 0}},
    {"tsn:", TYPE_TIMESTAMP, 9, {ARROW_FIXED, ARROW_NANOS, 8, false, 0, 0}},
    {"tss:", TYPE_TIMESTAMP, 0, {ARROW_FIXED, ARROW_SCALE, 8, false, 1000, 1}},
    {"tiM", TYPE_INTERVAL_YEAR_MONTH, 4, {ARROW_FIXED, ARROW_COPY, 4, false, 0, 0}},
    {"tDm", TYPE_INTERVAL_DAY_TIME, 6, {ARROW_FIXED, ARROW_COPY, 8, false, 0, 0}},
    {"tDs", TYPE_INTERVAL_DAY_TIME, 6, {ARROW_FIXED, ARROW_SCALE, 8, false, 1000, 1}},
    {"tDu", TYPE_INTERVAL_DAY_TIME, 6, {ARROW_FIXED, ARROW_SCALE, 8, false, 1, 1000}},
    {"tDn", TYPE_INTERVAL_DAY_TIME, 6, {ARROW_FIXED, ARROW_SCALE, 8, false, 1, 1000000}},
    {"tiD", TYPE_INTERVAL_DAY_TIME, 6, {ARROW_FIXED, ARROW_DAYS_MILLIS, 8, false, 0, 0}},
    {"+l", TYPE_ARRAY, 0, {.storage = ARROW_LIST, .width = 4}},
    {"+L", TYPE_ARRAY, 0, {.storage = ARROW_LIST, .width = 8}},
    {"+m", TYPE_MAP, 0, {.storage = ARROW_MAP, .width = 4}},
    {"+s", TYPE_ROW, 0, {.storage = ARROW_STRUCT}},
};

/* ---- parsing ----------------------------------------------------------------------------------- */

static bool is_nested(enum type_id id)
{
    return id == TYPE_ARRAY || id == TYPE_MAP || id == TYPE_ROW;
}

static struct data_type *row_type(const struct format_row *row, bool has_zone)
{
    switch (row->id) {
    case TYPE_VARCHAR:
    case TYPE_VARBINARY:
        return type_new_sized(row->id, TYPE_LENGTH_MAX, true);
    case TYPE_DECIMAL:
    case TYPE_TIME:
        return type_new_precision(row->id, row->precision, 0, true);
    case TYPE_TIMESTAMP:
        return type_new_precision(has_zone ? TYPE_TIMESTAMP_LTZ : TYPE_TIMESTAMP, row->precision, 0,
                                  true);
    case TYPE_INTERVAL_YEAR_MONTH:
        return type_new_interval(INTERVAL_YEAR_TO_MONTH, row->precision, 0, true);
    case TYPE_INTERVAL_DAY_TIME:
        return type_new_interval(INTERVAL_DAY_TO_SECOND, row->precision, 3, true);
    default:
        return type_new(row->id, true);
    }
}

static int unsupported(const char *text, struct error *err) COLD;
static int unsupported(const char *text, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "no type stands for Arrow's format '%.40s'", text);
}

/* The next of comma-separated numbers. */
static bool take_number(struct slice *rest, int64_t *ret)
{
    struct slice head;
    return slice_next(rest, ',', &head) && number_parse_int64(head, ret) == 0;
}

/* "d:precision,scale[,bits]" */
static int parse_decimal(const char *text, struct arrow_format *ret, struct data_type **ret_type,
                         struct error *err)
{
    struct slice rest = slice_cstr(text + 2);
    int64_t precision = 0, scale = 0, bits = 128;
    if (!take_number(&rest, &precision) || !take_number(&rest, &scale) ||
        (rest.len > 0 && !take_number(&rest, &bits)) || rest.len > 0) {
        return unsupported(text, err);
    }
    if (precision < 1 || precision > TYPE_PRECISION_MAX || scale < 0 || scale > precision ||
        (bits != 32 && bits != 64 && bits != 128)) {
        return unsupported(text, err);
    }
    *ret = (struct arrow_format){ARROW_FIXED, ARROW_DECIMAL, (uint32_t)bits / 8, false, 0, 0};
    *ret_type = type_new_precision(TYPE_DECIMAL, (int32_t)precision, (int32_t)scale, true);
    return 0;
}

/* "w:bytes" and "+w:elements" */
static int parse_sized(const char *text, struct arrow_format *ret, struct data_type **ret_type,
                       struct error *err)
{
    bool nested = text[0] == '+';
    int64_t size = 0;
    if (number_parse_int64(slice_cstr(text + (nested ? 3 : 2)), &size) < 0 ||
        size < (nested ? 0 : 1) || size > TYPE_LENGTH_MAX) {
        return unsupported(text, err);
    }
    *ret = (struct arrow_format){.storage = nested ? ARROW_TUPLES : ARROW_BYTES,
                                 .width = (uint32_t)size};
    *ret_type = nested ? NULL : type_new_sized(TYPE_BINARY, (int32_t)size, true);
    return 0;
}

int arrow_format_parse(const char *text, struct arrow_format *ret, struct data_type **ret_type,
                       struct error *err)
{
    if (text == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "an Arrow schema without a format");
    }
    if (cstr_starts_with(text, "d:")) {
        return parse_decimal(text, ret, ret_type, err);
    }
    if (cstr_starts_with(text, "w:") || cstr_starts_with(text, "+w:")) {
        return parse_sized(text, ret, ret_type, err);
    }
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
        const struct format_row *row = &FORMATS[i];
        bool same = row->id == TYPE_TIMESTAMP ? cstr_starts_with(text, row->text)
                                              : strcmp(text, row->text) == 0;
        if (same) {
            *ret = row->format;
            *ret_type = is_nested(row->id) ? NULL : row_type(row, text[strlen(row->text)] != '\0');
            return 0;
        }
    }
    return unsupported(text, err);
}

/* ---- printing ---------------------------------------------------------------------------------- */

const char *arrow_format_of(const struct data_type *type, uint32_t flags, struct arena *arena)
{
    bool plain = (flags & ARROW_EXPORT_PLAIN_STRINGS) != 0;
    enum type_id id = type->id;
    int32_t precision = 0;
    switch (type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        return plain ? "u" : "vu";
    case TYPE_BINARY:
    case TYPE_VARBINARY:
    case TYPE_RAW:
        return plain ? "z" : "vz";
    case TYPE_DECIMAL:
        return arena_printf(arena, "d:%d,%d", type->precision, type->scale);
    case TYPE_TIME:
        return "ttm";
    case TYPE_MULTISET:
        id = TYPE_MAP;
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        id = TYPE_TIMESTAMP;
        precision = type->precision <= 3 ? 3 : type->precision <= 6 ? 6 : 9;
        break;
    default:
        break;
    }
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
        if (FORMATS[i].id == id && (precision == 0 || FORMATS[i].precision == precision)) {
            return type->id == TYPE_TIMESTAMP_LTZ ? arena_printf(arena, "%sUTC", FORMATS[i].text)
                                                  : FORMATS[i].text;
        }
    }
    ASSERT(!"a type without a format");
    return NULL;
}

/* ---- metadata ---------------------------------------------------------------------------------- */

static int32_t read_length(const char **inout)
{
    int32_t v;
    memcpy(&v, *inout, sizeof(v));
    *inout += sizeof(v);
    return v;
}

/* Pairs of counted strings behind their number, in the byte order of the machine. */
bool arrow_metadata_find(const char *metadata, const char *key, struct slice *ret_value)
{
    if (metadata == NULL) {
        return false;
    }
    int32_t n = read_length(&metadata);
    for (int32_t i = 0; i < n; i++) {
        struct slice pair[2];
        for (int k = 0; k < 2; k++) {
            int32_t len = read_length(&metadata);
            if (len < 0) {
                return false;
            }
            pair[k] = slice_make(metadata, (size_t)len);
            metadata += len;
        }
        if (slice_eq_cstr(pair[0], key)) {
            *ret_value = pair[1];
            return true;
        }
    }
    return false;
}

static char *write_string(char *to, struct slice text)
{
    int32_t len = (int32_t)text.len;
    memcpy(to, &len, sizeof(len));
    memcpy(to + sizeof(len), text.data, text.len);
    return to + sizeof(len) + text.len;
}

const char *arrow_metadata_make(struct arena *arena, const struct slice *keys,
                                const struct slice *values, int32_t n)
{
    size_t size = sizeof(int32_t);
    if (n == 0) {
        return NULL;
    }
    for (int32_t i = 0; i < n; i++) {
        size += 2 * sizeof(int32_t) + keys[i].len + values[i].len;
    }
    char *metadata = arena_alloc(arena, size);
    memcpy(metadata, &n, sizeof(n));
    char *to = metadata + sizeof(n);
    for (int32_t i = 0; i < n; i++) {
        to = write_string(to, keys[i]);
        to = write_string(to, values[i]);
    }
    return metadata;
}
