/* Types of options: names, examples, reading a value, checking it against the option's range. */
#include "common/conf/value.h"
#include "common/text/number.h"
#include <math.h>
#include <strings.h>

/* One row per type. */
struct type_info {
    const char *name;
    const char *expected; /* "expected <this>" */
    const char *example;
};

static const struct type_info types[] = {
    [CONF_TYPE_BOOL] = {"boolean", "true or false", "true"},
    [CONF_TYPE_INT] = {"int", "a whole number of 32 bits", "4"},
    [CONF_TYPE_LONG] = {"long", "a whole number of 64 bits", "1000"},
    [CONF_TYPE_DOUBLE] = {"double", "a number", "1.5"},
    [CONF_TYPE_FLOAT] = {"float", "a number", "0.4"},
    [CONF_TYPE_STRING] = {"string", "text", "text"},
    [CONF_TYPE_DURATION] = {"duration", "a number and a unit (d, h, min, s, ms, \xc2\xb5s, ns)",
                            "10 s"},
    [CONF_TYPE_MEMORY] = {"memory size", "a whole number and a unit (b, kb, mb, gb, tb)", "64 mb"},
    [CONF_TYPE_ENUM] = {"enum", "one of the listed values", NULL},
    [CONF_TYPE_LIST] = {"list", "items between semicolons, or a YAML list", "a;b"},
    [CONF_TYPE_MAP] = {"map", "pairs key:value between commas, or a YAML map", "k1:v1,k2:v2"},
};

const char *conf_type_name(enum conf_type type)
{
    return types[type].name;
}

const char *conf_type_example(enum conf_type type)
{
    return types[type].example;
}

