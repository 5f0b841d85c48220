/* Rounding.  Inside the room only. */
#ifndef FLINC_ENGINE_FUNCTIONS_NUMBERS_H
#define FLINC_ENGINE_FUNCTIONS_NUMBERS_H

#include "engine/expr/function.h"

/* ROUND, TRUNCATE: integers and floats keep their type, DECIMAL(p, s) gets what Flink's rule says. */
int functions_infer_rounded(const struct expr_function *function, struct expr_pool *pool,
                            const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                            struct error *err) MUST_CHECK;
int functions_bind_rounded(struct expr_binding *b, struct error *err) MUST_CHECK;
/* Of a DECIMAL(p, s) rounded to `digits` behind the point. */
struct data_type *functions_rounded_decimal(const struct data_type *t, int64_t digits,
                                            bool nullable);

#endif
