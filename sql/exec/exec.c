/* The walk over the trees: numbers, edges, parallelism, names; what an operator is configured with is in the files of their
 * families.  See exec.h. */
#include "engine/data/schema.h"
#include "sql/exec/inside.h"

/* ---- the table of translations ------------------------------------------------------------------------- */

static const struct exec_kind kinds[REL_KIND_COUNT] = {
    [REL_SCAN] = {"source", exec_add_scan},
    [REL_VALUES] = {"values", exec_add_values},
    [REL_JOIN] = {"join", exec_add_join},
    [REL_AGGREGATE] = {"aggregate", exec_add_aggregate},
    [REL_OVER] = {"over", exec_add_over},
    [REL_SORT] = {"sort", exec_add_sort},
    [REL_UNNEST] = {"correlate", exec_add_unnest},
    [REL_WATERMARK] = {"watermark-assigner", exec_add_watermark},
    [REL_SINK] = {"sink", exec_add_sink},
    [REL_COLLECT] = {"collect", exec_add_collect},
    [REL_CALC] = {"calc", exec_add_calc},
    [REL_EXPAND] = {"expand", exec_add_expand},
};

const struct exec_kind *exec_kind_of(enum rel_kind kind)
{
    return &kinds[kind];
}

/* ---- nodes ------------------------------------------------------------------------------------------------ */

static bool is_edge(const struct rel *r)
{
    return r->kind == REL_EXCHANGE || (r->kind == REL_UNION && r->is_all);
}

static struct exec_visit *visit_of(struct exec_translation *x, const struct rel *r)
{
    while (x->visits.len <= r->id) {
        (void)vec_push(&x->visits);
    }
    return VEC_AT(&x->visits, struct exec_visit, r->id);
}

struct stream_node *exec_add(struct exec_translation *x, const char *kind, const struct rel *r,
                             const ProtobufCMessage *config)
{
    struct stream_node *n = stream_graph_add(x->graph, kind, rel_kind_name(r->kind), r->schema);
    size_t size = protobuf_c_message_get_packed_size(config);
    uint8_t *bytes = mem_alloc(size + 1);
    protobuf_c_message_pack(config, bytes);
    stream_node_set_config(x->graph, n, bytes, size);
    mem_free(bytes);
    return n;
}

uint32_t *exec_copy_columns(struct exec_translation *x, const struct rel_columns *c)
{
    uint32_t *copy = arena_alloc(x->arena, (c->n + 1) * sizeof(*copy));
    for (uint32_t i = 0; i < c->n; i++) {
        copy[i] = c->items[i];
    }
    return copy;
}

/* "orders", "Sink: totals", "Calc": what stands before the number. */
static const char *plain_name(struct exec_translation *x, const struct rel *r)
{
    switch (r->kind) {
    case REL_SCAN:
        return arena_printf(x->arena, "Source: %s", r->scan.table->id.name);
    case REL_VALUES:
        return "Source: Values";
    case REL_SINK:
        return arena_printf(x->arena, "Sink: %s", r->sink.table->id.name);
    default:
        return exec_kind_name(r);
    }
}

static void name_node(struct exec_translation *x, const struct rel *r, struct exec_visit *v)
{
    struct stream_node *n = v->node;
    STR_AUTO text = STR_INIT;
    str_printf(&text, "[%u]:", v->number);
    exec_describe(r, &text);
    n->description = arena_strdup(x->arena, str_cstr(&text));
    n->uid = arena_printf(x->arena, "%u_%s", v->number, kinds[r->kind].uid);
    if (n->behind != NULL) {
        n->behind->uid = arena_printf(x->arena, "%u_committer", v->number);
        n->behind->name = arena_printf(x->arena, "Committer: %s", r->sink.table->id.name);
        n->behind->description = n->behind->name;
    }
    if (r->kind == REL_COLLECT) {
        n->name = "Sink: Collect table sink";
    } else if (x->short_names) {
        n->name = arena_printf(x->arena, "%s[%u]", plain_name(x, r), v->number);
    } else {
        n->name = n->description;
    }
}

