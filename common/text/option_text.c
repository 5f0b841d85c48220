/* Lists and maps inside one option value: a tokenizer of quoted and plain items, and on top of it
 * lists ("a;b") and maps ("k:v,k2:v2"), each also as YAML flow text. */
#include "common/text/option_text.h"
#include "common/text/json_writer.h"
#include "common/text/yaml.h"

/* ---- lists and maps ------------------------------------------------------------------------ */

void text_list_add(struct text_list *list, struct slice item)
{
    if (list->n == list->cap) {
        list->cap = MAX((size_t)8, list->cap * 2);
        list->items = mem_realloc(list->items, list->cap * sizeof(*list->items));
    }
    list->items[list->n++] = item.len == 0 ? mem_strdup("") : mem_strndup(item.data, item.len);
}

bool text_list_has(const struct text_list *list, const char *item)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], item) == 0) {
            return true;
        }
    }
    return false;
}

/* Drops the items from `n` on. */
static void text_list_shrink(struct text_list *list, size_t n)
{
    while (list->n > n) {
        mem_free(list->items[--list->n]);
    }
}

void text_list_fini(struct text_list *list)
{
    text_list_shrink(list, 0);
    mem_free(list->items);
    *list = (struct text_list)TEXT_LIST_INIT;
}

void text_map_put(struct text_map *map, struct slice key, struct slice value)
{
    for (size_t i = 0; i < map->keys.n; i++) {
        if (slice_eq_cstr(key, map->keys.items[i])) {
            mem_free(map->values.items[i]);
            map->values.items[i] =
                value.len == 0 ? mem_strdup("") : mem_strndup(value.data, value.len);
            return;
        }
    }
    text_list_add(&map->keys, key);
    text_list_add(&map->values, value);
}

const char *text_map_find(const struct text_map *map, const char *key)
{
    for (size_t i = 0; i < map->keys.n; i++) {
        if (strcmp(map->keys.items[i], key) == 0) {
            return map->values.items[i];
        }
    }
    return NULL;
}

void text_map_fini(struct text_map *map)
{
    text_list_fini(&map->keys);
    text_list_fini(&map->values);
}

/* ---- splitting ----------------------------------------------------------------------------- */

