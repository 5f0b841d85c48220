/* Rows of a SELECT as the client holds them; see result_fetcher.h.
 *
 *            delivered        visible            offset
 *   rows  ───────┼───────────────┼─────────────────┼──────►
 *     given out      wait to be       wait for a       not here yet
 *                    given out        checkpoint
 *
 * `visible` is safe_offset in exactly-once mode, else it is `offset`.  A new run of the sink takes `offset` back to `visible`
 * or to common_offset, whichever is further: rows that a checkpoint covers are the same in every later run. */
#include "client/submit/result_fetcher.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "engine/data/codec.h"
#include "proto/collect.pb-c.h"
#include <limits.h>
#include <poll.h>
#include <stdio.h>

enum {
    RESULT_ANSWER_SLACK_MS = 30 * 1000, /* for an answer beside its wait */
    RESULT_UNKNOWN_MS = 15 * 1000,      /* a job that was there may be unknown to a new leader */
};

struct held_batch {
    uint64_t first;      /* offset of its first row */
    struct batch *batch; /* Owns */
    uint64_t bytes;
};

struct result_fetcher {
    struct result_fetcher_options o;
    struct schema *schema; /* Owns a ref */
    struct vec held;       /* of struct held_batch, in order, without gaps */
    uint64_t held_bytes;
    uint64_t delivered, offset, safe;
    uint64_t version; /* 0: the sink has not answered yet */
    Flinc__CollectGuarantee guarantee;
    uint32_t restarts;
    bool at_end;   /* the sink has no more rows than `offset` */
    bool ended;    /* the job */
    bool finished; /* it has FINISHED */
    char status[32];
    struct error failure;  /* what every later call returns; code 0: none */
    int64_t pause_ms;      /* before the next request */
    int64_t lost_since_ns; /* out of reach; 0: it is not */
};

static int64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_system);
}

/* ---- life --------------------------------------------------------------------------------------- */

struct result_fetcher *result_fetcher_new(const struct result_fetcher_options *options)
{
    struct result_fetcher *f = MEM_NEW(struct result_fetcher);

    f->o = *options;
    f->o.request_bytes = options->request_bytes > 0 ? options->request_bytes : RESULT_REQUEST_BYTES;
    f->o.kept_bytes = options->kept_bytes > 0 ? options->kept_bytes : RESULT_KEPT_BYTES;
    f->o.wait_ms = options->wait_ms > 0 ? options->wait_ms : RESULT_WAIT_MS;
    f->o.outage_ms = options->outage_ms > 0 ? options->outage_ms : RESULT_OUTAGE_MS;
    f->schema = schema_ref((struct schema *)options->schema);
    f->o.schema = f->schema;
    vec_init(&f->held, sizeof(struct held_batch));
    return f;
}

struct result_fetcher *result_fetcher_free(struct result_fetcher *f)
{
    if (f != NULL) {
        for (size_t i = 0; i < f->held.len; i++) {
            batch_unref(VEC_AT(&f->held, struct held_batch, i)->batch);
        }
        vec_fini(&f->held);
        schema_unref(f->schema);
        mem_free(f);
    }
    return NULL;
}

struct result_fetcher *result_fetcher_close(struct result_fetcher *f)
{
    struct error ignored = ERROR_INIT;

    if (f != NULL && !f->ended && f->o.source.cancel != NULL) {
        (void)f->o.source.cancel(f->o.source.arg, &ignored);
    }
    return result_fetcher_free(f);
}

const char *result_fetcher_status(const struct result_fetcher *f)
{
    return f->status;
}

bool result_fetcher_job_ended(const struct result_fetcher *f)
{
    return f->ended;
}

uint32_t result_fetcher_restarts(const struct result_fetcher *f)
{
    return f->restarts;
}

/* ---- rows that are here ------------------------------------------------------------------------- */

static uint64_t visible(const struct result_fetcher *f)
{
    bool waits = f->guarantee == FLINC__COLLECT_GUARANTEE__COLLECT_EXACTLY_ONCE && !f->finished;
    return waits ? MIN(f->safe, f->offset) : f->offset;
}

