/* See join.h.  Flink: BatchExecHashJoin, BatchExecNestedLoopJoin. */
#include "engine/query/join.h"

#include "engine/data/hash.h"
#include "engine/query/query.h"

#include <stdio.h>

static bool is_semi(const struct join_operator *j)
{
    return j->config->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI ||
           j->config->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI;
}

static bool is_anti(const struct join_operator *j)
{
    return j->config->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI;
}

/* Do rows of this input without a match come out, with NULLs? */
static bool is_kept(const struct join_operator *j, int input)
{
    const Flinc__QueryJoinType type = j->config->type;
    return type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL ||
           type == (input == JOIN_LEFT ? FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT
                                       : FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT);
}

static const uint32_t *keys_of(const struct join_operator *j, int input)
{
    return input == JOIN_LEFT ? j->config->left_keys : j->config->right_keys;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static int check_keys(const struct join_operator *j, const struct op_context *ctx,
                      struct error *err)
{
    const Flinc__QueryJoinConfig *c = j->config;
    if (c->n_left_keys != c->n_right_keys || c->n_null_equal > c->n_left_keys) {
        return query_config_damaged(ctx, "its keys are not pairs", err);
    }
    TRY(query_check_columns(ctx, ctx->input_schemas[0], c->left_keys, c->n_left_keys, err));
    TRY(query_check_columns(ctx, ctx->input_schemas[1], c->right_keys, c->n_right_keys, err));
    for (size_t k = 0; k < c->n_left_keys; k++) {
        const struct data_type *a = ctx->input_schemas[0]->fields[c->left_keys[k]].type;
        const struct data_type *b = ctx->input_schemas[1]->fields[c->right_keys[k]].type;
        if (a->id != b->id || a->layout != b->layout || a->scale != b->scale) {
            return query_config_damaged(ctx, "the two columns of a key have two types", err);
        }
    }
    if (c->null_aware && (!is_anti(j) || c->n_left_keys != 1 || c->n_conditions > 0)) {
        return error_set(err, ERR_UNSUPPORTED,
                         "operator '%s': NOT IN of several columns or with other conditions",
                         ctx->spec->name);
    }
    return 0;
}

static struct schema *joined_schema(const struct op_context *ctx)
{
    const struct schema *left = ctx->input_schemas[0], *right = ctx->input_schemas[1];
    const uint32_t n = left->n_fields + right->n_fields;
    const char **names = mem_alloc((n + 1) * sizeof(*names));
    struct data_type **types = mem_alloc((n + 1) * sizeof(*types));
    for (uint32_t i = 0; i < n; i++) {
        const struct field *f =
            i < left->n_fields ? &left->fields[i] : &right->fields[i - left->n_fields];
        names[i] = f->name;
        types[i] = type_with_nullable(f->type, true);
    }
    struct schema *joined = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return joined;
}

static int check_output(const struct join_operator *j, const struct op_context *ctx,
                        struct error *err)
{
    const struct schema *out = ctx->output_schemas[0];
    const struct schema *made = is_semi(j) ? ctx->input_schemas[0] : j->joined;
    bool fits = out->n_fields == made->n_fields;
    for (uint32_t i = 0; fits && i < out->n_fields; i++) {
        fits = out->fields[i].type->id == made->fields[i].type->id &&
               out->fields[i].type->layout == made->fields[i].type->layout;
    }
    return fits ? 0 : query_config_damaged(ctx, "its output has other columns", err);
}

static int join_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct join_operator *j = (struct join_operator *)op;
    j->built = -1;
    j->config = query_config_read(ctx, &flinc__query_join_config__descriptor, err);
    if (j->config == NULL) {
        return ERR_CORRUPT;
    }
    TRY(check_keys(j, ctx, err));
    j->joined = joined_schema(ctx);
    TRY(check_output(j, ctx, err));
    const struct query_program_spec spec = {
        .context = j->config->context,
        .exprs = j->config->exprs,
        .conditions = j->config->conditions,
        .n_conditions = j->config->n_conditions,
        .input = j->joined,
    };
    if (spec.n_conditions > 0) {
        TRY(query_program_open(&j->program, ctx, &spec, err));
    }
    j->memory = query_memory_open(ctx);
    query_rows_init(&j->rows[JOIN_LEFT], j->memory, ctx->input_schemas[0]);
    query_rows_init(&j->rows[JOIN_RIGHT], j->memory, ctx->input_schemas[1]);
    j->hashes = mem_alloc(BATCH_ROWS_MAX * sizeof(*j->hashes));
    j->met = mem_alloc(BATCH_ROWS_MAX);
    j->pair_probe = mem_alloc(JOIN_CHUNK * sizeof(*j->pair_probe));
    j->pair_built = mem_alloc(JOIN_CHUNK * sizeof(*j->pair_built));
    return 0;
}