/* Reads the quoted item that starts at text[*at] into `item`; *at ends behind the closing quote. */
static int read_quoted(struct slice text, size_t *at, struct str *item, struct error *err)
{
    char quote = text.data[*at];
    size_t i = *at + 1;
    for (;;) {
        const char *end = i < text.len ? memchr(text.data + i, quote, text.len - i) : NULL;
        if (end == NULL) {
            return error_set(err, ERR_PARSE,
                             "the quote opened at position %zu of \"%.*s\" is not closed", *at + 1,
                             (int)MIN(text.len, (size_t)200), text.data);
        }
        size_t n = (size_t)(end - text.data) - i;
        str_append(item, text.data + i, n);
        i += n + 1;
        if (i == text.len || text.data[i] != quote) {
            *at = i;
            return 0;
        }
        str_append_char(item, quote); /* doubled: one of it */
        i++;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int split_into(struct slice text, char delimiter, struct text_list *list, struct error *err)
{
    STR_AUTO item = STR_INIT;
    size_t i = 0;
    bool after_delimiter = false;
    bool after_item = false;
    while (i < text.len) {
        char c = text.data[i];
        if (is_blank(c) && c != delimiter) {
            i++;
            continue;
        }
        if (c == delimiter) {
            if (after_delimiter) {
                text_list_add(list, SLICE_LIT(""));
            }
            after_delimiter = true;
            after_item = false;
            i++;
            continue;
        }
        if (after_item) {
            return error_set(err, ERR_PARSE,
                             "text behind the closing quote at position %zu of \"%.*s\": quote the "
                             "whole item and double the quotes inside",
                             i + 1, (int)MIN(text.len, (size_t)200), text.data);
        }
        if (list->n >= OPTION_TEXT_ITEMS_MAX) {
            return error_set(err, ERR_TOO_LARGE, "more than %d items in one list",
                             OPTION_TEXT_ITEMS_MAX);
        }
        if (c == '\'' || c == '"') {
            str_clear(&item);
            TRY(read_quoted(text, &i, &item, err));
            text_list_add(list, str_slice(&item));
            after_item = true;
        } else {
            const char *end = memchr(text.data + i, delimiter, text.len - i);
            size_t n = end != NULL ? (size_t)(end - text.data) - i : text.len - i;
            text_list_add(list, slice_trim(slice_make(text.data + i, n)));
            i += n;
        }
        after_delimiter = false;
    }
    return 0;
}

int option_text_split(struct slice text, char delimiter, struct text_list *list, struct error *err)
{
    size_t before = list->n;
    int rc = split_into(text, delimiter, list, err);
    if (rc < 0) {
        text_list_shrink(list, before);
    }
    return rc;
}

/* ---- YAML flow text ------------------------------------------------------------------------ */

/* A scalar as it is; a nested list or map as JSON, which reads back as flow text. */
static void append_node(const struct yaml_node *node, struct str *out)
{
    if (node->type == YAML_TYPE_SCALAR) {
        str_append(out, node->text, node->text_len);
        return;
    }
    struct json_writer w;
    json_writer_init(&w, out, JSON_STYLE_COMPACT);
    yaml_node_write_json(node, &w);
    json_writer_finish(&w);
}

/* Parses text as YAML when it starts like a collection of the wanted kind.  False: it is none, and
 * the plain syntax applies. */
static bool parse_flow(struct slice text, char open, enum yaml_type type,
                       struct yaml_document *ret_document)
{
    struct slice trimmed = slice_trim(text);
    if (trimmed.len == 0 || trimmed.data[0] != open ||
        yaml_parse(trimmed, "value", NULL, ret_document, NULL) < 0) {
        return false;
    }
    if (ret_document->root == NULL || ret_document->root->type != type) {
        yaml_document_fini(ret_document);
        return false;
    }
    return true;
}

int option_text_parse_list(struct slice text, struct text_list *list, struct error *err)
{
    struct yaml_document document;
    if (!parse_flow(text, '[', YAML_TYPE_LIST, &document)) {
        return option_text_split(text, ';', list, err);
    }
    STR_AUTO item = STR_INIT;
    for (size_t i = 0; i < document.root->n; i++) {
        str_clear(&item);
        append_node(document.root->items[i], &item);
        text_list_add(list, str_slice(&item));
    }
    yaml_document_fini(&document);
    return 0;
}

static int parse_pairs(struct slice text, struct text_list *pairs, struct text_map *map,
                       struct error *err)
{
    TRY(option_text_split(text, ',', pairs, err));
    for (size_t i = 0; i < pairs->n; i++) {
        struct text_list pair = TEXT_LIST_INIT;
        int rc = option_text_split(slice_cstr(pairs->items[i]), ':', &pair, err);
        if (rc == 0 && pair.n != 2) {
            rc =
                error_set(err, ERR_PARSE,
                          "\"%s\" is no pair key:value (a value that has a colon or a comma stands "
                          "in quotes)",
                          pairs->items[i]);
        }
        if (rc == 0) {
            text_map_put(map, slice_cstr(pair.items[0]), slice_cstr(pair.items[1]));
        }
        text_list_fini(&pair);
        TRY(rc);
    }
    return 0;
}

int option_text_parse_map(struct slice text, struct text_map *map, struct error *err)
{
    struct text_map parsed = TEXT_MAP_INIT;
    struct yaml_document document;
    int rc = 0;
    if (parse_flow(text, '{', YAML_TYPE_MAP, &document)) {
        STR_AUTO value = STR_INIT;
        for (size_t i = 0; i < document.root->n; i++) {
            str_clear(&value);
            append_node(document.root->entries[i].value, &value);
            text_map_put(&parsed, slice_cstr(document.root->entries[i].key), str_slice(&value));
        }
        yaml_document_fini(&document);
    } else {
        struct text_list pairs = TEXT_LIST_INIT;
        rc = parse_pairs(text, &pairs, &parsed, err);
        text_list_fini(&pairs);
    }
    for (size_t i = 0; rc == 0 && i < parsed.keys.n; i++) {
        text_map_put(map, slice_cstr(parsed.keys.items[i]), slice_cstr(parsed.values.items[i]));
    }
    text_map_fini(&parsed);
    return rc;
}

/* ---- formatting ---------------------------------------------------------------------------- */

/* Would the item, written plainly, read back as something else? */
static bool needs_quotes(struct slice item, const char *delimiters)
{
    if (item.len == 0 || is_blank(item.data[0]) || is_blank(item.data[item.len - 1])) {
        return true;
    }
    for (size_t i = 0; i < item.len; i++) {
        if (item.data[i] == '\'' || item.data[i] == '"' ||
            (item.data[i] != '\0' && strchr(delimiters, item.data[i]) != NULL)) {
            return true;
        }
    }
    /* What would be taken for YAML flow text. */
    return item.data[0] == '[' || item.data[0] == '{';
}

static void append_quoted(struct str *out, struct slice item)
{
    str_append_char(out, '\'');
    for (size_t i = 0; i < item.len; i++) {
        if (item.data[i] == '\'') {
            str_append_char(out, '\'');
        }
        str_append_char(out, item.data[i]);
    }
    str_append_char(out, '\'');
}

void option_text_append_item(struct str *out, struct slice item, char delimiter)
{
    const char delimiters[] = {delimiter, '\0'};
    if (needs_quotes(item, delimiters)) {
        append_quoted(out, item);
    } else {
        str_append_slice(out, item);
    }
}

void option_text_format_list(const struct text_list *list, struct str *out)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) {
            str_append_char(out, ';');
        }
        option_text_append_item(out, slice_cstr(list->items[i]), ';');
    }
}

void option_text_format_map(const struct text_map *map, struct str *out)
{
    for (size_t i = 0; i < map->keys.n; i++) {
        STR_AUTO pair = STR_INIT;
        option_text_append_item(&pair, slice_cstr(map->keys.items[i]), ':');
        str_append_char(&pair, ':');
        option_text_append_item(&pair, slice_cstr(map->values.items[i]), ':');
        if (i > 0) {
            str_append_char(out, ',');
        }
        option_text_append_item(out, str_slice(&pair), ',');
    }
}