/* Takes rows back from `offset` on. */
static void forget_from(struct result_fetcher *f, uint64_t offset)
{
    while (f->held.len > 0) {
        struct held_batch *h = VEC_AT(&f->held, struct held_batch, f->held.len - 1);
        if (h->first + h->batch->n_sel <= offset) {
            break;
        }
        struct batch *rest = NULL;
        if (h->first < offset) {
            rest = batch_slice(f->o.pool, h->batch, 0, (uint32_t)(offset - h->first));
        }
        batch_unref(h->batch);
        h->batch = rest;
        if (rest != NULL) {
            break;
        }
        f->held_bytes -= h->bytes;
        vec_pop(&f->held);
    }
    f->offset = MIN(f->offset, offset);
    f->delivered = MIN(f->delivered, f->offset);
}

/* The first batch, as far as it may be given out.  False: nothing may. */
static bool take_visible(struct result_fetcher *f, struct batch **ret)
{
    uint64_t until = visible(f);

    if (f->held.len == 0 || f->delivered >= until) {
        return false;
    }
    struct held_batch *h = VEC_AT(&f->held, struct held_batch, 0);
    uint64_t end = h->first + h->batch->n_sel;
    ASSERT(h->first == f->delivered);
    if (end <= until) {
        *ret = h->batch;
        f->held_bytes -= h->bytes;
        vec_remove(&f->held, 0);
        f->delivered = end;
        return true;
    }
    uint32_t n = (uint32_t)(until - h->first);
    struct batch *whole = h->batch;
    *ret = batch_slice(f->o.pool, whole, 0, n);
    h->batch = batch_slice(f->o.pool, whole, n, whole->n_sel);
    h->first = until;
    batch_unref(whole);
    f->delivered = until;
    return true;
}

/* Rows from `first` on; those that are here already are passed over. */
static int hold_batch(struct result_fetcher *f, uint64_t first, const Flinc__CollectBatch *b,
                      struct error *err)
{
    struct batch_source source = {.data = b->data.data, .size = b->data.len};
    struct batch *batch = NULL;

    if (first + b->rows <= f->offset) {
        return 0;
    }
    if (first > f->offset) {
        return error_set(err, ERR_CORRUPT, "rows %llu to %llu of the result are missing",
                         (unsigned long long)f->offset, (unsigned long long)first);
    }
    TRY_CTX(err, batch_decode(f->o.pool, f->schema, &source, &batch, err),
            "reading rows of the result");
    if (batch->n_sel != b->rows) {
        batch_unref(batch);
        return error_set(err, ERR_CORRUPT, "a batch of the result has another number of rows");
    }
    if (first < f->offset) {
        struct batch *whole = batch;
        batch = batch_slice(f->o.pool, whole, (uint32_t)(f->offset - first), whole->n_sel);
        batch_unref(whole);
    }
    *VEC_PUSH(&f->held, struct held_batch) =
        (struct held_batch){f->offset, batch, batch_pinned_bytes(batch)};
    f->held_bytes += VEC_AT(&f->held, struct held_batch, f->held.len - 1)->bytes;
    f->offset += batch->n_sel;
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* The first answer, or that of another run of the sink than before. */
static int on_version(struct result_fetcher *f, const Flinc__CollectAnswer *a, struct error *err)
{
    if (f->version == 0 && a->offset > 0) {
        return error_set(err, ERR_STATE,
                         "the first %llu rows of the result have gone to another client: run the "
                         "query again",
                         (unsigned long long)a->offset);
    }
    if (f->version != 0) {
        f->restarts++;
        f->at_end = false;
        if (a->guarantee == FLINC__COLLECT_GUARANTEE__COLLECT_NO_CHECKPOINTS && f->offset > 0) {
            return error_set(err, ERR_STATE,
                             "the job restarted, and rows of the result were told already: run the "
                             "query again, or set execution.checkpointing.interval, so that it can "
                             "go on behind a failure");
        }
        /* What a checkpoint covers is the same in every later run. */
        bool covers = a->guarantee == FLINC__COLLECT_GUARANTEE__COLLECT_EXACTLY_ONCE;
        uint64_t covered = covers ? MIN(f->safe, f->offset) : 0;
        forget_from(f, MAX(a->common_offset, covered));
    }
    f->version = a->version;
    f->guarantee = a->guarantee;
    return 0;
}

static int on_collect_answer(struct result_fetcher *f, const Flinc__CollectAnswer *a,
                             struct error *err)
{
    uint64_t first = a->offset;

