/* The Arrow C data interface, out and in: the exchange with other languages.
 * Flink: ArrowUtils.  Thread: any, one at a time per batch. */
#ifndef FLINC_ENGINE_DATA_ARROW_H
#define FLINC_ENGINE_DATA_ARROW_H

#include "engine/data/batch.h"
#include "flinc/arrow_c.h" /* struct ArrowSchema, struct ArrowArray: the public ABI's declarations */

/* A struct array of the selected rows; holds a reference to the batch until released. */
int batch_export_arrow(struct buffer_pool *pool, struct batch *b, struct ArrowSchema *ret_schema,
                       struct ArrowArray *ret_array, struct error *err) MUST_CHECK;
int schema_export_arrow(const struct schema *s, struct ArrowSchema *ret,
                        struct error *err) MUST_CHECK;
int schema_import_arrow(const struct ArrowSchema *in, struct schema **ret,
                        struct error *err) MUST_CHECK;
/* Takes the array (its release runs when the last buffer is dropped).  Offsets, utf8, large_utf8 and
 * utf8_view are understood; more than BATCH_ROWS_MAX rows need several calls with [from, to). */
int batch_import_arrow(struct buffer_pool *pool, const struct schema *schema,
                       struct ArrowArray *array, uint32_t from, uint32_t to, struct batch **ret,
                       struct error *err) MUST_CHECK;

#endif
