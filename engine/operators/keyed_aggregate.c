/* flinc.keyed_aggregate: rolling aggregates of a keyed stream.
 *
 * In STREAMING mode each record gives one result, the value so far; in BATCH mode each key gives its
 * final value at the end of input, a batch per call.  Semantics are those of Flink's aggregators: sum, min
 * and max change one field and keep the others of the first record of the key; minBy and maxBy give the
 * whole record, the first or the last of equals.
 * Flink: StreamGroupedReduceOperator, BatchGroupedReduceOperator.  Thread: the task's. */
#include "engine/operators/keyed_aggregate.h"
#include "engine/operators/registry.h"

#include "engine/data/hash.h"

static const char *const kind_names[] = {
    [FLINC__AGGREGATE_KIND__AGGREGATE_SUM] = "sum",
    [FLINC__AGGREGATE_KIND__AGGREGATE_MIN] = "min",
    [FLINC__AGGREGATE_KIND__AGGREGATE_MAX] = "max",
    [FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY] = "minBy",
    [FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY] = "maxBy",
    [FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE] = "reduce",
};

/* ---- configuration ----------------------------------------------------------------------------- */

static void config_free(Flinc__KeyedAggregateConfig **config)
{
    if (*config != NULL) {
        flinc__keyed_aggregate_config__free_unpacked(*config, NULL);
    }
}

static int check_config(const struct op_context *ctx, const Flinc__KeyedAggregateConfig *c,
                        struct error *err)
{
    const char *name = ctx->spec->name;
    if (ctx->n_inputs != 1 || ctx->n_outputs != 1 ||
        !schema_equals(ctx->input_schemas[0], ctx->output_schemas[0])) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': a keyed aggregate has one input and one output of the "
                         "same columns",
                         name);
    }
    uint32_t n_fields = ctx->input_schemas[0]->n_fields;
    bool columns_fit =
        (unsigned)c->kind < ARRAY_LEN(kind_names) && c->n_key_columns > 0 && c->column < n_fields;
    for (size_t i = 0; i < c->n_key_columns; i++) {
        columns_fit = columns_fit && c->key_columns[i] < n_fields;
    }
    if (!columns_fit) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': a keyed aggregate needs key columns and a column among "
                         "the %u of its input",
                         name, n_fields);
    }
    return 0;
}

static bool is_number(const struct data_type *type)
{
    return (type->id >= TYPE_TINYINT && type->id <= TYPE_DOUBLE);
}

/* sum, min, max, minBy, maxBy; reduce has no column. */
static int check_column(const struct keyed_aggregate *a, const struct op_context *ctx,
                        struct error *err)
{
    const struct field *f = &ctx->input_schemas[0]->fields[a->column];
    if (a->kind == FLINC__AGGREGATE_KIND__AGGREGATE_SUM && !is_number(f->type)) {
        STR_AUTO text = STR_INIT;
        type_print(f->type, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': column '%s' of type %s cannot be summed; sum takes "
                         "TINYINT, SMALLINT, INT, BIGINT, FLOAT and DOUBLE",
                         ctx->spec->name, f->name, str_cstr(&text));
    }
    if (a->kind != FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE && f->type->layout >= LAYOUT_LIST) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': column '%s' of type %s cannot be compared; min, max, "
                         "minBy and maxBy take numbers, booleans, strings, dates and times",
                         ctx->spec->name, f->name, type_id_name(f->type->id));
    }
    return 0;
}

/* By value: every column is a key or the aggregated one, which is none. */
static bool is_by_value(const struct keyed_aggregate *a, const struct schema *schema)
{
    if (a->kernel == NULL || a->n_keys + 1 != schema->n_fields) {
        return false;
    }
    for (uint32_t c = 0; c < schema->n_fields; c++) {
        bool is_key = false;
        for (uint32_t k = 0; k < a->n_keys; k++) {
            is_key = is_key || a->key_columns[k] == c;
        }
        if (is_key == (c == a->column)) {
            return false;
        }
    }
    return true;
}

/* ---- life -------------------------------------------------------------------------------------- */

