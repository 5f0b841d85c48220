/* YAML into a small tree of nodes that know their line and column; libyaml does the scanning.
 *
 * For configuration, so strict and bounded: one document, scalar keys without duplicates, limits on
 * size, depth and nodes.  An alias shares the anchored node and counts with everything below it, so
 * that nested aliases hit the node limit instead of memory; a node inside itself is refused.
 * Scalars stay text: yaml_node_is_null tells a plain null from a string (YAML 1.2 core schema).
 *
 * Thread: one owner; a finished tree may be read by many. */
#ifndef FLINC_COMMON_TEXT_YAML_H
#define FLINC_COMMON_TEXT_YAML_H

#include "common/base/str.h"

enum yaml_type { YAML_TYPE_SCALAR, YAML_TYPE_LIST, YAML_TYPE_MAP };

struct yaml_entry {
    const char *key; /* NUL-terminated, without NUL inside */
    int line, column;
    const struct yaml_node *value;
};

struct yaml_node {
    enum yaml_type type;
    bool plain;       /* a scalar without quotes and without a !!str tag */
    int line, column; /* from 1 */
    const char *text; /* scalar: NUL-terminated, without NUL inside */
    size_t text_len;
    size_t n;                             /* items or entries */
    const struct yaml_node *const *items; /* list */
    const struct yaml_entry *entries;     /* map, in the order of the text */
    uint64_t weight; /* nodes at and below it and their text, aliases expanded */
    int height;      /* levels of lists and maps in it: 0 for scalars */
};

enum { YAML_WEIGHT_BYTES = 32 }; /* so many bytes of text count as one more node */

struct yaml_limits {
    size_t max_bytes; /* 0: 1 MiB */
    int max_depth;    /* 0: 64 */
    size_t max_nodes; /* 0: 100,000; after expansion of aliases */
};

struct yaml_document {
    struct arena arena;           /* Owns all nodes */
    const struct yaml_node *root; /* NULL for an empty document */
};

/* `name` (a path, shown in errors as name:line:column) is only borrowed for the call; `limits` may
 * be NULL.  On failure there is nothing to free. */
int yaml_parse(struct slice text, const char *name, const struct yaml_limits *limits,
               struct yaml_document *ret_document, struct error *err) MUST_CHECK;
void yaml_document_fini(struct yaml_document *document);

/* Plain null, Null, NULL, ~ or nothing at all. */
bool yaml_node_is_null(const struct yaml_node *node);
const struct yaml_node *yaml_node_find(const struct yaml_node *map, const char *key);
/* Writes the node as JSON, which is YAML flow text too; scalars as strings, plain null as null. */
struct json_writer;
void yaml_node_write_json(const struct yaml_node *node, struct json_writer *w);

#endif
