/* flinc.query.collect: the sink of SELECT; see collect.h.
 *
 *   rows come ──► kept ──ask──► told ──the next ask acknowledges──► dropped
 *
 * One ask is open at a time: a newer one takes the place of the older, whose asker has been answered by the coordinator. */
#include "engine/query/collect.h"

#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "common/metrics/registry.h"
#include "engine/data/codec.h"
#include "engine/operators/io/list_state.h"

enum { PIECES_SLACK = 64 };

/* An encoded batch. */
struct collect_piece {
    uint64_t first; /* offset of its first row */
    uint32_t rows;
    struct buffer *data; /* Owns a ref */
};

/* A checkpoint that is under way. */
struct collect_mark {
    uint64_t checkpoint_id, end;
};

struct collect {
    struct operator base;
    uint64_t batch_bytes, buffer_bytes;
    Flinc__CollectGuarantee guarantee;
    struct batch_encoder encoder;
    struct operator_list *state; /* Borrows; NULL: the host keeps none */
    struct op_waker *waker;      /* Borrows */
    uint64_t version;
    struct vec pieces; /* of struct collect_piece, from `head` on */
    size_t head;
    uint64_t kept_bytes;
    uint64_t front, end;   /* offsets: rows before `front` are the client's, `end` comes next */
    uint64_t safe, common; /* offsets, as told */
    bool in_step;          /* the client is of this version */
    struct vec marks;      /* of struct collect_mark */
    struct metric_gauge *kept_gauge; /* Borrows; may be NULL */
    bool is_asked;                   /* an ask waits: */
    uint64_t request_id, asked_offset, known_safe, max_bytes;
};

static struct collect *collect_of(struct operator* op)
{
    return (struct collect *)op;
}

/* ---- what is kept ------------------------------------------------------------------------------ */

static size_t n_pieces(const struct collect *s)
{
    return s->pieces.len - s->head;
}

static struct collect_piece *piece_at(const struct collect *s, size_t i)
{
    return VEC_AT(&s->pieces, struct collect_piece, s->head + i);
}

static void forget_first(struct collect *s)
{
    struct collect_piece *p = piece_at(s, 0);
    s->kept_bytes -= p->data->size;
    s->front = p->first + p->rows;
    p->data = buffer_unref(p->data);
    s->head++;
    if (s->head >= PIECES_SLACK && s->head * 2 >= s->pieces.len) {
        size_t n = n_pieces(s);
        struct collect_piece *all = s->pieces.data;
        memmove(all, all + s->head, n * sizeof(*all));
        s->pieces.len = n;
        s->head = 0;
    }
}

/* The client has all rows before `offset`. */
static void forget_before(struct collect *s, uint64_t offset)
{
    while (n_pieces(s) > 0 && piece_at(s, 0)->first + piece_at(s, 0)->rows <= offset) {
        forget_first(s);
    }
}

static bool has_room(const struct collect *s)
{
    return s->kept_bytes < s->buffer_bytes;
}

static void keep(struct collect *s, struct buffer *take_data, uint32_t rows)
{
    *VEC_PUSH(&s->pieces, struct collect_piece) = (struct collect_piece){s->end, rows, take_data};
    s->kept_bytes += take_data->size;
    s->end += rows;
}

/* In pieces that fit into an answer, where rows are not larger themselves. */
static int keep_batch(struct collect *s, struct op_context *ctx, struct batch *b, struct error *err)
{
    struct buffer *data = NULL;
    TRY(batch_encode_to(&s->encoder, b, &data, err));
    if (b->n_sel > 1 && data->size > s->batch_bytes) {
        buffer_unref(data);
        uint32_t half = b->n_sel / 2;
        for (int i = 0; i < 2; i++) {
            struct batch *part =
                batch_slice(ctx->pool, b, i == 0 ? 0 : half, i == 0 ? half : b->n_sel);
            int rc = keep_batch(s, ctx, part, err);
            batch_unref(part);
            TRY(rc);
        }
        return 0;
    }
    if (data->size > COLLECT_PIECE_MAX) {
        uint64_t size = data->size;
        buffer_unref(data);
        return error_set(err, ERR_TOO_LARGE,
                         "a row of the result has %llu bytes; SELECT can bring rows of up to %llu "
                         "bytes to the client: leave out or shorten its columns, or write it to a "
                         "table",
                         (unsigned long long)size, (unsigned long long)COLLECT_PIECE_MAX);
    }
    keep(s, data, b->n_sel);
    return 0;
}

/* ---- telling ------------------------------------------------------------------------------------ */

static void describe(const struct collect *s, Flinc__CollectAnswer *ret)
{
    flinc__collect_answer__init(ret);
    ret->protocol = FLINC__COLLECT_PROTOCOL__COLLECT_PROTOCOL_1;
    ret->version = s->version;
    ret->offset = s->front;
    ret->safe_offset = s->safe;
    ret->common_offset = s->common;
    ret->guarantee = s->guarantee;
}