static struct schema *key_schema_new(const struct keyed_aggregate *a, const struct schema *schema)
{
    const char **names = MEM_NEW_ARRAY(const char *, a->n_keys);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, a->n_keys);
    for (uint32_t k = 0; k < a->n_keys; k++) {
        names[k] = schema->fields[a->key_columns[k]].name;
        types[k] = type_ref(schema->fields[a->key_columns[k]].type);
    }
    struct schema *s = schema_new(names, types, a->n_keys);
    mem_free(names);
    mem_free(types);
    return s;
}

/* Before the exchange there are keys of all groups, and only until the input ends: nothing of it is in
 * snapshots. */
static int open_own(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    struct keyed_backend_options options = {.operator_name = ctx->spec->name,
                                            .pool = ctx->pool,
                                            .budget = ctx->state_budget,
                                            .max_parallelism = ctx->max_parallelism,
                                            .last_group = ctx->max_parallelism - 1};
    return keyed_backend_new("hashmap", &options, &a->own_backend, err);
}

static int open_state(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    struct keyed_backend *backend;
    if (a->local.enabled) {
        TRY(open_own(a, ctx, err));
        backend = a->own_backend;
    } else {
        TRY(op_keyed_backend(ctx, &backend, err));
    }
    struct keyed_state_desc desc = {
        .name = "_op_state", /* Flink's name of it */
        .key_schema = a->key_schema,
        .kind = "value",
        .grows_in_pieces = true,
    };
    if (a->by_value) {
        value_layout_init(&a->value_layout, ctx->input_schemas[0], a->column);
        desc.value_bytes = a->value_layout.size;
        desc.value_layout = &a->value_layout;
    } else {
        desc.record = &a->rows.readers[0].layout;
    }
    TRY_CTX(err, keyed_backend_state(backend, &desc, &a->state, err), "opening operator '%s'",
            ctx->spec->name);
    return 0;
}

static int aggregate_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct keyed_aggregate *a = (struct keyed_aggregate *)op;
    CLEANUP(config_free)
    Flinc__KeyedAggregateConfig *config =
        flinc__keyed_aggregate_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (config == NULL) {
        return error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged",
                         ctx->spec->name, ctx->spec->kind);
    }
    TRY(check_config(ctx, config, err));
    const struct schema *schema = ctx->input_schemas[0];
    a->kind = config->kind;
    a->column = config->column;
    a->first = config->first;
    a->local.enabled = config->local;
    a->final_only = (ctx->flags & OP_FLAG_BATCH_MODE) != 0;
    a->n_keys = (uint32_t)config->n_key_columns;
    a->key_columns = arena_alloc(ctx->arena, a->n_keys * sizeof(*a->key_columns));
    memcpy(a->key_columns, config->key_columns, a->n_keys * sizeof(*a->key_columns));
    a->key_schema = key_schema_new(a, schema);
    TRY(check_column(a, ctx, err));
    a->kernel = value_kernel_find(a->kind, schema->fields[a->column].type);
    a->value_width = schema->fields[a->column].type->width;
    a->by_value = is_by_value(a, schema);
    if (a->local.enabled && !(a->by_value && a->final_only)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': only sums, minima and maxima of numbers in BATCH mode are "
                         "added up before the exchange",
                         ctx->spec->name);
    }
    if (!a->by_value) {
        TRY_CTX(err, aggregate_records_open(a, ctx, config, err), "opening %s of operator '%s'",
                kind_names[a->kind], ctx->spec->name);
    }
    TRY(open_state(a, ctx, err));
    return user_functions_start(&a->rows.functions, err);
}

static void aggregate_close(struct operator* op, struct op_context *ctx)
{
    struct keyed_aggregate *a = (struct keyed_aggregate *)op;
    user_functions_close(&a->rows.functions);
    a->walk = keyed_walk_free(a->walk);
    a->own_backend = keyed_backend_free(a->own_backend);
    if (a->value_layout.schema != NULL) {
        record_layout_fini(&a->value_layout);
    }
    aggregate_records_close(a);
    row_operator_close(&a->rows);
    a->key_schema = schema_unref(a->key_schema);
}

/* ---- batches ----------------------------------------------------------------------------------- */

