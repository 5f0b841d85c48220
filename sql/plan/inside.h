/* What the files of sql/plan share: the plan itself, and the makers of nodes, which fill in schemas, bounds and kinds. */
#ifndef FLINC_SQL_PLAN_INSIDE_H
#define FLINC_SQL_PLAN_INSIDE_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/expr/function.h"
#include "sql/plan/rel.h"

struct sql_plan {
    struct arena arena;     /* Owns */
    struct expr_pool *pool; /* Owns */
    struct sql_plan_options options;
    uint32_t n_nodes, depth;
    uint64_t n_columns; /* of all nodes */
    struct map tables;  /* Borrows: struct rel_table of the arena, by identifier and options */
};

/* Leaves that stand for what is resolved later: external_kind of EXPR_EXTERNAL. */
enum plan_external {
    PLAN_CORRELATED = 1, /* struct plan_correlation: a column of the query around */
    PLAN_AGGREGATE,      /* struct plan_call */
    PLAN_OVER,           /* struct plan_call */
    PLAN_SUBQUERY,       /* struct plan_subquery */
};

/* ---- limits ------------------------------------------------------------------------------------------- */

/* ERR_TOO_LARGE when the plan has grown over its limits. */
int plan_check(const struct sql_plan *p, struct error *err) MUST_CHECK;
/* Before a node of n columns is made. */
int plan_check_width(const struct sql_plan *p, uint64_t n, struct error *err) MUST_CHECK;
int plan_unsupported(struct error *err, const char *what) MUST_CHECK COLD;

/* ---- memory of the plan ------------------------------------------------------------------------------- */

void *plan_copy(struct sql_plan *p, const void *items, size_t bytes);
/* The pointers of a vector, in the arena. */
struct rel_exprs plan_exprs(struct sql_plan *p, const struct vec *pointers);
struct rel_columns plan_columns(struct sql_plan *p, const struct vec *numbers);
/* Takes the schema. */
struct schema *plan_keep_schema(struct sql_plan *p, struct schema *take_schema);

/* ---- makers ------------------------------------------------------------------------------------------- */

/* A node without a schema, for the makers of rare kinds. */
struct rel *plan_node(struct sql_plan *p, enum rel_kind kind, const struct rel *const *inputs,
                      uint32_t n);
/* Names are made unique. */
void plan_set_schema(struct sql_plan *p, struct rel *r, const char *const *names,
                     struct data_type *const *take_types, uint32_t n);
/* A copy with other inputs of the same columns. */
const struct rel *plan_with_inputs(struct sql_plan *p, const struct rel *r,
                                   const struct rel *const *inputs);
/* The input itself when there is no condition. */
const struct rel *plan_filter(struct sql_plan *p, const struct rel *input, struct rel_exprs conds);
const struct rel *plan_project(struct sql_plan *p, const struct rel *input,
                               const struct expr *const *outputs, const char *const *names,
                               uint32_t n);
/* The columns by number, with their names. */
const struct rel *plan_pick(struct sql_plan *p, const struct rel *input, const uint32_t *columns,
                            uint32_t n);
/* Takes the types. */
const struct rel *plan_values(struct sql_plan *p, const char *const *names,
                              struct data_type *const *take_types, uint32_t n,
                              const struct expr_value *cells, uint32_t n_rows);
/* One row with one column, for SELECT without FROM. */
const struct rel *plan_one_row(struct sql_plan *p);
const struct rel *plan_join(struct sql_plan *p, const struct rel *left, const struct rel *right,
                            const struct rel_join *join);
const struct rel *plan_aggregate(struct sql_plan *p, const struct rel *input,
                                 const struct rel_aggregate *aggregate);
const struct rel *plan_over(struct sql_plan *p, const struct rel *input,
                            const struct rel_over *over);
const struct rel *plan_sort(struct sql_plan *p, const struct rel *input,
                            const struct rel_sort *sort);
/* UNION, INTERSECT, EXCEPT of inputs with equal types; names of the first. */
const struct rel *plan_set(struct sql_plan *p, enum rel_kind kind, bool is_all,
                           const struct rel *const *inputs, uint32_t n);
const struct rel *plan_exchange(struct sql_plan *p, const struct rel *input,
                                enum rel_distribution distribution, struct rel_columns keys);

/* ---- expressions -------------------------------------------------------------------------------------- */

const struct expr *plan_input(struct sql_plan *p, const struct rel *r, uint32_t column);
/* All columns of the relation. */
struct rel_exprs plan_identity(struct sql_plan *p, const struct rel *r);
/* Input i of `e` becomes inputs[i]; types of what is above are inferred again where nullability changed. */
int plan_map(struct sql_plan *p, const struct expr *e, const struct expr *const *inputs,
             const struct expr **ret, struct error *err) MUST_CHECK;
/* The same over an array, in place. */
int plan_map_all(struct sql_plan *p, struct rel_exprs in, const struct expr *const *inputs,
                 struct rel_exprs *ret, struct error *err) MUST_CHECK;
/* Any leaf (EXPR_INPUT, EXPR_EXTERNAL) or node that `replace` has something for (NULL: look below). */
int plan_replace(struct sql_plan *p, const struct expr *e,
                 const struct expr *(*replace)(void *arg, const struct expr *node), void *arg,
                 const struct expr **ret, struct error *err) MUST_CHECK;
/* Appends the conjuncts of a condition to a vector of pointers; TRUE is none. */
void plan_conjuncts(const struct expr *e, struct vec *out);
/* The same, and what all operands of an OR have in common taken out of it: (a AND b) OR (a AND c) is a, and b OR c. */
int plan_factors(struct sql_plan *p, const struct expr *e, struct vec *out,
                 struct error *err) MUST_CHECK;
/* One condition of all; NULL when there is none. */
int plan_and(struct sql_plan *p, const struct expr *const *conds, uint32_t n,
             const struct expr **ret, struct error *err) MUST_CHECK;
/* Sets used[i] for each input. */
void plan_mark_inputs(const struct expr *e, bool *used);
/* Visits each node once, arguments first; stops when it returns false. */
bool plan_visit(const struct expr *e, bool (*visit)(void *arg, const struct expr *e), void *arg);
bool plan_has_external(const struct expr *e, enum plan_external kind);
/* The type with another nullability, of the pool. */
struct data_type *plan_nullable(const struct data_type *t, bool nullable);

/* ---- functions.c ---------------------------------------------------------------------------------------- */

/* 1: a user's function of the name; 0: there is none, it may be a built-in one. */
int plan_user_function(struct sql_plan *p, const struct sql_path *name,
                       const struct expr_function **ret, struct error *err) MUST_CHECK;

/* ---- tables ------------------------------------------------------------------------------------------- */

/* The table of the definition (a ref is taken), opened once per plan; `hints` may be NULL. */
int plan_open_table(struct sql_plan *p, const struct sql_identifier *id,
                    const struct sql_table *definition, const struct sql_properties *hints,
                    const struct rel_table **ret, struct error *err) MUST_CHECK;
/* Its scan with computed columns, metadata and watermark: columns as the definition has them. */
int plan_scan_table(struct sql_plan *p, const struct rel_table *table, const struct rel **ret,
                    struct error *err) MUST_CHECK;
double plan_row_count(const struct rel *r);

#endif
