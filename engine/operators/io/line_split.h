/* The kernel of the text sources: string views of the lines in a block of bytes.  Thread: any. */
#ifndef FLINC_ENGINE_OPERATORS_IO_LINE_SPLIT_H
#define FLINC_ENGINE_OPERATORS_IO_LINE_SPLIT_H

#include "engine/data/view.h"

/* A block of bytes and where its lines are wanted from.  Up to BUFFER_PADDING bytes behind `limit` may be
 * read. */
struct line_range {
    const uint8_t *data; /* Borrows; data buffer 0 of the views */
    uint32_t at;         /* start of the first line; moved behind what was taken */
    uint32_t limit;      /* end of the bytes */
    uint32_t past;       /* lines that begin here or later are not wanted; at most limit */
    uint32_t max_line;   /* a longer line is not taken: it stops the splitting */
    bool at_eof;         /* the last line needs no line end */
};

/* Makes views of the whole lines, without their "\n" or "\r\n", until there are none or `max` of them.
 * Returns how many. */
uint32_t line_split(struct line_range *range, struct view *views, uint32_t max);

#endif
