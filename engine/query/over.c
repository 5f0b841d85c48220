/* flinc.query.over; see over.h.  Flink: BatchExecOverAggregate. */
#include "engine/query/over.h"

#include "engine/query/query.h"

static const struct {
    const char *name;
    enum over_function function;
    uint32_t n_args; /* at least */
} window_functions[] = {
    {"ROW_NUMBER", OVER_ROW_NUMBER, 0},
    {"RANK", OVER_RANK, 0},
    {"DENSE_RANK", OVER_DENSE_RANK, 0},
    {"PERCENT_RANK", OVER_PERCENT_RANK, 0},
    {"CUME_DIST", OVER_CUME_DIST, 0},
    {"NTILE", OVER_NTILE, 1},
    {"LAG", OVER_LAG, 1},
    {"LEAD", OVER_LEAD, 1},
};

/* ---- opening ---------------------------------------------------------------------------------------- */

static void make_keys(struct over_operator *o, struct op_context *ctx)
{
    const Flinc__OverConfig *c = o->config;
    const size_t n = c->n_partition + c->n_order;
    o->keys = arena_alloc(ctx->arena, (c->n_partition + 1) * sizeof(*o->keys));
    o->key_pointers = arena_alloc(ctx->arena, (n + 1) * sizeof(*o->key_pointers));
    for (size_t i = 0; i < c->n_partition; i++) {
        flinc__sort_key__init(&o->keys[i]);
        o->keys[i].column = c->partition[i];
        o->key_pointers[i] = &o->keys[i];
    }
    for (size_t i = 0; i < c->n_order; i++) {
        o->key_pointers[c->n_partition + i] = c->order[i];
    }
    o->partition = (struct query_order){o->key_pointers, (uint32_t)c->n_partition};
    o->order = (struct query_order){o->key_pointers + c->n_partition, (uint32_t)c->n_order};
    o->all = (struct query_order){o->key_pointers, (uint32_t)n};
}

static enum over_way way_of(const struct over_call *c, const struct query_call *call)
{
    if (c->lower.kind == FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING) {
        return OVER_GROWS;
    }
    return call->is_distinct                        ? OVER_ANEW
           : aggregate_can_retract(call->aggregate) ? OVER_RETRACTS
                                                    : OVER_STACKS;
}

static int open_function(struct over_operator *o, const struct op_context *ctx, struct over_call *c,
                         struct error *err)
{
    const Flinc__AggregateCall *call = c->config->call;
    for (size_t i = 0; i < ARRAY_LEN(window_functions); i++) {
        if (strcmp(call->function, window_functions[i].name) == 0) {
            c->function = window_functions[i].function;
            if (call->n_args < window_functions[i].n_args) {
                return query_config_damaged(ctx, "a window function without its arguments", err);
            }
        }
    }
    return query_check_columns(ctx, ctx->input_schemas[0], call->args, call->n_args, err);
}

static int open_calls(struct over_operator *o, struct op_context *ctx, struct error *err)
{
    const uint32_t n = o->n_calls = (uint32_t)o->config->n_calls;
    Flinc__AggregateCall **aggregates = arena_alloc(ctx->arena, (n + 1) * sizeof(*aggregates));
    struct query_calls_spec spec = {
        .calls = aggregates, .input = ctx->input_schemas[0], .pool = o->memory};
    o->calls = arena_zalloc(ctx->arena, (n + 1) * sizeof(*o->calls));
    for (uint32_t i = 0; i < n; i++) {
        struct over_call *c = &o->calls[i];
        c->config = o->config->calls[i];
        if (c->config->call == NULL) {
            return query_config_damaged(ctx, "a call without a function", err);
        }
        TRY(open_function(o, ctx, c, err));
        if (c->function == OVER_AGGREGATE) {
            c->number = (uint32_t)spec.n;
            aggregates[spec.n++] = c->config->call;
        }
    }
    TRY(query_calls_open(&o->aggregates, ctx, &spec, err));
    TRY(over_frames_open(o, ctx, err));
    for (uint32_t i = 0; i < n; i++) {
        if (o->calls[i].function == OVER_AGGREGATE) {
            o->calls[i].way = way_of(&o->calls[i], &o->aggregates.items[o->calls[i].number]);
        }
    }
    query_calls_reserve(&o->aggregates, OVER_STACK + 64);
    return 0;
}

