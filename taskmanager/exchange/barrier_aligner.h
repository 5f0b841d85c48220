/* When a checkpoint's barrier has come by all channels of a task: alignment, over all its gates.
 *
 *   barrier of a new checkpoint ─► ALIGNING ─last channel delivered it─► complete
 *                                     ├─ a newer barrier (exactly once) ─► given up: newer
 *                                     ├─ cancelled by the job master ────► given up
 *                                     ├─ END_OF_PARTITION of a channel: counts as delivered
 *                                     └─ it may overtake, and the channels that cannot be overtaken
 *                                        have delivered it ─► complete, before the others
 *
 * A barrier may overtake when it is unaligned, when one was announced (ahead of what waits before it in a
 * channel), and when its time-out for alignment is over.  Channels of edges whose elements are never recorded
 * (barrier_aligner_set_fixed()) are waited for all the same.  What comes of a barrier that overtook is late: it
 * blocks nothing.
 *
 * Exactly once: one alignment at a time; a channel that delivered its barrier is to be blocked until the
 * alignment is over.  At least once: nothing is blocked, several are counted side by side, and one that
 * is complete gives up all before it.  What comes late (of a checkpoint that is over, or older than one)
 * changes nothing and blocks nothing.
 *
 * A checkpoint that was cancelled before its barriers came is aligned all the same, so that those below see
 * a barrier on every channel; it is complete with ALIGNED_CANCELLED, and nobody takes a snapshot.
 *
 * Pure: it decides, the task acts.  Thread: one owner.
 * Flink: SingleCheckpointBarrierHandler, CheckpointBarrierTracker. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_BARRIER_ALIGNER_H
#define FLINC_TASKMANAGER_EXCHANGE_BARRIER_ALIGNER_H

#include "taskmanager/exchange/element.h"

enum {
    ALIGNER_PENDING_MAX =
        16, /* at least once: counted side by side; one more gives up the oldest */
    ALIGNER_CANCELLED_MAX = 16, /* ids remembered */
};

enum aligner_mode {
    ALIGN_EXACTLY_ONCE,
    ALIGN_AT_LEAST_ONCE,
};

/* One checkpoint under way. */
struct alignment {
    struct barrier *barrier;    /* Owns a ref */
    int64_t first_ns;           /* when its first barrier came */
    bool *delivered;            /* Owns; by channel */
    uint32_t n_delivered;       /* or ended */
    uint32_t n_fixed_delivered; /* of the fixed channels among them */
    bool overtakes;
};

struct barrier_aligner {
    enum aligner_mode mode;
    uint32_t n_channels, n_ended;
    bool *ended; /* Owns; by channel */
    bool *fixed; /* Owns; by channel: is not overtaken */
    uint32_t n_fixed, n_fixed_ended;
    struct alignment pending[ALIGNER_PENDING_MAX + 1]; /* by rising id */
    uint32_t n_pending;
    uint64_t last_id; /* the highest that is over, one way or another */
    uint64_t cancelled[ALIGNER_CANCELLED_MAX];
    uint32_t next_cancelled;
};

/* What a call leads to. */
struct aligner_verdict {
    bool block;               /* the channel of the call */
    bool unblock;             /* all channels, before anything else */
    struct barrier *complete; /* Owns a ref: its barrier has come by all channels; NULL: none */
    bool is_cancelled;        /* of `complete`: only passed on */
    bool overtakes;           /* of `complete`: what waits in channels before it belongs to it */
    int64_t first_ns;         /* of `complete` */
    uint64_t given_up[ALIGNER_PENDING_MAX + 1]; /* to be declined: a newer one came */
    uint32_t n_given_up;
};

void barrier_aligner_init(struct barrier_aligner *a, uint32_t n_channels, enum aligner_mode mode);
void barrier_aligner_fini(struct barrier_aligner *a);
/* Before anything comes: channels first ... first + n - 1 are not overtaken. */
void barrier_aligner_set_fixed(struct barrier_aligner *a, uint32_t first, uint32_t n);
/* Borrows the barrier. */
struct aligner_verdict barrier_aligner_on_barrier(struct barrier_aligner *a, uint32_t channel,
                                                  struct barrier *b, int64_t now_ns);
/* One was announced: it lies behind what waits in a channel.  Borrows the barrier. */
struct aligner_verdict barrier_aligner_on_announcement(struct barrier_aligner *a, struct barrier *b,
                                                       int64_t now_ns);
/* Its time for alignment is over. */
struct aligner_verdict barrier_aligner_on_timeout(struct barrier_aligner *a,
                                                  uint64_t checkpoint_id);
/* The one under way that may overtake once its time is over; NULL: none. */
const struct barrier *barrier_aligner_timed(const struct barrier_aligner *a);
/* The job master triggers the checkpoint here: nothing before this task runs, so that it is complete when
 * all channels have ended. */
struct aligner_verdict barrier_aligner_on_trigger(struct barrier_aligner *a, struct barrier *b,
                                                  int64_t now_ns);
struct aligner_verdict barrier_aligner_on_end(struct barrier_aligner *a, uint32_t channel);
/* It will never complete. */
struct aligner_verdict barrier_aligner_on_cancel(struct barrier_aligner *a, uint64_t checkpoint_id);
static inline bool barrier_aligner_is_aligning(const struct barrier_aligner *a)
{
    return a->n_pending > 0;
}

#endif
