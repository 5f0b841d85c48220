/* Options of formats: texts of a table's WITH clause, checked against the rows of the format; see format.h. */
#include "formats/inside.h"

#include "common/text/number.h"
#include "common/text/utf8.h"

#include <strings.h>

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* The word of a list "A|B" that is the text in any case; empty: none. */
static struct slice find_word(const char *list, const char *text)
{
    struct slice rest = slice_cstr(list), word;

    while (slice_next(&rest, '|', &word)) {
        if (word.len == strlen(text) && strncasecmp(word.data, text, word.len) == 0) {
            return word;
        }
    }
    return slice_make(NULL, 0);
}

static int bad_value(const char *prefix, const flinc_format_option *o, const char *text,
                     const char *expected, struct error *err)
{
    return error_set(err, ERR_INVALID_CONFIG, "Invalid value for option '%s%s': '%.80s' is no %s.",
                     prefix, o->name, text, expected);
}

/* One character; \t, \n, \\ and U+XXXX-like texts were unescaped by SQL, but Flink takes the backslash forms, too. */
static bool parse_char(const char *text, struct str *out)
{
    static const char from[] = "tnrbf\\'\"", to[] = "\t\n\r\b\f\\'\"";
    size_t len = strlen(text);
    uint32_t point;

    if (len == 2 && text[0] == '\\') {
        const char *at = strchr(from, text[1]);
        if (at != NULL) {
            str_append_char(out, to[at - from]);
        }
        return at != NULL;
    }
    size_t n = utf8_decode(text, len, &point);
    str_append(out, text, len);
    return n > 0 && n == len;
}

static int parse_enum(const char *prefix, const flinc_format_option *o, const char *text,
                      struct str *out, struct error *err)
{
    struct slice word = find_word(o->values, text);
    if (word.len > 0) {
        str_append_slice(out, word);
        return 0;
    }
    STR_AUTO list = STR_INIT;
    for (const char *p = o->values; *p != '\0'; p++) {
        str_append(&list, *p == '|' ? ", " : p, *p == '|' ? 2 : 1);
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "Unsupported value '%.80s' for option %s%s. Supported values are [%s].", text,
                     prefix, o->name, str_cstr(&list));
}

/* The proper form of a value. */
static int parse_value(const char *prefix, const flinc_format_option *o, const char *text,
                       struct str *out, struct error *err)
{
    int64_t whole;
    double number;

