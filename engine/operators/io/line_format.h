/* Lines of a text sink, made by a user's format function.  Thread: the task's. */
#ifndef FLINC_ENGINE_OPERATORS_IO_LINE_FORMAT_H
#define FLINC_ENGINE_OPERATORS_IO_LINE_FORMAT_H

#include "engine/operators/row_reader.h"
#include "engine/operators/user_function.h"

struct line_format {
    struct user_functions functions;
    struct row_reader reader;
};

/* Opens the FLINC_FN_FORMAT function of the operator.  After a failure close is due as well. */
int line_format_open(struct line_format *f, struct op_context *ctx, const Flinc__StructDesc *record,
                     struct error *err) MUST_CHECK;
/* Appends a line for each selected row. */
int line_format_batch(struct line_format *f, const struct batch *b, struct str *out,
                      struct error *err) MUST_CHECK;
/* Safe on a zeroed struct. */
void line_format_close(struct line_format *f);

#endif
