/* The coordinator half of the collect sink; see collect.h.
 *
 * One request waits at a time; a newer one has the older answered with the news alone.  The sink holds an ask until it has
 * something to tell; the time that the request allows is kept here.  Behind the end of the input the rows are here:
 *
 *   sink runs ──LAST_ROWS, at_end──► rows here ──job finished──► result()
 *       ▲───STARTED (a new run)──────────┘
 *
 * Rows here are part of checkpoints.  A new attempt of the sink says whether they hold still: STARTED (they are dropped, it
 * has them) or RESTORED_FINISHED.  Thread: the job master's mailbox.  Flink: CollectSinkOperatorCoordinator. */
#include "engine/query/collect.h"

#include "common/base/failpoint.h"
#include "common/base/vec.h"

struct last_piece {
    uint64_t first;
    uint32_t rows;
    uint64_t size;
    uint8_t *data; /* Owns */
};

struct collect_coordinator {
    struct coordinator base;
    bool is_up;                 /* the sink's present run has started */
    Flinc__CollectAnswer known; /* what the sink last said; without batches */
    struct vec last;            /* of struct last_piece: what came behind the end of the input */
    bool last_complete;         /* all of it is here ... */
    bool last_holds;            /* ... and is of the present run */
    uint64_t last_checkpoint;   /* the first that they are part of; 0: none yet */
    struct coordinator_reply *reply; /* of the request that waits; NULL: none does */
    Flinc__CollectRequest request;   /* that one */
    uint64_t request_id;             /* of the ask; counts */
    bool is_sent;                    /* it is with the sink */
    int64_t deadline_ns;
};

static struct collect_coordinator *coordinator_of(struct coordinator *c)
{
    return (struct collect_coordinator *)c;
}

/* ---- the last rows ------------------------------------------------------------------------------ */

static void drop_last(struct collect_coordinator *c)
{
    for (size_t i = 0; i < c->last.len; i++) {
        mem_free(VEC_AT(&c->last, struct last_piece, i)->data);
    }
    vec_clear(&c->last);
    c->last_complete = c->last_holds = false;
    c->last_checkpoint = 0;
}

static void keep_last(struct collect_coordinator *c, const Flinc__CollectAnswer *a)
{
    uint64_t first = a->offset;
    for (size_t i = 0; i < a->n_batches; i++) {
        const Flinc__CollectBatch *b = a->batches[i];
        *VEC_PUSH(&c->last, struct last_piece) =
            (struct last_piece){first, b->rows, b->data.len, mem_dup(b->data.data, b->data.len)};
        first += b->rows;
    }
}

static void forget_before(struct collect_coordinator *c, uint64_t offset)
{
    while (c->last.len > 0) {
        struct last_piece *p = VEC_AT(&c->last, struct last_piece, 0);
        if (p->first + p->rows > offset) {
            break;
        }
        c->known.offset = p->first + p->rows;
        mem_free(p->data);
        vec_remove(&c->last, 0);
    }
}

