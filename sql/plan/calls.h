/* Aggregates and OVER of a block.  Inside the room only. */
#ifndef FLINC_SQL_PLAN_CALLS_H
#define FLINC_SQL_PLAN_CALLS_H

#include "sql/plan/convert.h"

/* 1: it is an aggregate or has OVER, and *ret stands for its result; 0: it is a plain call. */
int convert_call(struct convert *c, struct block *b, const struct sql_expr *e,
                 const struct expr **ret, struct error *err) MUST_CHECK;

/* GROUPING, GROUPING_ID, GROUP_ID. */
int convert_grouping(struct convert *c, struct block *b, const struct sql_expr *e,
                     const struct expr **ret, struct error *err) MUST_CHECK;

/* Expressions over the block's columns, to be columns of a projection below an aggregate or OVER: each once, those before `from` aside. */
uint32_t inputs_add(struct vec *exprs, uint32_t from, const struct expr *e);

/* The type of the result, nullable when there may be no row, unless it is one that counts. */
const struct data_type *call_type(struct sql_plan *p, const struct plan_call *call,
                                  bool may_be_empty);

/* GROUP BY: keys and sets. */
struct grouping {
    struct vec keys;    /* const struct expr * */
    struct vec sets;    /* uint32_t: an offset into `members` and a number, one after the other */
    struct vec members; /* uint32_t */
};
void grouping_init(struct grouping *g);
void grouping_fini(struct grouping *g);
int convert_groups(struct convert *c, struct block *b, const struct sql_select *s,
                   struct grouping *ret, struct error *err) MUST_CHECK;

/* The block's relation becomes the aggregate; each of the lists is brought over it. */
int aggregate_block(struct convert *c, struct block *b, struct grouping *g,
                    struct rel_exprs *const *lists, uint32_t n_lists, struct error *err) MUST_CHECK;
/* The block's relation gets the columns of the OVERs; each of the lists is brought over it. */
int over_block(struct convert *c, struct block *b, struct rel_exprs *const *lists, uint32_t n_lists,
               struct error *err) MUST_CHECK;

#endif
