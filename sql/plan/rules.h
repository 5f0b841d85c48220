/* From logical to physical trees: the passes, in the order in which they run.
 *
 *   watermarks that nobody reads left out -> set operations as joins and aggregates -> conditions moved down -> joins in order of size
 *   -> columns that nobody reads dropped -> algorithms, exchanges -> fields below watermarks -> pushed into scans -> equal parts merged
 *
 * Each pass makes new nodes; a node keeps its columns but where it is said.  Inside the room only. */
#ifndef FLINC_SQL_PLAN_RULES_H
#define FLINC_SQL_PLAN_RULES_H

#include "sql/plan/inside.h"

struct optimizer {
    struct sql_plan *p;
    bool is_streaming;
};

/* A relation with some columns fewer: where each of the old ones is now (UINT32_MAX: gone). */
struct pruned {
    const struct rel *rel;
    uint32_t *at;
};

/* watermark.c */
const struct rel *rule_drop_watermarks(struct optimizer *o, const struct rel *root);
/* Of physical trees: of rows, only the fields that are read above go through a watermark's operator. */
int rule_narrow_watermarks(struct optimizer *o, const struct rel *r, const struct rel **ret,
                           struct error *err) MUST_CHECK;
/* push.c; not of a sink: below it */
int rule_push(struct optimizer *o, const struct rel *root, const struct rel **ret,
              struct error *err) MUST_CHECK;
/* order.c */
int rule_order(struct optimizer *o, const struct rel *r, const struct rel **ret,
               struct error *err) MUST_CHECK;
/* prune.c */
int rule_prune(struct optimizer *o, const struct rel *root, const struct rel **ret,
               struct error *err) MUST_CHECK;
/* physical.c */
int rule_physical(struct optimizer *o, const struct rel *r, const struct rel **ret,
                  struct error *err) MUST_CHECK;
/* Conditions, then outputs; merged with a CALC below; the input itself when there is nothing to do. */
int make_calc(struct optimizer *o, const struct rel *input, struct rel_exprs conds,
              struct rel_exprs outputs, const char *const *names, const struct rel **ret,
              struct error *err) MUST_CHECK;
/* facts.c: conditions as literals where they, or columns that they fix, stand elsewhere.  `*ret_never`: no row meets them. */
int apply_facts(struct optimizer *o, struct rel_exprs *inout_conds, struct rel_exprs *inout_outputs,
                bool *ret_never, struct error *err) MUST_CHECK;
/* phases.c: can the aggregate be computed in two phases?  The first one of both, and what the other is over its exchanged rows. */
bool aggregate_has_phases(const struct optimizer *o, const struct rel *input,
                          const struct rel_aggregate *a);
const struct rel *aggregate_locally(struct optimizer *o, const struct rel *input,
                                    const struct rel_aggregate *a,
                                    struct rel_aggregate *ret_global);
/* join.c */
int physical_join(struct optimizer *o, const struct rel *r, const struct rel *left,
                  const struct rel *right, const struct rel **ret, struct error *err) MUST_CHECK;
unsigned join_sides_of(const struct expr *e,
                       uint32_t n_left); /* 1: the left one, 2: the right one */
/* left = right or IS NOT DISTINCT FROM, each over one side. */
bool join_is_equi(const struct expr *e, uint32_t n_left, const struct expr **ret_left,
                  const struct expr **ret_right, bool *ret_null_equal);
/* scan.c: what CALCs and limits over scans push into them. */
int rule_push_scans(struct optimizer *o, const struct rel *r, const struct rel **ret,
                    struct error *err) MUST_CHECK;
/* share.c */
int rule_share(struct optimizer *o, const struct rel **inout_roots, uint32_t n,
               struct error *err) MUST_CHECK;
/* verify.c: ERR_INTERNAL for what no operator could run. */
int rule_verify(const struct rel *r, struct error *err) MUST_CHECK;
bool exprs_are_volatile(struct rel_exprs e);

#endif