int conf_enum_index(const char *enum_values, struct slice value)
{
    struct slice rest = slice_cstr(enum_values);
    struct slice one;
    for (int i = 0; slice_next(&rest, '|', &one); i++) {
        if (one.len == value.len && strncasecmp(one.data, value.data, one.len) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int parse_bool(struct slice text, bool *ret, struct error *err)
{
    static const struct slice words[] = {{"false", 5}, {"true", 4}};
    for (int i = 0; i < 2; i++) {
        if (text.len == words[i].len && strncasecmp(text.data, words[i].data, text.len) == 0) {
            *ret = i == 1;
            return 0;
        }
    }
    return error_set(err, ERR_PARSE, "neither true nor false");
}

static int parse_whole(struct slice text, int64_t min, int64_t max, int64_t *ret, struct error *err)
{
    int64_t value;
    int rc = number_parse_int64(text, &value);
    if (rc == ERR_TOO_LARGE || (rc == 0 && (value < min || value > max))) {
        return error_set(err, ERR_TOO_LARGE, "does not fit into %d bits",
                         max == INT32_MAX ? 32 : 64);
    }
    if (rc < 0) {
        return error_set(err, ERR_PARSE, "not a whole number");
    }
    *ret = value;
    return 0;
}

static int parse_number(struct slice text, double *ret, struct error *err)
{
    double value;
    int rc = number_parse_double(text, &value);
    if (rc == ERR_TOO_LARGE) {
        return error_set(err, ERR_TOO_LARGE, "the number is too large");
    }
    if (rc < 0 || isnan(value)) {
        return error_set(err, ERR_PARSE, "not a number");
    }
    *ret = value;
    return 0;
}

static int check_list(const struct conf_option *option, const char *text, struct error *err)
{
    struct text_list list = TEXT_LIST_INIT;
    int rc = option_text_parse_list(slice_cstr(text), &list, err);
    for (size_t i = 0; rc == 0 && option->enum_values != NULL && i < list.n; i++) {
        if (conf_enum_index(option->enum_values, slice_cstr(list.items[i])) < 0) {
            rc = error_set(err, ERR_PARSE, "\"%s\" is none of %s", list.items[i],
                           option->enum_values);
        }
    }
    text_list_fini(&list);
    return rc;
}

static int check_map(const char *text, struct error *err)
{
    struct text_map map = TEXT_MAP_INIT;
    int rc = option_text_parse_map(slice_cstr(text), &map, err);
    text_map_fini(&map);
    return rc;
}

int conf_value_parse(const struct conf_option *option, const char *text,
                     struct conf_value *ret_value, struct error *err)
{
    struct slice trimmed = slice_trim(slice_cstr(text));
    switch (option->type) {
    case CONF_TYPE_BOOL:
        return parse_bool(trimmed, &ret_value->boolean, err);
    case CONF_TYPE_INT:
        return parse_whole(trimmed, INT32_MIN, INT32_MAX, &ret_value->whole, err);
    case CONF_TYPE_LONG:
        return parse_whole(trimmed, INT64_MIN, INT64_MAX, &ret_value->whole, err);
    case CONF_TYPE_DOUBLE:
    case CONF_TYPE_FLOAT:
        return parse_number(trimmed, &ret_value->number, err);
    case CONF_TYPE_STRING:
        return 0;
    case CONF_TYPE_DURATION:
        TRY(duration_parse(trimmed, &ret_value->duration, err));
        if (ret_value->duration.seconds < 0) {
            return error_set(err, ERR_PARSE, "a duration cannot be negative");
        }
        return 0;
    case CONF_TYPE_MEMORY:
        return memory_size_parse(trimmed, &ret_value->size_bytes, err);
    case CONF_TYPE_ENUM:
        ret_value->enum_index = conf_enum_index(option->enum_values, trimmed);
        if (ret_value->enum_index < 0) {
            return error_set(err, ERR_PARSE, "no such value");
        }
        return 0;
    case CONF_TYPE_LIST:
        return check_list(option, text, err);
    case CONF_TYPE_MAP:
        return check_map(text, err);
    }
    ASSERT(false);
    return ERR_INTERNAL;
}

int conf_value_compare(const struct conf_option *option, const struct conf_value *a,
                       const struct conf_value *b)
{
    switch (option->type) {
    case CONF_TYPE_INT:
    case CONF_TYPE_LONG:
        return (a->whole > b->whole) - (a->whole < b->whole);
    case CONF_TYPE_DOUBLE:
    case CONF_TYPE_FLOAT:
        return (a->number > b->number) - (a->number < b->number);
    case CONF_TYPE_DURATION:
        return duration_compare(a->duration, b->duration);
    case CONF_TYPE_MEMORY:
        return (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
    case CONF_TYPE_BOOL:
    case CONF_TYPE_STRING:
    case CONF_TYPE_ENUM:
    case CONF_TYPE_LIST:
    case CONF_TYPE_MAP:
        break;
    }
    ASSERT(false); /* these have no order, and no row gives them bounds */
    return 0;
}

/* ---- checking ------------------------------------------------------------------------------ */

static int check_range(const struct conf_option *option, const struct conf_value *value,
                       struct error *err)
{
    struct conf_value bound;
    if (option->min != NULL) {
        TRY(conf_value_parse(option, option->min, &bound, err));
        if (conf_value_compare(option, value, &bound) < 0) {
            return error_set(err, ERR_INVALID_CONFIG, "must be at least %s", option->min);
        }
    }
    if (option->max != NULL) {
        TRY(conf_value_parse(option, option->max, &bound, err));
        if (conf_value_compare(option, value, &bound) > 0) {
            return error_set(err, ERR_INVALID_CONFIG, "must be at most %s", option->max);
        }
    }
    return 0;
}

/* "expected int: a whole number of 32 bits, at least 1, for example 4". */
static void describe_expected(const struct conf_option *option, struct str *out)
{
    const struct type_info *type = &types[option->type];
    str_printf(out, "expected %s: ", type->name);
    if (option->enum_values != NULL) {
        str_append_cstr(out, option->type == CONF_TYPE_LIST ? "any of " : "one of ");
        struct slice rest = slice_cstr(option->enum_values);
        struct slice one;
        for (int i = 0; slice_next(&rest, '|', &one); i++) {
            str_printf(out, "%s%.*s", i > 0 ? ", " : "", (int)one.len, one.data);
        }
        return;
    }
    str_append_cstr(out, type->expected);
    if (option->min != NULL) {
        str_printf(out, ", at least %s", option->min);
    }
    if (option->max != NULL) {
        str_printf(out, ", at most %s", option->max);
    }
    bool has_default = option->default_text != NULL && option->default_text[0] != '\0';
    str_printf(out, ", for example %s", has_default ? option->default_text : type->example);
}

int conf_option_check(const struct conf_option *option, const char *value, const char *shown,
                      struct error *err)
{
    struct conf_value parsed;
    struct error reason = ERROR_INIT;
    int rc = conf_value_parse(option, value, &parsed, &reason);
    if (rc == 0) {
        rc = check_range(option, &parsed, &reason);
    }
    if (rc == 0) {
        return 0;
    }
    STR_AUTO expected = STR_INIT;
    describe_expected(option, &expected);
    /* The reason may quote the value, so it is left out when that is a secret. */
    bool secret = strcmp(value, shown) != 0;
    return error_set(err, ERR_INVALID_CONFIG, "%s cannot be \"%.200s\"%s%s; %s", option->name,
                     shown, secret ? "" : ": ", secret ? "" : reason.message, str_cstr(&expected));
}
