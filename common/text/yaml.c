/* YAML: libyaml's events become nodes in an arena.  A small explicit stack of open collections, no
 * recursion; every limit is checked before the memory is taken.
 *
 * Weights: a node weighs one plus all that is below it (long text counts too), an alias as much as
 * what it stands for.  The limit is on the weight of the whole document, so that ten nested aliases of ten aliases each are
 * refused while they are still ten small nodes. */
#include "common/text/yaml.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/text/json_writer.h"
#include <yaml.h>

enum { DEFAULT_MAX_DEPTH = 64, DEFAULT_MAX_NODES = 100000 };
#define DEFAULT_MAX_BYTES ((size_t)1 << 20)

/* A list or map whose end has not come yet. */
struct open_node {
    struct yaml_node *node; /* Borrows: in the arena */
    char *anchor;           /* Borrows: in the arena; NULL: none */
    struct vec items;       /* Owns: struct yaml_node * or struct yaml_entry */
    struct map keys;        /* Owns: key -> its line + 1 as a pointer-sized number */
    struct yaml_entry key;  /* a map's key that waits for its value */
    bool has_key;
};

struct yaml_builder {
    const char *name; /* Borrows */
    struct yaml_limits limits;
    struct yaml_document *document; /* Borrows */
    struct vec open;                /* struct open_node, outermost first */
    struct map anchors;             /* name -> struct yaml_node in the arena */
    bool has_root;
    struct error *err; /* Borrows */
};

static void open_node_fini(struct open_node *open)
{
    vec_fini(&open->items);
    map_fini(&open->keys);
}

static void builder_fini(struct yaml_builder *b)
{
    for (size_t i = 0; i < b->open.len; i++) {
        open_node_fini(VEC_AT(&b->open, struct open_node, i));
    }
    vec_fini(&b->open);
    map_fini(&b->anchors);
}

static struct open_node *innermost(struct yaml_builder *b)
{
    return b->open.len > 0 ? VEC_AT(&b->open, struct open_node, b->open.len - 1) : NULL;
}

/* "name:line:column: what is wrong". */
static int fail(struct yaml_builder *b, int code, yaml_mark_t mark, const char *fmt, ...)
    PRINTF(4, 5) COLD;
static int fail(struct yaml_builder *b, int code, yaml_mark_t mark, const char *fmt, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&text, fmt, ap);
    va_end(ap);
    return error_set(b->err, code, "%s:%zu:%zu: %s", b->name, mark.line + 1, mark.column + 1,
                     str_cstr(&text));
}

/* ---- placing finished nodes ---------------------------------------------------------------- */

static int take_key(struct yaml_builder *b, struct open_node *map_node,
                    const struct yaml_node *node, yaml_mark_t mark)
{
    if (node->type != YAML_TYPE_SCALAR) {
        return fail(b, ERR_PARSE, mark, "a key must be plain text, not a list or map");
    }
    uintptr_t first_line = (uintptr_t)map_find(&map_node->keys, node->text);
    if (first_line != 0) {
        return fail(b, ERR_PARSE, mark, "the key \"%s\" is there already, in line %d", node->text,
                    (int)first_line);
    }
    map_put(&map_node->keys, node->text, (void *)(uintptr_t)node->line);
    map_node->key = (struct yaml_entry){node->text, node->line, node->column, NULL};
    map_node->has_key = true;
    return 0;
}

/* Puts a finished node where it belongs: the document, a list, a map's key or its value. */
static int place(struct yaml_builder *b, const struct yaml_node *node, yaml_mark_t mark)
{
    struct open_node *parent = innermost(b);
    if (parent == NULL) {
        b->document->root = node;
        b->has_root = true;
        return 0;
    }
    parent->node->weight += node->weight;
    parent->node->height = MAX(parent->node->height, node->height + 1);
    if (parent->node->weight > b->limits.max_nodes) {
        return fail(b, ERR_TOO_LARGE, mark, "more than %zu nodes, aliases expanded",
                    b->limits.max_nodes);
    }
    /* What an alias stands for has its own levels below it. */
    if (b->open.len + (size_t)node->height > (size_t)b->limits.max_depth) {
        return fail(b, ERR_TOO_LARGE, mark, "nested deeper than %d levels, aliases expanded",
                    b->limits.max_depth);
    }
    if (parent->node->type == YAML_TYPE_LIST) {
        *VEC_PUSH(&parent->items, const struct yaml_node *) = node;
        return 0;
    }
    if (!parent->has_key) {
        return take_key(b, parent, node, mark);
    }
    parent->key.value = node;
    *VEC_PUSH(&parent->items, struct yaml_entry) = parent->key;
    parent->has_key = false;
    return 0;
}

