/* Splits of text files as batches of lines; see text_reader.h. */
#include "engine/operators/io/text_reader.h"

#include "common/base/failpoint.h"
#include "common/fs/stream.h"
#include "engine/operators/io/io_counter.h"
#include "engine/operators/io/line_split.h"
#include <pthread.h>

/* ---- the file, and work on it --------------------------------------------------------------------- */

enum { IO_UNREAD = 1 }; /* no code of errors */

/* Shared by the reader and the I/O thread; the last of the two frees it.  What is not atomic or under
 * the lock belongs to the I/O thread while a job is out, else to the reader. */
struct text_io {
    _Atomic uint32_t refs;
    _Atomic bool done;
    pthread_mutex_t lock;   /* guards waker against the reader's end */
    struct op_waker *waker; /* Borrows; NULL once the reader is gone */

    char *path;               /* Owns; of the split */
    bool compressed;          /* read through a stream */
    uint64_t resume_at;       /* > 0: the first byte that is wanted */
    struct fs_input *in;      /* Owns; NULL: not opened yet, or compressed */
    struct fs_stream *stream; /* Owns; NULL: not opened yet, or not compressed */

    struct buffer *chunk; /* Owns a reference while a job is out */
    uint64_t position;    /* of the first byte wanted */
    size_t offset, want;  /* where in the chunk, how many */
    size_t got;
    int rc; /* of the read; IO_UNREAD before */
    struct error err;
};

static void io_close_file(struct text_io *io)
{
    io->in = fs_input_close(io->in);
    io->stream = fs_stream_close(io->stream);
    mem_free(io->path);
    io->path = NULL;
}

static struct text_io *io_unref(struct text_io *io)
{
    if (io != NULL && atomic_fetch_sub(&io->refs, 1) == 1) {
        io_close_file(io);
        buffer_unref(io->chunk);
        pthread_mutex_destroy(&io->lock);
        mem_free(io);
    }
    return NULL;
}

static int io_open(struct text_io *io)
{
    if (io->in != NULL || io->stream != NULL) {
        return 0;
    }
    TRY(FAILPOINT(&io->err, "source.text.open"));
    if (io->compressed) {
        TRY(fs_stream_open(io->path, &io->stream, &io->err));
        TRY_CTX(&io->err, fs_stream_skip(io->stream, io->resume_at, &io->err),
                "going on at byte %llu", (unsigned long long)io->resume_at);
        return 0;
    }
    TRY(fs_open(io->path, FS_ACCESS_SEQUENTIAL, &io->in, &io->err));
    if (fs_input_size(io->in) < io->resume_at) {
        return error_set(&io->err, ERR_CORRUPT,
                         "%s has %llu bytes, but %llu were read before the checkpoint: somebody "
                         "changed it",
                         io->path, (unsigned long long)fs_input_size(io->in),
                         (unsigned long long)io->resume_at);
    }
    return 0;
}

static int io_read(struct text_io *io)
{
    uint8_t *to = io->chunk->data + io->offset;

    TRY(io_open(io));
    if (io->in != NULL) {
        return fs_input_read_at(io->in, io->position, to, io->want, &io->got, &io->err);
    }
    while (io->got < io->want) { /* unpacking hands out what it has */
        size_t n = 0;
        TRY(fs_stream_read(io->stream, to + io->got, io->want - io->got, &n, &io->err));
        if (n == 0) {
            break;
        }
        io->got += n;
    }
    return 0;
}

static int job_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct text_io *io = arg;

    (void)cancel;
    (void)err; /* the error travels in io: the reader looks at it on its own thread */
    io->rc = io_read(io);
    return 0; /* job_drop() follows */
}

/* After the job has run, or in its stead when there are no I/O threads any more. */
static void job_drop(void *arg)
{
    struct text_io *io = arg;

    if (io->rc == IO_UNREAD) {
        io->rc = error_set(&io->err, ERR_UNAVAILABLE, "%s was not read: the I/O thread is gone",
                           io->path);
    }
    atomic_store(&io->done, true);
    pthread_mutex_lock(&io->lock);
    if (io->waker != NULL) {
        op_wake(io->waker);
    }
    pthread_mutex_unlock(&io->lock);
    io_unref(io);
}

/* Reads on an I/O thread, or at once where there is none.  The same when their queue is full: the task
 * slows down to what the disk gives, which is all that waiting in the queue would do. */
