/* The configuration itself: setting checked values, and reading them through their options. */
#include "common/conf/conf.h"
#include "common/base/log.h"
#include "common/conf/value.h"
#include <inttypes.h>

void conf_init(struct conf *conf, struct conf_schema *schema)
{
    conf->schema = schema != NULL ? schema : conf_schema_cluster();
    map_init(&conf->entries, mem_free);
    conf->warnings = (struct text_list)TEXT_LIST_INIT;
}

void conf_fini(struct conf *conf)
{
    map_fini(&conf->entries);
    text_list_fini(&conf->warnings);
}

static const struct conf_entry *find_entry(const struct conf *conf, const char *key, size_t key_len)
{
    return map_find_bytes(&conf->entries, key, key_len);
}

/* ---- setting ------------------------------------------------------------------------------- */

static bool same_source(struct conf_place a, struct conf_place b)
{
    if (a.origin != b.origin || (a.file == NULL) != (b.file == NULL)) {
        return false;
    }
    return a.file == NULL || strcmp(a.file, b.file) == 0;
}

/* A later source that uses one name of an option overrides earlier ones that used another. */
static void drop_other_name(struct conf *conf, struct slice name, const char *key,
                            struct conf_place place)
{
    const struct conf_entry *entry = find_entry(conf, name.data, name.len);
    if (entry != NULL && strcmp(entry->key, key) != 0 && !same_source(entry->place, place)) {
        STR_AUTO dropped = STR_INIT; /* the entry's own key goes with it */
        str_append_slice(&dropped, name);
        map_remove(&conf->entries, str_cstr(&dropped));
    }
}

static void drop_other_names(struct conf *conf, const struct conf_option *option, const char *key,
                             struct conf_place place)
{
    struct slice rest = slice_cstr(option->aliases);
    struct slice alias;
    while (slice_next(&rest, ',', &alias)) {
        drop_other_name(conf, alias, key, place);
    }
    drop_other_name(conf, slice_cstr(option->name), key, place);
}

/* Enum values are kept in the table's spelling, so that everybody sees the same text. */
static struct slice canonical_value(const struct conf_option *option, const char *value)
{
    if (option == NULL || option->type != CONF_TYPE_ENUM) {
        return slice_cstr(value);
    }
    int index = conf_enum_index(option->enum_values, slice_trim(slice_cstr(value)));
    struct slice rest = slice_cstr(option->enum_values);
    struct slice one = {0};
    for (int i = 0; i <= index; i++) {
        slice_next(&rest, '|', &one);
    }
    return one;
}

/* Copies text with a NUL to *at and moves *at behind it. */
static const char *append_copy(char **at, struct slice text)
{
    char *copy = *at;
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    *at += text.len + 1;
    return copy;
}

/* An entry is one block: the struct, then its texts. */
static void put_entry(struct conf *conf, struct conf_place place, const char *key,
                      const char *value, const struct conf_option *option, enum conf_match match)
{
    struct slice k = slice_cstr(key);
    struct slice v =
        match == CONF_MATCH_MAP_KEY ? slice_cstr(value) : canonical_value(option, value);
    struct slice file = slice_cstr(place.file);
    struct conf_entry *entry = mem_alloc(sizeof(*entry) + k.len + v.len + file.len + 3);
    char *at = (char *)(entry + 1);
    entry->key = append_copy(&at, k);
    entry->value = append_copy(&at, v);
    entry->place = place;
    if (place.file != NULL) {
        entry->place.file = append_copy(&at, file);
    }
    entry->option = option;
    entry->match = match;
    map_put(&conf->entries, entry->key, entry);
}

static void warn(struct conf *conf, struct conf_place place, const char *fmt, ...) PRINTF(3, 4);
static void warn(struct conf *conf, struct conf_place place, const char *fmt, ...)
{
    STR_AUTO text = STR_INIT;
    conf_place_format(place, &text);
    str_append_cstr(&text, ": ");
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&text, fmt, ap);
    va_end(ap);
    text_list_add(&conf->warnings, str_slice(&text));
}

static void warn_unknown(struct conf *conf, struct conf_place place, const char *key)
{
    const char *nearest =
        conf->warnings.n < CONF_NEAREST_HINTS_MAX ? conf_schema_nearest(conf->schema, key) : NULL;
    if (nearest != NULL) {
        warn(conf, place, "unknown key %s, did you mean %s? It has no effect", key, nearest);
    } else {
        warn(conf, place, "unknown key %s; it has no effect", key);
    }
}