/* ---- edges ---------------------------------------------------------------------------------------------- */

/* How rows get from one node to an input of another. */
struct route {
    struct stream_node *target;
    uint32_t input;
    const struct rel_exchange *exchange; /* NULL: straight on */
    const struct schema *schema;         /* that the input wants; NULL: what comes */
};

static void set_partitioner(const struct rel_exchange *e, Flinc__Partitioner *p)
{
    static const Flinc__PartitionerKind by_distribution[] = {
        [REL_DISTRIBUTION_SINGLE] = FLINC__PARTITIONER_KIND__PARTITION_GLOBAL,
        [REL_DISTRIBUTION_HASH] = FLINC__PARTITIONER_KIND__PARTITION_HASH,
        [REL_DISTRIBUTION_BROADCAST] = FLINC__PARTITIONER_KIND__PARTITION_BROADCAST,
        [REL_DISTRIBUTION_REBALANCE] = FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
    };
    p->kind = by_distribution[e->distribution];
    if (e->distribution == REL_DISTRIBUTION_HASH) {
        p->n_key_columns = e->keys.n;
        p->key_columns = (uint32_t *)e->keys.items; /* copied by the graph */
    }
}

/* Nodes come before those that they feed: what stands between is made before the target is. */
static int make_renames(struct exec_translation *x, const struct rel *from,
                        const struct schema *schema)
{
    if (is_edge(from)) {
        bool is_union = from->kind == REL_UNION;
        for (uint32_t i = 0; i < from->n_inputs; i++) {
            TRY(make_renames(x, from->inputs[i],
                             is_union && schema == NULL ? from->schema : schema));
        }
        return 0;
    }
    if (schema == NULL || schema_equals(from->schema, schema)) {
        return 0;
    }
    struct exec_rename made = {from, schema, NULL};
    TRY(exec_add_rename(x, from, schema, &made.node));
    *VEC_PUSH(&x->renames, struct exec_rename) = made;
    return 0;
}

static struct stream_node *source_of(struct exec_translation *x, const struct rel *from,
                                     const struct schema *schema)
{
    for (size_t i = x->renames.len; i > 0; i--) {
        const struct exec_rename *r = VEC_AT(&x->renames, struct exec_rename, i - 1);
        if (r->from == from && r->schema == schema) {
            return r->node;
        }
    }
    return visit_of(x, from)->node;
}

static void connect(struct exec_translation *x, const struct rel *from, const struct route *route)
{
    struct route inner = *route;
    if (from->kind == REL_EXCHANGE) {
        inner.exchange = route->exchange != NULL ? route->exchange : &from->exchange;
        connect(x, from->inputs[0], &inner);
        return;
    }
    if (is_edge(from)) { /* UNION */
        inner.schema = route->schema != NULL ? route->schema : from->schema;
        for (uint32_t i = 0; i < from->n_inputs; i++) {
            connect(x, from->inputs[i], &inner);
        }
        return;
    }
    const struct stream_node *source = source_of(x, from, route->schema);
    Flinc__Partitioner p = FLINC__PARTITIONER__INIT;
    if (route->exchange != NULL) {
        set_partitioner(route->exchange, &p);
    }
    stream_graph_connect(x->graph, source->index, 0, route->target->index, route->input,
                         route->exchange != NULL ? &p : NULL, NULL);
}

/* ---- parallelism ------------------------------------------------------------------------------------------ */

enum { PARALLELISM_ANY = -1 };

