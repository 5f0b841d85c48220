/* Frames of OVER: ROWS and RANGE with all bounds.  Bounds only ever move forward within a partition, so that searches go on where the
 * last one ended. */
#include "engine/query/over.h"

#include "engine/expr/type_rules.h"
#include "engine/expr/wire.h"
#include "engine/values/decimal.h"

#define NANOS_PER_MS INT64_C(1000000)
#define MS_PER_DAY INT64_C(86400000)

static bool has_value(const struct over_bound *b)
{
    return b->kind == FLINC__OVER_BOUND_KIND__OVER_PRECEDING ||
           b->kind == FLINC__OVER_BOUND_KIND__OVER_FOLLOWING;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static __int128 wide_of(const struct expr *e)
{
    return e->type->layout == LAYOUT_I128 ? e->value.wide : e->value.integer;
}

/* Decimals and whole numbers: key and bound with as many digits behind the point. */
static int read_number(struct over_operator *o, const struct data_type *key, const struct expr *e,
                       struct over_bound *b)
{
    const int32_t key_scale = key->id == TYPE_DECIMAL ? key->scale : 0;
    const int32_t scale = e->type->id == TYPE_DECIMAL ? e->type->scale : 0;
    const int32_t digits = MAX(key_scale, scale);
    o->key.factor = decimal_power(digits - key_scale);
    b->whole = wide_of(e) * decimal_power(digits - scale);
    return 0;
}

static bool read_interval(struct over_operator *o, const struct data_type *key,
                          const struct expr *e, struct over_bound *b)
{
    if (e->type->id != TYPE_INTERVAL_DAY_TIME) {
        return false;
    }
    /* all in nanoseconds */
    b->whole = (__int128)e->value.integer * NANOS_PER_MS;
    switch (key->id) {
    case TYPE_DATE:
        o->key.factor = (__int128)MS_PER_DAY * NANOS_PER_MS;
        return true;
    case TYPE_TIME:
        o->key.factor = NANOS_PER_MS;
        return true;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        o->key.factor = key->layout == LAYOUT_TS_NANO ? 1
                        : key->precision <= 3         ? NANOS_PER_MS
                                                      : 1000;
        return true;
    default:
        return false;
    }
}

static int read_range(struct over_operator *o, const struct op_context *ctx, const struct expr *e,
                      struct over_bound *b, struct error *err)
{
    if (o->order.n != 1) {
        return query_config_damaged(ctx, "RANGE with a value has one key", err);
    }
    const Flinc__SortKey *key = o->order.keys[0];
    const struct data_type *type = ctx->input_schemas[0]->fields[key->column].type;
    o->key.is_used = true;
    o->key.column = key->column;
    o->key.descending = key->descending;
    o->key.nulls_last = key->nulls_last;
    if (type_is_approximate(type) && type_is_numeric(e->type)) {
        o->key.is_real = true;
        b->real = type_is_approximate(e->type)
                      ? e->value.real
                      : decimal_to_double((struct decimal){
                            wide_of(e), e->type->id == TYPE_DECIMAL ? e->type->scale : 0});
        return 0;
    }
    if (type_is_exact(type) && type_is_exact(e->type)) {
        return read_number(o, type, e, b);
    }
    if (read_interval(o, type, e, b)) {
        return 0;
    }
    STR_AUTO text = STR_INIT;
    type_print(type, &text);
    str_append_cstr(&text, " by ");
    type_print(e->type, &text);
    return error_set(err, ERR_UNSUPPORTED, "not supported yet: RANGE of %s", str_cstr(&text));
}

static int read_bound(struct over_operator *o, const struct op_context *ctx,
                      const struct expr *const *nodes, const Flinc__OverBound *m, bool is_range,
                      struct over_bound *ret, struct error *err)
{
    const size_t n_nodes = o->config->exprs != NULL ? o->config->exprs->n_nodes : 0;
    ret->kind = m != NULL ? m->kind : FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    if (!has_value(ret)) {
        return 0;
    }
    if (m->value >= n_nodes || nodes[m->value]->kind != EXPR_LITERAL ||
        nodes[m->value]->value.is_null) {
        return query_config_damaged(ctx, "a bound of a frame is no literal", err);
    }
    const struct expr *e = nodes[m->value];
    if (is_range) {
        return read_range(o, ctx, e, ret, err);
    }
    if (!type_is_integer(e->type) || e->value.integer < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "a bound of ROWS is a whole number from 0 on");
    }
    ret->rows = e->value.integer;
    return 0;
}

static int read_frames(struct over_operator *o, const struct op_context *ctx,
                       struct expr_pool *pool, struct arena *arena, struct error *err)
{
    const struct expr **nodes = NULL;
    TRY(expr_read(o->config->exprs, ctx->input_schemas[0], pool, arena, &nodes, err));
    for (uint32_t i = 0; i < o->n_calls; i++) {
        struct over_call *c = &o->calls[i];
        c->is_range = c->config->unit == FLINC__OVER_FRAME_UNIT__OVER_RANGE;
        TRY(read_bound(o, ctx, nodes, c->config->lower, c->is_range, &c->lower, err));
        TRY(read_bound(o, ctx, nodes, c->config->upper, c->is_range, &c->upper, err));
        if (c->lower.kind == FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_FOLLOWING ||
            c->upper.kind == FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING) {
            return query_config_damaged(ctx, "a frame that ends before it begins", err);
        }
    }
    return 0;
}

