/* Options of tables: keys, then values, then the typed result; see options.h. */
#include "engine/table/options.h"
#include "engine/table/table.h"

#include <stdlib.h>

static const struct conf_option common_options[] = {
    {"connector", CONF_TYPE_STRING, .description = "Which connector: its identifier.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_REQUIRED},
    {"property-version", CONF_TYPE_INT, "1",
     .description = "Version of the meaning of the options; not looked at.",
     .flags = CONF_FLAG_EFFECTIVE},
};
const struct conf_group table_options_common = CONF_GROUP("All tables", common_options);

static const struct conf_option watermark_options[] = {
    {"scan.watermark.emit.strategy", CONF_TYPE_ENUM, "on-periodic",
     .enum_values = "on-event|on-periodic",
     .description =
         "When a source emits its watermarks: with each record that advances them, or in "
         "intervals.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"scan.watermark.alignment.group", CONF_TYPE_STRING,
     .description = "Sources of one group wait for each other.", .flags = CONF_FLAG_EFFECTIVE},
    {"scan.watermark.alignment.max-drift", CONF_TYPE_DURATION,
     .description = "How far a source may be ahead of its group.", .flags = CONF_FLAG_EFFECTIVE},
    {"scan.watermark.alignment.update-interval", CONF_TYPE_DURATION, "1 s",
     .description = "How often the sources of a group tell how far they are.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"scan.watermark.idle-timeout", CONF_TYPE_DURATION,
     .description = "A split without records for so long no longer holds the watermark back.",
     .flags = CONF_FLAG_EFFECTIVE},
};
const struct conf_group table_options_watermark = CONF_GROUP("Watermarks", watermark_options);

/* ---- keys ------------------------------------------------------------------------------------------ */

static bool matches(struct conf_schema *schema, const char *key)
{
    const struct conf_option *option;

    return conf_schema_match(schema, key, &option) != CONF_MATCH_NONE;
}

/* The schema that knows the key, and the key in it; NULL: nobody does. */
static struct conf_schema *schema_of(const struct table_connector *c, const struct vec *parts,
                                     const char **inout_key)
{
    if (matches(c->options, *inout_key)) {
        return c->options;
    }
    for (size_t i = 0; i < parts->len; i++) {
        const struct table_option_part *p = VEC_AT(parts, struct table_option_part, i);
        size_t len = strlen(p->prefix);
        if (strncmp(*inout_key, p->prefix, len) == 0 && matches(p->schema, *inout_key + len)) {
            *inout_key += len;
            return p->schema;
        }
    }
    return NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void join_lines(struct vec *texts, struct str *out)
{
    if (texts->len > 0) {
        qsort(texts->data, texts->len, sizeof(void *), by_text);
    }
    for (size_t i = 0; i < texts->len; i++) {
        str_printf(out, "%s%s", i > 0 ? "\n" : "", (const char *)vec_ptr(texts, i));
    }
}

/* Adds the names of a schema, copied to the arena. */
static void add_names(const struct conf_schema *schema, const char *prefix, struct arena *arena,
                      struct vec *ret)
{
    for (size_t g = 0; g < schema->n_groups; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options; i++) {
            const struct conf_option *o = &schema->groups[g]->options[i];
            struct slice rest = slice_cstr(o->aliases), alias;
            vec_push_ptr(ret, arena_printf(arena, "%s%s", prefix, o->name));
            while (slice_next(&rest, ',', &alias)) {
                vec_push_ptr(ret, arena_printf(arena, "%s%.*s (deprecated)", prefix, (int)alias.len,
                                               alias.data));
            }
        }
    }
}

static void supported_names(const struct table_connector *c, const struct vec *parts,
                            struct arena *arena, struct vec *ret)
{
    add_names(c->options, "", arena, ret);
    for (size_t i = 0; i < parts->len; i++) {
        const struct table_option_part *p = VEC_AT(parts, struct table_option_part, i);
        add_names(p->schema, p->prefix, arena, ret);
    }
}

static int unsupported(const struct table_connector *c, const struct vec *parts, struct vec *keys,
                       struct error *err)
{
    struct arena arena;
    struct vec names = VEC_INIT(void *), shown = VEC_INIT(void *);
    STR_AUTO bad = STR_INIT;
    STR_AUTO good = STR_INIT;

    arena_init(&arena, 0);
    supported_names(c, parts, &arena, &names);
    for (size_t i = 0; i < keys->len; i++) {
        const char *key = vec_ptr(keys, i);
        const char *nearest = cstr_nearest(key, names.data, names.len);
        vec_push_ptr(&shown, nearest == NULL
                                 ? key
                                 : arena_printf(&arena, "%s (did you mean %s?)", key, nearest));
    }
    join_lines(&shown, &bad);
    join_lines(&names, &good);
    vec_fini(&names);
    vec_fini(&shown);
    arena_fini(&arena);
    return error_set(err, ERR_INVALID_CONFIG,
                     "Unsupported options found for '%s'.\n\nUnsupported options:\n\n%s\n\n"
                     "Supported options:\n\n%s",
                     c->identifier, str_cstr(&bad), str_cstr(&good));
}

static int check_unsupported(const struct table_connector *c, const struct vec *parts,
                             const struct text_map *given, struct error *err)
{
    struct vec bad = VEC_INIT(void *);

    for (size_t i = 0; i < given->keys.n; i++) {
        const char *key = given->keys.items[i];
        if (schema_of(c, parts, &key) == NULL) {
            vec_push_ptr(&bad, given->keys.items[i]);
        }
    }
    int rc = bad.len > 0 ? unsupported(c, parts, &bad, err) : 0;
    vec_fini(&bad);
    return rc;
}

/* ---- what is missing ------------------------------------------------------------------------------- */

static bool is_given(const struct text_map *given, const char *prefix,
                     const struct conf_option *option)
{
    STR_AUTO key = STR_INIT;
    struct slice rest = slice_cstr(option->aliases), alias;

    str_printf(&key, "%s%s", prefix, option->name);
    bool found = text_map_find(given, str_cstr(&key)) != NULL;
    while (!found && slice_next(&rest, ',', &alias)) {
        str_clear(&key);
        str_printf(&key, "%s%.*s", prefix, (int)alias.len, alias.data);
        found = text_map_find(given, str_cstr(&key)) != NULL;
    }
    return found;
}

static void add_missing(const struct conf_schema *schema, const char *prefix,
                        const struct text_map *given, struct arena *arena, struct vec *ret)
{
    for (size_t g = 0; g < schema->n_groups; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options; i++) {
            const struct conf_option *o = &schema->groups[g]->options[i];
            if ((o->flags & CONF_FLAG_REQUIRED) != 0 && strpbrk(o->name, "<#") == NULL &&
                !is_given(given, prefix, o)) {
                vec_push_ptr(ret, arena_printf(arena, "%s%s", prefix, o->name));
            }
        }
    }
}

