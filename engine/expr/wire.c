/* Expressions written as lists of nodes, and read back without trust. */
#include "engine/expr/wire.h"

#include "common/base/map.h"
#include "engine/expr/function.h"
#include "engine/expr/program.h"

#include <inttypes.h>

enum { TS_NANO_BYTES = 12 }; /* of a literal: milliseconds, then nanoseconds */

/* ---- writing ---------------------------------------------------------------------------------------- */

struct expr_writer {
    struct arena *arena; /* Borrows */
    Flinc__ExprList list;
    size_t cap_nodes, cap_types;
    struct map known; /* node -> its index + 1 */
    struct map types; /* text -> its index + 1 */
};

struct expr_writer *expr_writer_new(struct arena *arena)
{
    struct expr_writer *w = MEM_NEW(struct expr_writer);
    w->arena = arena;
    w->list = (Flinc__ExprList)FLINC__EXPR_LIST__INIT;
    map_init(&w->known, NULL);
    map_init(&w->types, NULL);
    return w;
}

struct expr_writer *expr_writer_free(struct expr_writer *w)
{
    if (w != NULL) {
        map_fini(&w->known);
        map_fini(&w->types);
        mem_free(w);
    }
    return NULL;
}

Flinc__ExprList *expr_writer_list(struct expr_writer *w)
{
    Flinc__ExprList *list = arena_alloc(w->arena, sizeof(*list));
    *list = w->list;
    return list;
}

/* Room for one more pointer in an array of the arena. */
static void *grown(struct arena *arena, void *items, size_t n, size_t *cap)
{
    if (n < *cap) {
        return items;
    }
    *cap = MAX(*cap * 2, (size_t)16);
    void *more = arena_alloc(arena, *cap * sizeof(void *));
    if (n > 0) {
        memcpy(more, items, n * sizeof(void *));
    }
    return more;
}

static uint32_t type_index(struct expr_writer *w, const struct data_type *type)
{
    STR_AUTO text = STR_INIT;
    type_print(type, &text);
    const uintptr_t known = (uintptr_t)map_find_bytes(&w->types, text.data, text.len);
    if (known > 0) {
        return (uint32_t)known - 1;
    }
    const size_t n = w->list.n_types;
    w->list.types = grown(w->arena, w->list.types, n, &w->cap_types);
    w->list.types[w->list.n_types++] = arena_strndup(w->arena, text.data, text.len);
    map_put_bytes(&w->types, text.data, text.len, (void *)(n + 1));
    return (uint32_t)n;
}

static uint32_t literal_bytes(const struct data_type *type, const struct expr_value *v,
                              uint8_t ret[16])
{
    const float narrow = (float)v->real;
    switch (type->layout) {
    case LAYOUT_BIT:
        ret[0] = v->boolean;
        return 1;
    case LAYOUT_I128:
        memcpy(ret, &v->wide, 16);
        return 16;
    case LAYOUT_F32:
        memcpy(ret, &narrow, sizeof(narrow));
        return sizeof(narrow);
    case LAYOUT_F64:
        memcpy(ret, &v->real, sizeof(v->real));
        return sizeof(v->real);
    case LAYOUT_TS_NANO:
        memcpy(ret, &v->timestamp.millis, 8);
        memcpy(ret + 8, &v->timestamp.nanos, 4);
        return TS_NANO_BYTES;
    default: /* little-endian integers: the low bytes */
        memcpy(ret, &v->integer, type->width);
        return type->width;
    }
}

static int write_literal(struct expr_writer *w, const struct expr *e, Flinc__ExprNode *node)
{
    uint8_t cell[16];
    node->kind = FLINC__EXPR_NODE_KIND__EXPR_NODE_LITERAL;
    node->is_null = e->value.is_null;
    if (node->is_null) {
        return 0;
    }
    struct slice bytes = e->value.bytes;
    if (e->type->layout != LAYOUT_VIEW) {
        bytes = slice_make((const char *)cell, literal_bytes(e->type, &e->value, cell));
    }
    node->value.len = bytes.len;
    node->value.data = arena_alloc(w->arena, bytes.len + 1);
    if (bytes.len > 0) {
        memcpy(node->value.data, bytes.data, bytes.len);
    }
    return 0;
}

