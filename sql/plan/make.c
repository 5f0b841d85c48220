/* Nodes: their schemas, bounds and kinds follow from what they are made of. */
#include "sql/plan/inside.h"

#include <stdio.h>

static const char *const kind_names[REL_KIND_COUNT] = {
    [REL_SCAN] = "TableSourceScan",
    [REL_VALUES] = "Values",
    [REL_FILTER] = "Filter",
    [REL_PROJECT] = "Project",
    [REL_INTERSECT] = "Intersect",
    [REL_EXCEPT] = "Minus",
    [REL_JOIN] = "Join",
    [REL_AGGREGATE] = "Aggregate",
    [REL_OVER] = "OverAggregate",
    [REL_SORT] = "Sort",
    [REL_UNION] = "Union",
    [REL_UNNEST] = "Correlate",
    [REL_FUNCTION] = "TableFunctionScan",
    [REL_WATERMARK] = "WatermarkAssigner",
    [REL_SINK] = "Sink",
    [REL_COLLECT] = "Sink",
    [REL_CALC] = "Calc",
    [REL_EXPAND] = "Expand",
    [REL_EXCHANGE] = "Exchange",
};

const char *rel_kind_name(enum rel_kind kind)
{
    return kind < REL_KIND_COUNT ? kind_names[kind] : "Unknown";
}

struct rel *plan_node(struct sql_plan *p, enum rel_kind kind, const struct rel *const *inputs,
                      uint32_t n)
{
    struct rel *r = arena_zalloc(&p->arena, sizeof(*r));
    r->kind = kind;
    r->id = p->n_nodes++;
    r->depth = 1;
    r->inputs = plan_copy(p, inputs, n * sizeof(*inputs));
    r->n_inputs = n;
    r->is_bounded = true;
    for (uint32_t i = 0; i < n; i++) {
        r->depth = MAX(r->depth, inputs[i]->depth + 1);
        r->is_bounded &= inputs[i]->is_bounded;
        r->kinds |= inputs[i]->kinds;
    }
    r->kinds = n == 0 ? TABLE_INSERT : r->kinds;
    p->depth = MAX(p->depth, r->depth);
    return r;
}

/* ---- schemas ------------------------------------------------------------------------------------------ */

/* The name, or with a number behind it when it was there before. */
static const char *unique_name(struct map *seen, const char *name, struct str *text)
{
    uintptr_t n = (uintptr_t)map_find(seen, name);
    if (n == 0) {
        map_put(seen, name, (void *)(uintptr_t)1);
        return name;
    }
    do {
        str_clear(text);
        str_printf(text, "%s%zu", name, (size_t)(n++ - 1));
    } while (map_has(seen, str_cstr(text)));
    map_put(seen, name, (void *)n);
    map_put(seen, str_cstr(text), (void *)(uintptr_t)1);
    return str_cstr(text);
}

void plan_set_schema(struct sql_plan *p, struct rel *r, const char *const *names,
                     struct data_type *const *take_types, uint32_t n)
{
    const char **unique = mem_alloc((n + 1) * sizeof(*unique));
    struct map seen;
    STR_AUTO text = STR_INIT;
    map_init(&seen, NULL);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = unique_name(&seen, names[i], &text);
        unique[i] = name == names[i] ? name : arena_strdup(&p->arena, name);
    }
    map_fini(&seen);
    r->schema = plan_keep_schema(p, schema_new(unique, take_types, n));
    p->n_columns += n;
    mem_free(unique);
}

/* Names and types gathered. */
struct fields {
    const char **names;
    struct data_type **types;
    uint32_t n;
};

static struct fields fields_new(uint64_t most)
{
    return (struct fields){mem_alloc((most + 1) * sizeof(char *)),
                           mem_alloc((most + 1) * sizeof(struct data_type *)), 0};
}