static void join_close(struct operator* op, struct op_context *ctx)
{
    struct join_operator *j = (struct join_operator *)op;
    j->probe = batch_unref(j->probe);
    query_program_close(&j->program);
    for (int i = 0; i < JOIN_INPUTS; i++) {
        query_rows_fini(&j->rows[i]);
    }
    buffer_unref(j->table.heads);
    buffer_unref(j->table.nexts);
    buffer_unref(j->table.hashes);
    buffer_unref(j->table.met);
    schema_unref(j->joined);
    mem_free(j->hashes);
    mem_free(j->met);
    mem_free(j->pair_probe);
    mem_free(j->pair_built);
    query_config_free(j->config);
    j->memory = query_memory_close(j->memory);
}

/* ---- the table -------------------------------------------------------------------------------------- */

/* A NULL in a key that is not IS NOT DISTINCT FROM: the row has no match. */
static bool has_null_key(const struct join_operator *j, int input, const struct batch *b,
                         uint32_t row)
{
    const Flinc__QueryJoinConfig *c = j->config;
    const uint32_t *keys = keys_of(j, input);
    for (size_t k = 0; k < c->n_left_keys; k++) {
        const bool is_equal = k < c->n_null_equal && c->null_equal[k];
        if (!is_equal && column_is_null(&b->columns[keys[k]], row)) {
            return true;
        }
    }
    return false;
}

static void hash_rows(struct join_operator *j, int input, const struct batch *b)
{
    const struct column *keys[64] = {NULL};
    const size_t n = j->config->n_left_keys;
    const struct column **columns = n <= ARRAY_LEN(keys) ? keys : mem_alloc(n * sizeof(*columns));
    for (size_t k = 0; k < n; k++) {
        columns[k] = &b->columns[keys_of(j, input)[k]];
    }
    groups_hash(columns, (uint32_t)n, batch_sel(b), b->n_sel, j->hashes);
    if (columns != keys) {
        mem_free(columns);
    }
}

static struct buffer *zeroed(struct buffer_pool *pool, uint64_t bytes)
{
    struct buffer *b = buffer_get(pool, bytes + 1);
    memset(b->data, 0, bytes);
    return b;
}

static void add_batch(struct join_operator *j, uint32_t number)
{
    struct join_table *t = &j->table;
    const struct batch *b = j->rows[j->built].batches[number];
    uint32_t *heads = (uint32_t *)(void *)t->heads->data,
             *nexts = (uint32_t *)(void *)t->nexts->data;
    uint32_t *hashes = (uint32_t *)(void *)t->hashes->data;
    hash_rows(j, j->built, b);
    for (uint32_t row = b->n_rows; row-- > 0;) { /* so that chains are in the order of rows */
        const uint32_t id = (number << QUERY_ROWS_SHIFT) + row;
        if (has_null_key(j, j->built, b, row)) {
            j->right_has_null = true;
            continue;
        }
        uint32_t *head = &heads[(j->hashes[row] >> 32) & t->mask];
        hashes[id] = (uint32_t)j->hashes[row];
        nexts[id] = *head;
        *head = id + 1;
    }
}

static int build_table(struct join_operator *j, struct op_context *ctx, int built,
                       struct error *err)
{
    struct join_table *t = &j->table;
    struct query_rows *rows = &j->rows[built];
    uint64_t n_heads = 1024;
    j->built = built;
    query_rows_seal(&j->rows[JOIN_LEFT]);
    query_rows_seal(&j->rows[JOIN_RIGHT]);
    t->met = zeroed(j->memory, rows->n);
    if (j->config->n_left_keys > 0) {
        while (n_heads < rows->n * 2 && n_heads < UINT64_C(1) << 32) {
            n_heads *= 2;
        }
        t->mask = n_heads - 1;
        t->heads = zeroed(j->memory, n_heads * sizeof(uint32_t));
        t->nexts = zeroed(j->memory, rows->n * sizeof(uint32_t));
        t->hashes = zeroed(j->memory, rows->n * sizeof(uint32_t));
        for (uint32_t i = rows->n_batches; i-- > 0;) {
            TRY(query_check_cancelled(ctx, err));
            add_batch(j, i);
        }
    }
    return query_memory_check(ctx, "rows of its input", rows->n, err);
}

