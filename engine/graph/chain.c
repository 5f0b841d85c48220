/* Chaining: which edges become calls.  The rules are Flink's (StreamingJobGraphGenerator.isChainable):
 * one input edge, forward, equal parallelism, same slot sharing group, and both sides willing.  Declared
 * parallelism counts, never the number of slots that happen to be there.
 * What holds back its source is in one task with it, whatever pipeline.operator-chaining.enabled says. */
#include "engine/graph/translate_internal.h"

static bool is_chainable(const struct translation *t, const struct translate_edge *e)
{
    const struct translate_node *up = &t->nodes[e->edge->source];
    const struct translate_node *down = &t->nodes[e->edge->target];

    return (t->options->chaining || down->is_below_source) && down->in.len == 1 &&
           e->kind == FLINC__PARTITIONER_KIND__PARTITION_FORWARD &&
           up->node->chaining != CHAINING_NEVER && down->node->chaining == CHAINING_ALWAYS &&
           up->parallelism == down->parallelism && strcmp(up->group, down->group) == 0 &&
           (up->max_parallelism == down->max_parallelism ||
            t->options->chain_different_max_parallelism);
}

/* The edge by which alone a node is fed; NULL: there are several, or none. */
static const struct translate_edge *only_input(const struct translate_node *n)
{
    return n->in.len == 1 ? vec_ptr(&n->in, 0) : NULL;
}

static void mark_below_source(struct translation *t, struct translate_node *holder)
{
    const struct translate_edge *in;

    for (struct translate_node *n = holder; (in = only_input(n)) != NULL;
         n = &t->nodes[in->edge->source]) {
        n->is_below_source = true;
    }
}

static int check_holder(const struct translation *t, const struct translate_node *holder,
                        struct error *err)
{
    const struct translate_node *n = holder;

    while (n->in.len > 0) {
        const struct translate_edge *in = only_input(n);
        if (in == NULL || !in->chained) {
            return error_set(
                err, ERR_INVALID_ARGUMENT,
                "'%s' (%s) holds back its source, from which it is cut off at the input of '%s' "
                "(%s): put it behind the source, before any other partitioning, parallelism, union "
                "or slot sharing group",
                holder->node->name, holder->node->location, n->node->name, n->node->location);
        }
        n = &t->nodes[in->edge->source];
    }
    return 0;
}

static int check_holders(const struct translation *t, struct error *err)
{
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i].node->holds_sources) {
            TRY(check_holder(t, &t->nodes[i], err));
        }
    }
    return 0;
}

int translation_chain(struct translation *t, struct error *err)
{
    vec_init(&t->heads, sizeof(uint32_t));
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i].node->holds_sources) {
            mark_below_source(t, &t->nodes[i]);
        }
    }
    for (uint32_t i = 0; i < t->n_edges; i++) {
        t->edges[i].chained = is_chainable(t, &t->edges[i]);
    }
    TRY(check_holders(t, err));
    uint32_t *n_operators = MEM_NEW_ARRAY(uint32_t, t->n_nodes + 1);
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        struct translate_node *n = &t->nodes[t->order[i]];
        const struct translate_edge *in = only_input(n);
        if (in != NULL && in->chained) {
            const struct translate_node *up = &t->nodes[in->edge->source];
            n->head = up->head;
            n->vertex = up->vertex;
        } else {
            n->head = n->node->index;
            n->vertex = (uint32_t)t->heads.len;
            *VEC_PUSH(&t->heads, uint32_t) = n->head;
        }
        n->position = n_operators[n->vertex]++;
    }
    mem_free(n_operators);
    return 0;
}

void translation_chain_name(const struct translation *t, uint32_t node, struct str *out)
{
    const struct translate_node *n = &t->nodes[node];
    uint32_t n_chained = 0;

    str_append_cstr(out, n->node->name);
    for (size_t i = 0; i < n->out.len; i++) {
        n_chained += ((const struct translate_edge *)vec_ptr(&n->out, i))->chained ? 1 : 0;
    }
    if (n_chained == 0) {
        return;
    }
    str_append_cstr(out, n_chained > 1 ? " -> (" : " -> ");
    uint32_t written = 0;
    for (size_t i = 0; i < n->out.len; i++) {
        const struct translate_edge *e = vec_ptr(&n->out, i);
        if (e->chained) {
            str_append_cstr(out, written++ > 0 ? ", " : "");
            translation_chain_name(t, e->edge->target, out);
        }
    }
    str_append_cstr(out, n_chained > 1 ? ")" : "");
}
