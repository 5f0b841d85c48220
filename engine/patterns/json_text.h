/* JSON documents for functions: checked, and cut into items that point into the text; paths over them.
 *
 * A document is one text; its items stand in the order of the text, each with the place behind its last descendant, so that
 * nothing is allocated per item and a document is used again for the next text.
 * Paths are those of JsonPath: $ .name ['name'] [0] [-1] [*] .* [0,1] ['a','b'] [1:3] ..name; with "lax " or "strict " before
 * them; without, they are strict.  Not to be had: filters and functions (ERR_UNSUPPORTED).
 * Flink: SqlJsonUtils, JsonPath.  Thread: one owner; a path may be read by many. */
#ifndef FLINC_ENGINE_PATTERNS_JSON_TEXT_H
#define FLINC_ENGINE_PATTERNS_JSON_TEXT_H

#include "common/base/str.h"

enum {
    JSON_TEXT_DEPTH_MAX = 1000, /* arrays and objects in each other */
    JSON_PATH_STEPS_MAX = 64,
    JSON_PATH_VISITS_MAX = 10000000,
};

enum json_item_kind {
    JSON_ITEM_NULL,
    JSON_ITEM_FALSE,
    JSON_ITEM_TRUE,
    JSON_ITEM_NUMBER,
    JSON_ITEM_STRING,
    JSON_ITEM_ARRAY,
    JSON_ITEM_OBJECT,
};

struct json_item {
    enum json_item_kind kind;
    uint32_t end;      /* the item behind it and all in it */
    struct slice text; /* Borrows: strings without their quotes, with their escapes */
    struct slice key;  /* of members of objects, likewise; data NULL: none */
};

struct json_document {
    struct json_item *items; /* Owns; [0] is the whole value */
    uint32_t n, cap;
};

void json_document_fini(struct json_document *d);
/* False: it is no JSON.  The text has to live as long as the items are used. */
bool json_document_parse(struct json_document *d, struct slice text);
/* Compact, members in order; strings are written anew. */
void json_document_print(const struct json_document *d, uint32_t item, struct str *out);
/* The characters of a string's text. */
void json_text_unescape(struct slice text, struct str *out);
/* In quotes, with what JSON wants escaped. */
void json_text_quote(struct slice characters, struct str *out);

struct json_path;
/* ERR_INVALID_ARGUMENT: it is no path; ERR_UNSUPPORTED. */
int json_path_new(struct slice text, struct json_path **ret, struct error *err) MUST_CHECK;
struct json_path *json_path_free(struct json_path *p);
bool json_path_is_lax(const struct json_path *p);
/* At most one item can be found. */
bool json_path_is_definite(const struct json_path *p);

/* Items that were found, in order. */
struct json_found {
    uint32_t *items; /* Owns */
    uint32_t n, cap;
};
void json_found_fini(struct json_found *f);
/* False: it would look at more than JSON_PATH_VISITS_MAX items. */
bool json_path_find(const struct json_path *p, const struct json_document *d,
                    struct json_found *ret);

#endif