int conf_set_at(struct conf *conf, struct conf_place place, const char *key, const char *value,
                struct error *err)
{
    STR_AUTO where = STR_INIT;
    conf_place_format(place, &where);
    if (key[0] == '\0') {
        return error_set(err, ERR_INVALID_CONFIG, "%s: an empty key", str_cstr(&where));
    }
    const struct conf_option *option;
    enum conf_match match = conf_schema_match(conf->schema, key, &option);
    if (match == CONF_MATCH_NAME || match == CONF_MATCH_ALIAS) {
        const char *shown = conf_is_sensitive(conf, key) ? CONF_MASK : value;
        struct error reason = ERROR_INIT;
        int rc = conf_option_check(option, value, shown, &reason);
        if (rc < 0) {
            return error_set(err, rc, "%s: %s%s%s%s", str_cstr(&where), reason.message,
                             match == CONF_MATCH_ALIAS ? " (set as " : "",
                             match == CONF_MATCH_ALIAS ? key : "",
                             match == CONF_MATCH_ALIAS ? ")" : "");
        }
    }
    if (match == CONF_MATCH_NONE) {
        warn_unknown(conf, place, key);
    } else if (match == CONF_MATCH_ALIAS) {
        warn(conf, place, "the key %s is deprecated, use %s", key, option->name);
    }
    if (match == CONF_MATCH_NAME || match == CONF_MATCH_ALIAS) {
        drop_other_names(conf, option, key, place);
    }
    put_entry(conf, place, key, value, option, match);
    return 0;
}

int conf_set(struct conf *conf, const char *key, const char *value, struct error *err)
{
    return conf_set_at(conf, CONF_PLACE_PROGRAM, key, value, err);
}

void conf_unset(struct conf *conf, const char *key)
{
    map_remove(&conf->entries, key);
}

void conf_merge(struct conf *dst, const struct conf *src)
{
    ASSERT(dst->schema == src->schema);
    MAP_FOREACH (&src->entries, item) {
        const struct conf_entry *e = item->value;
        if (e->match == CONF_MATCH_NAME || e->match == CONF_MATCH_ALIAS) {
            drop_other_names(dst, e->option, e->key, e->place);
        }
        put_entry(dst, e->place, e->key, e->value, e->option, e->match);
    }
    for (size_t i = 0; i < src->warnings.n; i++) {
        text_list_add(&dst->warnings, slice_cstr(src->warnings.items[i]));
    }
}

void conf_log_warnings(struct conf *conf)
{
    for (size_t i = 0; i < conf->warnings.n; i++) {
        LOG_WARN("flinc.conf", "%s", conf->warnings.items[i]);
    }
    text_list_fini(&conf->warnings);
}

/* ---- finding ------------------------------------------------------------------------------- */

/* The option by its name, or by the pattern that the name fits. */
static const struct conf_option *require_option(const struct conf *conf, const char *name)
{
    const struct conf_option *option;
    enum conf_match match = conf_schema_match(conf->schema, name, &option);
    ASSERT(match == CONF_MATCH_NAME); /* asked for what the tables do not have */
    return option;
}

static const char *find_by_names(const struct conf *conf, const char *names)
{
    struct slice rest = slice_cstr(names);
    struct slice name;
    while (slice_next(&rest, ',', &name)) {
        const struct conf_entry *entry = find_entry(conf, name.data, name.len);
        if (entry != NULL) {
            return entry->value;
        }
    }
    return NULL;
}

/* What was set under any name of the option, or NULL. */
static const char *find_set(const struct conf *conf, const struct conf_option *option,
                            const char *name)
{
    const char *value = conf_raw(conf, name);
    if (value == NULL) {
        value = find_by_names(conf, option->aliases);
    }
    return value != NULL ? value : find_by_names(conf, option->fallbacks);
}

static const char *find_text(const struct conf *conf, const struct conf_option *option,
                             const char *name)
{
    const char *value = find_set(conf, option, name);
    return value != NULL ? value : option->default_text;
}

