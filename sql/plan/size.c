/* How many rows a relation may have: estimates of sources, and rules of thumb. */
#include "sql/plan/inside.h"

#include <math.h>

static const double unknown_rows = 1e8;

static double selectivity(struct rel_exprs conds)
{
    double s = 1;
    for (uint32_t i = 0; i < conds.n; i++) {
        const struct expr *e = conds.items[i];
        const bool is_equal = e->kind == EXPR_CALL && strcmp(e->function->name, "=") == 0;
        s *= is_equal ? 0.15 : 0.5;
    }
    return s;
}

static double rows_of_join(const struct rel *r)
{
    const double l = plan_row_count(r->inputs[0]), n = plan_row_count(r->inputs[1]);
    bool has_keys = r->join.left_keys.n > 0;
    for (uint32_t i = 0; i < r->join.conditions.n; i++) {
        const struct expr *e = r->join.conditions.items[i];
        has_keys |= e->kind == EXPR_CALL && strcmp(e->function->name, "=") == 0;
    }
    switch (r->join.type) {
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI:
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI:
        return l * 0.5;
    default:
        return has_keys ? fmax(l, n) : l * n;
    }
}

double plan_row_count(const struct rel *r)
{
    double rows;
    switch (r->kind) {
    case REL_SCAN: {
        const struct table_source *s = r->scan.table->table.connector->source;
        rows = s->row_count != NULL ? s->row_count(&r->scan.table->table, &r->scan.request) : -1;
        return rows < 0 ? unknown_rows : rows;
    }
    case REL_VALUES:
        return r->values.n_rows;
    case REL_JOIN:
        return rows_of_join(r);
    case REL_UNION:
        rows = 0;
        for (uint32_t i = 0; i < r->n_inputs; i++) {
            rows += plan_row_count(r->inputs[i]);
        }
        return rows;
    default:
        break;
    }
    rows = r->n_inputs > 0 ? plan_row_count(r->inputs[0]) : 1;
    switch (r->kind) {
    case REL_FILTER:
    case REL_CALC:
        return rows * selectivity(r->conditions);
    case REL_AGGREGATE:
        if (r->aggregate.phase == FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL) {
            return rows; /* the other phase brought them down */
        }
        return r->aggregate.keys.n == 0 ? 1 : fmax(1, rows * 0.2);
    case REL_SORT:
        return r->sort.has_fetch ? fmin(rows, (double)r->sort.fetch) : rows;
    case REL_EXPAND:
        return rows * r->expand.n_sets;
    case REL_UNNEST:
        return rows * 4;
    default:
        return rows;
    }
}
