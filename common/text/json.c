/* Reading JSON: limits are checked on the text before jansson builds anything; a node is jansson's
 * value behind an opaque name, so that nobody else includes its header (its symbols clash with those
 * of other JSON libraries). */
#include "common/text/json.h"
#include "common/text/json_writer.h"
#include <jansson.h>

enum { DEFAULT_MAX_DEPTH = 64 };
#define DEFAULT_MAX_BYTES ((size_t)16 << 20)

_Static_assert((int)DEFAULT_MAX_DEPTH <= (int)JSON_WRITER_DEPTH_MAX,
               "what is read can be written back");

static const char *const type_names[] = {
    [JSON_TYPE_NULL] = "null",     [JSON_TYPE_BOOL] = "boolean",  [JSON_TYPE_INT] = "whole number",
    [JSON_TYPE_DOUBLE] = "number", [JSON_TYPE_STRING] = "string", [JSON_TYPE_ARRAY] = "array",
    [JSON_TYPE_OBJECT] = "object",
};

const char *json_type_name(enum json_type type)
{
    return type_names[type];
}

static const json_t *unwrap(const struct json_node *node)
{
    return (const json_t *)(const void *)node;
}

static const struct json_node *wrap(const json_t *value)
{
    return (const struct json_node *)(const void *)value;
}

/* ---- parsing ------------------------------------------------------------------------------- */

/* Brackets outside strings, before anything is allocated: the parser behind it recurses. */
static int check_depth(struct slice text, int max_depth, struct error *err)
{
    int depth = 0;
    int line = 1;
    size_t line_start = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\n') {
            line++;
            line_start = i + 1;
        } else if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max_depth) {
                return error_set(err, ERR_TOO_LARGE,
                                 "JSON nested deeper than %d levels at line %d, column %zu",
                                 max_depth, line, i - line_start + 1);
            }
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return 0;
}

int json_parse(struct slice text, const struct json_limits *limits, struct json_node **ret_root,
               struct error *err)
{
    struct json_limits l = limits != NULL ? *limits : (struct json_limits){0};
    size_t max_bytes = l.max_bytes != 0 ? l.max_bytes : DEFAULT_MAX_BYTES;
    if (text.len > max_bytes) {
        return error_set(err, ERR_TOO_LARGE, "JSON of %zu bytes, over the limit of %zu bytes",
                         text.len, max_bytes);
    }
    if (text.len == 0) {
        return error_set(err, ERR_PARSE, "malformed JSON: the text is empty");
    }
    TRY(check_depth(text, l.max_depth != 0 ? l.max_depth : DEFAULT_MAX_DEPTH, err));
    size_t flags = JSON_DECODE_ANY;
    if (l.duplicates == JSON_DUPLICATES_REFUSE) {
        flags |= JSON_REJECT_DUPLICATES;
    }
    json_error_t error;
    json_t *root = json_loadb(text.data, text.len, flags, &error);
    if (root == NULL) {
        return error_set(err, ERR_PARSE, "malformed JSON at line %d, column %d: %s",
                         MAX(error.line, 1), MAX(error.column, 1), error.text);
    }
    *ret_root = (struct json_node *)(void *)root;
    return 0;
}

struct json_node *json_node_free(struct json_node *root)
{
    json_decref((json_t *)(void *)root);
    return NULL;
}

void json_node_freep(struct json_node **root)
{
    json_node_free(*root);
}

/* ---- access -------------------------------------------------------------------------------- */