/* ---- probing ---------------------------------------------------------------------------------------- */

static void start_probe(struct join_operator *j, struct batch *take_batch)
{
    j->probe = take_batch;
    j->row = 0;
    j->is_begun = false;
    memset(j->met, 0, take_batch->n_rows);
    if (j->config->n_left_keys > 0) {
        hash_rows(j, 1 - j->built, take_batch);
    }
}

/* The first candidate of a row of the probe, + 1; 0: none. */
static uint32_t first_candidate(const struct join_operator *j, uint32_t row)
{
    const struct join_table *t = &j->table;
    if (j->config->n_left_keys == 0) {
        return j->rows[j->built].n > 0;
    }
    if (has_null_key(j, 1 - j->built, j->probe, row)) {
        return 0;
    }
    return ((const uint32_t *)(const void *)t->heads->data)[(j->hashes[row] >> 32) & t->mask];
}

static uint32_t next_candidate(const struct join_operator *j, uint32_t candidate)
{
    if (j->config->n_left_keys == 0) {
        return candidate < j->rows[j->built].n ? candidate + 1 : 0;
    }
    return ((const uint32_t *)(const void *)j->table.nexts->data)[candidate - 1];
}

static bool keys_match(const struct join_operator *j, uint32_t row, uint32_t built_row)
{
    const Flinc__QueryJoinConfig *c = j->config;
    const uint32_t *built = keys_of(j, j->built), *probe = keys_of(j, 1 - j->built);
    if (c->n_left_keys == 0) {
        return true;
    }
    if (((const uint32_t *)(const void *)j->table.hashes->data)[built_row] !=
        (uint32_t)j->hashes[row]) {
        return false;
    }
    for (size_t k = 0; k < c->n_left_keys; k++) {
        if (!query_cells_equal(&j->probe->columns[probe[k]], row,
                               query_rows_column(&j->rows[j->built], built[k], built_row),
                               query_rows_at(built_row))) {
            return false;
        }
    }
    return true;
}

/* One match decides: the other pairs of a row need not be looked at. */
static bool one_is_enough(const struct join_operator *j)
{
    return is_semi(j) && j->built == JOIN_RIGHT && j->program.program == NULL;
}

/* Pairs with equal keys, up to a chunk; goes on where it stopped. */
static uint32_t find_pairs(struct join_operator *j)
{
    const bool is_one = one_is_enough(j);
    uint32_t n = 0;
    for (; j->row < j->probe->n_sel; j->row++) {
        const uint32_t row = batch_row(j->probe, j->row);
        if (!j->is_begun) {
            j->candidate = first_candidate(j, row);
            j->is_begun = true;
        }
        while (j->candidate != 0) {
            const uint32_t built_row = j->candidate - 1;
            if (n == JOIN_CHUNK) {
                return n;
            }
            const bool is_match = keys_match(j, row, built_row);
            j->candidate = is_match && is_one ? 0 : next_candidate(j, j->candidate);
            j->pair_probe[n] = (uint16_t)row;
            j->pair_built[n] = built_row;
            n += is_match;
        }
        j->is_begun = false;
    }
    return n;
}

/* Pairs as rows of left and right. */
static int join_pairs(struct join_operator *j, struct op_context *ctx, uint32_t n,
                      struct batch **ret, struct error *err)
{
    const uint32_t n_left = ctx->input_schemas[0]->n_fields;
    const uint32_t at_probe = j->built == JOIN_LEFT ? n_left : 0;
    struct batch *b = batch_new(ctx->pool, j->joined);
    b->n_rows = b->n_sel = n;
    int rc = query_rows_gather_all(&j->rows[j->built], j->pair_built, n, ctx->pool, b,
                                   n_left - at_probe, err);
    for (uint32_t i = 0; rc == 0 && i < j->probe->n_columns; i++) {
        rc = query_column_gather(&j->probe->columns[i], j->pair_probe, n, ctx->pool,
                                 &b->columns[at_probe + i], err);
    }
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    *ret = b;
    return 0;
}

