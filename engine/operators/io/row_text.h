/* Rows as lines of text, as Flink prints them: a stream of single values by the value, others as a tuple
 * "(a,1)".  Thread: any. */
#ifndef FLINC_ENGINE_OPERATORS_IO_ROW_TEXT_H
#define FLINC_ENGINE_OPERATORS_IO_ROW_TEXT_H

#include "engine/data/batch.h"

/* Appends the row (a physical number), without a line end. */
void row_text_append(struct str *out, const struct batch *b, uint32_t row);

#endif
