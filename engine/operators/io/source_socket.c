/* flinc.source.socket: delimited text from a TCP server, parallelism 1.  A thread of its own connects and
 * reads (socket_reader.h); the task makes lines of the bytes.  When the connection ends the source ends,
 * or connects again as often as it was told; a line that was cut goes on then.
 * Flink: SocketTextStreamFunction. */
#include "engine/data/builder.h"
#include "engine/operators/io/io_counter.h"
#include "engine/operators/io/io_pending.h"
#include "engine/operators/io/socket_reader.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

enum {
    SOCKET_LINE_BYTES_MAX = 64 * 1024 * 1024, /* DESIGN.md 3: the largest legal record */
    SOCKET_REST_KEEP_BYTES = 1024 * 1024,     /* of memory, from one long line to the next */
};

struct socket_source {
    struct operator op;
    struct socket_reader *reader;    /* Owns */
    struct metric_counter *bytes_in; /* Borrows */
    struct builder builder;
    bool has_builder;
    struct str rest; /* the beginning of a line whose end did not come yet */
    char delimiter;
};

static int read_config(struct socket_source *s, struct op_context *ctx,
                       const Flinc__SocketSourceConfig *c, struct error *err)
{
    if (c == NULL || c->host[0] == '\0' || c->port == 0 || c->port > 65535) {
        return error_set(err, ERR_PARSE, "the configuration of the socket source is damaged");
    }
    if (strlen(c->delimiter) > 1) {
        return error_set(err, ERR_UNSUPPORTED,
                         "the delimiter of the socket source is '%s'; it must be one byte",
                         c->delimiter);
    }
    s->delimiter = c->delimiter[0] != '\0' ? c->delimiter[0] : '\n';
    builder_init(&s->builder, ctx->pool, ctx->output_schemas[0], BATCH_ROWS_TARGET);
    s->has_builder = true;
    s->bytes_in = io_bytes_in(ctx);
    return socket_reader_open(
        &(struct socket_reader_options){.host = c->host,
                                        .port = c->port,
                                        .max_retries = c->max_retries,
                                        .retry_delay_ms = (int64_t)c->retry_delay_ms,
                                        .io_executor = ctx->io_executor,
                                        .waker = op_get_waker(ctx),
                                        .pending = io_pending_gauge(ctx, "pendingBytes")},
        &s->reader, err);
}

static int socket_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    Flinc__SocketSourceConfig *c =
        flinc__socket_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    int rc = read_config((struct socket_source *)op, ctx, c, err);

    if (c != NULL) {
        flinc__socket_source_config__free_unpacked(c, NULL);
    }
    return rc;
}

/* ---- lines ------------------------------------------------------------------------------------------ */

static int line_too_long(const struct socket_source *s, struct error *err)
{
    return error_set(err, ERR_TOO_LARGE,
                     "a line from %s is longer than %d bytes; does the server send lines that end "
                     "with the byte 0x%02x?",
                     socket_reader_name(s->reader), SOCKET_LINE_BYTES_MAX, (uint8_t)s->delimiter);
}

static int put_line(struct socket_source *s, struct slice line, struct error *err)
{
    if (s->delimiter == '\n' && line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len > SOCKET_LINE_BYTES_MAX) {
        return line_too_long(s, err);
    }
    builder_begin(&s->builder);
    TRY(builder_put_bytes(&s->builder, 0, line.data, line.len, err));
    builder_end_row(&s->builder);
    return 0;
}

static void emit_lines(struct socket_source *s, struct op_context *ctx)
{
    struct batch *b = builder_finish(&s->builder);

    if (b != NULL) {
        op_emit(ctx, 0, b);
    }
}

/* Puts lines until the bytes are used up or the batch is full; *ret_used of them. */
static int split_bytes(struct socket_source *s, struct slice bytes, size_t *ret_used,
                       struct error *err)
{
    const char *at = bytes.data;
    const char *limit = at + bytes.len;

    while (at < limit && !builder_is_full(&s->builder)) {
        const char *end = memchr(at, s->delimiter, (size_t)(limit - at));
        struct slice line = slice_make(at, (size_t)((end != NULL ? end : limit) - at));
        if (end == NULL || s->rest.len > 0) {
            str_append_slice(&s->rest, line);
            line = str_slice(&s->rest);
        }
        at = end != NULL ? end + 1 : limit;
        if (end != NULL) {
            TRY(put_line(s, line, err));
            if (s->rest.cap > SOCKET_REST_KEEP_BYTES) {
                str_fini(&s->rest);
            }
            str_clear(&s->rest);
        }
    }
    *ret_used = (size_t)(at - bytes.data);
    /* One more may be the '\r' of its end. */
    return s->rest.len > (size_t)SOCKET_LINE_BYTES_MAX + 1 ? line_too_long(s, err) : 0;
}

/* The connection is over for good: an error, or the last line and the end. */
static int end_of_stream(struct socket_source *s, struct op_context *ctx, struct error *err)
{
    TRY(socket_reader_check(s->reader, err));
    if (s->rest.len > 0) {
        TRY(put_line(s, str_slice(&s->rest), err));
        str_clear(&s->rest);
        emit_lines(s, ctx);
    }
    return OP_END;
}

static int socket_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct socket_source *s = (struct socket_source *)op;
    bool ended;
    size_t used;
    struct slice bytes = socket_reader_peek(s->reader, &ended);

    if (bytes.len == 0) {
        return ended ? end_of_stream(s, ctx, err) : OP_IDLE; /* the thread wakes the task */
    }
    s->builder.target_rows = op_batch_rows(ctx);
    TRY(split_bytes(s, bytes, &used, err));
    socket_reader_take(s->reader, used);
    metric_counter_add(s->bytes_in, (int64_t)used);
    emit_lines(s, ctx);
    return OP_DONE;
}

static void socket_close(struct operator* op, struct op_context *ctx)
{
    struct socket_source *s = (struct socket_source *)op;

    (void)ctx;
    s->reader = socket_reader_close(s->reader);
    if (s->has_builder) {
        builder_fini(&s->builder);
    }
    str_fini(&s->rest);
}

const struct operator_desc operator_source_socket = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.source.socket",
    .summary = "delimited text from a TCP server",
    .instance_size = sizeof(struct socket_source),
    .n_inputs = 0,
    .open = socket_open,
    .poll = socket_poll,
    .close = socket_close,
};