static int write_args(struct expr_writer *w, const struct expr *e, Flinc__ExprNode *node,
                      struct error *err)
{
    node->n_args = e->n_args;
    node->args = arena_alloc(w->arena, (e->n_args + 1) * sizeof(*node->args));
    for (uint32_t i = 0; i < e->n_args; i++) {
        TRY(expr_writer_add(w, e->args[i], &node->args[i], err));
    }
    return 0;
}

static int write_node(struct expr_writer *w, const struct expr *e, Flinc__ExprNode *node,
                      struct error *err)
{
    switch (e->kind) {
    case EXPR_INPUT:
        node->kind = FLINC__EXPR_NODE_KIND__EXPR_NODE_INPUT;
        node->index = e->index;
        return 0;
    case EXPR_LITERAL:
        return write_literal(w, e, node);
    case EXPR_CALL:
        node->kind = FLINC__EXPR_NODE_KIND__EXPR_NODE_CALL;
        node->function = (char *)(uintptr_t)expr_function_wire_name(e->function);
        return write_args(w, e, node, err);
    case EXPR_FIELD:
        node->kind = FLINC__EXPR_NODE_KIND__EXPR_NODE_FIELD;
        node->index = e->index;
        return write_args(w, e, node, err);
    case EXPR_EXTERNAL:
        break;
    }
    return error_set(err, ERR_UNSUPPORTED,
                     "an expression of a plan still has a part that only the planner knows "
                     "(kind %u)",
                     e->external_kind);
}

int expr_writer_add(struct expr_writer *w, const struct expr *e, uint32_t *ret, struct error *err)
{
    const uintptr_t known = (uintptr_t)map_find_bytes(&w->known, &e, sizeof(e));
    if (known > 0) {
        *ret = (uint32_t)known - 1;
        return 0;
    }
    Flinc__ExprNode *node = arena_alloc(w->arena, sizeof(*node));
    flinc__expr_node__init(node);
    node->type = type_index(w, e->type);
    TRY(write_node(w, e, node, err));
    const size_t n = w->list.n_nodes;
    w->list.nodes = grown(w->arena, w->list.nodes, n, &w->cap_nodes);
    w->list.nodes[w->list.n_nodes++] = node;
    map_put_bytes(&w->known, &e, sizeof(e), (void *)(n + 1));
    *ret = (uint32_t)n;
    return 0;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

struct expr_reader {
    const Flinc__ExprList *list;
    const struct schema *input;
    struct expr_pool *pool;
    struct data_type **types; /* Owns refs */
    const struct expr **nodes;
    uint32_t at; /* the node that is being read */
};

static int damaged(const struct expr_reader *r, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "expression node %" PRIu32 " of a job graph is damaged: %s",
                     r->at, what);
}

static int read_types(struct expr_reader *r, struct error *err)
{
    for (size_t i = 0; i < r->list->n_types; i++) {
        struct error why = ERROR_INIT;
        if (type_parse(slice_cstr(r->list->types[i]), &r->types[i], &why) < 0 ||
            type_validate(r->types[i], &why) < 0) {
            return error_set(err, ERR_CORRUPT, "a type of expressions in a job graph: %s",
                             why.message);
        }
    }
    return 0;
}

/* What a call was given may differ from what it is resolved to in what no kernel depends on: nullability, lengths, the scale
 * that a literal decided before it was folded.  The layout, which decides over memory, may not. */
static bool types_agree(const struct data_type *a, const struct data_type *b)
{
    const uint32_t n = type_child_columns(a);
    if (a->id != b->id || a->layout != b->layout || n != type_child_columns(b)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!types_agree(type_child_column(a, i), type_child_column(b, i))) {
            return false;
        }
    }
    return true;
}

static bool same_but_nullable(const struct data_type *a, const struct data_type *b)
{
    struct data_type *c = type_with_nullable(a, b->nullable);
    const bool same = type_equals(c, b);
    type_unref(c);
    return same;
}

static int read_input(struct expr_reader *r, const Flinc__ExprNode *node, struct data_type *type,
                      const struct expr **ret, struct error *err)
{
    if (node->index >= r->input->n_fields) {
        return damaged(r, "there is no such column", err);
    }
    if (!same_but_nullable(r->input->fields[node->index].type, type)) {
        return damaged(r, "the column has another type", err);
    }
    *ret = expr_input(r->pool, node->index, type_ref(type));
    return 0;
}