static struct yaml_node *new_node(struct yaml_builder *b, enum yaml_type type, yaml_mark_t mark)
{
    struct yaml_node *node = arena_zalloc(&b->document->arena, sizeof(*node));
    node->type = type;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    node->weight = 1;
    node->height = type == YAML_TYPE_SCALAR ? 0 : 1;
    return node;
}

static void remember_anchor(struct yaml_builder *b, const char *anchor, struct yaml_node *node)
{
    if (anchor != NULL) {
        map_put(&b->anchors, anchor, node);
    }
}

/* ---- events -------------------------------------------------------------------------------- */

/* Only the core schema's own tags; what they mean for a scalar is *ret_string. */
static int check_tag(struct yaml_builder *b, const yaml_char_t *tag, yaml_mark_t mark,
                     bool *ret_string)
{
    static const char *const known[] = {YAML_STR_TAG,  YAML_INT_TAG, YAML_FLOAT_TAG, YAML_BOOL_TAG,
                                        YAML_NULL_TAG, YAML_SEQ_TAG, YAML_MAP_TAG};
    *ret_string = false;
    if (tag == NULL) {
        return 0;
    }
    const char *text = (const char *)tag;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(text, known[i]) == 0) {
            *ret_string = i == 0;
            return 0;
        }
    }
    *ret_string = true;
    if (strcmp(text, "!") == 0) {
        return 0;
    }
    return fail(b, ERR_PARSE, mark, "the tag \"%s\" is not supported", text);
}

static int on_scalar(struct yaml_builder *b, const yaml_event_t *event)
{
    size_t len = event->data.scalar.length;
    const char *value = (const char *)event->data.scalar.value;
    if (memchr(value, '\0', len) != NULL) {
        return fail(b, ERR_PARSE, event->start_mark, "a NUL character in a value");
    }
    bool is_string;
    TRY(check_tag(b, event->data.scalar.tag, event->start_mark, &is_string));
    struct yaml_node *node = new_node(b, YAML_TYPE_SCALAR, event->start_mark);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_string;
    node->text = arena_strndup(&b->document->arena, value, len);
    node->text_len = len;
    node->weight += len / YAML_WEIGHT_BYTES;
    remember_anchor(b, (const char *)event->data.scalar.anchor, node);
    return place(b, node, event->start_mark);
}

static int on_alias(struct yaml_builder *b, const yaml_event_t *event)
{
    const char *anchor = (const char *)event->data.alias.anchor;
    for (size_t i = 0; i < b->open.len; i++) {
        const char *enclosing = VEC_AT(&b->open, struct open_node, i)->anchor;
        if (enclosing != NULL && strcmp(enclosing, anchor) == 0) {
            return fail(b, ERR_PARSE, event->start_mark, "\"*%s\" stands inside of what it names",
                        anchor);
        }
    }
    const struct yaml_node *node = map_find(&b->anchors, anchor);
    if (node == NULL) {
        return fail(b, ERR_PARSE, event->start_mark, "no \"&%s\" before \"*%s\"", anchor, anchor);
    }
    return place(b, node, event->start_mark);
}

static int on_open(struct yaml_builder *b, const yaml_event_t *event, enum yaml_type type,
                   const yaml_char_t *anchor, const yaml_char_t *tag)
{
    bool is_string;
    TRY(check_tag(b, tag, event->start_mark, &is_string));
    if (b->open.len >= (size_t)b->limits.max_depth) {
        return fail(b, ERR_TOO_LARGE, event->start_mark, "nested deeper than %d levels",
                    b->limits.max_depth);
    }
    struct open_node *parent = innermost(b);
    if (parent != NULL && parent->node->type == YAML_TYPE_MAP && !parent->has_key) {
        return fail(b, ERR_PARSE, event->start_mark, "a key must be plain text, not a list or map");
    }
    struct open_node *open = VEC_PUSH(&b->open, struct open_node);
    open->node = new_node(b, type, event->start_mark);
    open->anchor = arena_strdup(&b->document->arena, (const char *)anchor);
    vec_init(&open->items,
             type == YAML_TYPE_LIST ? sizeof(const struct yaml_node *) : sizeof(struct yaml_entry));
    map_init(&open->keys, NULL);
    return 0;
}

