/* See calls.h. */
#include "engine/query/calls.h"

#include "engine/data/hash.h"

static int check_call(const struct op_context *ctx, const Flinc__AggregateCall *m,
                      const struct query_calls_spec *spec, struct error *err)
{
    TRY(query_check_columns(ctx, spec->input, m->args, m->n_args, err));
    if (m->n_args > AGGREGATE_ARGS_MAX) {
        return query_config_damaged(ctx, "too many arguments", err);
    }
    if (m->has_filter) {
        TRY(query_check_columns(ctx, spec->input, &m->filter, 1, err));
        if (spec->input->fields[m->filter].type->id != TYPE_BOOLEAN) {
            return query_config_damaged(ctx, "a filter is not BOOLEAN", err);
        }
    }
    if (m->n_order > 0) {
        return error_set(err, ERR_UNSUPPORTED,
                         "not supported yet: an order inside of %s; sort the input instead",
                         m->function);
    }
    return 0;
}

static int find_function(const struct op_context *ctx, const char *name,
                         const struct expr_function **ret, struct error *err)
{
    int rc = expr_function_read(name, ret, err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return rc;
    }
    if (rc < 0 || (*ret)->kind != EXPR_AGGREGATE) {
        return error_set(err, ERR_CORRUPT,
                         "operator '%s' (%s): there is no aggregate function '%s' in this build",
                         ctx->spec->name, ctx->spec->kind, name);
    }
    return 0;
}

static int open_call(struct query_call *call, const struct op_context *ctx,
                     const Flinc__AggregateCall *m, const struct query_calls_spec *spec,
                     struct error *err)
{
    const struct data_type *types[AGGREGATE_ARGS_MAX + 1];
    const struct data_type *int_type = NULL;
    const struct expr_function *function;
    TRY(check_call(ctx, m, spec, err));
    TRY(find_function(ctx, m->function, &function, err));
    TRY_CTX(err, type_parse(slice_cstr(m->type), &call->type, err), "reading the type of %s",
            m->function);
    call->n_args = (uint32_t)m->n_args;
    call->args = mem_alloc((m->n_args + 1) * sizeof(uint32_t));
    if (m->n_args > 0) {
        memcpy(call->args, m->args, m->n_args * sizeof(uint32_t));
    }
    call->has_filter = m->has_filter;
    call->filter = m->filter;
    call->is_distinct = m->distinct && !spec->is_merging;
    for (uint32_t i = 0; i < call->n_args; i++) {
        types[i + 1] = spec->input->fields[call->args[i]].type;
    }
    const struct aggregate_options options = {
        .function = function,
        .args = types + 1,
        .n_args = call->n_args,
        .result = call->type,
        .is_merging = spec->is_merging,
        .pool = spec->pool,
    };
    TRY(aggregate_new(&options, &call->aggregate, err));
    if (call->is_distinct) {
        struct data_type *group = type_new(TYPE_INTEGER, false);
        types[0] = int_type = group;
        groups_init(&call->seen, spec->pool, types, call->n_args + 1);
        type_unref((struct data_type *)int_type);
    }
    return 0;
}

int query_calls_open(struct query_calls *c, const struct op_context *ctx,
                     const struct query_calls_spec *spec, struct error *err)
{
    c->items = MEM_NEW_ARRAY(struct query_call, spec->n + 1);
    c->n = (uint32_t)spec->n;
    c->rows = mem_alloc(BATCH_ROWS_MAX * sizeof(uint16_t));
    c->groups = mem_alloc(BATCH_ROWS_MAX * sizeof(uint32_t));
    c->fresh = mem_alloc(BATCH_ROWS_MAX * sizeof(uint16_t));
    c->hashes = mem_alloc(BATCH_ROWS_MAX * sizeof(uint64_t));
    for (uint32_t i = 0; i < c->n; i++) {
        TRY(open_call(&c->items[i], ctx, spec->calls[i], spec, err));
    }
    return 0;
}

