/* Reading JSON of the control plane: a bounded, validating parser (jansson behind it) and typed
 * access to its tree.  Whole numbers are exact int64.  Never for records: formats/ has its own.
 *
 * A node belongs to the tree of its root; json_node_free on the root ends all of them.
 * Thread: one owner; a finished tree may be read by many. */
#ifndef FLINC_COMMON_TEXT_JSON_H
#define FLINC_COMMON_TEXT_JSON_H

#include "common/base/str.h"

struct json_node; /* opaque */

enum json_type {
    JSON_TYPE_NULL,
    JSON_TYPE_BOOL,
    JSON_TYPE_INT, /* written without fraction and exponent, fits int64 */
    JSON_TYPE_DOUBLE,
    JSON_TYPE_STRING,
    JSON_TYPE_ARRAY,
    JSON_TYPE_OBJECT,
};
const char *json_type_name(enum json_type type); /* "object", "string" ... */

enum json_duplicates {
    JSON_DUPLICATES_REFUSE,
    JSON_DUPLICATES_LAST, /* the last value wins, as Jackson reads REST bodies */
};

struct json_limits {
    size_t max_bytes; /* 0: 16 MiB */
    int max_depth;    /* 0: 64 */
    enum json_duplicates duplicates;
};

/* Exactly one value, any type, nothing behind it but blanks.  `limits` may be NULL.  Errors carry
 * line and column: ERR_PARSE, or ERR_TOO_LARGE over a limit. */
int json_parse(struct slice text, const struct json_limits *limits, struct json_node **ret_root,
               struct error *err) MUST_CHECK;
struct json_node *json_node_free(struct json_node *root);
#define JSON_AUTO CLEANUP(json_node_freep) struct json_node *
void json_node_freep(struct json_node **root);

enum json_type json_node_type(const struct json_node *node);

/* Values; the node must have the type (asserted), except that as_double takes whole numbers too. */
bool json_node_as_bool(const struct json_node *node);
int64_t json_node_as_int(const struct json_node *node);
double json_node_as_double(const struct json_node *node);
struct slice json_node_as_string(const struct json_node *node); /* Borrows; NUL-terminated too */

/* Arrays and objects, in the order of the text. */
size_t json_node_count(const struct json_node *node); /* 0 for scalars */
const struct json_node *json_node_at(const struct json_node *array, size_t i);
const struct json_node *json_node_find(const struct json_node *object, const char *key);
/* for (struct json_member m = {0}; json_node_next(object, &m);) ... m.key, m.value */
struct json_member {
    const char *key;
    const struct json_node *value;
    void *iter;
};
bool json_node_next(const struct json_node *object, struct json_member *m);

/* Members with a type, for decoding requests: absent (or null) leaves *ret untouched and is fine when
 * presence says optional; a wrong type is ERR_PARSE that names the key. */
enum json_presence { JSON_OPTIONAL, JSON_REQUIRED };
int json_member_string(const struct json_node *object, const char *key, enum json_presence presence,
                       const char **ret, struct error *err) MUST_CHECK;
int json_member_int(const struct json_node *object, const char *key, enum json_presence presence,
                    int64_t *ret, struct error *err) MUST_CHECK;
int json_member_double(const struct json_node *object, const char *key, enum json_presence presence,
                       double *ret, struct error *err) MUST_CHECK;
int json_member_bool(const struct json_node *object, const char *key, enum json_presence presence,
                     bool *ret, struct error *err) MUST_CHECK;

/* Writes the tree back, compact. */
struct json_writer;
void json_node_write(const struct json_node *node, struct json_writer *w);

#endif
