/* The pool of nodes: types and nodes are interned in two hash tables; everything lies in one arena. */
#include "engine/expr/expr.h"

#include "common/base/map.h"
#include "engine/data/batch.h"
#include "engine/expr/function.h"

#include <math.h>

struct expr_pool {
    struct arena arena;
    struct map types;          /* Owns: a type by its text */
    const struct expr **slots; /* Owns: nodes by their hash; a power of two of them */
    uint32_t n_slots, n_interned, n_nodes;
};

static void free_type(void *type)
{
    type_unref(type);
}

struct expr_pool *expr_pool_new(void)
{
    struct expr_pool *pool = MEM_NEW(struct expr_pool);
    arena_init(&pool->arena, 0);
    map_init(&pool->types, free_type);
    pool->n_slots = 64;
    pool->slots = MEM_NEW_ARRAY(const struct expr *, pool->n_slots);
    return pool;
}

struct expr_pool *expr_pool_free(struct expr_pool *pool)
{
    if (pool != NULL) {
        map_fini(&pool->types);
        arena_fini(&pool->arena);
        mem_free(pool->slots);
        mem_free(pool);
    }
    return NULL;
}

struct arena *expr_pool_arena(struct expr_pool *pool)
{
    return &pool->arena;
}

const struct data_type *expr_pool_type(struct expr_pool *pool, struct data_type *take_type)
{
    STR_AUTO text = STR_INIT;
    type_print(take_type, &text);
    const struct data_type *known = map_find_bytes(&pool->types, text.data, text.len);
    if (known != NULL) {
        type_unref(take_type);
        return known;
    }
    map_put_bytes(&pool->types, text.data, text.len, take_type);
    return take_type;
}

/* ---- values ----------------------------------------------------------------------------------------- */

/* Bits, so that -0.0 and 0.0 are two literals, and a NaN is equal to itself. */
static uint64_t value_bits(const struct data_type *type, const struct expr_value *v)
{
    uint64_t bits = 0;
    if (v->is_null) {
        return 1;
    }
    switch (type->layout) {
    case LAYOUT_BIT:
        return v->boolean;
    case LAYOUT_I8:
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
        return (uint64_t)v->integer;
    case LAYOUT_I128:
        return hash_bytes(&v->wide, sizeof(v->wide), 0);
    case LAYOUT_F32:
    case LAYOUT_F64:
        memcpy(&bits, &v->real, sizeof(bits));
        return bits;
    case LAYOUT_TS_NANO:
        return (uint64_t)v->timestamp.millis * 31 + (uint64_t)v->timestamp.nanos;
    case LAYOUT_VIEW:
        return hash_bytes(v->bytes.data, v->bytes.len, 0);
    default:
        return 0;
    }
}

bool expr_value_equals(const struct data_type *type, const struct expr_value *a,
                       const struct expr_value *b)
{
    if (a->is_null || b->is_null) {
        return a->is_null == b->is_null;
    }
    if (type->layout == LAYOUT_VIEW) {
        return slice_eq(a->bytes, b->bytes);
    }
    if (type->layout == LAYOUT_I128) {
        return a->wide == b->wide;
    }
    return value_bits(type, a) == value_bits(type, b);
}

struct expr_value expr_value_of(const struct column *c, uint32_t row)
{
    struct expr_value v = {.is_null = column_is_null(c, row)};
    if (v.is_null) {
        return v;
    }
    switch (c->type->layout) {
    case LAYOUT_BIT:
        v.boolean = column_get_bool(c, row);
        break;
    case LAYOUT_I128:
        v.wide = COLUMN_VALUES(c, const __int128)[row];
        break;
    case LAYOUT_F32:
        v.real = COLUMN_VALUES(c, const float)[row];
        break;
    case LAYOUT_F64:
        v.real = COLUMN_VALUES(c, const double)[row];
        break;
    case LAYOUT_TS_NANO:
        v.timestamp = COLUMN_VALUES(c, const struct ts_nano)[row];
        break;
    case LAYOUT_VIEW:
        v.bytes = column_get_bytes(c, row);
        break;
    default:
        v.integer = column_get_int(c, row);
        break;
    }
    return v;
}

/* One value as it lies in a column of the layout; returns its bytes. */
static uint32_t place_value(const struct data_type *type, const struct expr_value *v, void *ret)
{
    const float narrow = (float)v->real;
    switch (type->layout) {
    case LAYOUT_I128:
        memcpy(ret, &v->wide, sizeof(v->wide));
        break;
    case LAYOUT_F32:
        memcpy(ret, &narrow, sizeof(narrow));
        break;
    case LAYOUT_F64:
        memcpy(ret, &v->real, sizeof(v->real));
        break;
    case LAYOUT_TS_NANO:
        memcpy(ret, &v->timestamp, sizeof(v->timestamp));
        break;
    default: /* little-endian integers: the low bytes */
        memcpy(ret, &v->integer, type->width);
        break;
    }
    return type->width;
}

