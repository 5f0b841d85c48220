/* Configurations, programs and memory of the operators of queries. */
#include "engine/query/inside.h"

#include "common/text/time_zone.h"
#include "engine/expr/wire.h"

#include <inttypes.h>

/* ---- configurations --------------------------------------------------------------------------------- */

void *query_config_read(const struct op_context *ctx, const ProtobufCMessageDescriptor *type,
                        struct error *err)
{
    void *config =
        protobuf_c_message_unpack(type, NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (config == NULL) {
        (void)query_config_damaged(ctx, "it cannot be read", err);
    }
    return config;
}

void query_config_free(void *config)
{
    if (config != NULL) {
        protobuf_c_message_free_unpacked(config, NULL);
    }
}

int query_config_damaged(const struct op_context *ctx, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged: %s",
                     ctx->spec->name, ctx->spec->kind, what);
}

int query_check_columns(const struct op_context *ctx, const struct schema *schema,
                        const uint32_t *columns, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (columns[i] >= schema->n_fields) {
            return query_config_damaged(ctx, "it names a column that is not there", err);
        }
    }
    return 0;
}

int query_check_inserts(const struct op_context *ctx, const struct batch *b, struct error *err)
{
    if (b->row_kinds == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < b->n_sel; i++) {
        const uint8_t kind = b->row_kinds->data[batch_row(b, i)];
        if (kind != ROW_KIND_INSERT) {
            return error_set(err, ERR_UNSUPPORTED,
                             "operator '%s' (%s) takes inserts alone, and its input has a row of "
                             "kind %s",
                             ctx->spec->name, ctx->spec->kind, row_kind_name((enum row_kind)kind));
        }
    }
    return 0;
}

int query_check_cancelled(const struct op_context *ctx, struct error *err)
{
    if (ctx->cancelled != NULL && atomic_load_explicit(ctx->cancelled, memory_order_relaxed)) {
        return error_set(err, ERR_CANCELLED, "operator '%s': the task is being cancelled",
                         ctx->spec->name);
    }
    return 0;
}

/* ---- programs --------------------------------------------------------------------------------------- */

/* What is needed while a program is made. */
struct making {
    const struct op_context *ctx;
    const struct query_program_spec *spec;
    struct expr_pool *pool;
    struct arena arena;
    struct schema *nothing; /* Owns a ref: of programs without outputs */
};

static int pick(const struct making *m, const struct expr **nodes, const uint32_t *indexes,
                size_t n, const struct expr **ret, struct error *err)
{
    const size_t n_nodes = m->spec->exprs != NULL ? m->spec->exprs->n_nodes : 0;
    for (size_t i = 0; i < n; i++) {
        if (indexes[i] >= n_nodes) {
            return query_config_damaged(m->ctx, "it names an expression that is not there", err);
        }
        ret[i] = nodes[indexes[i]];
    }
    return 0;
}

static bool same_but_nullable(const struct data_type *a, const struct data_type *b)
{
    struct data_type *c = type_with_nullable(a, b->nullable);
    const bool same = type_equals(c, b);
    type_unref(c);
    return same;
}

static int check_types(const struct making *m, const struct expr *const *conditions,
                       const struct expr *const *outputs, struct error *err)
{
    const struct query_program_spec *spec = m->spec;
    for (size_t i = 0; i < spec->n_conditions; i++) {
        if (conditions[i]->type->id != TYPE_BOOLEAN) {
            return query_config_damaged(m->ctx, "a condition is not BOOLEAN", err);
        }
    }
    if (spec->output != NULL && spec->n_outputs != spec->output->n_fields) {
        return query_config_damaged(m->ctx, "it has another number of outputs than columns", err);
    }
    for (size_t i = 0; i < spec->n_outputs; i++) {
        if (!same_but_nullable(outputs[i]->type, spec->output->fields[i].type)) {
            STR_AUTO text = STR_INIT;
            str_printf(&text, "column '%s' is %s", spec->output->fields[i].name, "");
            type_print(spec->output->fields[i].type, &text);
            str_append_cstr(&text, ", its expression ");
            type_print(outputs[i]->type, &text);
            return query_config_damaged(m->ctx, str_cstr(&text), err);
        }
    }
    return 0;
}

