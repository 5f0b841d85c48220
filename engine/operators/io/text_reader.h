/* Reads one split of a text file in chunks, off the task's thread where it would block.
 *
 * A chunk lies in one pool buffer, to which the batches' string views refer: line bytes are not copied.
 * What is left of a chunk without a line end is copied in front of the next one.  Bytes that are in the
 * system's page cache are read at once; others are read by an I/O thread, which wakes the task.
 *
 * A split [offset, offset + length) holds the lines that begin in it: a reader that does not start at 0
 * begins one byte early and drops everything through the first line end.  Lines end by "\n" or "\r\n";
 * the last line of a file needs no end.  Bytes are not looked at otherwise: invalid UTF-8 passes.
 *
 * A reader that is restored begins at the byte behind the last line that was taken: at once in a plain file,
 * by unpacking and dropping what lies before it in a packed one.
 *
 * Thread: the task's, but for the one job that is out at a time.  Flink: FileSourceSplit, StreamFormat. */
#ifndef FLINC_ENGINE_OPERATORS_IO_TEXT_READER_H
#define FLINC_ENGINE_OPERATORS_IO_TEXT_READER_H

#include "common/loop/executor.h"
#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

enum {
    TEXT_CHUNK_BYTES = 256 * 1024,
    TEXT_TAIL_BYTES = 4 * 1024, /* read behind a split, for the end of its last line */
    TEXT_LINE_BYTES_DEFAULT = 64 * 1024 * 1024, /* DESIGN.md 3: the largest legal record */
    TEXT_LINE_BYTES_MAX = 1024 * 1024 * 1024,   /* offsets of views are int32 */
};

/* What a reader does next. */
enum text_state {
    TEXT_READY,   /* a chunk with at least one whole line is there */
    TEXT_WAITING, /* an I/O thread reads; it will wake the task */
    TEXT_END,     /* the split is done */
};

struct text_io; /* the open file, and the read that an I/O thread does */

struct text_reader {
    const struct op_context *ctx;    /* Borrows */
    struct buffer_pool *pool;        /* Borrows */
    struct executor *io_executor;    /* Borrows; NULL: everything at once */
    struct text_io *io;              /* Owns a reference */
    bool reading;                    /* a job is out: io is the I/O thread's */
    struct metric_counter *bytes_in; /* Borrows; unpacked bytes */
    uint64_t max_line_bytes;
    uint64_t split_end;
    struct buffer *chunk;    /* Owns */
    uint32_t cursor, limit;  /* unread bytes of the chunk */
    uint64_t chunk_position; /* position in the (unpacked) file of the chunk's byte 0 */
    bool at_eof;             /* nothing follows the chunk */
    bool skip_first;         /* still looking for the first line end */
};

/* max_line_bytes 0: the default; at most TEXT_LINE_BYTES_MAX. */
void text_reader_init(struct text_reader *r, struct op_context *ctx, uint64_t max_line_bytes);
/* Does not wait for a job that is out.  Safe on a zeroed struct. */
void text_reader_fini(struct text_reader *r);
/* Starts a split, or goes on at its position; the one before must have ended. */
void text_reader_start(struct text_reader *r, const Flinc__FileSplit *split);
/* Where the line begins that comes next: FileSplit.position, behind the lines that were taken.  0: at the
 * beginning of the split. */
uint64_t text_reader_position(const struct text_reader *r);
/* Moves on as far as it can without waiting. */
int text_reader_advance(struct text_reader *r, enum text_state *ret, struct error *err) MUST_CHECK;
/* For readers of other records than lines.  Of a ready chunk: what is left, where it begins in the (unpacked) file, and whether
 * nothing follows. */
struct text_rest {
    struct slice data;
    uint64_t position;
    uint64_t split_end; /* records that begin here or behind are of the next split */
    bool at_end;
};
void text_reader_rest(const struct text_reader *r, struct text_rest *ret);
/* The first `n` bytes of it are read. */
void text_reader_consume(struct text_reader *r, uint64_t n);
/* The record that begins there does not end in the chunk: the next advance brings more behind it. */
int text_reader_extend(struct text_reader *r, struct error *err) MUST_CHECK;
/* Makes a batch of the whole lines of a ready chunk, at most op_batch_rows(). */
int text_reader_take_lines(struct text_reader *r, const struct schema *schema, struct batch **ret,
                           struct error *err) MUST_CHECK;

#endif