static void send_event(struct op_context *ctx, Flinc__CollectEvent__Kind kind, uint64_t request_id,
                       Flinc__CollectAnswer *answer)
{
    Flinc__CollectEvent event = FLINC__COLLECT_EVENT__INIT;
    event.kind = kind;
    event.request_id = request_id;
    event.answer = answer;
    size_t size = flinc__collect_event__get_packed_size(&event);
    uint8_t *bytes = mem_alloc(size + 1);
    flinc__collect_event__pack(&event, bytes);
    op_send_event(ctx, bytes, size);
    mem_free(bytes);
}

/* Pieces from number `from` on: at least one, up to `max_bytes`.  Returns how many. */
static size_t count_pieces(const struct collect *s, size_t from, uint64_t max_bytes)
{
    uint64_t bytes = 0;
    size_t n = 0;
    while (from + n < n_pieces(s)) {
        bytes += piece_at(s, from + n)->data->size;
        if (n > 0 && bytes > max_bytes) {
            break;
        }
        n++;
    }
    return n;
}

/* Sends pieces [from, from + n). */
static void send_pieces(struct collect *s, struct op_context *ctx, Flinc__CollectEvent *frame,
                        size_t from, size_t n)
{
    Flinc__CollectAnswer *answer = frame->answer;
    Flinc__CollectBatch *batches = MEM_NEW_ARRAY(Flinc__CollectBatch, n + 1);
    answer->batches = MEM_NEW_ARRAY(Flinc__CollectBatch *, n + 1);
    answer->n_batches = n;
    answer->offset = n > 0 ? piece_at(s, from)->first : s->end;
    for (size_t i = 0; i < n; i++) {
        const struct collect_piece *p = piece_at(s, from + i);
        flinc__collect_batch__init(&batches[i]);
        batches[i].rows = p->rows;
        batches[i].data = (ProtobufCBinaryData){p->data->size, p->data->data};
        answer->batches[i] = &batches[i];
    }
    send_event(ctx, frame->kind, frame->request_id, answer);
    mem_free(answer->batches);
    mem_free(batches);
}

/* Answers the open ask, if there is something to tell. */
static int tell(struct collect *s, struct op_context *ctx, struct error *err)
{
    bool has_rows = s->max_bytes > 0 && s->end > s->asked_offset;
    bool has_news =
        s->guarantee == FLINC__COLLECT_GUARANTEE__COLLECT_EXACTLY_ONCE && s->safe > s->known_safe;
    if (!s->is_asked || (!has_rows && !has_news)) {
        return 0;
    }
    TRY(FAILPOINT(err, "collect.sink.before_answer"));
    Flinc__CollectAnswer answer;
    Flinc__CollectEvent frame = FLINC__COLLECT_EVENT__INIT;
    describe(s, &answer);
    frame.kind = FLINC__COLLECT_EVENT__KIND__ANSWER;
    frame.request_id = s->request_id;
    frame.answer = &answer;
    s->is_asked = false;
    uint64_t max_bytes = MIN(s->max_bytes, s->batch_bytes);
    send_pieces(s, ctx, &frame, 0, has_rows ? count_pieces(s, 0, max_bytes) : 0);
    return FAILPOINT(err, "collect.sink.after_answer");
}

static void tell_news(struct collect *s, struct op_context *ctx, uint64_t request_id)
{
    Flinc__CollectAnswer answer;
    describe(s, &answer);
    send_event(ctx, FLINC__COLLECT_EVENT__KIND__ANSWER, request_id, &answer);
}

static int on_ask(struct collect *s, struct op_context *ctx, const Flinc__CollectAsk *ask,
                  struct error *err)
{
    const Flinc__CollectRequest *r = ask->request;
    TRY(FAILPOINT(err, "collect.sink.ask"));
    s->is_asked = false;
    bool is_new = r->version == 0 && r->offset == 0; /* it has no rows of any run */
    if ((r->version != s->version && !is_new) || r->offset < s->front || r->offset > s->end) {
        /* Of another run; or a repetition that comes late. */
        tell_news(s, ctx, ask->request_id);
        return 0;
    }
    bool had_room = has_room(s);
    s->in_step = true;
    forget_before(s, r->offset);
    if (!had_room && has_room(s)) {
        op_wake(s->waker);
    }
    s->is_asked = true;
    s->request_id = ask->request_id;
    s->asked_offset = r->offset;
    s->known_safe = r->known_safe;
    s->max_bytes = r->max_bytes;
    TRY(tell(s, ctx, err));
    if (s->is_asked && r->wait_ms == 0) {
        s->is_asked = false;
        tell_news(s, ctx, ask->request_id);
    }
    return 0;
}