static void fill_view(struct buffer_pool *pool, struct slice bytes, struct view *ret,
                      struct column *column)
{
    if (bytes.len <= VIEW_INLINE_MAX) {
        *ret = view_inline(bytes.data, (uint32_t)bytes.len);
        return;
    }
    struct buffer *data = buffer_get(pool, bytes.len);
    memcpy(data->data, bytes.data, bytes.len);
    data->size = bytes.len;
    *ret = (struct view){.len = (int32_t)bytes.len, .buffer = (int32_t)column->n_data};
    memcpy(ret->prefix, bytes.data, sizeof(ret->prefix));
    column_add_data(pool, column, data);
}

void expr_value_fill(struct buffer_pool *pool, const struct data_type *type,
                     const struct expr_value *value, uint32_t n, struct column *ret)
{
    char cell[sizeof(struct view)];
    uint32_t width = type->width;
    if (value->is_null) {
        column_fill_nulls(pool, ret, n);
        return;
    }
    const uint64_t bytes = column_values_bytes(type, n);
    struct buffer *values = buffer_get(pool, bytes);
    values->size = bytes;
    if (type->layout == LAYOUT_BIT) {
        memset(values->data, value->boolean ? 0xff : 0, bytes);
    } else {
        if (type->layout == LAYOUT_VIEW) {
            struct view view;
            fill_view(pool, value->bytes, &view, ret);
            memcpy(cell, &view, sizeof(view));
        } else {
            width = place_value(type, value, cell);
        }
        for (uint32_t i = 0; i < n; i++) {
            memcpy(values->data + (size_t)i * width, cell, width);
        }
    }
    column_set_values(ret, values);
}

/* ---- nodes ------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t h, uint64_t v)
{
    return (h ^ v) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 29);
}

static uint64_t hash_node(const struct expr *e)
{
    uint64_t h = mix(e->kind, (uint64_t)(uintptr_t)e->type);
    h = mix(h, (uint64_t)(uintptr_t)e->function);
    h = mix(h, e->index);
    h = mix(h, (uint64_t)(uintptr_t)e->external);
    for (uint32_t i = 0; i < e->n_args; i++) {
        h = mix(h, (uint64_t)(uintptr_t)e->args[i]);
    }
    return e->kind == EXPR_LITERAL ? mix(h, value_bits(e->type, &e->value)) : h;
}

static bool same_node(const struct expr *a, const struct expr *b)
{
    return a->hash == b->hash && a->kind == b->kind && a->type == b->type &&
           a->function == b->function && a->index == b->index && a->external == b->external &&
           a->n_args == b->n_args &&
           (a->n_args == 0 || memcmp(a->args, b->args, a->n_args * sizeof(*a->args)) == 0) &&
           (a->kind != EXPR_LITERAL || expr_value_equals(a->type, &a->value, &b->value));
}

static void grow_slots(struct expr_pool *pool)
{
    const uint32_t n = pool->n_slots * 2;
    const struct expr **slots = MEM_NEW_ARRAY(const struct expr *, n);
    for (uint32_t i = 0; i < pool->n_slots; i++) {
        if (pool->slots[i] != NULL) {
            uint32_t at = (uint32_t)pool->slots[i]->hash & (n - 1);
            while (slots[at] != NULL) {
                at = (at + 1) & (n - 1);
            }
            slots[at] = pool->slots[i];
        }
    }
    mem_free(pool->slots);
    pool->slots = slots;
    pool->n_slots = n;
}

static const struct expr *copy_node(struct expr_pool *pool, const struct expr *e)
{
    struct expr *copy = arena_alloc(&pool->arena, sizeof(*copy));
    *copy = *e;
    copy->id = pool->n_nodes++;
    if (e->n_args > 0) {
        const struct expr **args = arena_alloc(&pool->arena, e->n_args * sizeof(*args));
        memcpy(args, e->args, e->n_args * sizeof(*args));
        copy->args = args;
    }
    if (e->kind == EXPR_LITERAL && !e->value.is_null && e->type->layout == LAYOUT_VIEW) {
        char *bytes = arena_alloc(&pool->arena, e->value.bytes.len + 1); /* may have zeros */
        if (e->value.bytes.len > 0) {
            memcpy(bytes, e->value.bytes.data, e->value.bytes.len);
        }
        copy->value.bytes.data = bytes;
    }
    return copy;
}

/* The pool's node that is equal to this one. */
static const struct expr *intern(struct expr_pool *pool, struct expr *e)
{
    const uint32_t own = e->function != NULL ? e->function->flags : 0;
    e->is_volatile = (own & EXPR_FN_VOLATILE) != 0;
    e->is_constant = e->kind != EXPR_INPUT && e->kind != EXPR_EXTERNAL && !e->is_volatile;
    e->depth = 1;
    for (uint32_t i = 0; i < e->n_args; i++) {
        e->is_volatile |= e->args[i]->is_volatile;
        e->is_constant &= e->args[i]->is_constant;
        e->depth = MAX(e->depth, e->args[i]->depth + 1);
    }
    e->hash = hash_node(e);
    if ((own & EXPR_FN_VOLATILE) != 0) {
        return copy_node(pool, e);
    }
    uint32_t at = (uint32_t)e->hash & (pool->n_slots - 1);
    for (; pool->slots[at] != NULL; at = (at + 1) & (pool->n_slots - 1)) {
        if (same_node(pool->slots[at], e)) {
            return pool->slots[at];
        }
    }
    const struct expr *made = copy_node(pool, e);
    pool->slots[at] = made;
    if (++pool->n_interned * 2 > pool->n_slots) {
        grow_slots(pool);
    }
    return made;
}