static bool read_value(const struct data_type *type, const ProtobufCBinaryData *bytes,
                       struct expr_value *ret)
{
    float narrow;
    const uint32_t width = type->layout == LAYOUT_BIT       ? 1
                           : type->layout == LAYOUT_TS_NANO ? TS_NANO_BYTES
                                                            : type->width;
    if (type->layout != LAYOUT_VIEW && bytes->len != width) {
        return false;
    }
    switch (type->layout) {
    case LAYOUT_BIT:
        ret->boolean = bytes->data[0] != 0;
        return bytes->data[0] <= 1;
    case LAYOUT_I8:
        ret->integer = (int8_t)bytes->data[0];
        return true;
    case LAYOUT_I16:
        ret->integer = (int16_t)(bytes->data[0] | bytes->data[1] << 8);
        return true;
    case LAYOUT_I32: {
        int32_t v;
        memcpy(&v, bytes->data, sizeof(v));
        ret->integer = v;
        return true;
    }
    case LAYOUT_I64:
        memcpy(&ret->integer, bytes->data, sizeof(ret->integer));
        return true;
    case LAYOUT_I128:
        memcpy(&ret->wide, bytes->data, sizeof(ret->wide));
        return true;
    case LAYOUT_F32:
        memcpy(&narrow, bytes->data, sizeof(narrow));
        ret->real = narrow;
        return true;
    case LAYOUT_F64:
        memcpy(&ret->real, bytes->data, sizeof(ret->real));
        return true;
    case LAYOUT_TS_NANO:
        ret->timestamp = (struct ts_nano){0};
        memcpy(&ret->timestamp.millis, bytes->data, 8);
        memcpy(&ret->timestamp.nanos, bytes->data + 8, 4);
        return ret->timestamp.nanos >= 0 && ret->timestamp.nanos < 1000000;
    case LAYOUT_VIEW:
        ret->bytes =
            slice_make(bytes->len > 0 ? (const char *)bytes->data : "", (size_t)bytes->len);
        return bytes->len <= INT32_MAX;
    default:
        return false;
    }
}

static int read_literal(struct expr_reader *r, const Flinc__ExprNode *node, struct data_type *type,
                        const struct expr **ret, struct error *err)
{
    struct expr_value value = {.is_null = node->is_null};
    if (node->is_null ? !type->nullable : !read_value(type, &node->value, &value)) {
        return damaged(r, "a literal that its type does not have", err);
    }
    *ret = expr_literal(r->pool, type_ref(type), value);
    return 0;
}

static bool is_same_call(const struct expr *e, const struct expr_function *f,
                         const struct expr *const *args, uint32_t n_args)
{
    return expr_is_call(e, f) && e->n_args == n_args &&
           (n_args == 0 || memcmp(e->args, args, n_args * sizeof(*args)) == 0);
}

static int read_cast(struct expr_reader *r, const struct expr_function *f,
                     const struct expr *const *args, uint32_t n_args, struct data_type *type,
                     const struct expr **ret, struct error *err)
{
    const bool is_try = strcmp(f->name, "TRY_CAST") == 0;
    const struct expr *e;
    if (n_args != 1) {
        return damaged(r, "a cast of more than one value", err);
    }
    TRY(expr_cast(r->pool, args[0], type, is_try, &e, err));
    if (!is_same_call(e, f, args, n_args) || !types_agree(e->type, type)) {
        return damaged(r, "a cast to the type that the value has", err);
    }
    *ret = e;
    return 0;
}

