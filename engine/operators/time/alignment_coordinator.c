/* flinc.watermark_alignment: the coordinator half of watermark strategies whose sources wait for each other.
 *
 * Subtasks report how far they have read.  Every interval the coordinator gives the least of them to its group,
 * in which it meets the other coordinators of the job, and announces to each subtask how far it may read:
 * the least of the group and the drift that its strategy allows.
 *
 *   UNKNOWN ──report──► ACTIVE ◄──────► IDLE       subtask_reset(): UNKNOWN again, from any state
 *      └───────────────────┴──────────────┴──► FINISHED
 *
 * UNKNOWN counts as a watermark that is infinitely low, IDLE and FINISHED do not count.  While somebody of the
 * group is not known, or has no watermark, nothing is announced, and what was announced stays: a subtask that
 * starts anew has a limit again with its first report.  Until then the coordinator looks more often.
 *
 * Nothing is kept in checkpoints: watermarks start anew with their subtasks.
 * Thread: the job master's mailbox.  Flink: SourceCoordinator (announceCombinedWatermark), WatermarkAggregator. */
#include "engine/operators/registry.h"
#include "engine/operators/time/alignment.h"

enum { START_INTERVAL_MS = 50 }; /* while somebody is not known */

enum subtask_state {
    SUBTASK_UNKNOWN,
    SUBTASK_ACTIVE,
    SUBTASK_IDLE,
    SUBTASK_FINISHED,
};

struct aligned_subtask {
    enum subtask_state state;
    int64_t watermark_ms; /* of ACTIVE; INT64_MIN: none yet */
    bool is_told;         /* its limit: */
    int64_t limit_ms;
};

struct alignment_coordinator {
    struct coordinator base;
    Flinc__WatermarkConfig *config;   /* Owns */
    struct aligned_subtask *subtasks; /* Owns */
};

static struct alignment_coordinator *coordinator_of(struct coordinator *c)
{
    return (struct alignment_coordinator *)c;
}

/* ---- the least ---------------------------------------------------------------------------------- */

static int64_t own_least(const struct alignment_coordinator *a)
{
    int64_t least_ms = INT64_MAX;
    for (uint32_t i = 0; i < a->base.ctx->parallelism; i++) {
        const struct aligned_subtask *s = &a->subtasks[i];
        if (s->state == SUBTASK_UNKNOWN) {
            return INT64_MIN;
        }
        if (s->state == SUBTASK_ACTIVE) {
            least_ms = MIN(least_ms, s->watermark_ms);
        }
    }
    return least_ms;
}

static int64_t group_least(struct alignment_coordinator *a)
{
    struct coordinator_context *ctx = a->base.ctx;
    return ctx->host->group_least(ctx, a->config->alignment->group, own_least(a));
}

/* ---- announcements ------------------------------------------------------------------------------ */

static void announce_to(struct alignment_coordinator *a, uint32_t subtask, int64_t least_ms)
{
    struct coordinator_context *ctx = a->base.ctx;
    struct aligned_subtask *s = &a->subtasks[subtask];
    Flinc__AlignmentAnnouncement m = FLINC__ALIGNMENT_ANNOUNCEMENT__INIT;
    uint8_t bytes[64];
    m.version = ALIGNMENT_VERSION;
    m.least_ms = least_ms;
    if (__builtin_add_overflow(least_ms, a->config->alignment->max_drift_ms, &m.limit_ms)) {
        m.limit_ms = INT64_MAX;
    }
    bool is_running = s->state == SUBTASK_ACTIVE || s->state == SUBTASK_IDLE;
    if (!is_running || (s->is_told && s->limit_ms == m.limit_ms)) {
        return;
    }
    s->is_told = true;
    s->limit_ms = m.limit_ms;
    size_t size = flinc__alignment_announcement__get_packed_size(&m);
    ASSERT(size <= sizeof(bytes)); /* three numbers */
    flinc__alignment_announcement__pack(&m, bytes);
    ctx->host->send_event(ctx, subtask, bytes, size);
}

/* Timer. */
static void announce(struct coordinator *c)
{
    struct alignment_coordinator *a = coordinator_of(c);
    int64_t interval_ms = a->config->alignment->interval_ms, least_ms = group_least(a);
    for (uint32_t i = 0; least_ms > INT64_MIN && i < c->ctx->parallelism; i++) {
        announce_to(a, i, least_ms);
    }
    c->ctx->host->schedule(
        c->ctx, least_ms > INT64_MIN ? interval_ms : MIN(interval_ms, START_INTERVAL_MS), announce);
}

/* ---- life --------------------------------------------------------------------------------------- */

/* Nobody is known; and the group waits. */
static int begin(struct coordinator *c, struct error *err)
{
    struct alignment_coordinator *a = coordinator_of(c);
    (void)err;
    memset(a->subtasks, 0, sizeof(*a->subtasks) * c->ctx->parallelism);
    announce(c);
    return 0;
}

static int alignment_start(struct coordinator *c, struct coordinator_context *ctx,
                           struct error *err)
{
    struct alignment_coordinator *a = coordinator_of(c);
    a->config =
        flinc__watermark_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (a->config == NULL || a->config->alignment == NULL ||
        a->config->alignment->group[0] == '\0' || a->config->alignment->max_drift_ms < 0 ||
        a->config->alignment->interval_ms <= 0) {
        return error_set(err, ERR_CORRUPT,
                         "the configuration of the watermark alignment is damaged");
    }
    a->subtasks = MEM_NEW_ARRAY(struct aligned_subtask, (size_t)ctx->parallelism + 1);
    return begin(c, err);
}

static void alignment_close(struct coordinator *c)
{
    struct alignment_coordinator *a = coordinator_of(c);
    mem_free(a->subtasks);
    flinc__watermark_config__free_unpacked(a->config, NULL);
}

/* ---- reports ------------------------------------------------------------------------------------ */

static int alignment_event(struct coordinator *c, uint32_t subtask, const uint8_t *data,
                           size_t size, struct error *err)
{
    struct alignment_coordinator *a = coordinator_of(c);
    Flinc__AlignmentReport *r = flinc__alignment_report__unpack(NULL, size, data);
    if (r == NULL || r->version != ALIGNMENT_VERSION || subtask >= c->ctx->parallelism) {
        flinc__alignment_report__free_unpacked(r, NULL);
        return error_set(err, ERR_PARSE,
                         "a report to the watermark alignment is damaged, or of another version");
    }
    struct aligned_subtask *s = &a->subtasks[subtask];
    if (s->state != SUBTASK_FINISHED) {
        s->state = r->is_finished ? SUBTASK_FINISHED : r->is_idle ? SUBTASK_IDLE : SUBTASK_ACTIVE;
        s->watermark_ms = r->watermark_ms;
    }
    flinc__alignment_report__free_unpacked(r, NULL);
    return 0;
}

/* The next announcement says the rest. */
static void alignment_subtask_reset(struct coordinator *c, uint32_t subtask, uint64_t checkpoint_id)
{
    struct alignment_coordinator *a = coordinator_of(c);
    (void)checkpoint_id;
    if (subtask < c->ctx->parallelism) {
        a->subtasks[subtask] = (struct aligned_subtask){.state = SUBTASK_UNKNOWN};
    }
}

const struct coordinator_desc coordinator_watermark_alignment = {
    .struct_size = sizeof(struct coordinator_desc),
    .kind = "flinc.watermark_alignment",
    .instance_size = sizeof(struct alignment_coordinator),
    .start = alignment_start,
    .on_event = alignment_event,
    .subtask_reset = alignment_subtask_reset,
    .reset = begin,
    .close = alignment_close,
};