static int check_missing(const struct table_connector *c, const struct vec *parts,
                         const struct text_map *given, struct error *err)
{
    struct arena arena;
    struct vec missing = VEC_INIT(void *);
    STR_AUTO list = STR_INIT;
    int rc = 0;

    arena_init(&arena, 0);
    add_missing(c->options, "", given, &arena, &missing);
    for (size_t i = 0; i < parts->len; i++) {
        const struct table_option_part *p = VEC_AT(parts, struct table_option_part, i);
        add_missing(p->schema, p->prefix, given, &arena, &missing);
    }
    if (missing.len > 0) {
        join_lines(&missing, &list);
        rc = error_set(err, ERR_INVALID_CONFIG,
                       "One or more required options are missing.\n\nMissing required options "
                       "are:\n\n%s",
                       str_cstr(&list));
    }
    vec_fini(&missing);
    arena_fini(&arena);
    return rc;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static int set_value(struct conf *conf, const char *full_key, const char *key, const char *value,
                     struct error *err)
{
    const struct conf_option *option;
    struct error why = ERROR_INIT;

    enum conf_match match = conf_schema_match(conf->schema, key, &option);
    if (match == CONF_MATCH_NAME || match == CONF_MATCH_ALIAS) {
        const char *shown = conf_is_sensitive(conf, key) ? CONF_MASK : value;
        int rc = conf_option_check(option, value, shown, &why);
        if (rc < 0) {
            return error_set(err, ERR_INVALID_CONFIG, "Invalid value for option '%s': %s", full_key,
                             why.message);
        }
    }
    return conf_set(conf, key, value, err);
}

static int set_all(struct table_options *o, const struct text_map *given, struct error *err)
{
    for (size_t i = 0; i < given->keys.n; i++) {
        const char *full = given->keys.items[i], *value = given->values.items[i];
        if (matches(o->connector->options, full)) {
            TRY(set_value(&o->conf, full, full, value, err));
            continue;
        }
        for (size_t k = 0; k < o->parts.len; k++) {
            struct table_options_part *p = VEC_AT(&o->parts, struct table_options_part, k);
            size_t len = strlen(p->prefix);
            if (strncmp(full, p->prefix, len) == 0 && matches(p->conf.schema, full + len)) {
                TRY(set_value(&p->conf, full, full + len, value, err));
                break;
            }
        }
    }
    return 0;
}

static void add_parts(struct table_options *o, const struct vec *parts)
{
    for (size_t i = 0; i < parts->len; i++) {
        const struct table_option_part *from = VEC_AT(parts, struct table_option_part, i);
        struct table_options_part *to = VEC_PUSH(&o->parts, struct table_options_part);
        memcpy(to->prefix, from->prefix, sizeof(to->prefix));
        conf_init(&to->conf, from->schema);
    }
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static int find_connector(const struct text_map *given, const struct table_connector **ret,
                          struct error *err)
{
    const char *identifier = text_map_find(given, "connector");

    if (identifier == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Table options do not contain an option key 'connector' for discovering a "
                         "connector.");
    }
    struct error why = ERROR_INIT;
    int rc = table_connector_require(identifier, ret, &why);
    return rc < 0 ? error_set(err, rc,
                              "Cannot discover a connector using option: 'connector'='%s'. %s",
                              identifier, why.message)
                  : 0;
}

static int read_options(const struct text_map *given, struct table_options *o, struct vec *parts,
                        struct error *err)
{
    if (o->connector->option_parts != NULL) {
        TRY(o->connector->option_parts(given, parts, err));
    }
    add_parts(o, parts);
    TRY(check_missing(o->connector, parts, given, err));
    TRY(set_all(o, given, err));
    return check_unsupported(o->connector, parts, given, err);
}

int table_options_read(const char *table, const struct text_map *given, struct table_options *ret,
                       struct error *err)
{
    struct table_options o = {.parts = VEC_INIT(struct table_options_part)};
    struct vec parts = VEC_INIT(struct table_option_part);

    TRY_CTX(err, find_connector(given, &o.connector, err), "reading the options of table '%s'",
            table);
    conf_init(&o.conf, o.connector->options);
    int rc = read_options(given, &o, &parts, err);
    vec_fini(&parts);
    if (rc < 0) {
        error_context(err, "reading the options of table '%s'", table);
        table_options_fini(&o);
        return rc;
    }
    *ret = o;
    return 0;
}

void table_options_fini(struct table_options *o)
{
    for (size_t i = 0; i < o->parts.len; i++) {
        conf_fini(&VEC_AT(&o->parts, struct table_options_part, i)->conf);
    }
    vec_fini(&o->parts);
    conf_fini(&o->conf);
}

int table_options_check(const char *table, const struct text_map *given, struct error *err)
{
    struct table_options o;

    TRY(table_options_read(table, given, &o, err));
    table_options_fini(&o);
    return 0;
}

int table_validate(const struct table *t, struct error *err)
{
    if (t->connector->validate != NULL) {
        TRY_CTX(err, t->connector->validate(t, err), "checking table '%s'", t->name);
    }
    return 0;
}

const struct conf *table_options_part(const struct table_options *o, const char *prefix)
{
    for (size_t i = 0; i < o->parts.len; i++) {
        const struct table_options_part *p = VEC_AT(&o->parts, struct table_options_part, i);
        if (strcmp(p->prefix, prefix) == 0) {
            return &p->conf;
        }
    }
    return NULL;
}

bool table_option_is_forwarded(const struct table_options *o, const char *key)
{
    const struct conf_option *option = NULL;

    if (conf_schema_match(o->connector->options, key, &option) != CONF_MATCH_NONE) {
        return (option->flags & CONF_FLAG_FORWARDED) != 0;
    }
    for (size_t i = 0; i < o->parts.len; i++) {
        const struct table_options_part *p = VEC_AT(&o->parts, struct table_options_part, i);
        size_t len = strlen(p->prefix);
        if (strncmp(key, p->prefix, len) == 0 &&
            conf_schema_match(p->conf.schema, key + len, &option) != CONF_MATCH_NONE) {
            return (option->flags & CONF_FLAG_FORWARDED) != 0;
        }
    }
    return false;
}

int table_option_invalid(const struct table *t, const char *key, struct error *err, const char *fmt,
                         ...)
{
    STR_AUTO why = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_vprintf(&why, fmt, ap);
    va_end(ap);
    const char *value = conf_raw(&t->options->conf, key);
    return error_set(err, ERR_INVALID_CONFIG,
                     "Invalid value for option '%s' of table '%s'%s%s%s: %s", key, t->name,
                     value != NULL ? ", '" : "", value != NULL ? value : "",
                     value != NULL ? "'" : "", str_cstr(&why));
}