int over_frames_open(struct over_operator *o, const struct op_context *ctx, struct error *err)
{
    struct expr_pool *pool = expr_pool_new();
    struct arena arena;
    arena_init(&arena, 0);
    const int rc = read_frames(o, ctx, pool, &arena, err);
    arena_fini(&arena);
    expr_pool_free(pool);
    return rc;
}

/* ---- keys of RANGE ---------------------------------------------------------------------------------- */

static bool key_is_null(const struct over_operator *o, uint32_t position)
{
    const uint32_t id = over_id(o, position);
    return column_is_null(query_rows_column(&o->rows, o->key.column, id), query_rows_at(id));
}

/* Keys of descending order are turned, so that they ascend. */
static __int128 whole_key(const struct over_operator *o, uint32_t position)
{
    const uint32_t id = over_id(o, position), row = query_rows_at(id);
    const struct column *c = query_rows_column(&o->rows, o->key.column, id);
    __int128 v;
    if (c->type->layout == LAYOUT_I128) {
        v = COLUMN_VALUES(c, const __int128)[row];
    } else if (c->type->layout == LAYOUT_TS_NANO) {
        const struct ts_nano t = COLUMN_VALUES(c, const struct ts_nano)[row];
        v = (__int128)t.millis * NANOS_PER_MS + t.nanos;
    } else {
        v = column_get_int(c, row);
    }
    v *= o->key.factor;
    return o->key.descending ? -v : v;
}

static double real_key(const struct over_operator *o, uint32_t position)
{
    const uint32_t id = over_id(o, position), row = query_rows_at(id);
    const struct column *c = query_rows_column(&o->rows, o->key.column, id);
    const double v = c->type->layout == LAYOUT_F32 ? (double)COLUMN_VALUES(c, const float)[row]
                                                   : COLUMN_VALUES(c, const double)[row];
    return o->key.descending ? -v : v;
}

/* The sign of key(position) - (key(current) + by). */
static int compare_key(const struct over_operator *o, uint32_t position, const struct over_bound *b)
{
    const bool is_back = b->kind == FLINC__OVER_BOUND_KIND__OVER_PRECEDING;
    if (key_is_null(o, position)) {
        return o->key.nulls_last ? 1 : -1;
    }
    if (o->key.is_real) {
        const double x = real_key(o, position);
        const double y = real_key(o, o->place.row) + (is_back ? -b->real : b->real);
        return (x > y) - (x < y);
    }
    const __int128 x = whole_key(o, position);
    const __int128 y = whole_key(o, o->place.row) + (is_back ? -b->whole : b->whole);
    return (x > y) - (x < y);
}

/* The first position whose key is not below the bound, or (is_upper) above it. */
static uint32_t search(struct over_operator *o, struct over_bound *b, bool is_upper)
{
    const struct over_place *p = &o->place;
    if (key_is_null(o, p->row)) {
        return is_upper ? p->end : p->peer;
    }
    b->at = MAX(b->at, p->from);
    while (b->at < p->to && compare_key(o, b->at, b) < (is_upper ? 1 : 0)) {
        b->at++;
    }
    return b->at;
}

/* ---- frames ----------------------------------------------------------------------------------------- */

static uint32_t clamped(const struct over_place *p, int64_t position)
{
    const int64_t from = MAX(position, (int64_t)p->from);
    return (uint32_t)MIN(from, (int64_t)p->to);
}

static uint32_t bound_at(struct over_operator *o, struct over_call *c, struct over_bound *b,
                         bool is_upper)
{
    const struct over_place *p = &o->place;
    const int64_t rows = MIN(b->rows, (int64_t)UINT32_MAX);
    switch (b->kind) {
    case FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING:
        return p->from;
    case FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_FOLLOWING:
        return p->to;
    case FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW:
        if (c->is_range) {
            return is_upper ? p->end : p->peer;
        }
        return p->row + is_upper;
    default:
        break;
    }
    if (c->is_range) {
        return search(o, b, is_upper);
    }
    const bool is_back = b->kind == FLINC__OVER_BOUND_KIND__OVER_PRECEDING;
    return clamped(p, (int64_t)p->row + (is_back ? -rows : rows) + is_upper);
}

void over_frame(struct over_operator *o, struct over_call *c, uint32_t *ret_lo, uint32_t *ret_hi)
{
    const uint32_t lo = bound_at(o, c, &c->lower, false), hi = bound_at(o, c, &c->upper, true);
    *ret_lo = lo;
    *ret_hi = MAX(lo, hi);
}

void over_frame_restart(struct over_operator *o, struct over_call *c)
{
    c->lower.at = c->upper.at = o->place.from;
}
