/* Decisions about barriers (barrier_aligner.h). */
#include "taskmanager/exchange/barrier_aligner.h"
#include "common/base/failpoint.h"

#define UNALIGNED FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_UNALIGNED
#define UNTIL_TIMEOUT FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_ALIGNED_UNTIL_TIMEOUT

void barrier_aligner_init(struct barrier_aligner *a, uint32_t n_channels, enum aligner_mode mode)
{
    *a = (struct barrier_aligner){
        .mode = mode,
        .n_channels = n_channels,
        .ended = MEM_NEW_ARRAY(bool, n_channels + 1),
        .fixed = MEM_NEW_ARRAY(bool, n_channels + 1),
    };
}

void barrier_aligner_set_fixed(struct barrier_aligner *a, uint32_t first, uint32_t n)
{
    ASSERT(first + n <= a->n_channels && a->n_pending == 0);
    for (uint32_t i = first; i < first + n; i++) {
        a->n_fixed += !a->fixed[i];
        a->fixed[i] = true;
    }
}

static void alignment_fini(struct alignment *p)
{
    barrier_unref(p->barrier);
    mem_free(p->delivered);
}

void barrier_aligner_fini(struct barrier_aligner *a)
{
    for (uint32_t i = 0; i < a->n_pending; i++) {
        alignment_fini(&a->pending[i]);
    }
    a->n_pending = 0;
    mem_free(a->ended);
    mem_free(a->fixed);
    a->ended = a->fixed = NULL;
}

static void aligner_remove(struct barrier_aligner *a, uint32_t index)
{
    alignment_fini(&a->pending[index]);
    a->n_pending--;
    memmove(&a->pending[index], &a->pending[index + 1],
            (a->n_pending - index) * sizeof(a->pending[0]));
}

static bool aligner_was_cancelled(const struct barrier_aligner *a, uint64_t id)
{
    for (size_t i = 0; i < ALIGNER_CANCELLED_MAX; i++) {
        if (a->cancelled[i] == id) {
            return true;
        }
    }
    return false;
}

/* The first `n`, which a newer one takes the place of. */
static void aligner_give_up(struct barrier_aligner *a, uint32_t n, struct aligner_verdict *v)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t id = a->pending[0].barrier->checkpoint_id;
        if (!aligner_was_cancelled(a, id)) {
            v->given_up[v->n_given_up++] = id;
        }
        a->last_id = MAX(a->last_id, id);
        aligner_remove(a, 0);
    }
    v->unblock = v->unblock || (n > 0 && a->mode == ALIGN_EXACTLY_ONCE);
}

static bool alignment_is_complete(const struct barrier_aligner *a, const struct alignment *p)
{
    bool overtakes = p->overtakes && a->mode == ALIGN_EXACTLY_ONCE;
    return p->n_delivered >= a->n_channels || (overtakes && p->n_fixed_delivered == a->n_fixed);
}

static void alignment_deliver(const struct barrier_aligner *a, struct alignment *p,
                              uint32_t channel)
{
    p->n_fixed_delivered += !p->delivered[channel] && a->fixed[channel];
    p->n_delivered += !p->delivered[channel];
    p->delivered[channel] = true;
}

/* Looks for the newest one that is complete. */
static void aligner_settle(struct barrier_aligner *a, struct aligner_verdict *v)
{
    for (uint32_t i = a->n_pending; i-- > 0;) {
        struct alignment *p = &a->pending[i];
        if (!alignment_is_complete(a, p)) {
            continue;
        }
        aligner_give_up(a, i, v);
        p = &a->pending[0];
        v->complete = barrier_ref(p->barrier);
        v->is_cancelled = aligner_was_cancelled(a, p->barrier->checkpoint_id);
        v->overtakes = p->overtakes && a->mode == ALIGN_EXACTLY_ONCE;
        v->first_ns = p->first_ns;
        v->block = false;
        v->unblock = a->mode == ALIGN_EXACTLY_ONCE;
        a->last_id = MAX(a->last_id, p->barrier->checkpoint_id);
        aligner_remove(a, 0);
        return;
    }
}