static int check_kinds(const struct op_context *ctx, const struct batch *b, struct error *err)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        if (UNLIKELY(b->row_kinds->data[batch_row(b, i)] != ROW_KIND_INSERT)) {
            return error_set(err, ERR_UNSUPPORTED,
                             "operator '%s': keyed aggregates of the DataStream API take inserts "
                             "only, and a record is %s",
                             ctx->spec->name,
                             row_kind_name((enum row_kind)b->row_kinds->data[batch_row(b, i)]));
        }
    }
    return 0;
}

/* Slots of the batch's keys; hashes are there when an exchange made them. */
static int find_slots(struct keyed_aggregate *a, struct op_context *ctx, struct batch **inout_batch,
                      struct error *err)
{
    struct batch *b = *inout_batch;
    if (b->row_kinds != NULL) {
        TRY(check_kinds(ctx, b, err));
    }
    if (b->hashes == NULL) {
        *inout_batch = b = batch_make_unique(ctx->pool, b);
        batch_hash_keys(ctx->pool, b, a->key_columns, a->n_keys);
    }
    return keyed_state_upsert(a->state, NAMESPACE_VOID, b, a->key_columns, a->slots, a->is_new,
                              err);
}

static int emit_results(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    int rc = a->by_value ? aggregate_values_emit(a, ctx, err) : aggregate_records_emit(a, ctx, err);
    if (rc == OP_DONE) {
        a->walk = keyed_walk_free(a->walk);
        keyed_state_drop_namespace(a->state, NAMESPACE_VOID);
        a->ended = false;
    }
    return rc;
}

static int begin_results(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    a->ended = true;
    a->n_walked = a->walked = 0;
    TRY(keyed_walk_start(a->state, NAMESPACE_VOID, &a->walk, err));
    return emit_results(a, ctx, err);
}

/* Before the exchange; the slots of the batch are found. */
static int aggregate_local(struct keyed_aggregate *a, struct op_context *ctx,
                           struct batch *take_batch, struct error *err)
{
    struct local_aggregate *l = &a->local;
    uint64_t n_new = 0;
    uint32_t n = take_batch->n_sel;

    for (uint32_t i = 0; i < n; i++) {
        n_new += a->is_new[i];
    }
    l->rows += n;
    l->keys += n_new;
    TRY(aggregate_values(a, ctx, take_batch, err));
    if (l->keys < LOCAL_KEYS_MAX) {
        return OP_DONE;
    }
    l->pass_through = l->rows / l->keys < LOCAL_ROWS_PER_KEY_MIN;
    l->rows = l->keys = 0;
    return begin_results(a, ctx, err);
}

static int aggregate_process(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct batch *take_batch, struct error *err)
{
    struct keyed_aggregate *a = (struct keyed_aggregate *)op;
    struct batch *b = take_batch;
    if (a->local.pass_through) {
        op_emit(ctx, 0, b);
        return OP_DONE;
    }
    int rc = find_slots(a, ctx, &b, err);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    if (a->local.enabled) {
        return aggregate_local(a, ctx, b, err);
    }
    if (a->by_value) {
        return aggregate_values(a, ctx, b, err);
    }
    TRY(row_operator_take(&a->rows, 0, b, err));
    return aggregate_records(a, ctx, err);
}

static int aggregate_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct keyed_aggregate *a = (struct keyed_aggregate *)op;
    return a->ended ? emit_results(a, ctx, err) : aggregate_records(a, ctx, err);
}

static int aggregate_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                                  struct error *err)
{
    struct keyed_aggregate *a = (struct keyed_aggregate *)op;
    if (!a->final_only) {
        return OP_DONE;
    }
    return begin_results(a, ctx, err);
}

const struct operator_desc operator_keyed_aggregate = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.keyed_aggregate",
    .summary = "Rolling sum, min, max, minBy, maxBy and reduce (KeyedStream)",
    .instance_size = sizeof(struct keyed_aggregate),
    .n_inputs = 1,
    .open = aggregate_open,
    .process = aggregate_process,
    .resume = aggregate_resume,
    .end_of_input = aggregate_end_of_input,
    .close = aggregate_close,
};