static int io_submit(struct text_reader *r, struct error *err)
{
    struct text_io *io = r->io;
    struct executor_job job = {.name = "text source", .run = job_run, .arg = io, .drop = job_drop};
    int rc = ERR_LIMIT;

    atomic_store(&io->done, false);
    io->rc = IO_UNREAD;
    if (r->io_executor != NULL) {
        atomic_fetch_add(&io->refs, 1);
        rc = executor_submit(r->io_executor, &job, err);
        if (rc < 0) {
            io_unref(io);
        }
    }
    if (rc == ERR_LIMIT) {
        io->rc = io_read(io);
        atomic_store(&io->done, true);
        rc = 0;
    }
    r->reading = rc == 0;
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------- */

void text_reader_init(struct text_reader *r, struct op_context *ctx, uint64_t max_line_bytes)
{
    uint64_t max = max_line_bytes > 0 ? max_line_bytes : TEXT_LINE_BYTES_DEFAULT;
    struct text_io *io = MEM_NEW(struct text_io);

    ASSERT(max <= TEXT_LINE_BYTES_MAX);
    atomic_store(&io->refs, 1);
    pthread_mutex_init(&io->lock, NULL);
    io->waker = op_get_waker(ctx);
    *r = (struct text_reader){.ctx = ctx,
                              .pool = ctx->pool,
                              .io_executor = ctx->io_executor,
                              .io = io,
                              .bytes_in = io_bytes_in(ctx),
                              .max_line_bytes = max};
}

void text_reader_fini(struct text_reader *r)
{
    if (r->io != NULL) {
        pthread_mutex_lock(&r->io->lock);
        r->io->waker = NULL;
        pthread_mutex_unlock(&r->io->lock);
        r->io = io_unref(r->io);
    }
    r->chunk = buffer_unref(r->chunk);
}

void text_reader_start(struct text_reader *r, const Flinc__FileSplit *split)
{
    bool resumed = split->position > 0;

    ASSERT(r->io->path == NULL);
    r->io->path = mem_strdup(split->path);
    r->io->compressed = fs_compression_of(split->path) != FS_COMPRESSION_NONE;
    r->io->resume_at = split->position;
    r->split_end = split->whole_file ? UINT64_MAX : split->offset + split->length;
    r->skip_first = split->offset > 0 && !resumed;
    r->chunk_position = resumed ? split->position : split->offset - r->skip_first;
    r->at_eof = false;
}

uint64_t text_reader_position(const struct text_reader *r)
{
    return r->skip_first ? 0 : r->chunk_position + r->cursor;
}

static void end_split(struct text_reader *r)
{
    io_close_file(r->io);
    r->chunk = buffer_unref(r->chunk);
    r->cursor = r->limit = 0;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static int line_too_long(const struct text_reader *r, struct error *err)
{
    return error_set(err, ERR_TOO_LARGE,
                     "%s: the line at byte %llu is longer than %llu bytes; raise max_line_bytes of "
                     "the text source, or is this no text file?",
                     r->io->path, (unsigned long long)(r->chunk_position + r->cursor),
                     (unsigned long long)r->max_line_bytes);
}

/* Size of the chunk that starts with `rest` bytes of a line: it doubles with the line, so that a long
 * one is not copied too often, and ends soon behind the split. */
static uint64_t next_chunk_bytes(const struct text_reader *r, uint32_t rest)
{
    uint64_t bytes = TEXT_CHUNK_BYTES;
    uint64_t position = r->chunk_position + rest;

    while (rest > bytes / 2) {
        bytes *= 2;
    }
    bytes = MIN(bytes, r->max_line_bytes + TEXT_CHUNK_BYTES);
    if (r->split_end > position && r->split_end - position < bytes) {
        bytes = MIN(bytes, rest + (r->split_end - position) + TEXT_TAIL_BYTES);
    }
    return bytes;
}

/* Reads on behind the unread bytes, which move to the front of a new chunk. */
static int begin_read(struct text_reader *r, struct error *err)
{
    struct text_io *io = r->io;
    uint32_t rest = r->limit - r->cursor;

    if (rest > r->max_line_bytes + 1) { /* one more may be the '\r' of its end */
        return line_too_long(r, err);
    }
    r->chunk_position += r->cursor;
    uint64_t bytes = next_chunk_bytes(r, rest);
    struct buffer *next = buffer_get(r->pool, bytes);
    if (rest > 0) {
        memcpy(next->data, r->chunk->data + r->cursor, rest);
    }
    buffer_unref(r->chunk);
    r->chunk = next;
    r->cursor = 0;
    r->limit = rest;
    io->position = r->chunk_position + rest;
    io->offset = rest;
    io->want = bytes - rest;
    io->got = 0;
    io->rc = 0;
    if (io->in != NULL &&
        fs_input_read_cached(io->in, io->position, next->data + rest, io->want, &io->got) > 0) {
        atomic_store(&io->done, true); /* cheaper than a trip to another thread */
        r->reading = true;
        return 0;
    }
    io->got = 0;
    io->chunk = buffer_ref(next);
    return io_submit(r, err);
}

static int finish_read(struct text_reader *r, struct error *err)
{
    struct text_io *io = r->io;

    r->reading = false;
    io->chunk = buffer_unref(io->chunk);
    if (io->rc < 0) {
        if (err != NULL) {
            error_copy(err, &io->err);
        }
        return io->rc;
    }
    metric_counter_add(r->bytes_in, (int64_t)io->got);
    r->limit += (uint32_t)io->got;
    r->chunk->size = r->limit;
    r->at_eof = io->got < io->want;
    return 0;
}

/* Drops everything through the first line end of a split that starts inside a file. */
static void skip_first_line(struct text_reader *r)
{
    const uint8_t *from = r->chunk->data + r->cursor;
    const uint8_t *end = memchr(from, '\n', r->limit - r->cursor);

    if (end != NULL) {
        r->cursor += (uint32_t)(end - from) + 1;
        r->skip_first = false;
    } else {
        r->cursor = r->limit;
    }
}

static bool has_line(const struct text_reader *r)
{
    uint32_t rest = r->limit - r->cursor;

    return rest > 0 && !r->skip_first &&
           (r->at_eof || memchr(r->chunk->data + r->cursor, '\n', rest) != NULL);
}

int text_reader_advance(struct text_reader *r, enum text_state *ret, struct error *err)
{
    for (;;) {
        if (r->reading) {
            if (!atomic_load(&r->io->done)) {
                *ret = TEXT_WAITING;
                return 0;
            }
            TRY(finish_read(r, err));
        }
        if (r->skip_first && r->cursor < r->limit) {
            skip_first_line(r);
        }
        bool past_split = r->chunk_position + r->cursor >= r->split_end;
        if (!past_split && has_line(r)) {
            *ret = TEXT_READY;
            return 0;
        }
        if (past_split || r->at_eof) {
            end_split(r);
            *ret = TEXT_END;
            return 0;
        }
        TRY(begin_read(r, err));
    }
}

void text_reader_rest(const struct text_reader *r, struct text_rest *ret)
{
    *ret = (struct text_rest){
        .data = {(const char *)r->chunk->data + r->cursor, r->limit - r->cursor},
        .position = r->chunk_position + r->cursor,
        .split_end = r->split_end,
        .at_end = r->at_eof,
    };
}

void text_reader_consume(struct text_reader *r, uint64_t n)
{
    ASSERT(n <= r->limit - r->cursor);
    r->cursor += (uint32_t)n;
}

int text_reader_extend(struct text_reader *r, struct error *err)
{
    ASSERT(!r->reading && !r->at_eof);
    return begin_read(r, err);
}

/* ---- lines ------------------------------------------------------------------------------------------ */

int text_reader_take_lines(struct text_reader *r, const struct schema *schema, struct batch **ret,
                           struct error *err)
{
    struct buffer *views = buffer_get(r->pool, BATCH_ROWS_TARGET * sizeof(struct view));
    struct line_range range = {
        .data = r->chunk->data,
        .at = r->cursor,
        .limit = r->limit,
        /* Lines that begin from here on are of the next split. */
        .past = (uint32_t)MIN(r->split_end - r->chunk_position, (uint64_t)r->limit),
        .max_line = (uint32_t)r->max_line_bytes,
        .at_eof = r->at_eof,
    };
    uint32_t n = line_split(&range, (struct view *)(void *)views->data, op_batch_rows(r->ctx));

    r->cursor = range.at;
    if (n == 0) { /* a whole line is there, so that it must be over the limit */
        buffer_unref(views);
        return line_too_long(r, err);
    }
    struct batch *b = batch_new(r->pool, schema);
    views->size = n * sizeof(struct view);
    b->n_rows = b->n_sel = n;
    column_set_values(&b->columns[0], views);
    column_add_data(r->pool, &b->columns[0], buffer_ref(r->chunk));
    *ret = b;
    return 0;
}