/* Results are written by the layout of the output's columns. */
static int check_output(const struct over_operator *o, const struct op_context *ctx,
                        struct error *err)
{
    const struct schema *in = ctx->input_schemas[0], *out = ctx->output_schemas[0];
    bool fits = out->n_fields == in->n_fields + o->n_calls;
    for (uint32_t i = 0; fits && i < out->n_fields; i++) {
        const struct data_type *type = out->fields[i].type, *want = NULL;
        const struct over_call *c = i < in->n_fields ? NULL : &o->calls[i - in->n_fields];
        if (c == NULL) {
            want = in->fields[i].type;
        } else if (c->function == OVER_AGGREGATE) {
            want = o->aggregates.items[c->number].type;
        } else if (c->function >= OVER_LAG) {
            want = in->fields[c->config->call->args[0]].type;
        } else if (c->function == OVER_PERCENT_RANK || c->function == OVER_CUME_DIST) {
            fits = type->layout == LAYOUT_F64;
        } else {
            fits = type->layout == LAYOUT_I64 || type->layout == LAYOUT_I32;
        }
        fits &= want == NULL || (want->id == type->id && want->layout == type->layout);
    }
    return fits ? 0 : query_config_damaged(ctx, "its output has other columns", err);
}

static int over_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct over_operator *o = (struct over_operator *)op;
    o->config = query_config_read(ctx, &flinc__over_config__descriptor, err);
    if (o->config == NULL) {
        return ERR_CORRUPT;
    }
    make_keys(o, ctx);
    TRY(query_order_check(ctx, &o->all, ctx->input_schemas[0], err));
    o->memory = query_memory_open(ctx);
    query_rows_init(&o->rows, o->memory, ctx->input_schemas[0]);
    TRY(open_calls(o, ctx, err));
    return check_output(o, ctx, err);
}

static void over_close(struct operator* op, struct op_context *ctx)
{
    struct over_operator *o = (struct over_operator *)op;
    query_calls_close(&o->aggregates);
    query_rows_fini(&o->rows);
    o->numbers = buffer_unref(o->numbers);
    query_config_free(o->config);
    o->memory = query_memory_close(o->memory);
}

static int over_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct over_operator *o = (struct over_operator *)op;
    int rc = query_check_inserts(ctx, take_batch, err);
    rc = rc == 0 ? query_rows_add(&o->rows, take_batch, err) : rc;
    batch_unref(take_batch);
    return rc < 0 ? rc : query_memory_check(ctx, "rows of its input", o->rows.n, err);
}

/* ---- the cursor ------------------------------------------------------------------------------------- */

static const struct batch *batch_at(const struct over_operator *o, uint32_t position)
{
    return o->rows.batches[over_id(o, position) >> QUERY_ROWS_SHIFT];
}

static bool are_same(const struct over_operator *o, const struct query_order *by, uint32_t a,
                     uint32_t b)
{
    return query_order_compare(by, 0, batch_at(o, a), query_rows_at(over_id(o, a)), batch_at(o, b),
                               query_rows_at(over_id(o, b))) == 0;
}

static void start_partition(struct over_operator *o)
{
    struct over_place *p = &o->place;
    const uint32_t n = (uint32_t)o->rows.n;
    p->from = p->peer = p->end = p->row;
    p->dense = 0;
    for (p->to = p->row + 1; p->to < n && are_same(o, &o->partition, p->row, p->to); p->to++) {
    }
    for (uint32_t i = 0; i < o->n_calls; i++) {
        struct over_call *c = &o->calls[i];
        c->lo = c->hi = c->mid = c->base = p->from;
        over_frame_restart(o, c);
        if (c->function == OVER_AGGREGATE) {
            struct query_call *call = &o->aggregates.items[c->number];
            aggregate_reset(call->aggregate, OVER_RUNNING, 1);
            if (call->is_distinct) {
                groups_clear(&call->seen);
            }
        }
    }
}

/* To a row, which is the next one. */
static void move_to(struct over_operator *o, uint32_t row)
{
    struct over_place *p = &o->place;
    p->row = row;
    if (row == p->to) {
        start_partition(o);
    }
    if (row == p->end) {
        p->peer = row;
        p->dense++;
        for (p->end = row + 1; p->end < p->to && are_same(o, &o->order, row, p->end); p->end++) {
        }
    }
}