/* That of what comes, straight on; one for one that takes all; what is broadcast does not say. */
static int32_t parallelism_of(struct exec_translation *x, const struct rel *input)
{
    if (input->kind == REL_EXCHANGE) {
        switch (input->exchange.distribution) {
        case REL_DISTRIBUTION_SINGLE:
            return 1;
        case REL_DISTRIBUTION_BROADCAST:
            return PARALLELISM_ANY;
        default:
            return x->parallelism;
        }
    }
    if (!is_edge(input)) {
        return visit_of(x, input)->node->parallelism;
    }
    int32_t first = parallelism_of(x, input->inputs[0]);
    for (uint32_t i = 1; i < input->n_inputs; i++) {
        if (parallelism_of(x, input->inputs[i]) != first) {
            return x->parallelism;
        }
    }
    return first;
}

static void set_parallelism(struct exec_translation *x, const struct rel *r, struct stream_node *n)
{
    int32_t wanted = PARALLELISM_ANY;
    if (n->parallelism > 0) { /* scan.parallelism, sink.parallelism, one of VALUES */
        return;
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        int32_t p = parallelism_of(x, r->inputs[i]);
        wanted = wanted == PARALLELISM_ANY || p == 1 ? p : wanted;
    }
    n->parallelism = wanted != PARALLELISM_ANY ? wanted : x->parallelism;
}

/* ---- the walk ------------------------------------------------------------------------------------------------ */

static int visit(struct exec_translation *x, const struct rel *r)
{
    if (visit_of(x, r)->number != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(visit(x, r->inputs[i]));
    }
    for (uint32_t i = 0; i < r->n_inputs && !is_edge(r); i++) {
        TRY(make_renames(x, r->inputs[i], NULL));
    }
    struct exec_visit made = {.number = ++x->n_visited};
    if (!is_edge(r)) {
        if (kinds[r->kind].add == NULL) {
            return error_set(x->err, ERR_UNSUPPORTED, "not supported yet: %s",
                             rel_kind_name(r->kind));
        }
        TRY(kinds[r->kind].add(x, r, &made.node));
        name_node(x, r, &made);
        set_parallelism(x, r, made.node);
        x->collect_uid = r->kind == REL_COLLECT ? made.node->uid : x->collect_uid;
    }
    *visit_of(x, r) = made;
    for (uint32_t i = 0; i < r->n_inputs && made.node != NULL; i++) {
        const struct route route = {made.node, i, NULL, NULL};
        connect(x, r->inputs[i], &route);
    }
    return 0;
}

static Flinc__QueryContext *make_context(struct exec_translation *x)
{
    const struct sql_plan_options *o = sql_plan_settings(x->plan);
    Flinc__QueryContext *c = arena_alloc(x->arena, sizeof(*c));
    STR_AUTO zone = STR_INIT;
    flinc__query_context__init(c);
    sql_exec_time_zone(o->conf, &zone);
    c->time_zone = arena_strdup(x->arena, str_cstr(&zone));
    c->query_start_ms = o->query_start_ms;
    c->is_batch = o->is_batch;
    return c;
}

int sql_exec_translate(struct sql_plan *p, const struct rel *const *roots, uint32_t n,
                       struct buffer_pool *pool, struct stream_graph *graph,
                       const char **ret_collect_uid, struct error *err)
{
    struct exec_translation x = {
        .plan = p, .pool = pool, .graph = graph, .arena = &graph->arena, .err = err};
    const struct conf *conf = sql_plan_settings(p)->conf;
    int32_t parallelism = conf_int(conf, "table.exec.resource.default-parallelism");
    int rc = 0;
    vec_init(&x.visits, sizeof(struct exec_visit));
    vec_init(&x.renames, sizeof(struct exec_rename));
    x.parallelism = MAX(parallelism, 0);
    x.short_names = conf_bool(conf, "table.exec.simplify-operator-name-enabled");
    x.context = make_context(&x);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = visit(&x, roots[i]);
    }
    vec_fini(&x.visits);
    vec_fini(&x.renames);
    if (rc == 0 && ret_collect_uid != NULL) {
        *ret_collect_uid = x.collect_uid;
    }
    return rc;
}