const struct expr *expr_input(struct expr_pool *pool, uint32_t index, struct data_type *take_type)
{
    struct expr e = {.kind = EXPR_INPUT, .type = expr_pool_type(pool, take_type), .index = index};
    return intern(pool, &e);
}

const struct expr *expr_literal(struct expr_pool *pool, struct data_type *take_type,
                                struct expr_value value)
{
    if (value.is_null && !take_type->nullable) {
        struct data_type *right = type_with_nullable(take_type, true);
        type_unref(take_type);
        take_type = right;
    }
    struct expr e = {.kind = EXPR_LITERAL, .type = expr_pool_type(pool, take_type), .value = value};
    return intern(pool, &e);
}

const struct expr *expr_null(struct expr_pool *pool, struct data_type *take_type)
{
    return expr_literal(pool, take_type, (struct expr_value){.is_null = true});
}

const struct expr *expr_boolean(struct expr_pool *pool, bool value)
{
    return expr_literal(pool, type_new(TYPE_BOOLEAN, false), (struct expr_value){.boolean = value});
}

const struct expr *expr_integer(struct expr_pool *pool, enum type_id id, int64_t value)
{
    return expr_literal(pool, type_new(id, false), (struct expr_value){.integer = value});
}

const struct expr *expr_string(struct expr_pool *pool, struct slice value)
{
    int32_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        length += ((unsigned char)value.data[i] & 0xc0) != 0x80;
    }
    length = MAX(length, 1); /* no type has none: a column of '' could not be written down */
    return expr_literal(pool, type_new_sized(TYPE_CHAR, length, false),
                        (struct expr_value){.bytes = value});
}

const struct expr *expr_field(struct expr_pool *pool, const struct expr *row, uint32_t index)
{
    ASSERT(row->type->id == TYPE_ROW && index < row->type->n_children);
    const struct data_type *field = row->type->children[index];
    struct expr e = {
        .kind = EXPR_FIELD,
        .type =
            expr_pool_type(pool, type_with_nullable(field, field->nullable || row->type->nullable)),
        .index = index,
        .args = &row,
        .n_args = 1,
    };
    return intern(pool, &e);
}

const struct expr *expr_external(struct expr_pool *pool, uint16_t kind, void *external,
                                 struct data_type *take_type)
{
    struct expr e = {
        .kind = EXPR_EXTERNAL,
        .type = expr_pool_type(pool, take_type),
        .index = kind,
        .external_kind = kind,
        .external = external,
    };
    return intern(pool, &e);
}

const struct expr *expr_call_of(struct expr_pool *pool, const struct expr_function *function,
                                const struct expr *const *args, uint32_t n_args,
                                struct data_type *take_type)
{
    struct expr e = {
        .kind = EXPR_CALL,
        .type = expr_pool_type(pool, take_type),
        .function = function,
        .args = args,
        .n_args = n_args,
    };
    return intern(pool, &e);
}

const struct expr *expr_with_args(struct expr_pool *pool, const struct expr *call,
                                  const struct expr *const *args)
{
    struct expr e = *call;
    e.args = args;
    return memcmp(args, call->args, call->n_args * sizeof(*args)) == 0 ? call : intern(pool, &e);
}

/* ---- rewriting -------------------------------------------------------------------------------------- */

struct rewriting {
    struct expr_pool *pool;
    const struct expr *(*replace)(void *arg, const struct expr *node);
    void *arg;
    struct map done; /* node -> what it became: a node that is shared is rewritten once */
};

static const struct expr *rewrite(struct rewriting *r, const struct expr *e)
{
    const struct expr *known = map_find_bytes(&r->done, &e, sizeof(e));
    if (known != NULL) {
        return known;
    }
    const struct expr *result = r->replace(r->arg, e);
    if (result == NULL) {
        result = e;
        if (e->n_args > 0) {
            const struct expr **args = mem_alloc(e->n_args * sizeof(*args));
            for (uint32_t i = 0; i < e->n_args; i++) {
                args[i] = rewrite(r, e->args[i]);
            }
            result = expr_with_args(r->pool, e, args);
            mem_free(args);
        }
    }
    map_put_bytes(&r->done, &e, sizeof(e), (void *)(uintptr_t)result);
    return result;
}

const struct expr *expr_rewrite(struct expr_pool *pool, const struct expr *root,
                                const struct expr *(*replace)(void *arg, const struct expr *node),
                                void *arg)
{
    struct rewriting r = {.pool = pool, .replace = replace, .arg = arg};
    map_init(&r.done, NULL);
    const struct expr *result = rewrite(&r, root);
    map_fini(&r.done);
    return result;
}
