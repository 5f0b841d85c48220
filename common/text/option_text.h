/* Lists and maps inside one option value: "a;b;'c;d'" and "k1:v1,k2:v2".
 *
 * Flink: ConfigOption of type list or map.  An item that contains the delimiter or a quote stands in
 * single or double quotes, doubled inside; blanks around items are dropped; empty items count only
 * between two delimiters.  In a map the pair is quoted as a whole ('key:a,b').  Values may also be
 * YAML flow text ("[a, b]", "{k1: v1}").  Thread: any. */
#ifndef FLINC_COMMON_TEXT_OPTION_TEXT_H
#define FLINC_COMMON_TEXT_OPTION_TEXT_H

#include "common/base/str.h"

enum { OPTION_TEXT_ITEMS_MAX = 65536 };

/* Caller's memory; start from TEXT_LIST_INIT. */
struct text_list {
    char **items; /* Owns: array and strings */
    size_t n, cap;
};
#define TEXT_LIST_INIT \
    {                  \
        NULL, 0, 0     \
    }
void text_list_add(struct text_list *list, struct slice item);
bool text_list_has(const struct text_list *list, const char *item);
void text_list_fini(struct text_list *list);

/* Pairs in the order of the text; the last one of equal keys wins. */
struct text_map {
    struct text_list keys, values; /* of equal length */
};
#define TEXT_MAP_INIT                  \
    {                                  \
        TEXT_LIST_INIT, TEXT_LIST_INIT \
    }
void text_map_put(struct text_map *map, struct slice key, struct slice value);
const char *text_map_find(const struct text_map *map, const char *key); /* NULL when absent */
void text_map_fini(struct text_map *map);

/* Adds the items of text to the list.  On failure the list is as it was. */
int option_text_split(struct slice text, char delimiter, struct text_list *list,
                      struct error *err) MUST_CHECK;
int option_text_parse_list(struct slice text, struct text_list *list, struct error *err) MUST_CHECK;
int option_text_parse_map(struct slice text, struct text_map *map, struct error *err) MUST_CHECK;

/* The reverse: quotes what needs it, so that parsing gives the same items back. */
void option_text_append_item(struct str *out, struct slice item, char delimiter);
void option_text_format_list(const struct text_list *list, struct str *out);
void option_text_format_map(const struct text_map *map, struct str *out);

#endif