static void fields_add(struct fields *f, const char *name, struct data_type *take_type)
{
    f->names[f->n] = name;
    f->types[f->n++] = take_type;
}

static void fields_add_all(struct fields *f, const struct schema *s, bool make_nullable)
{
    for (uint32_t i = 0; i < s->n_fields; i++) {
        const struct data_type *t = s->fields[i].type;
        fields_add(f, s->fields[i].name, type_with_nullable(t, t->nullable || make_nullable));
    }
}

static void fields_finish(struct fields *f, struct sql_plan *p, struct rel *r)
{
    plan_set_schema(p, r, f->names, f->types, f->n);
    mem_free(f->names);
    mem_free(f->types);
}

static void same_schema(struct sql_plan *p, struct rel *r)
{
    r->schema = r->inputs[0]->schema;
    p->n_columns += r->schema->n_fields;
}

/* ---- makers ------------------------------------------------------------------------------------------- */

const struct rel *plan_with_inputs(struct sql_plan *p, const struct rel *r,
                                   const struct rel *const *inputs)
{
    struct rel *copy = plan_node(p, r->kind, inputs, r->n_inputs);
    struct rel made = *r;
    made.id = copy->id;
    made.depth = copy->depth;
    made.inputs = copy->inputs;
    made.is_bounded = r->n_inputs > 0 ? copy->is_bounded : r->is_bounded;
    made.kinds = r->n_inputs > 0 ? copy->kinds : r->kinds;
    *copy = made;
    return copy;
}

const struct rel *plan_filter(struct sql_plan *p, const struct rel *input, struct rel_exprs conds)
{
    if (conds.n == 0) {
        return input;
    }
    struct rel *r = plan_node(p, REL_FILTER, &input, 1);
    r->conditions =
        (struct rel_exprs){plan_copy(p, conds.items, conds.n * sizeof(*conds.items)), conds.n};
    same_schema(p, r);
    return r;
}

const struct rel *plan_project(struct sql_plan *p, const struct rel *input,
                               const struct expr *const *outputs, const char *const *names,
                               uint32_t n)
{
    struct rel *r = plan_node(p, REL_PROJECT, &input, 1);
    struct fields f = fields_new(n);
    for (uint32_t i = 0; i < n; i++) {
        fields_add(&f, names[i], type_ref(outputs[i]->type));
    }
    r->outputs = (struct rel_exprs){plan_copy(p, outputs, n * sizeof(*outputs)), n};
    fields_finish(&f, p, r);
    return r;
}

const struct rel *plan_pick(struct sql_plan *p, const struct rel *input, const uint32_t *columns,
                            uint32_t n)
{
    const struct expr **outputs = mem_alloc((n + 1) * sizeof(*outputs));
    const char **names = mem_alloc((n + 1) * sizeof(*names));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = plan_input(p, input, columns[i]);
        names[i] = input->schema->fields[columns[i]].name;
    }
    const struct rel *r = plan_project(p, input, outputs, names, n);
    mem_free(outputs);
    mem_free(names);
    return r;
}

const struct rel *plan_values(struct sql_plan *p, const char *const *names,
                              struct data_type *const *take_types, uint32_t n,
                              const struct expr_value *cells, uint32_t n_rows)
{
    struct rel *r = plan_node(p, REL_VALUES, NULL, 0);
    r->values =
        (struct rel_values){plan_copy(p, cells, (size_t)n * n_rows * sizeof(*cells)), n_rows};
    plan_set_schema(p, r, names, take_types, n);
    return r;
}

const struct rel *plan_one_row(struct sql_plan *p)
{
    const char *name = "ZERO";
    struct data_type *type = type_new(TYPE_INTEGER, false);
    const struct expr_value zero = {.integer = 0};
    return plan_values(p, &name, &type, 1, &zero, 1);
}