/* The same columns by the output's schema; takes the batch. */
static void emit_joined(struct join_operator *j, struct op_context *ctx, struct batch *take_batch)
{
    const uint32_t n = ctx->output_schemas[0]->n_fields;
    int32_t *map = mem_alloc((n + 1) * sizeof(*map));
    for (uint32_t i = 0; i < n; i++) {
        map[i] = (int32_t)i;
    }
    struct batch *out = batch_project(ctx->pool, take_batch, ctx->output_schemas[0], map);
    mem_free(map);
    batch_unref(take_batch);
    op_emit(ctx, 0, out);
}

static void mark_pair(struct join_operator *j, uint32_t i)
{
    j->met[j->pair_probe[i]] = 1;
    j->table.met->data[j->pair_built[i]] = 1;
}

/* The pairs that meet the conditions are noted, and go out. */
static int take_pairs(struct join_operator *j, struct op_context *ctx, uint32_t n,
                      struct error *err)
{
    struct batch *pairs = NULL, *passed = NULL;
    if (j->program.program == NULL) {
        for (uint32_t i = 0; i < n; i++) {
            mark_pair(j, i);
        }
        if (is_semi(j)) {
            return 0;
        }
    }
    TRY(join_pairs(j, ctx, n, &pairs, err));
    if (j->program.program != NULL) {
        const int rc = query_program_run(&j->program, ctx, pairs, &passed, err);
        if (rc < 0 || passed == NULL) {
            batch_unref(pairs);
            return rc;
        }
        for (uint32_t i = 0; i < passed->n_sel; i++) {
            mark_pair(j, batch_row(passed, i));
        }
        if (passed->sel != NULL) {
            batch_set_selection(pairs, buffer_ref(passed->sel), passed->n_sel);
        }
        batch_unref(passed);
    }
    if (is_semi(j)) {
        batch_unref(pairs);
    } else {
        emit_joined(j, ctx, pairs);
    }
    return 0;
}

/* ---- rows without a match --------------------------------------------------------------------------- */

/* Does a row of the left come out of SEMI or ANTI? */
static bool is_wanted(const struct join_operator *j, bool met, bool is_null)
{
    if (!is_anti(j)) {
        return met;
    }
    if (j->config->null_aware && j->rows[JOIN_RIGHT].n > 0) {
        return !met && !is_null && !j->right_has_null;
    }
    return !met;
}

/* A batch of one input's columns and NULLs for the other's; columns of the input are shared. */
static void emit_padded(struct join_operator *j, struct op_context *ctx, int input,
                        struct batch *rows)
{
    const uint32_t n_left = ctx->input_schemas[0]->n_fields, n = j->joined->n_fields;
    const uint32_t at = input == JOIN_LEFT ? 0 : n_left;
    int32_t *map = mem_alloc((n + 1) * sizeof(*map));
    for (uint32_t i = 0; i < n; i++) {
        map[i] = i >= at && i < at + rows->n_columns ? (int32_t)(i - at) : -1;
    }
    struct batch *out = batch_project(ctx->pool, rows, ctx->output_schemas[0], map);
    for (uint32_t i = 0; i < n; i++) {
        if (map[i] < 0) {
            column_fill_nulls(ctx->pool, &out->columns[i], out->n_rows);
        }
    }
    mem_free(map);
    op_emit(ctx, 0, out);
}

static void end_probe(struct join_operator *j, struct op_context *ctx)
{
    const int input = 1 - j->built;
    struct batch *b = STEAL(j->probe);
    const bool is_left_semi = is_semi(j) && input == JOIN_LEFT;
    if (!is_left_semi && !is_kept(j, input)) {
        batch_unref(b);
        return;
    }
    struct buffer *sel = buffer_get(ctx->pool, ((uint64_t)b->n_sel + 1) * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        const uint32_t row = batch_row(b, i);
        const bool is_null = j->config->null_aware && has_null_key(j, input, b, row);
        rows[n] = (uint16_t)row;
        n += is_left_semi ? is_wanted(j, j->met[row], is_null) : !j->met[row];
    }
    sel->size = n * sizeof(uint16_t);
    if (n == 0) {
        buffer_unref(sel);
        batch_unref(b);
        return;
    }
    b = batch_make_unique(ctx->pool, b);
    batch_set_selection(b, sel, n);
    if (is_left_semi) {
        emit_joined(j, ctx, b);
    } else {
        emit_padded(j, ctx, input, b);
        batch_unref(b);
    }
}