static struct conf_value require_value(const struct conf *conf, const char *name,
                                       enum conf_type type)
{
    const struct conf_option *option = require_option(conf, name);
    ASSERT(option->type == type);
    const char *text = find_text(conf, option, name);
    ASSERT(text != NULL); /* ask conf_has_value first */
    struct conf_value value;
    int rc = conf_value_parse(option, text, &value, NULL);
    ASSERT(rc == 0); /* it was checked when it was set */
    return value;
}

const char *conf_raw(const struct conf *conf, const char *key)
{
    const struct conf_entry *entry = find_entry(conf, key, strlen(key));
    return entry != NULL ? entry->value : NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool has_prefix_entry(const struct conf *conf, const char *name)
{
    size_t len = strlen(name);
    MAP_FOREACH (&conf->entries, e) {
        if (strncmp(e->key, name, len) == 0 && e->key[len] == '.') {
            return true;
        }
    }
    return false;
}

bool conf_has(const struct conf *conf, const char *name)
{
    const struct conf_option *option = require_option(conf, name);
    return find_set(conf, option, name) != NULL ||
           (option->type == CONF_TYPE_MAP && has_prefix_entry(conf, name));
}

bool conf_has_value(const struct conf *conf, const char *name)
{
    return require_option(conf, name)->default_text != NULL || conf_has(conf, name);
}

bool conf_bool(const struct conf *conf, const char *name)
{
    return require_value(conf, name, CONF_TYPE_BOOL).boolean;
}

int32_t conf_int(const struct conf *conf, const char *name)
{
    return (int32_t)require_value(conf, name, CONF_TYPE_INT).whole;
}

int64_t conf_long(const struct conf *conf, const char *name)
{
    return require_value(conf, name, CONF_TYPE_LONG).whole;
}

double conf_double(const struct conf *conf, const char *name)
{
    const struct conf_option *option = require_option(conf, name);
    bool is_float = option->type == CONF_TYPE_FLOAT;
    return require_value(conf, name, is_float ? CONF_TYPE_FLOAT : CONF_TYPE_DOUBLE).number;
}

const char *conf_string(const struct conf *conf, const char *name)
{
    return find_text(conf, require_option(conf, name), name);
}

struct duration conf_duration(const struct conf *conf, const char *name)
{
    return require_value(conf, name, CONF_TYPE_DURATION).duration;
}

int64_t conf_duration_ms(const struct conf *conf, const char *name)
{
    return duration_to_ms(conf_duration(conf, name));
}

uint64_t conf_memory(const struct conf *conf, const char *name)
{
    return require_value(conf, name, CONF_TYPE_MEMORY).size_bytes;
}

int conf_enum(const struct conf *conf, const char *name)
{
    return require_value(conf, name, CONF_TYPE_ENUM).enum_index;
}

void conf_list(const struct conf *conf, const char *name, struct text_list *ret_list)
{
    const struct conf_option *option = require_option(conf, name);
    ASSERT(option->type == CONF_TYPE_LIST);
    const char *text = find_text(conf, option, name);
    if (text != NULL) {
        int rc = option_text_parse_list(slice_cstr(text), ret_list, NULL);
        ASSERT(rc == 0);
    }
}

void conf_map(const struct conf *conf, const char *name, struct text_map *ret_map)
{
    const struct conf_option *option = require_option(conf, name);
    ASSERT(option->type == CONF_TYPE_MAP);
    bool only_entries = find_set(conf, option, name) == NULL && has_prefix_entry(conf, name);
    const char *text = only_entries ? NULL : find_text(conf, option, name);
    if (text != NULL) {
        int rc = option_text_parse_map(slice_cstr(text), ret_map, NULL);
        ASSERT(rc == 0);
    }
    STR_AUTO prefix = STR_INIT;
    str_printf(&prefix, "%s.", name);
    conf_prefix(conf, str_cstr(&prefix), ret_map);
}

void conf_prefix(const struct conf *conf, const char *prefix, struct text_map *ret_map)
{
    size_t len = strlen(prefix);
    MAP_FOREACH (&conf->entries, item) {
        const struct conf_entry *e = item->value;
        if (strncmp(e->key, prefix, len) == 0 && e->key[len] != '\0') {
            text_map_put(ret_map, slice_cstr(e->key + len), slice_cstr(e->value));
        }
    }
}