    if (a->protocol != FLINC__COLLECT_PROTOCOL__COLLECT_PROTOCOL_1) {
        return error_set(err, ERR_UNSUPPORTED, "the cluster speaks of results in another version");
    }
    if (a->version == 0) {
        return 0;
    }
    if (a->version != f->version) {
        TRY(on_version(f, a, err));
    }
    for (size_t i = 0; i < a->n_batches; i++) {
        TRY(hold_batch(f, first, a->batches[i], err));
        first += a->batches[i]->rows;
    }
    f->safe = MAX(f->safe, a->safe_offset);
    f->at_end |= a->at_end;
    return 0;
}

static int on_job_end(struct result_fetcher *f, const Flinc__CoordinationAnswer *w,
                      struct error *err)
{
    f->ended = true;
    if (strcmp(w->job_status, "FINISHED") == 0) {
        f->finished = true;
        return f->at_end ? 0
                         : error_set(err, ERR_CORRUPT,
                                     "the job has finished, and its last rows are not there");
    }
    if (strcmp(w->job_status, "CANCELED") == 0) {
        return error_set(err, ERR_CANCELLED, "the job was cancelled");
    }
    return error_set(err, ERR_USER_CODE, "the job has failed: %s",
                     w->failure[0] != '\0' ? w->failure : "no reason was given");
}

static int on_answer(struct result_fetcher *f, struct slice bytes, struct error *err)
{
    Flinc__CollectAnswer *a = NULL;
    int rc = 0;
    Flinc__CoordinationAnswer *w =
        flinc__coordination_answer__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);

    if (w != NULL) {
        a = flinc__collect_answer__unpack(NULL, w->answer.len, w->answer.data);
    }
    if (a == NULL) {
        flinc__coordination_answer__free_unpacked(w, NULL);
        return error_set(err, ERR_CORRUPT, "the cluster's answer with rows is damaged");
    }
    snprintf(f->status, sizeof(f->status), "%s", w->job_status);
    if (w->answer.len > 0) {
        rc = on_collect_answer(f, a, err);
    }
    if (rc == 0 && w->job_ended) {
        rc = on_job_end(f, w, err);
    }
    flinc__collect_answer__free_unpacked(a, NULL);
    flinc__coordination_answer__free_unpacked(w, NULL);
    return rc;
}

/* ---- requests ----------------------------------------------------------------------------------- */

static void pack_request(const struct result_fetcher *f, int64_t wait_ms, struct str *out)
{
    Flinc__CollectRequest r = FLINC__COLLECT_REQUEST__INIT;

    r.protocol = FLINC__COLLECT_PROTOCOL__COLLECT_PROTOCOL_1;
    r.version = f->version;
    r.offset = f->offset;
    r.wait_ms = (uint32_t)wait_ms;
    r.max_bytes = f->held_bytes < f->o.kept_bytes ? f->o.request_bytes : 0;
    r.known_safe = f->safe;
    size_t size = flinc__collect_request__get_packed_size(&r);
    str_reserve(out, size);
    flinc__collect_request__pack(&r, (uint8_t *)out->data);
    out->len = size;
}

