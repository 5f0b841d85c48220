/* Values compared as SQL does: cells of any type.  Thread: any. */
#ifndef FLINC_ENGINE_EXPR_EQUALITY_H
#define FLINC_ENGINE_EXPR_EQUALITY_H

#include "engine/data/batch.h"

/* Are two cells of equal types (nullability aside) equal?  NULLs are equal to each other, here and inside; -0.0 is equal to
 * 0.0, NaN to nothing; maps and multisets in any order. */
bool expr_cells_equal(const struct column *a, uint32_t row_a, const struct column *b,
                      uint32_t row_b);
/* Of types that are ordered; neither is NULL.  NaN is the greatest. */
int expr_cells_compare(const struct column *a, uint32_t row_a, const struct column *b,
                       uint32_t row_b);

#endif