void query_calls_close(struct query_calls *c)
{
    for (uint32_t i = 0; c->items != NULL && i < c->n; i++) {
        struct query_call *call = &c->items[i];
        aggregate_free(call->aggregate);
        groups_fini(&call->seen);
        type_unref(call->type);
        mem_free(call->args);
    }
    mem_free(c->items);
    mem_free(c->rows);
    mem_free(c->groups);
    mem_free(c->fresh);
    mem_free(c->hashes);
    *c = (struct query_calls){0};
}

void query_calls_reserve(struct query_calls *c, uint32_t n_groups)
{
    for (uint32_t i = 0; i < c->n; i++) {
        aggregate_reserve(c->items[i].aggregate, n_groups);
    }
}

void query_calls_clear(struct query_calls *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        aggregate_clear(c->items[i].aggregate);
        if (c->items[i].is_distinct) {
            groups_clear(&c->items[i].seen);
        }
    }
}

/* ---- one batch -------------------------------------------------------------------------------------- */

static void by_filter(struct query_calls *c, const struct column *filter,
                      const struct aggregate_rows *in, struct aggregate_rows *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = in->rows != NULL ? in->rows[i] : i;
        c->rows[n] = (uint16_t)row;
        c->groups[n] = in->groups != NULL ? in->groups[i] : 0;
        n += !column_is_null(filter, row) && column_get_bool(filter, row);
    }
    ret->rows = c->rows;
    ret->groups = c->groups;
    ret->n = n;
}

/* The rows whose group and arguments come for the first time. */
static int by_distinct(struct query_calls *c, struct query_call *call, const struct batch *b,
                       const struct aggregate_rows *in, struct aggregate_rows *ret,
                       struct error *err)
{
    const struct column *keys[AGGREGATE_ARGS_MAX + 1];
    struct data_type *type = type_new(TYPE_INTEGER, false);
    struct buffer values = {0};
    uint32_t by_row[BATCH_ROWS_MAX], found[BATCH_ROWS_MAX];
    struct column group = {.type = type, .values = &values};
    values.data = (uint8_t *)by_row;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = in->rows != NULL ? in->rows[i] : i;
        c->rows[i] = (uint16_t)row;
        by_row[row] = in->groups != NULL ? in->groups[i] : 0;
    }
    keys[0] = &group;
    for (uint32_t k = 0; k < call->n_args; k++) {
        keys[k + 1] = &b->columns[call->args[k]];
    }
    groups_hash(keys, call->n_args + 1, c->rows, in->n, c->hashes);
    const int n = groups_find(&call->seen, keys, c->hashes, c->rows, in->n, found, c->fresh, err);
    for (int i = 0; i < n; i++) {
        c->rows[i] = c->rows[c->fresh[i]]; /* which lies behind, or here */
        c->groups[i] = by_row[c->rows[i]];
    }
    type_unref(type);
    TRY(n);
    ret->rows = c->rows;
    ret->groups = c->groups;
    ret->n = (uint32_t)n;
    return 0;
}

int query_call_narrow(struct query_calls *c, struct query_call *call, const struct batch *b,
                      const struct aggregate_rows *in, struct aggregate_rows *ret,
                      struct error *err)
{
    *ret = *in;
    if (call->has_filter) {
        by_filter(c, &b->columns[call->filter], in, ret);
    }
    if (call->is_distinct) {
        const struct aggregate_rows narrowed = *ret;
        TRY(by_distinct(c, call, b, &narrowed, ret, err));
    }
    return 0;
}

int query_calls_add(struct query_calls *c, const struct batch *b, const struct aggregate_rows *in,
                    struct error *err)
{
    const struct column *args[AGGREGATE_ARGS_MAX];
    for (uint32_t i = 0; i < c->n; i++) {
        struct query_call *call = &c->items[i];
        struct aggregate_rows rows;
        TRY(query_call_narrow(c, call, b, in, &rows, err));
        for (uint32_t k = 0; k < call->n_args; k++) {
            args[k] = &b->columns[call->args[k]];
        }
        rows.args = args;
        TRY(aggregate_add(call->aggregate, &rows, err));
    }
    return 0;
}