enum json_type json_node_type(const struct json_node *node)
{
    switch (json_typeof(unwrap(node))) {
    case JSON_OBJECT:
        return JSON_TYPE_OBJECT;
    case JSON_ARRAY:
        return JSON_TYPE_ARRAY;
    case JSON_STRING:
        return JSON_TYPE_STRING;
    case JSON_INTEGER:
        return JSON_TYPE_INT;
    case JSON_REAL:
        return JSON_TYPE_DOUBLE;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_TYPE_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_TYPE_NULL;
}

bool json_node_as_bool(const struct json_node *node)
{
    ASSERT(json_is_boolean(unwrap(node)));
    return json_is_true(unwrap(node));
}

int64_t json_node_as_int(const struct json_node *node)
{
    ASSERT(json_is_integer(unwrap(node)));
    return json_integer_value(unwrap(node));
}

double json_node_as_double(const struct json_node *node)
{
    ASSERT(json_is_number(unwrap(node)));
    return json_number_value(unwrap(node));
}

struct slice json_node_as_string(const struct json_node *node)
{
    ASSERT(json_is_string(unwrap(node)));
    return slice_make(json_string_value(unwrap(node)), json_string_length(unwrap(node)));
}

size_t json_node_count(const struct json_node *node)
{
    const json_t *value = unwrap(node);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const struct json_node *json_node_at(const struct json_node *array, size_t i)
{
    const json_t *item = json_array_get(unwrap(array), i);
    ASSERT(item != NULL);
    return wrap(item);
}

const struct json_node *json_node_find(const struct json_node *object, const char *key)
{
    return wrap(json_object_get(unwrap(object), key));
}

bool json_node_next(const struct json_node *object, struct json_member *m)
{
    /* Iterating changes nothing; the library's signatures are older than its const. */
    json_t *value = (json_t *)(uintptr_t)unwrap(object);
    m->iter = m->iter == NULL ? json_object_iter(value) : json_object_iter_next(value, m->iter);
    if (m->iter == NULL) {
        return false;
    }
    m->key = json_object_iter_key(m->iter);
    m->value = wrap(json_object_iter_value(m->iter));
    return true;
}

/* The member if it is there with the type; *ret is NULL when it may be and is absent. */
static int find_member(const struct json_node *object, const char *key, enum json_presence presence,
                       enum json_type type, const struct json_node **ret, struct error *err)
{
    if (json_node_type(object) != JSON_TYPE_OBJECT) {
        return error_set(err, ERR_PARSE, "expected a JSON object, not %s",
                         json_type_name(json_node_type(object)));
    }
    const struct json_node *node = json_node_find(object, key);
    if (node == NULL || json_node_type(node) == JSON_TYPE_NULL) {
        if (presence == JSON_REQUIRED) {
            return error_set(err, ERR_PARSE, "the field \"%s\" is missing", key);
        }
        *ret = NULL;
        return 0;
    }
    enum json_type actual = json_node_type(node);
    if (actual != type && !(type == JSON_TYPE_DOUBLE && actual == JSON_TYPE_INT)) {
        return error_set(err, ERR_PARSE, "the field \"%s\" must be a %s, not %s", key,
                         json_type_name(type), json_type_name(actual));
    }
    *ret = node;
    return 0;
}

int json_member_string(const struct json_node *object, const char *key, enum json_presence presence,
                       const char **ret, struct error *err)
{
    const struct json_node *node;
    TRY(find_member(object, key, presence, JSON_TYPE_STRING, &node, err));
    if (node != NULL) {
        *ret = json_string_value(unwrap(node));
    }
    return 0;
}

int json_member_int(const struct json_node *object, const char *key, enum json_presence presence,
                    int64_t *ret, struct error *err)
{
    const struct json_node *node;
    TRY(find_member(object, key, presence, JSON_TYPE_INT, &node, err));
    if (node != NULL) {
        *ret = json_node_as_int(node);
    }
    return 0;
}

int json_member_double(const struct json_node *object, const char *key, enum json_presence presence,
                       double *ret, struct error *err)
{
    const struct json_node *node;
    TRY(find_member(object, key, presence, JSON_TYPE_DOUBLE, &node, err));
    if (node != NULL) {
        *ret = json_node_as_double(node);
    }
    return 0;
}

int json_member_bool(const struct json_node *object, const char *key, enum json_presence presence,
                     bool *ret, struct error *err)
{
    const struct json_node *node;
    TRY(find_member(object, key, presence, JSON_TYPE_BOOL, &node, err));
    if (node != NULL) {
        *ret = json_node_as_bool(node);
    }
    return 0;
}

/* ---- writing back -------------------------------------------------------------------------- */

void json_node_write(const struct json_node *node, struct json_writer *w)
{
    switch (json_node_type(node)) {
    case JSON_TYPE_NULL:
        json_writer_null(w);
        break;
    case JSON_TYPE_BOOL:
        json_writer_bool(w, json_node_as_bool(node));
        break;
    case JSON_TYPE_INT:
        json_writer_int(w, json_node_as_int(node));
        break;
    case JSON_TYPE_DOUBLE:
        json_writer_double(w, json_node_as_double(node));
        break;
    case JSON_TYPE_STRING:
        json_writer_slice(w, json_node_as_string(node));
        break;
    case JSON_TYPE_ARRAY:
        json_writer_array(w);
        for (size_t i = 0; i < json_node_count(node); i++) {
            json_node_write(json_node_at(node, i), w);
        }
        json_writer_end(w);
        break;
    case JSON_TYPE_OBJECT:
        json_writer_object(w);
        for (struct json_member m = {0}; json_node_next(node, &m);) {
            json_writer_key(w, m.key);
            json_node_write(m.value, w);
        }
        json_writer_end(w);
        break;
    }
}
