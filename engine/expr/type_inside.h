/* What the files of type_rules.h share. */
#ifndef FLINC_ENGINE_EXPR_TYPE_INSIDE_H
#define FLINC_ENGINE_EXPR_TYPE_INSIDE_H

#include "engine/expr/type_rules.h"

/* The least restrictive type of two, without a message. */
int type_merge(const struct data_type *a, const struct data_type *b,
               struct data_type **ret) MUST_CHECK;
/* Two of one family: from the larger of the first fields to the smaller of the last. */
struct data_type *type_merge_intervals(const struct data_type *a, const struct data_type *b);
/* "what of A and B" */
int type_pair_error(const char *what, const struct data_type *a, const struct data_type *b,
                    struct error *err) COLD;

#endif
