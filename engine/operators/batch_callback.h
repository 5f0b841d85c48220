/* Batch callbacks: a batch as user code sees it (flinc_batch), and the batch that a batch map makes.
 *
 * The faces are rebuilt per batch from arrays that live as long as the operator: no allocation once they
 * have grown.  Thread: one owner (the task). */
#ifndef FLINC_ENGINE_OPERATORS_BATCH_CALLBACK_H
#define FLINC_ENGINE_OPERATORS_BATCH_CALLBACK_H

#include "engine/data/batch.h"
#include "engine/operators/user_function.h"

struct batch_face {
    flinc_batch face;
    flinc_column *columns; /* Owns */
    const void **data;     /* Owns: data buffers of all view columns */
    uint32_t cap_columns, cap_data;
};

/* Shows `b`; good as long as the batch and until the next call. */
const flinc_batch *batch_face_show(struct batch_face *f, const struct batch *b);
/* Safe on a zeroed struct. */
void batch_face_fini(struct batch_face *f);

/* Calls a batch map on `b` (kept by the caller) and makes the result: the same rows, kinds and
 * timestamps, with the columns that the function forwarded or filled. */
int batch_map_call(const struct user_function *f, struct batch_face *face, struct buffer_pool *pool,
                   struct batch *b, const struct schema *output, struct batch **ret_batch,
                   struct error *err) MUST_CHECK;
/* Calls a batch filter: takes `b` and gives it back with a selection of the rows kept, or NULL when
 * there are none.  Row numbers that are not selected rows of the batch in increasing order are an
 * error. */
int batch_filter_call(const struct user_function *f, struct batch_face *face,
                      struct buffer_pool *pool, struct batch *take_b, struct batch **ret_batch,
                      struct error *err) MUST_CHECK;

#endif