static uint64_t last_end(const struct collect_coordinator *c)
{
    const struct last_piece *p =
        c->last.len > 0 ? VEC_AT(&c->last, struct last_piece, c->last.len - 1) : NULL;
    return p != NULL ? p->first + p->rows : c->known.offset;
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* What is known, with the first of the last rows up to `max_bytes`, at least one piece; 0: none. */
static void pack_answer(const struct collect_coordinator *c, uint64_t max_bytes, struct str *ret)
{
    Flinc__CollectAnswer a = c->known;
    Flinc__CollectBatch *batches = MEM_NEW_ARRAY(Flinc__CollectBatch, c->last.len + 1);
    uint64_t bytes = 0;
    a.batches = MEM_NEW_ARRAY(Flinc__CollectBatch *, c->last.len + 1);
    while (max_bytes > 0 && a.n_batches < c->last.len) {
        struct last_piece *p = VEC_AT(&c->last, struct last_piece, a.n_batches);
        bytes += p->size;
        if (a.n_batches > 0 && bytes > max_bytes) {
            break;
        }
        Flinc__CollectBatch *b = &batches[a.n_batches];
        flinc__collect_batch__init(b);
        b->rows = p->rows;
        b->data = (ProtobufCBinaryData){p->size, p->data};
        a.batches[a.n_batches++] = b;
    }
    a.at_end = c->last_complete && c->last_holds && a.n_batches == c->last.len;
    size_t size = flinc__collect_answer__get_packed_size(&a);
    str_reserve(ret, size);
    flinc__collect_answer__pack(&a, (uint8_t *)ret->data + ret->len);
    ret->len += size;
    mem_free(a.batches);
    mem_free(batches);
}

static void reply_with(struct collect_coordinator *c, const uint8_t *data, size_t size)
{
    struct coordinator_reply *reply = c->reply;
    c->reply = NULL;
    reply->answer(reply, 0, data, size, NULL);
}

/* The request that waits gets the news, without rows.  While no sink runs they have no version: ask again. */
static void reply_news(struct collect_coordinator *c)
{
    STR_AUTO answer = STR_INIT;
    if (c->reply == NULL) {
        return;
    }
    if (c->is_up || c->last_holds) {
        pack_answer(c, 0, &answer);
    }
    reply_with(c, (const uint8_t *)answer.data, answer.len);
}

static void reply_error(struct coordinator_reply *reply, const struct error *why)
{
    reply->answer(reply, why->code, NULL, 0, why);
}

/* The request is of a client of the present run, or of one that has no rows yet. */
static bool is_in_step(const struct collect_coordinator *c)
{
    const Flinc__CollectRequest *r = &c->request;
    bool is_new = r->version == 0 && r->offset == 0;
    return (r->version == c->known.version || is_new) && r->offset >= c->known.offset &&
           r->offset <= last_end(c);
}

/* From the last rows. */
static void reply_last(struct collect_coordinator *c)
{
    const Flinc__CollectRequest *r = &c->request;
    STR_AUTO answer = STR_INIT;
    pack_answer(c, is_in_step(c) ? r->max_bytes : 0, &answer);
    reply_with(c, (const uint8_t *)answer.data, answer.len);
}

/* ---- the request that waits --------------------------------------------------------------------- */

static void send_ask(struct collect_coordinator *c)
{
    struct coordinator_context *ctx = c->base.ctx;
    Flinc__CollectAsk ask = FLINC__COLLECT_ASK__INIT;
    uint8_t bytes[128];
    ask.request_id = ++c->request_id;
    ask.request = &c->request;
    size_t size = flinc__collect_ask__get_packed_size(&ask);
    ASSERT(size <= sizeof(bytes)); /* numbers */
    flinc__collect_ask__pack(&ask, bytes);
    c->is_sent = true;
    ctx->host->send_event(ctx, 0, bytes, size);
}

/* True: the client has all rows and knows it; what it waits for is the end of the job. */
static bool has_all(const struct collect_coordinator *c)
{
    return c->request.version == c->known.version && c->request.offset == last_end(c) &&
           c->last.len == 0 && c->request.wait_ms > 0;
}

static void serve(struct collect_coordinator *c)
{
    if (c->reply == NULL) {
        return;
    }
    if (c->last_complete && c->last_holds) {
        forget_before(c, is_in_step(c) ? c->request.offset : 0);
        if (!has_all(c)) {
            reply_last(c);
        }
    } else if (c->is_up && !c->is_sent) {
        send_ask(c);
    }
}

static int64_t now_ns(const struct collect_coordinator *c)
{
    return clock_monotonic_ns(c->base.ctx->clock);
}

/* Timer. */
static void on_deadline(struct coordinator *base)
{
    struct collect_coordinator *c = coordinator_of(base);
    if (c->reply == NULL) {
        return;
    }
    int64_t left_ms = (c->deadline_ns - now_ns(c) + 999999) / 1000000;
    if (left_ms > 0) {
        base->ctx->host->schedule(base->ctx, left_ms, on_deadline);
        return;
    }
    reply_news(c);
}

static void wait_for_answer(struct collect_coordinator *c)
{
    struct coordinator_context *ctx = c->base.ctx;
    int64_t wait_ms = MIN((int64_t)c->request.wait_ms, (int64_t)COLLECT_WAIT_MAX_MS);
    if (wait_ms == 0 && !c->is_up) {
        reply_news(c);
        return;
    }
    wait_ms = wait_ms == 0 ? COLLECT_GRACE_MS : wait_ms;
    c->deadline_ns = now_ns(c) + wait_ms * 1000000;
    ctx->host->schedule(ctx, wait_ms, on_deadline);
}

static void collect_on_request(struct coordinator *base, const uint8_t *data, size_t size,
                               struct coordinator_reply *take_reply)
{
    struct collect_coordinator *c = coordinator_of(base);
    struct error why = ERROR_INIT;
    Flinc__CollectRequest *r = flinc__collect_request__unpack(NULL, size, data);
    if (r == NULL || r->protocol != FLINC__COLLECT_PROTOCOL__COLLECT_PROTOCOL_1) {
        flinc__collect_request__free_unpacked(r, NULL);
        error_set(&why, ERR_INVALID_ARGUMENT,
                  "a request for results is damaged, or of another version");
        reply_error(take_reply, &why);
        return;
    }
    if (FAILPOINT(&why, "collect.coordinator.request") < 0) {
        flinc__collect_request__free_unpacked(r, NULL);
        error_set(&why, ERR_UNAVAILABLE, "the request for results was lost");
        reply_error(take_reply, &why);
        return;
    }
    reply_news(c); /* to the older one */
    c->reply = take_reply;
    c->request = *r;
    c->request.base.unknown_fields = NULL;
    c->request.base.n_unknown_fields = 0;
    c->is_sent = false;
    flinc__collect_request__free_unpacked(r, NULL);
    serve(c);
    if (c->reply != NULL) {
        wait_for_answer(c);
    }
}

/* ---- what the sink says ------------------------------------------------------------------------- */

static void know(struct collect_coordinator *c, const Flinc__CollectAnswer *a)
{
    c->known = *a;
    c->known.base.unknown_fields = NULL;
    c->known.base.n_unknown_fields = 0;
    c->known.batches = NULL;
    c->known.n_batches = 0;
    c->known.at_end = false;
}

static void on_answer(struct collect_coordinator *c, const Flinc__CollectEvent *e)
{
    if (c->reply == NULL || !c->is_sent || e->request_id != c->request_id) {
        return; /* to one that was answered without it */
    }
    size_t size = flinc__collect_answer__get_packed_size(e->answer);
    uint8_t *bytes = mem_alloc(size + 1);
    flinc__collect_answer__pack(e->answer, bytes);
    reply_with(c, bytes, size);
    mem_free(bytes);
}

static void on_last_rows(struct collect_coordinator *c, const Flinc__CollectAnswer *a)
{
    if (c->last_complete) {
        drop_last(c); /* told again: cannot be of the same run */
    }
    uint64_t first = c->last.len > 0 ? c->known.offset : a->offset;
    keep_last(c, a);
    know(c, a);
    c->known.offset = first;
    c->last_complete = c->last_holds = a->at_end;
    serve(c);
}

static int on_event(struct collect_coordinator *c, const Flinc__CollectEvent *e, struct error *err)
{
    TRY(FAILPOINT(err, "collect.coordinator.event"));
    switch (e->kind) {
    case FLINC__COLLECT_EVENT__KIND__STARTED:
        drop_last(c);
        know(c, e->answer);
        c->is_up = true;
        c->is_sent = false;
        serve(c);
        return 0;
    case FLINC__COLLECT_EVENT__KIND__ANSWER:
        know(c, e->answer);
        on_answer(c, e);
        return 0;
    case FLINC__COLLECT_EVENT__KIND__LAST_ROWS:
        on_last_rows(c, e->answer);
        return 0;
    case FLINC__COLLECT_EVENT__KIND__RESTORED_FINISHED:
        if (!c->last_complete) {
            return error_set(err, ERR_INTERNAL,
                             "the last rows of the result are not in the checkpoint");
        }
        c->last_holds = true;
        serve(c);
        return 0;
    default:
        return error_set(err, ERR_PARSE, "an event of the collect sink is of an unknown kind");
    }
}

static int collect_on_event(struct coordinator *base, uint32_t subtask, const uint8_t *data,
                            size_t size, struct error *err)
{
    Flinc__CollectEvent *e = flinc__collect_event__unpack(NULL, size, data);
    bool needs_answer = e != NULL && e->kind != FLINC__COLLECT_EVENT__KIND__RESTORED_FINISHED;
    if (e == NULL || subtask != 0 || (needs_answer && e->answer == NULL)) {
        flinc__collect_event__free_unpacked(e, NULL);
        return error_set(err, ERR_PARSE, "an event of the collect sink is damaged");
    }
    int rc = on_event(coordinator_of(base), e, err);
    flinc__collect_event__free_unpacked(e, NULL);
    return rc;
}

/* ---- life --------------------------------------------------------------------------------------- */

static void ensure_init(struct collect_coordinator *c)
{
    if (c->last.item_size == 0) {
        vec_init(&c->last, sizeof(struct last_piece));
        flinc__collect_answer__init(&c->known);
    }
}

static int collect_start(struct coordinator *base, struct coordinator_context *ctx,
                         struct error *err)
{
    (void)ctx;
    (void)err;
    ensure_init(coordinator_of(base));
    return 0;
}

static void collect_subtask_reset(struct coordinator *base, uint32_t subtask,
                                  uint64_t checkpoint_id)
{
    struct collect_coordinator *c = coordinator_of(base);
    (void)subtask;
    (void)checkpoint_id;
    c->is_up = c->is_sent = c->last_holds = false;
}

static int collect_reset(struct coordinator *base, struct error *err)
{
    struct collect_coordinator *c = coordinator_of(base);
    (void)err;
    c->is_up = c->is_sent = false;
    drop_last(c);
    reply_news(c); /* its timer is gone */
    return 0;
}

static void collect_close(struct coordinator *base)
{
    struct collect_coordinator *c = coordinator_of(base);
    ensure_init(c);
    c->is_up = c->last_holds = false;
    reply_news(c);
    drop_last(c);
    vec_fini(&c->last);
}

static int collect_snapshot(struct coordinator *base, uint64_t checkpoint_id, struct str *ret_state,
                            struct error *err)
{
    struct collect_coordinator *c = coordinator_of(base);
    (void)err;
    if (c->last_complete && c->last_holds) {
        pack_answer(c, UINT64_MAX, ret_state);
        c->last_checkpoint = c->last_checkpoint != 0 ? c->last_checkpoint : checkpoint_id;
    }
    return 0;
}

/* Other tasks of the job go on: what it covers may be shown before their end. */
static void collect_notify(struct coordinator *base, enum op_notice notice, uint64_t checkpoint_id)
{
    struct collect_coordinator *c = coordinator_of(base);
    if (c->last_checkpoint == 0 || checkpoint_id < c->last_checkpoint) {
        return;
    }
    if (notice == OP_NOTICE_COMPLETE) {
        c->known.safe_offset = last_end(c);
        reply_news(c);
    } else if (checkpoint_id == c->last_checkpoint) {
        c->last_checkpoint = 0; /* the next one will tell */
    }
}

static int collect_restore(struct coordinator *base, uint64_t checkpoint_id, const uint8_t *state,
                           size_t size, struct error *err)
{
    struct collect_coordinator *c = coordinator_of(base);
    (void)checkpoint_id;
    ensure_init(c);
    if (size == 0) {
        return 0;
    }
    Flinc__CollectAnswer *a = flinc__collect_answer__unpack(NULL, size, state);
    if (a == NULL) {
        return error_set(err, ERR_CORRUPT,
                         "the restored state of the collect sink's coordinator is damaged");
    }
    drop_last(c);
    keep_last(c, a);
    know(c, a);
    c->last_complete = true;
    flinc__collect_answer__free_unpacked(a, NULL);
    return 0;
}

static void collect_result(struct coordinator *base, struct str *ret_answer)
{
    struct collect_coordinator *c = coordinator_of(base);
    if (c->last_complete && c->last_holds) {
        pack_answer(c, UINT64_MAX, ret_answer);
    }
}

const struct coordinator_desc query_collect_coordinator = {
    .struct_size = sizeof(struct coordinator_desc),
    .kind = "flinc.query.collect",
    .instance_size = sizeof(struct collect_coordinator),
    .start = collect_start,
    .on_event = collect_on_event,
    .subtask_reset = collect_subtask_reset,
    .reset = collect_reset,
    .close = collect_close,
    .snapshot = collect_snapshot,
    .restore = collect_restore,
    .notify = collect_notify,
    .on_request = collect_on_request,
    .result = collect_result,
};
