/* flinc.sink.print: a line per record on standard output (or error), with "3> " in front when there are
 * several subtasks, as Flink prints them: "(a,1)" for streams, "+I[a, 1]" for tables.  The lines of one batch are written in one go, so that those of
 * subtasks do not mix.  Flink: PrintSink, PrintSinkOutputWriter. */
#include "common/base/thread.h"
#include "engine/operators/io/io_counter.h"
#include "engine/operators/io/row_text.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PRINT_POLL_MS = 100,            /* how long a full pipe may keep a cancellation waiting */
    PRINT_KEEP_BYTES = 1024 * 1024, /* of memory, from one batch to the next */
};

struct print_sink {
    struct operator op;
    struct metric_counter *bytes_send; /* Borrows */
    struct str prefix;
    struct str lines;
    bool rows; /* with their kinds */
    int fd;
    size_t write_max; /* bytes that a descriptor which is writable takes without blocking */
};

/* All print sinks of the process write whole batches in turn.  It is no mutex because a turn may last for
 * as long as nobody reads the pipe, and whoever waits for its turn can be cancelled meanwhile. */
static _Atomic bool printing;
static struct event_count print_turn;

static int print_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct print_sink *s = (struct print_sink *)op;
    struct stat st;
    Flinc__PrintSinkConfig *c =
        flinc__print_sink_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);

    if (c == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the print sink is damaged");
    }
    s->bytes_send = io_bytes_send(ctx);
    s->rows = c->rows;
    s->fd = c->to_stderr ? STDERR_FILENO : STDOUT_FILENO;
    str_append_cstr(&s->prefix, c->identifier);
    if (ctx->parallelism > 1) {
        str_printf(&s->prefix, "%s%u", s->prefix.len > 0 ? ":" : "", ctx->subtask + 1);
    }
    if (s->prefix.len > 0) {
        str_append_cstr(&s->prefix, "> ");
    }
    flinc__print_sink_config__free_unpacked(c, NULL);
    bool is_file = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
    s->write_max = is_file ? SIZE_MAX : PIPE_BUF;
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static int check_cancelled(const struct op_context *ctx, struct error *err)
{
    return atomic_load_explicit(ctx->cancelled, memory_order_relaxed)
               ? error_set(err, ERR_CANCELLED, "printing was cancelled")
               : 0;
}

static int begin_turn(const struct op_context *ctx, struct error *err)
{
    while (atomic_exchange(&printing, true)) {
        uint32_t ticket = event_count_prepare(&print_turn);
        if (!atomic_load(&printing)) {
            event_count_cancel(&print_turn);
            continue;
        }
        (void)event_count_wait(&print_turn, ticket, PRINT_POLL_MS * INT64_C(1000000));
        TRY(check_cancelled(ctx, err));
    }
    return 0;
}

static void end_turn(void)
{
    atomic_store(&printing, false);
    event_count_signal(&print_turn);
}

static int wait_writable(const struct print_sink *s, const struct op_context *ctx,
                         struct error *err)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};

    while (poll(&p, 1, PRINT_POLL_MS) == 0) {
        TRY(check_cancelled(ctx, err));
    }
    return 0;
}

static int write_lines(const struct print_sink *s, const struct op_context *ctx, struct error *err)
{
    size_t done = 0;

    while (done < s->lines.len) {
        TRY(wait_writable(s, ctx, err));
        ssize_t n = write(s->fd, s->lines.data + done, MIN(s->lines.len - done, s->write_max));
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return error_set_errno(err, errno, "printing to standard %s",
                                   s->fd == STDERR_FILENO ? "error" : "output");
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int print_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct print_sink *s = (struct print_sink *)op;

    (void)input;
    str_clear(&s->lines);
    for (uint32_t i = 0; i < take_batch->n_sel; i++) {
        str_append_slice(&s->lines, str_slice(&s->prefix));
        if (s->rows) {
            batch_print_row(take_batch, batch_row(take_batch, i), &s->lines);
        } else {
            row_text_append(&s->lines, take_batch, batch_row(take_batch, i));
        }
        str_append_char(&s->lines, '\n');
    }
    batch_unref(take_batch);
    TRY(begin_turn(ctx, err));
    int rc = write_lines(s, ctx, err);
    end_turn();
    metric_counter_add(s->bytes_send, rc < 0 ? 0 : (int64_t)s->lines.len);
    if (s->lines.cap > PRINT_KEEP_BYTES) {
        str_fini(&s->lines);
    }
    return rc < 0 ? rc : OP_DONE;
}

static void print_close(struct operator* op, struct op_context *ctx)
{
    struct print_sink *s = (struct print_sink *)op;

    (void)ctx;
    str_fini(&s->prefix);
    str_fini(&s->lines);
}

const struct operator_desc operator_sink_print = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.sink.print",
    .summary = "a line per record on standard output",
    .instance_size = sizeof(struct print_sink),
    .n_inputs = 1,
    .open = print_open,
    .process = print_process,
    .close = print_close,
};