static int make_program(struct making *m, struct query_program *p, struct error *err)
{
    const struct query_program_spec *spec = m->spec;
    const Flinc__QueryContext *c = spec->context;
    const struct expr **nodes = NULL;
    const struct expr **conditions =
        arena_alloc(&m->arena, (spec->n_conditions + 1) * sizeof(*conditions));
    const struct expr **outputs = arena_alloc(&m->arena, (spec->n_outputs + 1) * sizeof(*outputs));
    if (c != NULL && c->time_zone[0] != '\0') {
        TRY(time_zone_open(c->time_zone, &p->zone, err));
    }
    TRY(expr_read(spec->exprs, spec->input, m->pool, &m->arena, &nodes, err));
    TRY(pick(m, nodes, spec->conditions, spec->n_conditions, conditions, err));
    TRY(pick(m, nodes, spec->outputs, spec->n_outputs, outputs, err));
    TRY(check_types(m, conditions, outputs, err));
    const struct expr_program_options options = {
        .input = spec->input,
        .conditions = conditions,
        .n_conditions = (uint32_t)spec->n_conditions,
        .outputs = outputs,
        .n_outputs = (uint32_t)spec->n_outputs,
        .output = spec->output != NULL ? spec->output : m->nothing,
        .zone = p->zone,
        .is_batch = c != NULL && c->is_batch,
        .query_start_ms = c != NULL ? c->query_start_ms : 0,
        .subtask = m->ctx->subtask,
    };
    return expr_program_new(&options, &p->program, err);
}

int query_program_open(struct query_program *p, const struct op_context *ctx,
                       const struct query_program_spec *spec, struct error *err)
{
    struct making m = {
        .ctx = ctx,
        .spec = spec,
        .pool = expr_pool_new(),
        .nothing = schema_new(NULL, NULL, 0),
    };
    arena_init(&m.arena, 0);
    const int rc = make_program(&m, p, err);
    arena_fini(&m.arena);
    expr_pool_free(m.pool);
    schema_unref(m.nothing);
    return rc;
}

void query_program_close(struct query_program *p)
{
    p->program = expr_program_free(p->program);
    p->zone = time_zone_free(p->zone);
}

int query_program_run(struct query_program *p, struct op_context *ctx, struct batch *in,
                      struct batch **ret, struct error *err)
{
    const struct expr_clock clock = {
        .now_ms = clock_now_ms(ctx->clock),
        .watermark = op_watermark(ctx),
    };
    return expr_program_run(p->program, ctx->pool, in, &clock, ret, err);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

struct buffer_pool *query_memory_open(const struct op_context *ctx)
{
    const struct buffer_pool_options options = {
        .name = ctx->spec->name,
        .budget = ctx->state_budget,
    };
    return buffer_pool_new(&options);
}

struct buffer_pool *query_memory_close(struct buffer_pool *pool)
{
    return pool != NULL ? buffer_pool_close(pool) : NULL;
}

int query_memory_check(const struct op_context *ctx, const char *what, uint64_t n,
                       struct error *err)
{
    const struct mem_budget *budget = ctx->state_budget;
    if (budget == NULL || !mem_budget_is_full(budget)) {
        return 0;
    }
    return error_set(
        err, ERR_LIMIT,
        "operator '%s' (%s) holds %" PRIu64 " %s, and the managed memory is at its end: %" PRIu64
        " of %" PRIu64 " bytes of '%s' are in use; raise "
        "taskmanager.memory.managed.size, or run with more parallelism",
        ctx->spec->name, ctx->spec->kind, n, what, (uint64_t)atomic_load(&budget->used_bytes),
        (uint64_t)atomic_load(&budget->limit_bytes), budget->name);
}