/* Rows of the built input that come out once all matches are known. */
static int emit_rest(struct join_operator *j, struct op_context *ctx, struct error *err)
{
    const struct query_rows *rows = &j->rows[j->built];
    const bool is_left_semi = is_semi(j) && j->built == JOIN_LEFT;
    uint32_t n = 0;
    if (!is_left_semi && !is_kept(j, j->built)) {
        j->next_rest = rows->n;
    }
    for (; j->next_rest < rows->n && n < JOIN_CHUNK; j->next_rest++) {
        const bool met = j->table.met->data[j->next_rest];
        j->pair_built[n] = (uint32_t)j->next_rest;
        n += is_left_semi ? is_wanted(j, met, false) : !met;
    }
    if (n > 0) {
        struct batch *b = batch_new(ctx->pool, ctx->input_schemas[j->built]);
        b->n_rows = b->n_sel = n;
        const int rc = query_rows_gather_all(rows, j->pair_built, n, ctx->pool, b, 0, err);
        if (rc < 0) {
            batch_unref(b);
            return rc;
        }
        if (is_left_semi) {
            emit_joined(j, ctx, b);
        } else {
            emit_padded(j, ctx, j->built, b);
            batch_unref(b);
        }
    }
    return j->next_rest < rows->n ? OP_MORE : OP_DONE;
}

/* ---- the operator ----------------------------------------------------------------------------------- */

/* One chunk of pairs, or what comes behind the last one. */
static int step(struct join_operator *j, struct op_context *ctx, struct error *err)
{
    TRY(query_check_cancelled(ctx, err));
    if (j->probe != NULL) {
        const uint32_t n = find_pairs(j);
        if (n > 0) {
            TRY(take_pairs(j, ctx, n, err));
        }
        if (j->row == j->probe->n_sel) {
            end_probe(j, ctx);
        }
        return OP_MORE;
    }
    struct query_rows *held = &j->rows[1 - j->built];
    if (j->next_held < held->n_batches) {
        start_probe(j, STEAL(held->batches[j->next_held]));
        j->next_held++;
        return OP_MORE;
    }
    return j->has_ended[JOIN_LEFT] && j->has_ended[JOIN_RIGHT] ? emit_rest(j, ctx, err) : OP_DONE;
}

/* As much as is known to give nothing, or one batch. */
static int join_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct join_operator *j = (struct join_operator *)op;
    return j->built < 0 ? OP_DONE : step(j, ctx, err);
}

static int join_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct join_operator *j = (struct join_operator *)op;
    int rc = query_check_inserts(ctx, take_batch, err);
    if (rc == 0 && j->built >= 0) {
        start_probe(j, take_batch);
        return step(j, ctx, err);
    }
    rc = rc == 0 ? query_rows_add(&j->rows[input], take_batch, err) : rc;
    batch_unref(take_batch);
    TRY(rc);
    return query_memory_check(ctx, "rows of its inputs",
                              j->rows[JOIN_LEFT].n + j->rows[JOIN_RIGHT].n, err);
}

static int join_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err)
{
    struct join_operator *j = (struct join_operator *)op;
    j->has_ended[input] = true;
    if (j->built < 0 && (!j->config->null_aware || j->has_ended[JOIN_RIGHT])) {
        TRY(build_table(j, ctx, j->config->null_aware ? JOIN_RIGHT : (int)input, err));
    }
    return j->built < 0 ? OP_DONE : step(j, ctx, err);
}

const struct operator_desc query_hash_join = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.hash_join",
    .summary = "Pairs of rows of two bounded inputs with equal keys (JOIN, IN, EXISTS)",
    .instance_size = sizeof(struct join_operator),
    .n_inputs = 2,
    .open = join_open,
    .process = join_process,
    .resume = join_resume,
    .end_of_input = join_end,
    .close = join_close,
};

const struct operator_desc query_nested_loop_join = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.nested_loop_join",
    .summary = "Pairs of rows of two bounded inputs by conditions alone (CROSS JOIN)",
    .instance_size = sizeof(struct join_operator),
    .n_inputs = 2,
    .open = join_open,
    .process = join_process,
    .resume = join_resume,
    .end_of_input = join_end,
    .close = join_close,
};