/* ---- aggregates ------------------------------------------------------------------------------------- */

static int change(struct over_operator *o, struct over_call *c, uint32_t position, uint32_t group,
                  bool is_added, struct error *err)
{
    struct query_call *call = &o->aggregates.items[c->number];
    const struct batch *b = batch_at(o, position);
    const struct column *args[AGGREGATE_ARGS_MAX];
    const uint16_t row = (uint16_t)query_rows_at(over_id(o, position));
    const struct aggregate_rows one = {.rows = &row, .groups = &group, .n = 1};
    struct aggregate_rows rows;
    TRY(query_call_narrow(&o->aggregates, call, b, &one, &rows, err));
    if (rows.n == 0) {
        return 0;
    }
    for (uint32_t k = 0; k < call->n_args; k++) {
        args[k] = &b->columns[call->args[k]];
    }
    rows.args = args;
    return is_added ? aggregate_add(call->aggregate, &rows, err)
                    : aggregate_retract(call->aggregate, &rows, err);
}

static int add_up_to(struct over_operator *o, struct over_call *c, uint32_t hi, struct error *err)
{
    for (; c->hi < hi; c->hi++) {
        TRY(change(o, c, c->hi, OVER_RUNNING, true, err));
    }
    return 0;
}

static int retracting(struct over_operator *o, struct over_call *c, uint32_t lo, uint32_t hi,
                      struct error *err)
{
    TRY(add_up_to(o, c, hi, err));
    for (; c->lo < lo; c->lo++) {
        TRY(change(o, c, c->lo, OVER_RUNNING, false, err));
    }
    return 0;
}

/* All of the frame becomes suffixes; nothing is left beside them. */
static int flip(struct over_operator *o, struct over_call *c, uint32_t lo, uint32_t hi,
                struct error *err)
{
    struct aggregate *a = o->aggregates.items[c->number].aggregate;
    const uint32_t n = hi - lo;
    aggregate_reserve(a, OVER_STACK + n);
    if (n > 0) {
        aggregate_reset(a, OVER_STACK, n);
    }
    for (uint32_t i = n; i-- > 0;) {
        const uint32_t to = OVER_STACK + i, from = to + 1;
        TRY(change(o, c, lo + i, to, true, err));
        if (i + 1 < n) {
            aggregate_merge_groups(a, &to, &from, 1);
        }
    }
    aggregate_reset(a, OVER_RUNNING, 1);
    c->base = c->lo = lo;
    c->mid = c->hi = hi;
    return 0;
}

static int stacking(struct over_operator *o, struct over_call *c, uint32_t lo, uint32_t hi,
                    struct error *err)
{
    if (lo >= c->mid) {
        return flip(o, c, lo, hi, err);
    }
    TRY(add_up_to(o, c, hi, err));
    c->lo = lo;
    return 0;
}

static int anew(struct over_operator *o, struct over_call *c, uint32_t lo, uint32_t hi,
                struct error *err)
{
    struct query_call *call = &o->aggregates.items[c->number];
    aggregate_reset(call->aggregate, OVER_RUNNING, 1);
    groups_clear(&call->seen);
    c->hi = lo;
    return add_up_to(o, c, hi, err);
}

/* The state of the current row's frame, in group `slot`. */
static int aggregate_row(struct over_operator *o, struct over_call *c, uint32_t slot,
                         struct error *err)
{
    struct aggregate *a = o->aggregates.items[c->number].aggregate;
    const uint32_t running = OVER_RUNNING;
    uint32_t lo, hi;
    over_frame(o, c, &lo, &hi);
    switch (c->way) {
    case OVER_GROWS:
        TRY(add_up_to(o, c, hi, err));
        break;
    case OVER_RETRACTS:
        TRY(retracting(o, c, lo, hi, err));
        break;
    case OVER_STACKS:
        TRY(stacking(o, c, lo, hi, err));
        if (lo < c->mid) {
            const uint32_t suffix = OVER_STACK + (lo - c->base);
            aggregate_merge_groups(a, &slot, &suffix, 1);
        }
        break;
    case OVER_ANEW:
        TRY(anew(o, c, lo, hi, err));
        break;
    }
    aggregate_merge_groups(a, &slot, &running, 1);
    return 0;
}

/* ---- window functions ------------------------------------------------------------------------------- */

