/* Operators of single rows and joins: calc, expand, join, unnest, watermarks. */
#include "sql/exec/inside.h"

/* The indexes of expressions in the list that the writer gathers; the array is the arena's. */
static int add_exprs(struct exec_translation *x, struct expr_writer *w, const struct rel_exprs *e,
                     size_t *ret_n, uint32_t **ret)
{
    *ret = arena_alloc(x->arena, (e->n + 1) * sizeof(**ret));
    *ret_n = e->n;
    for (uint32_t i = 0; i < e->n; i++) {
        TRY(expr_writer_add(w, e->items[i], &(*ret)[i], x->err));
    }
    return 0;
}

/* ---- calc ------------------------------------------------------------------------------------------------ */

static int write_calc(struct exec_translation *x, struct expr_writer *w, const struct rel *r,
                      Flinc__CalcConfig *c)
{
    TRY(add_exprs(x, w, &r->conditions, &c->n_conditions, &c->conditions));
    TRY(add_exprs(x, w, &r->outputs, &c->n_outputs, &c->outputs));
    c->context = x->context;
    c->exprs = expr_writer_list(w);
    return 0;
}

int exec_add_calc(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    Flinc__CalcConfig c = FLINC__CALC_CONFIG__INIT;
    struct expr_writer *w = expr_writer_new(x->arena);
    int rc = write_calc(x, w, r, &c);
    if (rc == 0) {
        *ret = exec_add(x, "flinc.query.calc", r, &c.base);
    }
    expr_writer_free(w);
    return rc;
}

int exec_add_rename(struct exec_translation *x, const struct rel *input,
                    const struct schema *schema, struct stream_node **ret)
{
    uint32_t n = schema->n_fields;
    const struct expr **outputs = arena_alloc(x->arena, (n + 1) * sizeof(*outputs));
    struct stream_node *from = VEC_AT(&x->visits, struct exec_visit, input->id)->node;
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = expr_input(sql_plan_pool(x->plan), i, type_ref(input->schema->fields[i].type));
    }
    const struct rel calc = {
        .kind = REL_CALC, .schema = (struct schema *)schema, .outputs = {outputs, n}};
    TRY(exec_add_calc(x, &calc, ret));
    (*ret)->name = "Calc";
    (*ret)->uid = arena_printf(x->arena, "%s_union_%u", from->uid, (*ret)->index);
    (*ret)->parallelism = from->parallelism;
    stream_graph_connect(x->graph, from->index, 0, (*ret)->index, 0, NULL, NULL);
    return 0;
}

/* ---- expand ------------------------------------------------------------------------------------------------ */

int exec_add_expand(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    Flinc__ExpandConfig c = FLINC__EXPAND_CONFIG__INIT;
    uint32_t n_columns = r->inputs[0]->schema->n_fields;
    c.n_sets = r->expand.n_sets;
    c.sets = arena_alloc(x->arena, (c.n_sets + 1) * sizeof(*c.sets));
    for (size_t i = 0; i < c.n_sets; i++) {
        Flinc__ExpandConfig__Set *set = arena_alloc(x->arena, sizeof(*set));
        flinc__expand_config__set__init(set);
        set->n_keep = n_columns;
        set->keep = arena_alloc(x->arena, (n_columns + 1) * sizeof(*set->keep));
        for (uint32_t k = 0; k < n_columns; k++) {
            set->keep[k] = r->expand.keep[i * n_columns + k];
        }
        set->id = r->expand.ids[i];
        c.sets[i] = set;
    }
    *ret = exec_add(x, "flinc.query.expand", r, &c.base);
    return 0;
}

/* ---- joins --------------------------------------------------------------------------------------------------- */

static int write_join(struct exec_translation *x, struct expr_writer *w, const struct rel_join *j,
                      Flinc__QueryJoinConfig *c)
{
    TRY(add_exprs(x, w, &j->conditions, &c->n_conditions, &c->conditions));
    c->context = x->context;
    c->exprs = expr_writer_list(w);
    c->type = j->type;
    c->n_left_keys = c->n_right_keys = c->n_null_equal = j->left_keys.n;
    c->left_keys = exec_copy_columns(x, &j->left_keys);
    c->right_keys = exec_copy_columns(x, &j->right_keys);
    c->null_equal = arena_zalloc(x->arena, (j->left_keys.n + 1) * sizeof(*c->null_equal));
    for (uint32_t i = 0; i < j->left_keys.n && j->null_equal != NULL; i++) {
        c->null_equal[i] = j->null_equal[i];
    }
    c->build_left = j->build_left;
    c->null_aware = j->null_aware;
    return 0;
}

int exec_add_join(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    Flinc__QueryJoinConfig c = FLINC__QUERY_JOIN_CONFIG__INIT;
    struct expr_writer *w = expr_writer_new(x->arena);
    int rc = write_join(x, w, &r->join, &c);
    if (rc == 0) {
        *ret = exec_add(
            x, c.n_left_keys > 0 ? "flinc.query.hash_join" : "flinc.query.nested_loop_join", r,
            &c.base);
    }
    expr_writer_free(w);
    return rc;
}

/* ---- unnest ------------------------------------------------------------------------------------------------- */

static int write_unnest(struct exec_translation *x, struct expr_writer *w,
                        const struct rel_unnest *u, Flinc__UnnestConfig *c)
{
    TRY(expr_writer_add(w, u->collection, &c->collection, x->err));
    TRY(add_exprs(x, w, &u->conditions, &c->n_conditions, &c->conditions));
    c->context = x->context;
    c->exprs = expr_writer_list(w);
    c->with_ordinality = u->with_ordinality;
    c->left = u->is_left;
    return 0;
}

int exec_add_unnest(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    if (exec_is_table_function(r)) {
        return exec_add_table_function(x, r, ret);
    }
    Flinc__UnnestConfig c = FLINC__UNNEST_CONFIG__INIT;
    struct expr_writer *w = expr_writer_new(x->arena);
    int rc = write_unnest(x, w, &r->unnest, &c);
    if (rc == 0) {
        *ret = exec_add(x, "flinc.query.unnest", r, &c.base);
    }
    expr_writer_free(w);
    return rc;
}

/* ---- watermarks ------------------------------------------------------------------------------------------------ */

int exec_add_watermark(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    Flinc__QueryWatermarkConfig c = FLINC__QUERY_WATERMARK_CONFIG__INIT;
    struct expr_writer *w = expr_writer_new(x->arena);
    int rc = expr_writer_add(w, r->watermark.value, &c.watermark, x->err);
    if (rc == 0) {
        c.context = x->context;
        c.exprs = expr_writer_list(w);
        c.rowtime = r->watermark.rowtime;
        c.idle_timeout_ms = r->watermark.idle_timeout_ms;
        *ret = exec_add(x, "flinc.query.watermark", r, &c.base);
    }
    expr_writer_free(w);
    return rc;
}
