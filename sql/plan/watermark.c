/* Watermarks: left out where nobody reads them, and not in the way of columns that nobody reads.
 *
 * A watermark tells those above how far event time has come; it changes no row.  Readers are windows and other operators of event
 * time, CURRENT_WATERMARK, and sinks that say so.  Where there is none, conditions and columns reach the scan.  Where there is one,
 * conditions stay above the assigner, as Flink's do: also rows that are dropped later move event time on. */
#include "sql/plan/paths.h"

/* ---- readers ------------------------------------------------------------------------------------------ */

static bool is_other_call(void *arg, const struct expr *e)
{
    return e->kind != EXPR_CALL || e->function != arg;
}

static bool exprs_read(struct rel_exprs e)
{
    const struct expr_function *f = expr_function_find(SLICE_LIT("CURRENT_WATERMARK"));
    for (uint32_t i = 0; i < e.n; i++) {
        if (!plan_visit(e.items[i], is_other_call, (void *)(uintptr_t)f)) {
            return true;
        }
    }
    return false;
}

/* Does the node itself read the watermarks of its inputs? */
static bool node_reads(const struct rel *r)
{
    switch (r->kind) {
    case REL_SINK:
        return table_sink_reads_watermarks(&r->sink.table->table);
    case REL_FILTER:
    case REL_PROJECT:
        return exprs_read(r->conditions) || exprs_read(r->outputs);
    case REL_UNNEST:
        return exprs_read((struct rel_exprs){&r->unnest.collection, 1}) ||
               exprs_read(r->unnest.conditions);
    case REL_COLLECT:
    case REL_UNION:
        return false;
    default:
        return true;
    }
}

static const struct rel *drop(struct optimizer *o, const struct rel *r, bool has_reader)
{
    if (r->n_inputs == 0) {
        return r;
    }
    if (r->kind == REL_WATERMARK && !has_reader) {
        return drop(o, r->inputs[0], false);
    }
    const struct rel **in = arena_alloc(&o->p->arena, r->n_inputs * sizeof(*in));
    bool is_same = true;
    has_reader = has_reader || node_reads(r);
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        in[i] = drop(o, r->inputs[i], has_reader);
        is_same &= in[i] == r->inputs[i];
    }
    return is_same ? r : plan_with_inputs(o->p, r, in);
}

const struct rel *rule_drop_watermarks(struct optimizer *o, const struct rel *root)
{
    return drop(o, root, false);
}

/* ---- fields ------------------------------------------------------------------------------------------- */

static const char *name_of(struct optimizer *o, const struct rel *input, const struct expr *path)
{
    STR_AUTO name = STR_INIT;
    expr_print(path, input->schema, &name);
    return arena_strdup(&o->p->arena, str_cstr(&name));
}

/* The paths as columns, below the watermark's operator. */
static int pick_paths(struct optimizer *o, const struct paths *paths, const struct rel *input,
                      const struct rel **ret, struct error *err)
{
    const char **names = arena_alloc(&o->p->arena, (paths->items.len + 1) * sizeof(*names));
    const struct rel_exprs none = {NULL, 0};
    const struct rel_exprs outputs = plan_exprs(o->p, &paths->items);
    for (uint32_t i = 0; i < outputs.n; i++) {
        names[i] = name_of(o, input, outputs.items[i]);
    }
    return make_calc(o, input, none, outputs, names, ret, err);
}

static int narrow(struct optimizer *o, struct paths *paths, const struct rel *calc,
                  const struct rel **ret, struct error *err)
{
    const struct rel *assigner = calc->inputs[0], *below;
    struct rel_watermark w = assigner->watermark;
    const struct expr *rowtime = plan_input(o->p, assigner->inputs[0], w.rowtime);
    paths_gather_all(paths, calc->conditions);
    paths_gather_all(paths, calc->outputs);
    paths_add(paths, rowtime);
    paths_gather(paths, w.value);
    if (!paths_have_field(paths)) {
        *ret = calc;
        return 0;
    }
    TRY(pick_paths(o, paths, assigner->inputs[0], &below, err));
    TRY(paths_map(paths, w.value, &w.value, err));
    TRY(paths_map(paths, rowtime, &rowtime, err));
    w.rowtime = rowtime->index;
    struct rel *made = plan_node(o->p, REL_WATERMARK, &below, 1);
    made->watermark = w;
    made->schema = below->schema;
    struct rel *above = plan_copy(o->p, calc, sizeof(*calc));
    const struct rel *input = made;
    above->id = o->p->n_nodes++;
    above->inputs = plan_copy(o->p, &input, sizeof(struct rel *));
    TRY(paths_map_all(paths, calc->conditions, &above->conditions, err));
    *ret = above;
    return paths_map_all(paths, calc->outputs, &above->outputs, err);
}

int rule_narrow_watermarks(struct optimizer *o, const struct rel *r, const struct rel **ret,
                           struct error *err)
{
    const struct rel **in = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*in));
    bool is_same = true;
    TRY(plan_check(o->p, err));
    *ret = r;
    if (r->kind == REL_CALC && r->inputs[0]->kind == REL_WATERMARK) {
        struct paths paths;
        paths_init(&paths, o->p);
        int rc = narrow(o, &paths, r, &r, err);
        paths_fini(&paths);
        TRY(rc);
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(rule_narrow_watermarks(o, r->inputs[i], &in[i], err));
        is_same &= in[i] == r->inputs[i];
    }
    *ret = is_same ? r : plan_with_inputs(o->p, r, in);
    return 0;
}
