/* Partitions in paths; see partition_path.h. */
#include "connectors/filesystem/partition_path.h"

#include "engine/operators/files/path_escape.h"
#include "formats/cells/cell_parse.h"

bool partition_path_find(const char *path, const char *key, struct str *ret_value)
{
    struct slice rest = slice_cstr(path), part;

    while (slice_next(&rest, '/', &part)) {
        const char *equals = memchr(part.data, '=', part.len);
        if (equals == NULL || rest.data == NULL) { /* the last one is the file */
            continue;
        }
        STR_AUTO name = STR_INIT;
        path_unescape(slice_make(part.data, (size_t)(equals - part.data)), &name);
        if (strcmp(str_cstr(&name), key) == 0) {
            size_t at = (size_t)(equals - part.data) + 1;
            path_unescape(slice_make(part.data + at, part.len - at), ret_value);
            return true;
        }
    }
    return false;
}

static int bad_value(const struct data_type *type, struct slice text, struct error *err)
{
    STR_AUTO name = STR_INIT;
    type_print(type, &name);
    return error_set(err, ERR_PARSE, "the partition value '%.*s' is no %s",
                     (int)MIN(text.len, (size_t)80), text.data, str_cstr(&name));
}

static int put_timestamp(struct builder *b, uint32_t column, const struct data_type *type,
                         struct slice text, struct error *err)
{
    struct ts_nano t;
    if (cell_parse_timestamp(text, CELL_TIME_SQL, false, &t) < 0 &&
        cell_parse_timestamp(text, CELL_TIME_ISO, false, &t) < 0) {
        return bad_value(type, text, err);
    }
    if (type->layout == LAYOUT_TS_NANO) {
        builder_put_ts_nano(b, column, t);
    } else {
        builder_put_i64(b, column, cell_timestamp_units(type, t));
    }
    return 0;
}

static int put_decimal(struct builder *b, uint32_t column, const struct data_type *type,
                       struct slice text, struct error *err)
{
    __int128 v;
    struct decimal_type d = {type->precision, type->scale};
    if (cell_parse_decimal(text, d, &v) < 0) {
        return bad_value(type, text, err);
    }
    if (type->layout == LAYOUT_I128) {
        builder_put_i128(b, column, v);
    } else {
        builder_put_i64(b, column, (int64_t)v);
    }
    return 0;
}

static int put_whole(struct builder *b, uint32_t column, const struct data_type *type,
                     struct slice text, struct error *err)
{
    int bits = 8 * (int)type->width;
    int64_t v;
    if (cell_parse_int64(text, &v) < 0 || (bits < 64 && (v >> (bits - 1)) != (v < 0 ? -1 : 0))) {
        return bad_value(type, text, err);
    }
    builder_put_i64(b, column, v);
    return 0;
}

int partition_value_put(struct builder *b, uint32_t column, struct slice text,
                        const char *default_name, struct error *err)
{
    const struct data_type *type = b->schema->fields[column].type;
    int64_t v;
    double number;

    if (slice_eq_cstr(text, default_name)) {
        builder_put_null(b, column);
        return 0;
    }
    switch ((int)type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        return builder_put_bytes(b, column, text.data, text.len, err);
    case TYPE_BOOLEAN:
        builder_put_bool(b, column, cell_parse_bool(text));
        return 0;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
        return put_whole(b, column, type, text, err);
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (cell_parse_double(text, &number) < 0) {
            return bad_value(type, text, err);
        }
        builder_put_f64(b, column, number);
        return 0;
    case TYPE_DATE:
        if (cell_parse_date(text, &v) < 0) {
            return bad_value(type, text, err);
        }
        builder_put_i64(b, column, v);
        return 0;
    case TYPE_DECIMAL:
        return put_decimal(b, column, type, text, err);
    case TYPE_TIMESTAMP:
        return put_timestamp(b, column, type, text, err);
    default:
        return partition_type_check(b->schema->fields[column].name, type, err);
    }
}

int partition_type_check(const char *column, const struct data_type *type, struct error *err)
{
    STR_AUTO name = STR_INIT;

    switch ((int)type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BOOLEAN:
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
    case TYPE_DATE:
    case TYPE_DECIMAL:
    case TYPE_TIMESTAMP:
        return 0;
    default:
        type_print(type, &name);
        return error_set(err, ERR_UNSUPPORTED,
                         "the partition column '%s' is of type %s, whose values cannot stand in "
                         "paths",
                         column, str_cstr(&name));
    }
}