/* The alignment of a barrier, made when it is new; NULL: it is late. */
static struct alignment *aligner_get(struct barrier_aligner *a, struct barrier *b, int64_t now_ns,
                                     struct aligner_verdict *v)
{
    uint32_t at = a->n_pending;
    while (at > 0 && a->pending[at - 1].barrier->checkpoint_id >= b->checkpoint_id) {
        at--;
    }
    if (at < a->n_pending && a->pending[at].barrier->checkpoint_id == b->checkpoint_id) {
        return &a->pending[at];
    }
    bool takes_older = PLANTED("older_barrier_aligns");
    if (b->checkpoint_id <= a->last_id && !takes_older) {
        return NULL;
    }
    if (a->mode == ALIGN_EXACTLY_ONCE) {
        if (at < a->n_pending && !takes_older) {
            return NULL; /* older than the one under way */
        }
        aligner_give_up(a, a->n_pending, v);
        at = 0;
    } else if (a->n_pending == ALIGNER_PENDING_MAX) {
        if (at == 0) {
            return NULL;
        }
        aligner_give_up(a, 1, v);
        at--;
    }
    memmove(&a->pending[at + 1], &a->pending[at], (a->n_pending - at) * sizeof(a->pending[0]));
    a->n_pending++;
    struct alignment *p = &a->pending[at];
    *p = (struct alignment){.barrier = barrier_ref(b),
                            .first_ns = now_ns,
                            .delivered = mem_dup(a->ended, a->n_channels + 1),
                            .n_delivered = a->n_ended,
                            .n_fixed_delivered = a->n_fixed_ended,
                            .overtakes = b->message->alignment == UNALIGNED};
    return p;
}

struct aligner_verdict barrier_aligner_on_barrier(struct barrier_aligner *a, uint32_t channel,
                                                  struct barrier *b, int64_t now_ns)
{
    struct aligner_verdict v = {0};
    ASSERT(channel < a->n_channels && !a->ended[channel]);
    struct alignment *p = aligner_get(a, b, now_ns, &v);
    if (p == NULL || p->delivered[channel]) {
        return v;
    }
    alignment_deliver(a, p, channel);
    p->n_delivered += PLANTED("double_barrier") ? 1 : 0;
    v.block = a->mode == ALIGN_EXACTLY_ONCE && !aligner_was_cancelled(a, b->checkpoint_id) &&
              !PLANTED("skip_alignment");
    aligner_settle(a, &v);
    return v;
}

struct aligner_verdict barrier_aligner_on_announcement(struct barrier_aligner *a, struct barrier *b,
                                                       int64_t now_ns)
{
    struct aligner_verdict v = {0};
    struct alignment *p = a->mode == ALIGN_EXACTLY_ONCE ? aligner_get(a, b, now_ns, &v) : NULL;
    if (p != NULL) {
        p->overtakes = true;
        aligner_settle(a, &v);
    }
    return v;
}

const struct barrier *barrier_aligner_timed(const struct barrier_aligner *a)
{
    const struct alignment *p = &a->pending[0];
    return a->n_pending > 0 && a->mode == ALIGN_EXACTLY_ONCE && !p->overtakes &&
                   p->barrier->message->alignment == UNTIL_TIMEOUT
               ? p->barrier
               : NULL;
}

struct aligner_verdict barrier_aligner_on_timeout(struct barrier_aligner *a, uint64_t checkpoint_id)
{
    struct aligner_verdict v = {0};
    if (a->n_pending > 0 && a->pending[0].barrier->checkpoint_id == checkpoint_id) {
        a->pending[0].overtakes = true;
        aligner_settle(a, &v);
    }
    return v;
}

struct aligner_verdict barrier_aligner_on_trigger(struct barrier_aligner *a, struct barrier *b,
                                                  int64_t now_ns)
{
    struct aligner_verdict v = {0};
    if (aligner_get(a, b, now_ns, &v) != NULL) {
        aligner_settle(a, &v);
    }
    return v;
}

struct aligner_verdict barrier_aligner_on_end(struct barrier_aligner *a, uint32_t channel)
{
    struct aligner_verdict v = {0};
    ASSERT(channel < a->n_channels);
    if (a->ended[channel]) {
        return v;
    }
    a->ended[channel] = true;
    a->n_ended++;
    a->n_fixed_ended += a->fixed[channel];
    for (uint32_t i = 0; i < a->n_pending; i++) {
        alignment_deliver(a, &a->pending[i], channel);
    }
    aligner_settle(a, &v);
    return v;
}

struct aligner_verdict barrier_aligner_on_cancel(struct barrier_aligner *a, uint64_t checkpoint_id)
{
    struct aligner_verdict v = {0};
    if (checkpoint_id <= a->last_id || aligner_was_cancelled(a, checkpoint_id)) {
        return v;
    }
    if (!PLANTED("cancellation_is_forgotten")) {
        a->cancelled[a->next_cancelled++ % ALIGNER_CANCELLED_MAX] = checkpoint_id;
    }
    /* Nobody waits for it any more: what it blocks goes on, its other barriers are counted all the same. */
    for (uint32_t i = 0; i < a->n_pending; i++) {
        if (a->pending[i].barrier->checkpoint_id == checkpoint_id) {
            v.unblock = a->mode == ALIGN_EXACTLY_ONCE;
        }
    }
    return v;
}