static int64_t int_arg(const struct over_operator *o, const struct over_call *c, uint32_t k,
                       int64_t otherwise)
{
    const Flinc__AggregateCall *call = c->config->call;
    if (k >= call->n_args) {
        return otherwise;
    }
    const uint32_t id = over_id(o, o->place.row), row = query_rows_at(id);
    const struct column *column = query_rows_column(&o->rows, call->args[k], id);
    return column_is_null(column, row) ? otherwise : column_get_int(column, row);
}

/* n parts, the first ones a row larger. */
static int64_t ntile(const struct over_place *p, int64_t parts)
{
    const int64_t n = p->to - p->from, row = p->row - p->from;
    const int64_t size = n / parts, larger = n % parts, edge = larger * (size + 1);
    return row < edge ? row / (size + 1) + 1 : larger + (row - edge) / MAX(size, INT64_C(1)) + 1;
}

static int number_row(struct over_operator *o, struct over_call *c, struct column *to, uint32_t i,
                      struct error *err)
{
    const struct over_place *p = &o->place;
    const uint32_t n = p->to - p->from;
    switch (c->function) {
    case OVER_ROW_NUMBER:
        aggregate_put_int(to, i, p->row - p->from + 1);
        return 0;
    case OVER_RANK:
        aggregate_put_int(to, i, p->peer - p->from + 1);
        return 0;
    case OVER_DENSE_RANK:
        aggregate_put_int(to, i, p->dense);
        return 0;
    case OVER_PERCENT_RANK:
        aggregate_put_real(to, i, n > 1 ? (double)(p->peer - p->from) / (double)(n - 1) : 0);
        return 0;
    case OVER_CUME_DIST:
        aggregate_put_real(to, i, (double)(p->end - p->from) / (double)n);
        return 0;
    default: {
        const int64_t parts = int_arg(o, c, 0, 0);
        if (parts <= 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "NTILE: the number of parts must be positive");
        }
        aggregate_put_int(to, i, ntile(p, parts));
        return 0;
    }
    }
}

/* The neighbour's row, QUERY_NO_ROW when there is none. */
static uint32_t neighbour(const struct over_operator *o, const struct over_call *c)
{
    const struct over_place *p = &o->place;
    const int64_t by = int_arg(o, c, 1, 1);
    const int64_t back = MAX(by, -(int64_t)UINT32_MAX), distance = MIN(back, (int64_t)UINT32_MAX);
    const int64_t at = (int64_t)p->row + (c->function == OVER_LAG ? -distance : distance);
    return at >= p->from && at < p->to ? over_id(o, (uint32_t)at) : QUERY_NO_ROW;
}

/* Values of neighbours, or defaults of the rows themselves. */
static int fill_neighbours(struct over_operator *o, struct op_context *ctx,
                           const struct over_call *c, const uint32_t *ids, const uint32_t *own,
                           uint32_t n, struct column *ret, struct error *err)
{
    const Flinc__AggregateCall *call = c->config->call;
    if (call->n_args < 3) {
        return query_rows_gather(&o->rows, call->args[0], ids, n, ctx->pool, ret, err);
    }
    struct builder b;
    int rc = 0;
    builder_init_column(&b, ctx->pool, ret->type, true);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        const bool is_there = ids[i] != QUERY_NO_ROW;
        const uint32_t id = is_there ? ids[i] : own[i];
        const struct column *from = query_rows_column(&o->rows, call->args[is_there ? 0 : 2], id);
        builder_begin(&b);
        if (column_is_null(from, query_rows_at(id))) {
            builder_put_null(&b, 0);
        } else {
            rc = builder_put_cell(&b, 0, from, query_rows_at(id), err);
        }
        builder_end_row(&b);
    }
    return builder_fini_column(&b, rc, ret);
}

/* ---- chunks ----------------------------------------------------------------------------------------- */

/* A chunk ends with a partition where it can, so that what aggregates hold can go. */
static int fill_chunk(struct over_operator *o, struct batch *out, uint32_t *neighbours,
                      uint32_t *ret_n, struct error *err)
{
    const uint32_t n_input = o->rows.builder.schema->n_fields, total = (uint32_t)o->rows.n;
    uint32_t n = 0;
    while (n < OVER_CHUNK && o->next < total && !(n >= OVER_CHUNK / 2 && o->next == o->place.to)) {
        move_to(o, o->next);
        for (uint32_t k = 0; k < o->n_calls; k++) {
            struct over_call *c = &o->calls[k];
            if (c->function == OVER_AGGREGATE) {
                TRY(aggregate_row(o, c, n, err));
            } else if (c->function >= OVER_LAG) {
                neighbours[(size_t)k * OVER_CHUNK + n] = neighbour(o, c);
            } else {
                TRY(number_row(o, c, &out->columns[n_input + k], n, err));
            }
        }
        o->next++;
        n++;
    }
    *ret_n = n;
    return 0;
}