static int read_call(struct expr_reader *r, const Flinc__ExprNode *node,
                     const struct expr *const *args, struct data_type *type,
                     const struct expr **ret, struct error *err)
{
    const struct expr_function *f;
    const uint32_t n_args = (uint32_t)node->n_args;
    const struct expr *e;
    int rc = expr_function_read(node->function, &f, err);
    if (rc == ERR_NOT_FOUND) {
        return error_set(err, ERR_CORRUPT,
                         "expression node %" PRIu32 " of a job graph calls '%s', which this build "
                         "does not have",
                         r->at, node->function);
    }
    TRY_CTX(err, rc, "reading expression node %" PRIu32 " of a job graph", r->at);
    if (f->kind != EXPR_SCALAR) {
        return damaged(r, "a call of what is not a scalar function", err);
    }
    if (strcmp(f->name, "CAST") == 0 || strcmp(f->name, "TRY_CAST") == 0) {
        return read_cast(r, f, args, n_args, type, ret, err);
    }
    TRY_CTX(err, expr_call_resolve(r->pool, f, args, n_args, &e, err),
            "resolving expression node %" PRIu32 " of a job graph", r->at);
    if (!is_same_call(e, f, args, n_args)) {
        return damaged(r, "a call with arguments of other types", err);
    }
    if (!types_agree(e->type, type)) {
        return damaged(r, "a call with a result of another type", err);
    }
    *ret = expr_call_of(r->pool, f, args, n_args, type_ref(type));
    return 0;
}

static int read_field(struct expr_reader *r, const Flinc__ExprNode *node,
                      const struct expr *const *args, struct data_type *type,
                      const struct expr **ret, struct error *err)
{
    if (node->n_args != 1 || args[0]->type->id != TYPE_ROW ||
        node->index >= args[0]->type->n_children) {
        return damaged(r, "a field that is not there", err);
    }
    const struct expr *e = expr_field(r->pool, args[0], node->index);
    if (!same_but_nullable(e->type, type)) {
        return damaged(r, "the field has another type", err);
    }
    *ret = e;
    return 0;
}

static int read_node(struct expr_reader *r, const struct expr **args, struct error *err)
{
    const Flinc__ExprNode *node = r->list->nodes[r->at];
    const struct expr **ret = &r->nodes[r->at];
    if (node->type >= r->list->n_types) {
        return damaged(r, "there is no such type", err);
    }
    if (node->n_args > EXPR_ARGS_MAX) {
        return damaged(r, "too many arguments", err);
    }
    for (size_t i = 0; i < node->n_args; i++) {
        if (node->args[i] >= r->at) {
            return damaged(r, "an argument that does not come before it", err);
        }
        args[i] = r->nodes[node->args[i]];
        if (args[i]->depth >= EXPR_DEPTH_MAX) {
            return damaged(r, "too deep", err);
        }
    }
    struct data_type *type = r->types[node->type];
    switch (node->kind) {
    case FLINC__EXPR_NODE_KIND__EXPR_NODE_INPUT:
        return read_input(r, node, type, ret, err);
    case FLINC__EXPR_NODE_KIND__EXPR_NODE_LITERAL:
        return read_literal(r, node, type, ret, err);
    case FLINC__EXPR_NODE_KIND__EXPR_NODE_CALL:
        return read_call(r, node, args, type, ret, err);
    case FLINC__EXPR_NODE_KIND__EXPR_NODE_FIELD:
        return read_field(r, node, args, type, ret, err);
    default:
        return damaged(r, "of an unknown kind", err);
    }
}

static int read_nodes(struct expr_reader *r, struct error *err)
{
    const struct expr **args = mem_alloc(EXPR_ARGS_MAX * sizeof(*args));
    int rc = read_types(r, err);
    for (; rc == 0 && r->at < r->list->n_nodes; r->at++) {
        rc = read_node(r, args, err);
    }
    mem_free(args);
    return rc;
}

int expr_read(const Flinc__ExprList *list, const struct schema *input, struct expr_pool *pool,
              struct arena *arena, const struct expr ***ret_nodes, struct error *err)
{
    struct expr_reader r = {.list = list, .input = input, .pool = pool};
    if (list == NULL) {
        *ret_nodes = NULL;
        return 0;
    }
    if (list->n_nodes > EXPR_NODES_MAX || list->n_types > EXPR_NODES_MAX) {
        return error_set(err, ERR_CORRUPT, "a job graph has %zu expression nodes; %d are the limit",
                         list->n_nodes, EXPR_NODES_MAX);
    }
    r.nodes = arena_alloc(arena, (list->n_nodes + 1) * sizeof(struct expr *));
    r.types = MEM_NEW_ARRAY(struct data_type *, list->n_types + 1);
    const int rc = read_nodes(&r, err);
    for (size_t i = 0; i < list->n_types; i++) {
        type_unref(r.types[i]);
    }
    mem_free(r.types);
    if (rc == 0) {
        *ret_nodes = r.nodes;
    }
    return rc;
}