static int collect_on_event(struct operator* op, struct op_context *ctx, const uint8_t *data,
                            size_t size, struct error *err)
{
    Flinc__CollectAsk *ask = flinc__collect_ask__unpack(NULL, size, data);
    if (ask == NULL || ask->request == NULL) {
        flinc__collect_ask__free_unpacked(ask, NULL);
        return error_set(err, ERR_PARSE, "a request for results is damaged");
    }
    int rc = on_ask(collect_of(op), ctx, ask, err);
    flinc__collect_ask__free_unpacked(ask, NULL);
    return rc;
}

/* ---- life --------------------------------------------------------------------------------------- */

static int read_config(struct collect *s, struct op_context *ctx, struct error *err)
{
    Flinc__CollectConfig *c =
        flinc__collect_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (c == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the collect sink is damaged");
    }
    s->batch_bytes = c->batch_bytes > 0 ? c->batch_bytes : COLLECT_BATCH_BYTES;
    s->batch_bytes = MIN(s->batch_bytes, COLLECT_BUFFER_BYTES_MAX);
    s->buffer_bytes = c->buffer_bytes > 0 ? c->buffer_bytes : 2 * s->batch_bytes;
    s->buffer_bytes = MIN(s->buffer_bytes, COLLECT_BUFFER_BYTES_MAX);
    flinc__collect_config__free_unpacked(c, NULL);
    return 0;
}

static Flinc__CollectGuarantee guarantee_of(const struct op_context *ctx)
{
    if ((ctx->flags & OP_FLAG_CHECKPOINTS) == 0) {
        return FLINC__COLLECT_GUARANTEE__COLLECT_NO_CHECKPOINTS;
    }
    const char *mode =
        ctx->conf != NULL ? conf_string(ctx->conf, "execution.checkpointing.mode") : NULL;
    return mode != NULL && strcmp(mode, "AT_LEAST_ONCE") == 0
               ? FLINC__COLLECT_GUARANTEE__COLLECT_AT_LEAST_ONCE
               : FLINC__COLLECT_GUARANTEE__COLLECT_EXACTLY_ONCE;
}

/* Items: a CollectAnswer with the offsets, then a CollectBatch for each piece. */
static int restore(struct collect *s, struct op_context *ctx, struct error *err)
{
    static const char damaged[] = "the restored state of the collect sink is damaged";
    for (size_t i = 0, n = s->state != NULL ? operator_list_len(s->state) : 0; i < n; i++) {
        struct slice item = operator_list_get(s->state, i);
        const uint8_t *bytes = (const uint8_t *)item.data;
        if (i == 0) {
            Flinc__CollectAnswer *a = flinc__collect_answer__unpack(NULL, item.len, bytes);
            if (a == NULL) {
                return error_set(err, ERR_CORRUPT, damaged);
            }
            s->front = s->end = a->offset;
            s->common = a->common_offset;
            flinc__collect_answer__free_unpacked(a, NULL);
            continue;
        }
        Flinc__CollectBatch *b = flinc__collect_batch__unpack(NULL, item.len, bytes);
        if (b == NULL) {
            return error_set(err, ERR_CORRUPT, damaged);
        }
        struct buffer *data = buffer_get(ctx->pool, b->data.len);
        memcpy(data->data, b->data.data, b->data.len);
        data->size = b->data.len;
        keep(s, data, b->rows);
        flinc__collect_batch__free_unpacked(b, NULL);
    }
    s->safe = s->end;
    return s->common <= s->end ? 0 : error_set(err, ERR_CORRUPT, damaged);
}

static int collect_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct collect *s = collect_of(op);
    struct rng rng;
    Flinc__CollectAnswer news;
    vec_init(&s->pieces, sizeof(struct collect_piece));
    vec_init(&s->marks, sizeof(struct collect_mark));
    batch_encoder_init(&s->encoder, ctx->pool);
    s->encoder.omit = BATCH_PART_HASHES | BATCH_PART_TIMESTAMPS;
    if (ctx->parallelism != 1) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the collect sink has a parallelism of %u; it must be 1",
                         ctx->parallelism);
    }
    TRY(read_config(s, ctx, err));
    s->guarantee = guarantee_of(ctx);
    s->waker = op_get_waker(ctx);
    if (ctx->metrics != NULL) {
        s->kept_gauge = metric_group_gauge(ctx->metrics, "collectedBytes");
    }
    TRY(list_state_open(ctx, "collect", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, &s->state,
                        err));
    TRY(restore(s, ctx, err));
    rng_init_system(&rng);
    do {
        s->version = rng_next(&rng);
    } while (s->version == 0);
    TRY(FAILPOINT(err, "collect.sink.start"));
    describe(s, &news);
    send_event(ctx, FLINC__COLLECT_EVENT__KIND__STARTED, 0, &news);
    return 0;
}

