/* Cells as text, as CAST(x AS STRING) has them, which is what Flink's client and gateway show.
 * Flink: RowDataToStringConverterImpl.  Thread: one owner. */
#ifndef FLINC_SQL_SESSION_CELLS_H
#define FLINC_SQL_SESSION_CELLS_H

#include "common/text/time_zone.h"
#include "engine/data/batch.h"

struct sql_cells;

/* Of batches with this schema; `zone` (borrowed) is for TIMESTAMP_LTZ. */
int sql_cells_new(const struct schema *schema, const struct time_zone *zone, struct sql_cells **ret,
                  struct error *err) MUST_CHECK;
struct sql_cells *sql_cells_free(struct sql_cells *c);
/* A batch of STRING columns with the rows of `b`, in the pool. */
int sql_cells_print(struct sql_cells *c, struct buffer_pool *pool, struct batch *b,
                    struct batch **ret, struct error *err) MUST_CHECK;

#endif
