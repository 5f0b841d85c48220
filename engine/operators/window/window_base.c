/* The shared part of window operators. */
#include "engine/operators/window/window_base.h"

#include "common/metrics/registry.h"
#include "engine/data/hash.h"
#include "engine/operators/registry.h"

/* ---- keys -------------------------------------------------------------------------------------- */

/* windowAll: one constant, that all records share. */
static void make_constant_key(struct window_base *w, struct op_context *ctx)
{
    const char *name = "all";
    struct data_type *type = type_new(TYPE_BIGINT, false);
    w->key_schema = schema_new(&name, &type, 1);
    w->is_all = true;
    w->n_keys = 1;
    w->key_columns = arena_zalloc(ctx->arena, sizeof(*w->key_columns));
}

static int make_keys(struct window_base *w, struct op_context *ctx, struct error *err)
{
    const struct schema *input = ctx->input_schemas[0];
    const Flinc__WindowConfig *c = w->config;
    if (c->n_key_columns == 0) {
        make_constant_key(w, ctx);
        return 0;
    }
    w->n_keys = (uint32_t)c->n_key_columns;
    const char **names = MEM_NEW_ARRAY(const char *, w->n_keys);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, w->n_keys);
    w->key_columns = arena_alloc(ctx->arena, w->n_keys * sizeof(*w->key_columns));
    uint32_t n = 0;
    while (n < w->n_keys && c->key_columns[n] < input->n_fields) {
        w->key_columns[n] = c->key_columns[n];
        names[n] = input->fields[c->key_columns[n]].name;
        types[n] = type_ref(input->fields[c->key_columns[n]].type);
        n++;
    }
    w->key_schema = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return n == w->n_keys
               ? 0
               : error_set(err, ERR_INVALID_ARGUMENT,
                           "operator '%s': key column %u is not among the %u columns of its input",
                           ctx->spec->name, c->key_columns[n], input->n_fields);
}

/* The second input's keys: as many, of the same types. */
static int make_second_keys(struct window_base *w, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->config;
    const struct schema *second = ctx->input_schemas[1];
    bool fits = c->n_key_columns_second == c->n_key_columns && c->n_key_columns > 0;
    for (size_t i = 0; fits && i < c->n_key_columns_second; i++) {
        fits = c->key_columns_second[i] < second->n_fields &&
               second->fields[c->key_columns_second[i]].type->layout ==
                   w->key_schema->fields[i].type->layout;
    }
    if (!fits) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': both inputs have the same number of key columns of the same "
            "types",
            ctx->spec->name);
    }
    w->second_columns = arena_alloc(ctx->arena, w->n_keys * sizeof(*w->second_columns));
    memcpy(w->second_columns, c->key_columns_second, w->n_keys * sizeof(*w->second_columns));
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int check_shape(const struct window_base *w, const struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->config;
    const Flinc__WindowAssigner *a = c->assigner;
    bool is_join = w->base.desc == &operator_interval_join; /* it has no windows */
    if (ctx->n_inputs != w->base.desc->n_inputs || ctx->n_outputs == 0 ||
        c->late_output >= ctx->n_outputs || (!is_join && (a == NULL || c->trigger == NULL))) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': a window has its inputs, an assigner, a trigger and a side "
            "output for each tag",
            ctx->spec->name);
    }
    if (is_join) {
        return 0;
    }
    bool is_sized = a->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING ||
                    a->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING;
    if (is_sized && (a->size_ms <= 0 || a->slide_ms <= 0 || a->offset_ms <= -a->slide_ms ||
                     a->offset_ms >= a->slide_ms)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': a window's size and slide are positive and its offset is "
                         "less than the slide: size %lld ms, slide %lld ms, offset %lld ms",
                         ctx->spec->name, (long long)a->size_ms, (long long)a->slide_ms,
                         (long long)a->offset_ms);
    }
    return 0;
}

int window_base_open(struct window_base *w, struct op_context *ctx, struct error *err)
{
    w->config = flinc__window_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    w->time_ms = INT64_MIN;
    if (w->config == NULL) {
        return error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged",
                         ctx->spec->name, ctx->spec->kind);
    }
    TRY(check_shape(w, ctx, err));
    w->late_output = w->config->late_output;
    w->is_global = w->config->assigner != NULL &&
                   w->config->assigner->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL;
    w->processing_time = w->config->assigner != NULL && w->config->assigner->processing_time;
    TRY(make_keys(w, ctx, err));
    if (ctx->n_inputs > 1) {
        TRY(make_second_keys(w, ctx, err));
    }
    w->plain_columns = arena_alloc(ctx->arena, w->n_keys * sizeof(*w->plain_columns));
    for (uint32_t i = 0; i < w->n_keys; i++) {
        w->plain_columns[i] = i;
    }
    key_group_range(ctx->subtask, ctx->max_parallelism, ctx->parallelism, &w->first_group,
                    &w->last_group);
    if (ctx->metrics != NULL) {
        w->late_counter = metric_group_counter(ctx->metrics, "numLateRecordsDropped");
    }
    TRY(op_keyed_backend(ctx, &w->backend, err));
    return window_progress_open(w, ctx, err);
}