/* What went wrong may be over soon: 0; or not. */
static int on_outage(struct result_fetcher *f, int rc, const struct error *why, struct error *err)
{
    bool may_pass = rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT || rc == ERR_LIMIT;
    bool is_unknown = rc == ERR_NOT_FOUND && f->version != 0;
    int64_t limit_ms =
        is_unknown ? MIN(f->o.outage_ms, (int64_t)RESULT_UNKNOWN_MS) : f->o.outage_ms;
    int64_t now = now_ns();

    if (may_pass || is_unknown) {
        f->lost_since_ns = f->lost_since_ns != 0 ? f->lost_since_ns : now;
        if (now - f->lost_since_ns < limit_ms * 1000000) {
            return 0;
        }
    }
    if (err != NULL) {
        error_copy(err, why);
        error_context(err, "fetching rows of the result");
    }
    return rc;
}

static int ask_once(struct result_fetcher *f, int64_t wait_ms, struct error *err)
{
    STR_AUTO request = STR_INIT;
    STR_AUTO answer = STR_INIT;
    struct error why = ERROR_INIT;
    uint64_t offset = f->offset, safe = f->safe, version = f->version;

    pack_request(f, wait_ms, &request);
    int rc = FAILPOINT(&why, "result_fetcher.before_ask") < 0 ? ERR_UNAVAILABLE : 0;
    if (rc == 0) {
        rc = f->o.source.ask(f->o.source.arg, str_slice(&request), wait_ms + RESULT_ANSWER_SLACK_MS,
                             &answer, &why);
    }
    if (rc == 0 && FAILPOINT(&why, "result_fetcher.after_ask") < 0) {
        rc = ERR_UNAVAILABLE; /* the answer is lost on its way */
    }
    if (rc == 0) {
        f->lost_since_ns = 0;
        TRY(on_answer(f, str_slice(&answer), err));
    } else {
        TRY(on_outage(f, rc, &why, err));
    }
    bool moved = f->offset != offset || f->safe != safe || f->version != version || f->ended;
    int64_t longer_ms = MAX(2 * f->pause_ms, (int64_t)RESULT_PAUSE_MIN_MS);
    f->pause_ms = moved ? 0 : MIN(longer_ms, (int64_t)RESULT_PAUSE_MAX_MS);
    return 0;
}

/* ERR_CANCELLED: by the token. */
static int pause_for(struct result_fetcher *f, int64_t ms, struct error *err)
{
    struct pollfd fd = {.fd = -1, .events = POLLIN};

    if (f->o.cancel != NULL) {
        fd.fd = cancel_token_fd(f->o.cancel, NULL);
    }
    if (ms > 0) {
        (void)poll(&fd, 1, (int)MIN(ms, (int64_t)INT_MAX));
    }
    return cancel_token_check(f->o.cancel, "fetching rows of the result", err);
}

static int64_t left_until(int64_t deadline_ns)
{
    return MAX((deadline_ns - now_ns()) / 1000000, (int64_t)0);
}

/* Asks until there is something to say. */
static int fetch(struct result_fetcher *f, int64_t timeout_ms, struct batch **ret,
                 struct error *err)
{
    int64_t deadline_ns = now_ns() + timeout_ms * 1000000;

    uint64_t version = UINT64_MAX;

    for (bool asked = false;; asked = true) {
        if (take_visible(f, ret)) {
            return RESULT_ROWS;
        }
        if (f->ended) {
            return RESULT_END;
        }
        int64_t left_ms = left_until(deadline_ns);
        if (asked && left_ms == 0 && version == f->version) {
            return RESULT_TIMEOUT; /* of a new run nothing but its version was told */
        }
        version = f->version;
        TRY(pause_for(f, MIN(f->pause_ms, left_ms), err));
        left_ms = left_until(deadline_ns);
        TRY(ask_once(f, MIN(left_ms, f->o.wait_ms), err));
    }
}

int result_fetcher_next(struct result_fetcher *f, int64_t timeout_ms, struct batch **ret_batch,
                        struct error *err)
{
    struct error why = ERROR_INIT;
    int rc = f->failure.code;

    if (rc == 0) {
        rc = fetch(f, timeout_ms, ret_batch, &why);
        if (rc < 0 && !cancel_token_is_cancelled(f->o.cancel)) {
            error_copy(&f->failure, &why);
            f->failure.code = rc;
        }
    } else {
        error_copy(&why, &f->failure);
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}