    switch (o->type) {
    case FLINC_OPTION_BOOL: {
        struct slice word = find_word("true|false", text);
        str_append_slice(out, word);
        return word.len > 0 ? 0
                            : bad_value(prefix, o, text, "boolean, write 'true' or 'false'", err);
    }
    case FLINC_OPTION_INT:
    case FLINC_OPTION_LONG:
        str_append_cstr(out, text);
        if (number_parse_int64(slice_cstr(text), &whole) < 0 ||
            (o->type == FLINC_OPTION_INT && whole != (int32_t)whole)) {
            return bad_value(prefix, o, text, "whole number in its range", err);
        }
        return 0;
    case FLINC_OPTION_DOUBLE:
        str_append_cstr(out, text);
        return number_parse_double(slice_cstr(text), &number) < 0
                   ? bad_value(prefix, o, text, "number", err)
                   : 0;
    case FLINC_OPTION_ENUM:
        return parse_enum(prefix, o, text, out, err);
    case FLINC_OPTION_CHAR:
        return parse_char(text, out) ? 0 : bad_value(prefix, o, text, "single character", err);
    case FLINC_OPTION_STRING:
        str_append_cstr(out, text);
        return 0;
    }
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static int find_option(const flinc_format *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_options; i++) {
        if (strcmp(f->options[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

void format_option_keys(const flinc_format *format, const char *prefix, struct text_list *keys)
{
    for (uint32_t i = 0; i < format->n_options; i++) {
        STR_AUTO key = STR_INIT;
        str_printf(&key, "%s%s", prefix, format->options[i].name);
        text_list_add(keys, str_slice(&key));
    }
}

static int unsupported(const flinc_format *f, const char *prefix, const struct text_map *pairs,
                       struct error *err)
{
    const char *names[FLINC_FORMAT_OPTIONS_MAX];
    STR_AUTO unknown = STR_INIT;
    STR_AUTO known = STR_INIT;
    STR_AUTO hint = STR_INIT;

    for (uint32_t i = 0; i < f->n_options; i++) {
        names[i] = f->options[i].name;
        str_printf(&known, "%s%s%s", i > 0 ? "\n" : "", prefix, names[i]);
    }
    for (size_t i = 0; i < pairs->keys.n; i++) {
        const char *key = pairs->keys.items[i];
        if (find_option(f, key) >= 0) {
            continue;
        }
        str_printf(&unknown, "%s%s%s", unknown.len > 0 ? "\n" : "", prefix, key);
        const char *nearest = cstr_nearest(key, names, f->n_options);
        if (nearest != NULL && hint.len == 0) {
            str_printf(&hint, "\n\nDid you mean '%s%s'?", prefix, nearest);
        }
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "Unsupported options found for '%s'.\n\nUnsupported options:\n\n%s\n\n"
                     "Supported options:\n\n%s%s",
                     f->name, str_cstr(&unknown), str_cstr(&known), str_cstr(&hint));
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static const char *get(const flinc_format_options *face, const char *name)
{
    const struct format_options *o = CONTAINER_OF(face, struct format_options, face);
    int i = find_option(o->format, name);

    if (i < 0) {
        return NULL;
    }
    return o->values[i] != NULL ? o->values[i] : o->format->options[i].default_text;
}

static int set_all(struct format_options *o, const struct text_map *pairs, const char *prefix,
                   struct error *err)
{
    for (size_t i = 0; i < pairs->keys.n; i++) {
        STR_AUTO value = STR_INIT;
        int k = find_option(o->format, pairs->keys.items[i]);
        if (k < 0) {
            return unsupported(o->format, prefix, pairs, err);
        }
        TRY(parse_value(prefix, &o->format->options[k], pairs->values.items[i], &value, err));
        mem_free(o->values[k]);
        o->values[k] = mem_strndup(str_cstr(&value), value.len);
    }
    for (uint32_t k = 0; k < o->format->n_options; k++) {
        const flinc_format_option *row = &o->format->options[k];
        if ((row->flags & FLINC_OPTION_REQUIRED) != 0 && o->values[k] == NULL) {
            return error_set(
                err, ERR_INVALID_CONFIG,
                "One or more required options are missing.\n\nMissing required options "
                "are:\n\n%s%s",
                prefix, row->name);
        }
    }
    return 0;
}

int format_options_new(const flinc_format *format, const struct text_map *pairs,
                       const char *shown_prefix, struct format_options **ret_options,
                       struct error *err)
{
    struct format_options *o = MEM_NEW(struct format_options);

    o->face = (flinc_format_options){.struct_size = sizeof(o->face), .get = get};
    o->format = format;
    o->values = MEM_NEW_ARRAY(char *, (size_t)format->n_options + 1);
    int rc = set_all(o, pairs, shown_prefix, err);
    if (rc < 0) {
        format_options_free(o);
        return rc;
    }
    *ret_options = o;
    return 0;
}

int format_options_of_table(const flinc_format *format, const struct text_map *table,
                            const char *prefix, struct format_options **ret_options,
                            struct error *err)
{
    struct text_map own = TEXT_MAP_INIT;

    for (size_t i = 0; i < table->keys.n; i++) {
        if (cstr_starts_with(table->keys.items[i], prefix)) {
            text_map_put(&own, slice_cstr(table->keys.items[i] + strlen(prefix)),
                         slice_cstr(table->values.items[i]));
        }
    }
    int rc = format_options_new(format, &own, prefix, ret_options, err);
    text_map_fini(&own);
    return rc;
}

struct format_options *format_options_free(struct format_options *o)
{
    if (o != NULL) {
        for (uint32_t i = 0; i < o->format->n_options; i++) {
            mem_free(o->values[i]);
        }
        mem_free(o->values);
        mem_free(o);
    }
    return NULL;
}

const char *format_option(const struct format_options *o, const char *name)
{
    ASSERT(find_option(o->format, name) >= 0);
    return get(&o->face, name);
}

/* ---- the reference page ----------------------------------------------------------------------------------------------- */

static const char *type_text(enum flinc_option_type type)
{
    static const char *const texts[] = {"boolean", "int",  "long",     "double",
                                        "string",  "enum", "character"};
    return texts[type];
}

static void write_option(const flinc_format *f, const flinc_format_option *o, struct str *out)
{
    str_printf(out, "| `%s.%s` | %s | ", f->name, o->name, type_text(o->type));
    if (o->default_text != NULL) {
        str_printf(out, "`%s`", o->default_text);
    } else {
        str_append_cstr(out, (o->flags & FLINC_OPTION_REQUIRED) != 0 ? "required" : "none");
    }
    str_append_cstr(out, " | ");
    if (o->values != NULL) {
        str_append_cstr(out, "One of ");
        for (const char *p = o->values; *p != '\0'; p++) {
            str_append(out, *p == '|' ? ", " : p, *p == '|' ? 2 : 1);
        }
        str_append_cstr(out, ". ");
    }
    str_printf(out, "%s |\n", o->description);
}

void format_write_reference(struct str *out)
{
    static const char *const names[] = {"csv", "json", "raw"};

    str_append_cstr(out, "# Options of formats\n\n<!-- Generated from the tables of formats/ by "
                         "tools/check_reference --write; do not edit. -->\n");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const flinc_format *f = format_find(slice_cstr(names[i]));
        if (f == NULL) {
            continue;
        }
        str_printf(out, "\n## %s\n\n%s.\n\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n",
                   f->name, f->description);
        for (uint32_t k = 0; k < f->n_options; k++) {
            write_option(f, &f->options[k], out);
        }
    }
}
