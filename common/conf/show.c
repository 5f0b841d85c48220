/* Showing a configuration: where a value came from, what is secret, the list for REST. */
#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "common/text/json_writer.h"
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

/* Flink's words: a key that contains one of them, in any case, holds a secret. */
static const char *const secret_words[] = {
    "password",
    "secret",
    "token",
    "apikey",
    "api-key",
    "auth-params",
    "service-key",
    "basic-auth",
    "jaas.config",
    "http-headers",
    "fs.azure.account.key",
    "access-key",
    "access.key",
    "accesskey",
};

static const char redaction_key[] = "security.redaction.additional-keys";

static bool has_secret_word(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(secret_words); i++) {
        if (strcasestr(key, secret_words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* The words that the user added. */
static bool has_added_word(const struct conf *conf, const char *key)
{
    const char *text = conf_raw(conf, redaction_key);
    if (text == NULL) {
        return false;
    }
    struct text_list words = TEXT_LIST_INIT;
    bool found = false;
    if (option_text_parse_list(slice_cstr(text), &words, NULL) == 0) {
        for (size_t i = 0; i < words.n && !found; i++) {
            found = words.items[i][0] != '\0' && strcasestr(key, words.items[i]) != NULL;
        }
    }
    text_list_fini(&words);
    return found;
}

bool conf_is_sensitive(const struct conf *conf, const char *key)
{
    const struct conf_option *option;
    if (conf_schema_match(conf->schema, key, &option) != CONF_MATCH_NONE &&
        (option->flags & CONF_FLAG_SENSITIVE) != 0) {
        return true;
    }
    return strcmp(key, redaction_key) != 0 && (has_secret_word(key) || has_added_word(conf, key));
}

/* A map in one text has keys of its own.  True when it had a secret and was written masked. */
static bool append_masked_map(const struct conf *conf, const char *text, struct str *out)
{
    struct text_map map = TEXT_MAP_INIT;
    struct text_map shown = TEXT_MAP_INIT;
    bool any = false;
    if (option_text_parse_map(slice_cstr(text), &map, NULL) == 0) {
        for (size_t i = 0; i < map.keys.n; i++) {
            bool secret = conf_is_sensitive(conf, map.keys.items[i]);
            any |= secret;
            text_map_put(&shown, slice_cstr(map.keys.items[i]),
                         secret ? SLICE_LIT(CONF_MASK) : slice_cstr(map.values.items[i]));
        }
    }
    if (any) {
        option_text_format_map(&shown, out);
    }
    text_map_fini(&map);
    text_map_fini(&shown);
    return any;
}

void conf_append_shown(const struct conf *conf, const struct conf_entry *entry, struct str *out)
{
    if (conf_is_sensitive(conf, entry->key)) {
        str_append_cstr(out, CONF_MASK);
        return;
    }
    bool is_map = entry->option != NULL && entry->option->type == CONF_TYPE_MAP &&
                  entry->match != CONF_MATCH_MAP_KEY;
    if (!is_map || !append_masked_map(conf, entry->value, out)) {
        str_append_cstr(out, entry->value);
    }
}

void conf_place_format(struct conf_place place, struct str *out)
{
    switch (place.origin) {
    case CONF_ORIGIN_PROGRAM:
        str_append_cstr(out, "set by the program");
        break;
    case CONF_ORIGIN_FILE:
        str_append_cstr(out, place.file);
        if (place.line > 0) {
            str_printf(out, ":%d", place.line);
        }
        break;
    case CONF_ORIGIN_COMMAND_LINE:
        str_append_cstr(out, "-D");
        break;
    case CONF_ORIGIN_ENVIRONMENT:
        str_append_cstr(out, "environment");
        break;
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct conf_entry *const *x = a;
    const struct conf_entry *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

void conf_write_json(const struct conf *conf, struct json_writer *w)
{
    struct vec sorted = VEC_INIT(void *);
    MAP_FOREACH (&conf->entries, item) {
        vec_push_ptr(&sorted, item->value);
    }
    if (sorted.len > 0) {
        qsort(sorted.data, sorted.len, sizeof(void *), compare_entries);
    }
    STR_AUTO value = STR_INIT;
    json_writer_array(w);
    for (size_t i = 0; i < sorted.len; i++) {
        const struct conf_entry *entry = vec_ptr(&sorted, i);
        str_clear(&value);
        conf_append_shown(conf, entry, &value);
        json_writer_object(w);
        json_writer_put_string(w, "key", entry->key);
        json_writer_put_string(w, "value", str_cstr(&value));
        json_writer_end(w);
    }
    json_writer_end(w);
    vec_fini(&sorted);
}