void window_base_close(struct window_base *w)
{
    if (w->config != NULL) {
        flinc__window_config__free_unpacked(w->config, NULL);
        w->config = NULL;
    }
    w->key_schema = schema_unref(w->key_schema);
    mem_free(w->group_time);
    w->group_time = NULL;
}

/* ---- time --------------------------------------------------------------------------------------- */

int64_t window_key_now(const struct window_base *w, const struct op_context *ctx, uint64_t hash,
                       int64_t now)
{
    if (LIKELY(!window_has_ahead(w, now))) {
        return now;
    }
    uint32_t group = (uint32_t)hash % ctx->max_parallelism;
    ASSERT(group >= w->first_group && group <= w->last_group);
    return MAX(now, w->group_time[group - w->first_group]);
}

/* ---- records ----------------------------------------------------------------------------------- */

static int check_records(const struct window_base *w, const struct op_context *ctx,
                         const struct batch *b, struct error *err)
{
    for (uint32_t i = 0; b->row_kinds != NULL && i < b->n_sel; i++) {
        if (UNLIKELY(b->row_kinds->data[batch_row(b, i)] != ROW_KIND_INSERT)) {
            return error_set(
                err, ERR_UNSUPPORTED,
                "operator '%s': windows and interval joins take inserts only, and a record is %s",
                ctx->spec->name, row_kind_name((enum row_kind)b->row_kinds->data[batch_row(b, i)]));
        }
    }
    if (w->processing_time || w->is_global) {
        return 0;
    }
    const int64_t *times =
        b->timestamps != NULL ? (const int64_t *)(const void *)b->timestamps->data : NULL;
    bool missing = times == NULL;
    for (uint32_t i = 0; times != NULL && i < b->n_sel; i++) {
        missing |= times[batch_row(b, i)] == BATCH_NO_TIMESTAMP;
    }
    if (missing && b->n_sel > 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': a record has no timestamp, which event-time windows and "
                         "interval joins need; "
                         "give the stream a watermark strategy that assigns timestamps, or use "
                         "windows of processing time",
                         ctx->spec->name);
    }
    return 0;
}

int window_base_admit(struct window_base *w, struct op_context *ctx, uint32_t input,
                      struct batch **inout_batch, struct error *err)
{
    struct batch *b = *inout_batch;
    TRY(check_records(w, ctx, b, err));
    if (!w->is_all && b->hashes == NULL) {
        *inout_batch = b = batch_make_unique(ctx->pool, b);
        batch_hash_keys(ctx->pool, b, input == 0 ? w->key_columns : w->second_columns, w->n_keys);
    }
    return 0;
}

struct batch *window_keys(const struct window_base *w, struct op_context *ctx, struct batch *b)
{
    if (!w->is_all) {
        return batch_ref(b);
    }
    struct batch *keys = batch_new(ctx->pool, w->key_schema);
    struct buffer *zeros = buffer_get(ctx->pool, (uint64_t)b->n_rows * 8);
    zeros->size = (uint64_t)b->n_rows * 8;
    memset(zeros->data, 0, zeros->size);
    column_set_values(&keys->columns[0], zeros);
    keys->n_rows = keys->n_sel = b->n_rows;
    if (b->sel != NULL) {
        batch_set_selection(keys, buffer_ref(b->sel), b->n_sel);
    }
    batch_hash_keys(ctx->pool, keys, w->key_columns, w->n_keys);
    return keys;
}

struct batch *window_select(struct op_context *ctx, struct batch *b, struct buffer *take_sel,
                            uint32_t n)
{
    struct batch *part = batch_make_unique(ctx->pool, batch_ref(b));
    take_sel->size = (uint64_t)n * sizeof(uint16_t);
    batch_set_selection(part, take_sel, n);
    return part;
}

void window_emit_late(struct window_base *w, struct op_context *ctx, struct batch *b)
{
    if (LIKELY(w->n_marked == 0)) {
        return;
    }
    if (w->late_output > 0) {
        struct buffer *sel = buffer_get(ctx->pool, b->n_sel * sizeof(uint16_t));
        uint32_t n = 0;
        for (uint32_t i = 0; i < b->n_sel; i++) {
            uint32_t row = batch_row(b, i);
            if (w->late[row]) {
                ((uint16_t *)(void *)sel->data)[n++] = (uint16_t)row;
            }
        }
        struct batch *late = window_select(ctx, b, sel, n);
        late->hashes = buffer_unref(late->hashes);
        op_emit(ctx, w->late_output, late);
    } else {
        w->n_late += w->n_marked;
        if (w->late_counter != NULL) {
            metric_counter_add(w->late_counter, w->n_marked);
        }
    }
    w->n_marked = 0;
    memset(w->late, 0, b->n_rows);
}

/* ---- results ----------------------------------------------------------------------------------- */

void window_copy_hashes(struct op_context *ctx, const struct keyed_state *s, const uint32_t *slots,
                        uint32_t n, struct batch *keys)
{
    struct buffer *hashes = buffer_get(ctx->pool, (uint64_t)n * sizeof(uint64_t));
    hashes->size = (uint64_t)n * sizeof(uint64_t);
    for (uint32_t i = 0; i < n; i++) {
        ((uint64_t *)(void *)hashes->data)[i] = keyed_table_hash(s->table, slots[i]);
    }
    buffer_unref(keys->hashes);
    keys->hashes = hashes;
}