static int on_close(struct yaml_builder *b, const yaml_event_t *event)
{
    struct open_node done = *innermost(b);
    vec_pop(&b->open);
    struct yaml_node *node = done.node;
    node->n = done.items.len;
    if (node->n > 0) {
        size_t bytes = done.items.len * done.items.item_size;
        void *copy = arena_alloc(&b->document->arena, bytes);
        memcpy(copy, done.items.data, bytes);
        if (node->type == YAML_TYPE_LIST) {
            node->items = copy;
        } else {
            node->entries = copy;
        }
    }
    remember_anchor(b, done.anchor, node);
    open_node_fini(&done);
    return place(b, node, event->start_mark);
}

static int on_event(struct yaml_builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->has_root) {
            return fail(b, ERR_PARSE, event->start_mark, "a second document: only one is read");
        }
        return 0;
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, event, YAML_TYPE_LIST, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, YAML_TYPE_MAP, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return 0;
}

static int fail_scan(struct yaml_builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        /* No mark there, only an offset: bad UTF-8 or a control character. */
        return error_set(b->err, ERR_PARSE, "%s: %s at byte %zu", b->name, problem,
                         parser->problem_offset + 1);
    }
    if (parser->context != NULL) {
        return fail(b, ERR_PARSE, mark, "%s, %s", problem, parser->context);
    }
    return fail(b, ERR_PARSE, mark, "%s", problem);
}

static int build(struct yaml_builder *b, struct slice text)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return error_set(b->err, ERR_OUT_OF_MEMORY, "%s: no memory for the YAML parser", b->name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    int rc = 0;
    bool end = false;
    while (rc == 0 && !end) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            rc = fail_scan(b, &parser);
            break;
        }
        rc = on_event(b, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return rc;
}

/* ---- interface ----------------------------------------------------------------------------- */

int yaml_parse(struct slice text, const char *name, const struct yaml_limits *limits,
               struct yaml_document *ret_document, struct error *err)
{
    struct yaml_limits l = limits != NULL ? *limits : (struct yaml_limits){0};
    l.max_bytes = l.max_bytes != 0 ? l.max_bytes : DEFAULT_MAX_BYTES;
    l.max_depth = l.max_depth != 0 ? l.max_depth : DEFAULT_MAX_DEPTH;
    l.max_nodes = l.max_nodes != 0 ? l.max_nodes : DEFAULT_MAX_NODES;
    if (text.len > l.max_bytes) {
        return error_set(err, ERR_TOO_LARGE, "%s: %zu bytes, over the limit of %zu bytes", name,
                         text.len, l.max_bytes);
    }
    struct yaml_document document = {.root = NULL};
    arena_init(&document.arena, 0);
    struct yaml_builder b = {.name = name, .limits = l, .document = &document, .err = err};
    vec_init(&b.open, sizeof(struct open_node));
    map_init(&b.anchors, NULL);
    int rc = build(&b, text.len > 0 ? text : SLICE_LIT(""));
    builder_fini(&b);
    if (rc < 0) {
        arena_fini(&document.arena);
        return rc;
    }
    *ret_document = document;
    return 0;
}

void yaml_document_fini(struct yaml_document *document)
{
    arena_fini(&document->arena);
    document->root = NULL;
}

bool yaml_node_is_null(const struct yaml_node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->type != YAML_TYPE_SCALAR || !node->plain) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(nulls); i++) {
        if (strcmp(node->text, nulls[i]) == 0) {
            return true;
        }
    }
    return false;
}

const struct yaml_node *yaml_node_find(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map->type == YAML_TYPE_MAP && i < map->n; i++) {
        if (strcmp(map->entries[i].key, key) == 0) {
            return map->entries[i].value;
        }
    }
    return NULL;
}

void yaml_node_write_json(const struct yaml_node *node, struct json_writer *w)
{
    switch (node->type) {
    case YAML_TYPE_SCALAR:
        if (yaml_node_is_null(node)) {
            json_writer_null(w);
        } else {
            json_writer_slice(w, slice_make(node->text, node->text_len));
        }
        break;
    case YAML_TYPE_LIST:
        json_writer_array(w);
        for (size_t i = 0; i < node->n; i++) {
            yaml_node_write_json(node->items[i], w);
        }
        json_writer_end(w);
        break;
    case YAML_TYPE_MAP:
        json_writer_object(w);
        for (size_t i = 0; i < node->n; i++) {
            json_writer_key(w, node->entries[i].key);
            yaml_node_write_json(node->entries[i].value, w);
        }
        json_writer_end(w);
        break;
    }
}