static void collect_close(struct operator* op, struct op_context *ctx)
{
    struct collect *s = collect_of(op);
    (void)ctx;
    for (size_t i = 0; i < n_pieces(s); i++) {
        buffer_unref(piece_at(s, i)->data);
    }
    vec_fini(&s->pieces);
    vec_fini(&s->marks);
    batch_encoder_fini(&s->encoder);
}

static int after_change(struct collect *s, struct op_context *ctx, struct error *err)
{
    TRY(tell(s, ctx, err));
    if (s->kept_gauge != NULL) {
        metric_gauge_set(s->kept_gauge, (int64_t)s->kept_bytes);
    }
    return has_room(s) ? OP_DONE : OP_WAIT;
}

static int collect_process(struct operator* op, struct op_context *ctx, uint32_t input,
                           struct batch *take_batch, struct error *err)
{
    struct collect *s = collect_of(op);
    (void)input;
    int rc = keep_batch(s, ctx, take_batch, err);
    batch_unref(take_batch);
    TRY(rc);
    return after_change(s, ctx, err);
}

static int collect_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return after_change(collect_of(op), ctx, err);
}

/* What is left goes to the coordinator, and stays here for checkpoints that come before the task ends. */
static int collect_end(struct operator* op, struct op_context *ctx, uint32_t input,
                       struct error *err)
{
    struct collect *s = collect_of(op);
    size_t at = 0;
    (void)input;
    s->is_asked = false;
    do {
        Flinc__CollectAnswer answer;
        Flinc__CollectEvent frame = FLINC__COLLECT_EVENT__INIT;
        size_t n = count_pieces(s, at, s->batch_bytes);
        TRY(FAILPOINT(err, "collect.sink.last_rows"));
        describe(s, &answer);
        answer.at_end = at + n == n_pieces(s);
        frame.kind = FLINC__COLLECT_EVENT__KIND__LAST_ROWS;
        frame.answer = &answer;
        send_pieces(s, ctx, &frame, at, n);
        at += n;
    } while (at < n_pieces(s));
    return OP_DONE;
}

static int collect_restored_finished(struct operator* op, struct op_context *ctx, struct error *err)
{
    (void)op;
    (void)err;
    send_event(ctx, FLINC__COLLECT_EVENT__KIND__RESTORED_FINISHED, 0, NULL);
    return 0;
}

/* ---- checkpoints -------------------------------------------------------------------------------- */

static int save(struct collect *s, struct error *err)
{
    Flinc__CollectAnswer head;
    describe(s, &head);
    head.version = 0;
    head.safe_offset = 0;
    head.common_offset = s->in_step ? s->end : s->common;
    operator_list_clear(s->state);
    TRY(list_state_add(s->state, &head.base, err));
    for (size_t i = 0; i < n_pieces(s); i++) {
        Flinc__CollectBatch b = FLINC__COLLECT_BATCH__INIT;
        const struct collect_piece *p = piece_at(s, i);
        b.rows = p->rows;
        b.data = (ProtobufCBinaryData){p->data->size, p->data->data};
        TRY(list_state_add(s->state, &b.base, err));
    }
    return 0;
}

static int collect_snapshot(struct operator* op, struct op_context *ctx,
                            const struct op_checkpoint *checkpoint, struct error *err)
{
    struct collect *s = collect_of(op);
    (void)ctx;
    TRY(FAILPOINT(err, "collect.sink.snapshot"));
    if (s->state != NULL) {
        TRY(save(s, err));
    }
    *VEC_PUSH(&s->marks, struct collect_mark) = (struct collect_mark){checkpoint->id, s->end};
    return 0;
}

static int collect_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                          uint64_t checkpoint_id, struct error *err)
{
    struct collect *s = collect_of(op);
    TRY(FAILPOINT(err, "collect.sink.notify"));
    for (size_t i = 0; i < s->marks.len;) {
        const struct collect_mark *m = VEC_AT(&s->marks, struct collect_mark, i);
        bool complete = notice == OP_NOTICE_COMPLETE && m->checkpoint_id <= checkpoint_id;
        if (complete) {
            s->safe = MAX(s->safe, m->end);
        }
        if (complete || m->checkpoint_id == checkpoint_id) {
            vec_remove(&s->marks, i);
        } else {
            i++;
        }
    }
    return tell(s, ctx, err);
}

const struct operator_desc query_collect = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.query.collect",
    .summary = "rows of a SELECT, kept until the client has fetched them",
    .instance_size = sizeof(struct collect),
    .n_inputs = 1,
    .open = collect_open,
    .process = collect_process,
    .resume = collect_resume,
    .end_of_input = collect_end,
    .on_event = collect_on_event,
    .close = collect_close,
    .snapshot = collect_snapshot,
    .notify = collect_notify,
    .restored_finished = collect_restored_finished,
};