static void trim_column(struct column *c, uint32_t n)
{
    c->values->size = column_values_bytes(c->type, n);
}

static int finish_chunk(struct over_operator *o, struct op_context *ctx, struct batch *out,
                        const uint32_t *neighbours, const uint32_t *slots, uint32_t first,
                        uint32_t n, struct error *err)
{
    const uint32_t n_input = o->rows.builder.schema->n_fields;
    const uint32_t *own = (const uint32_t *)(const void *)o->numbers->data + first;
    out->n_rows = out->n_sel = n;
    TRY(query_rows_gather_all(&o->rows, own, n, ctx->pool, out, 0, err));
    for (uint32_t k = 0; k < o->n_calls; k++) {
        struct over_call *c = &o->calls[k];
        struct column *to = &out->columns[n_input + k];
        if (c->function == OVER_AGGREGATE) {
            struct aggregate *a = o->aggregates.items[c->number].aggregate;
            TRY(aggregate_result(a, slots, n, ctx->pool, to, err));
            aggregate_reset(a, 0, n);
        } else if (c->function >= OVER_LAG) {
            TRY(fill_neighbours(o, ctx, c, neighbours + (size_t)k * OVER_CHUNK, own, n, to, err));
        } else {
            trim_column(to, n);
        }
    }
    if (o->next == o->place.to) { /* nothing of it is needed any more */
        query_calls_clear(&o->aggregates);
        query_calls_reserve(&o->aggregates, OVER_STACK + 64);
    }
    return 0;
}

static int make_chunk(struct over_operator *o, struct op_context *ctx, struct batch *out,
                      struct error *err)
{
    const uint32_t n_input = o->rows.builder.schema->n_fields, first = o->next;
    uint32_t *neighbours = mem_alloc(((size_t)o->n_calls + 1) * OVER_CHUNK * sizeof(uint32_t));
    uint32_t *slots = neighbours + (size_t)o->n_calls * OVER_CHUNK, n = 0;
    for (uint32_t i = 0; i < OVER_CHUNK; i++) {
        slots[i] = i;
    }
    for (uint32_t k = 0; k < o->n_calls; k++) {
        if (o->calls[k].function != OVER_AGGREGATE && o->calls[k].function < OVER_LAG) {
            aggregate_column(ctx->pool, &out->columns[n_input + k], OVER_CHUNK);
        }
    }
    int rc = fill_chunk(o, out, neighbours, &n, err);
    if (rc == 0) {
        rc = finish_chunk(o, ctx, out, neighbours, slots, first, n, err);
    }
    mem_free(neighbours);
    return rc;
}

static int over_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct over_operator *o = (struct over_operator *)op;
    if (o->next < o->rows.n) {
        struct batch *out = batch_new(ctx->pool, ctx->output_schemas[0]);
        int rc = query_check_cancelled(ctx, err);
        rc = rc == 0 ? make_chunk(o, ctx, out, err) : rc;
        rc = rc == 0 ? query_memory_check(ctx, "rows of its input", o->rows.n, err) : rc;
        if (rc < 0) {
            batch_unref(out);
            return rc;
        }
        op_emit(ctx, 0, out);
    }
    return o->next < o->rows.n ? OP_MORE : OP_DONE;
}

static int over_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err)
{
    struct over_operator *o = (struct over_operator *)op;
    query_rows_seal(&o->rows);
    TRY(query_order_sort(&o->all, &o->rows, ctx, o->memory, &o->numbers, err));
    return over_resume(op, ctx, err);
}

const struct operator_desc query_over = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.over",
    .summary = "Rows of a bounded input, each with values of the rows around it (OVER)",
    .instance_size = sizeof(struct over_operator),
    .n_inputs = 1,
    .open = over_open,
    .process = over_process,
    .resume = over_resume,
    .end_of_input = over_end,
    .close = over_close,
};