const struct rel *plan_join(struct sql_plan *p, const struct rel *left, const struct rel *right,
                            const struct rel_join *join)
{
    const struct rel *const inputs[2] = {left, right};
    const Flinc__QueryJoinType t = join->type;
    struct rel *r = plan_node(p, REL_JOIN, inputs, 2);
    struct fields f = fields_new((uint64_t)left->schema->n_fields + right->schema->n_fields);
    r->join = *join;
    fields_add_all(&f, left->schema,
                   t == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT ||
                       t == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL);
    if (t != FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI &&
        t != FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI) {
        fields_add_all(&f, right->schema,
                       t == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT ||
                           t == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL);
    }
    fields_finish(&f, p, r);
    return r;
}

/* Is the key NULL in some of the sets? */
static bool is_left_out(const struct rel_aggregate *a, uint32_t key)
{
    for (uint32_t s = 0; s < a->n_sets; s++) {
        if (!a->sets[s * a->keys.n + key]) {
            return true;
        }
    }
    return false;
}

const struct rel *plan_aggregate(struct sql_plan *p, const struct rel *input,
                                 const struct rel_aggregate *aggregate)
{
    struct rel *r = plan_node(p, REL_AGGREGATE, &input, 1);
    struct fields f = fields_new((uint64_t)aggregate->keys.n + aggregate->n_calls);
    r->aggregate = *aggregate;
    for (uint32_t i = 0; i < aggregate->keys.n; i++) {
        const struct field *key = &input->schema->fields[aggregate->keys.items[i]];
        fields_add(&f, key->name,
                   type_with_nullable(key->type, key->type->nullable || is_left_out(aggregate, i)));
    }
    for (uint32_t i = 0; i < aggregate->n_calls; i++) {
        fields_add(&f, aggregate->calls[i].name, type_ref(aggregate->calls[i].type));
    }
    fields_finish(&f, p, r);
    return r;
}

const struct rel *plan_over(struct sql_plan *p, const struct rel *input,
                            const struct rel_over *over)
{
    struct rel *r = plan_node(p, REL_OVER, &input, 1);
    struct fields f = fields_new((uint64_t)input->schema->n_fields + over->n_calls);
    r->over = *over;
    fields_add_all(&f, input->schema, false);
    for (uint32_t i = 0; i < over->n_calls; i++) {
        fields_add(&f, over->calls[i].call.name, type_ref(over->calls[i].call.type));
    }
    fields_finish(&f, p, r);
    return r;
}

const struct rel *plan_sort(struct sql_plan *p, const struct rel *input,
                            const struct rel_sort *sort)
{
    struct rel *r = plan_node(p, REL_SORT, &input, 1);
    r->sort = *sort;
    r->sort.keys.items = plan_copy(p, sort->keys.items, sort->keys.n * sizeof(*sort->keys.items));
    same_schema(p, r);
    return r;
}

const struct rel *plan_set(struct sql_plan *p, enum rel_kind kind, bool is_all,
                           const struct rel *const *inputs, uint32_t n)
{
    struct rel *r = plan_node(p, kind, inputs, n);
    const struct schema *first = inputs[0]->schema;
    struct fields f = fields_new(first->n_fields);
    r->is_all = is_all;
    for (uint32_t i = 0; i < first->n_fields; i++) {
        bool nullable = first->fields[i].type->nullable;
        for (uint32_t k = 1; k < n && kind != REL_EXCEPT; k++) {
            nullable |= inputs[k]->schema->fields[i].type->nullable;
        }
        fields_add(&f, first->fields[i].name, type_with_nullable(first->fields[i].type, nullable));
    }
    fields_finish(&f, p, r);
    return r;
}

const struct rel *plan_exchange(struct sql_plan *p, const struct rel *input,
                                enum rel_distribution distribution, struct rel_columns keys)
{
    struct rel *r = plan_node(p, REL_EXCHANGE, &input, 1);
    r->exchange = (struct rel_exchange){distribution, keys};
    same_schema(p, r);
    return r;
}
