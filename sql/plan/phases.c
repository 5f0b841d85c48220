/* Aggregates in two phases: each subtask's rows to accumulators by group, those together by an exchange, and merged there.
 *
 * table.optimizer.agg-phase-strategy: AUTO and TWO_PHASE do it wherever all calls can be merged; ONE_PHASE never.  DISTINCT, an order of
 * the rows, and aggregates without accumulators take one phase.
 * Flink: BatchPhysicalHashAggRule, AggregatePhaseStrategy. */
#include "sql/plan/rules.h"

#include "engine/expr/aggregate.h"

enum { STRATEGY_AUTO, STRATEGY_ONE_PHASE, STRATEGY_TWO_PHASE }; /* as the option's values */

struct parts {
    struct data_type *types[AGGREGATE_ACCUMULATORS_MAX]; /* Owns */
    uint32_t n;
};

static void parts_fini(struct parts *p)
{
    while (p->n > 0) {
        type_unref(p->types[--p->n]);
    }
}

/* What the call keeps per group; false: it cannot be merged. */
static bool parts_of(const struct rel *input, const struct rel_aggregate_call *c, struct parts *ret)
{
    const struct data_type *args[AGGREGATE_ARGS_MAX];
    struct error ignored = ERROR_INIT;
    ret->n = 0;
    if (c->distinct || c->order.n > 0 || c->args.n > AGGREGATE_ARGS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < c->args.n; i++) {
        args[i] = input->schema->fields[c->args.items[i]].type;
    }
    return aggregate_accumulators(c->function, args, c->args.n, c->type, ret->types, &ret->n,
                                  &ignored) == 0 &&
           ret->n > 0;
}

bool aggregate_has_phases(const struct optimizer *o, const struct rel *input,
                          const struct rel_aggregate *a)
{
    const struct conf *conf = o->p->options.conf;
    bool can =
        conf == NULL || conf_enum(conf, "table.optimizer.agg-phase-strategy") != STRATEGY_ONE_PHASE;
    for (uint32_t i = 0; can && i < a->n_calls; i++) {
        struct parts parts;
        can = parts_of(input, &a->calls[i], &parts);
        parts_fini(&parts);
    }
    return can;
}

/* "sum$0", "count1$2": as Flink names what is between the phases. */
static const char *part_name(struct sql_plan *p, const struct rel_aggregate_call *c, uint32_t k,
                             uint32_t number)
{
    STR_AUTO name = STR_INIT;
    const char *function = c->function->name;
    if (strcmp(function, "AVG") == 0 || strcmp(function, "SUM") == 0) {
        function = k == 0 ? "sum" : "count";
    } else if (strcmp(function, "COUNT") == 0 && c->args.n == 0) {
        function = "count1";
    }
    for (const char *at = function; *at != '\0'; at++) {
        str_append_char(&name, (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at));
    }
    str_printf(&name, "$%u", number);
    return arena_strdup(&p->arena, str_cstr(&name));
}

/* Keys, then accumulators; what of them belongs to which call is in `calls`, for the other phase. */
static const struct rel *local_phase(struct sql_plan *p, const struct rel *input,
                                     const struct rel_aggregate *a,
                                     struct rel_aggregate_call *calls)
{
    const uint32_t most = a->keys.n + a->n_calls * AGGREGATE_ACCUMULATORS_MAX;
    const char **names = arena_alloc(&p->arena, (most + 1) * sizeof(*names));
    struct data_type **types = arena_alloc(&p->arena, (most + 1) * sizeof(struct data_type *));
    uint32_t *n_parts = arena_alloc(&p->arena, (a->n_calls + 1) * sizeof(*n_parts));
    uint32_t n = 0;
    for (; n < a->keys.n; n++) {
        const struct field *key = &input->schema->fields[a->keys.items[n]];
        names[n] = key->name;
        types[n] = type_ref(key->type);
    }
    for (uint32_t i = 0; i < a->n_calls; i++) {
        struct parts parts;
        (void)parts_of(input, &a->calls[i], &parts);
        uint32_t *args = arena_alloc(&p->arena, (parts.n + 1) * sizeof(*args));
        for (uint32_t k = 0; k < parts.n; k++, n++) {
            names[n] = part_name(p, &a->calls[i], k, n - a->keys.n);
            types[n] = parts.types[k];
            args[k] = n;
        }
        calls[i] = a->calls[i];
        calls[i].args = (struct rel_columns){args, parts.n};
        calls[i].has_filter = false;
        n_parts[i] = parts.n;
    }
    struct rel *r = plan_node(p, REL_AGGREGATE, &input, 1);
    r->aggregate = *a;
    r->aggregate.phase = FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL;
    r->aggregate.n_parts = n_parts;
    plan_set_schema(p, r, names, types, n);
    return r;
}

const struct rel *aggregate_locally(struct optimizer *o, const struct rel *input,
                                    const struct rel_aggregate *a, struct rel_aggregate *ret_global)
{
    struct sql_plan *p = o->p;
    struct rel_aggregate_call *calls = arena_alloc(&p->arena, (a->n_calls + 1) * sizeof(*calls));
    uint32_t *keys = arena_alloc(&p->arena, (a->keys.n + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < a->keys.n; i++) {
        keys[i] = i;
    }
    const struct rel *local = local_phase(p, input, a, calls);
    *ret_global = *a;
    ret_global->keys = (struct rel_columns){keys, a->keys.n};
    ret_global->calls = calls;
    ret_global->phase = FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL;
    return local;
}
