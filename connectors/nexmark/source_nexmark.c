/* flinc.table.nexmark: the events of the auction site.
 *
 * Events are dealt out in blocks of NEXMARK_BLOCK numbers, in turn: block b to subtask b mod parallelism at first.  What is
 * left of the blocks is list state (index_ranges.h), with the rest of a block that was begun; so every event is made
 * once, at any parallelism and after any restart, and is the same each time.
 * Flink: the Nexmark suite's NexmarkSource. */
#include "connectors/nexmark/generator.h"
#include "connectors/nexmark/nexmark.h"
#include "engine/operators/io/index_ranges.h"
#include "engine/operators/io/list_state.h"
#include "engine/operators/io/row_rate.h"
#include "proto/operators.pb-c.h"

enum {
    NEXMARK_BLOCK = 1000,
    NEXMARK_EVENTS_PER_POLL = 200 * NEXMARK_BLOCK, /* looked through for rows of a rare kind */
};

struct nexmark_source {
    struct operator op;
    Flinc__NexmarkSourceConfig *config; /* Owns */
    struct nexmark_generator generator;
    bool has_generator;
    struct index_ranges blocks;
    struct vec rests; /* struct index_range of events, to be made first, from the last on */
    struct operator_list *rest_list; /* Borrows; NULL: no state */
    struct row_rate rate;
    struct io_pending pending;
};

static int64_t blocks_of(const Flinc__NexmarkSourceConfig *c)
{
    return c->events == 0 ? INT64_MAX : (c->events + NEXMARK_BLOCK - 1) / NEXMARK_BLOCK;
}

/* ---- state ----------------------------------------------------------------------------------------- */

static int load_rest(struct nexmark_source *s, struct slice bytes, struct error *err)
{
    Flinc__IndexRange *m = flinc__index_range__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    bool good =
        m != NULL && m->next >= 0 && m->next <= m->last && m->last - m->next < NEXMARK_BLOCK;

    if (good) {
        *VEC_PUSH(&s->rests, struct index_range) = (struct index_range){m->next, m->last, 1};
    }
    flinc__index_range__free_unpacked(m, NULL);
    return good ? 0
                : error_set(err, ERR_CORRUPT,
                            "the events of a nexmark source in the checkpoint are damaged; restore "
                            "from another one");
}

static int open_state(struct nexmark_source *s, struct op_context *ctx, struct error *err)
{
    struct index_range share = {ctx->subtask, blocks_of(s->config), ctx->parallelism};

    share.last -= share.last == INT64_MAX ? 0 : 1;
    bool some = s->config->kinds != 0 && share.next <= share.last;
    TRY(index_ranges_open(&s->blocks, ctx, some ? &share : NULL, err));
    TRY(list_state_open(ctx, "rest", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                        &s->rest_list, err));
    for (size_t i = 0; s->rest_list != NULL && i < operator_list_len(s->rest_list); i++) {
        TRY(load_rest(s, operator_list_get(s->rest_list, i), err));
    }
    return 0;
}

static int nexmark_snapshot(struct operator* op, struct op_context *ctx,
                            const struct op_checkpoint *checkpoint, struct error *err)
{
    struct nexmark_source *s = (struct nexmark_source *)op;

    (void)ctx;
    (void)checkpoint;
    if (s->rest_list != NULL) {
        operator_list_clear(s->rest_list);
    }
    for (size_t i = 0; s->rest_list != NULL && i < s->rests.len; i++) {
        const struct index_range *r = VEC_AT(&s->rests, struct index_range, i);
        Flinc__IndexRange m = FLINC__INDEX_RANGE__INIT;
        m.next = r->next;
        m.last = r->last;
        m.stride = 1;
        TRY(list_state_add(s->rest_list, &m.base, err));
    }
    return index_ranges_snapshot(&s->blocks, err);
}

/* ---- events ---------------------------------------------------------------------------------------- */

static void tell_pending(struct nexmark_source *s)
{
    int64_t left = 0;

    if (__builtin_mul_overflow(index_ranges_left(&s->blocks), (int64_t)NEXMARK_BLOCK, &left)) {
        left = INT64_MAX;
    }
    for (size_t i = 0; i < s->rests.len && left < INT64_MAX - NEXMARK_BLOCK; i++) {
        const struct index_range *r = VEC_AT(&s->rests, struct index_range, i);
        left += r->last - r->next + 1;
    }
    row_rate_tell_pending(&s->rate, &s->pending, left);
}

static int nexmark_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct nexmark_source *s = (struct nexmark_source *)op;

    vec_init(&s->rests, sizeof(struct index_range));
    s->config =
        flinc__nexmark_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (s->config == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the nexmark source is damaged");
    }
    s->has_generator = true;
    TRY(nexmark_generator_init(&s->generator, ctx->pool, ctx->output_schemas[0], s->config,
                               op_batch_rows(ctx), err));
    TRY(open_state(s, ctx, err));
    row_rate_init(&s->rate, s->config->real_rate, ctx);
    row_rate_open_pending(&s->rate, &s->pending, ctx, s->config->events > 0);
    tell_pending(s);
    return 0;
}

/* The events that come next, on top of the rests.  False: there are none. */
static bool have_rest(struct nexmark_source *s)
{
    int64_t block = 0;
    uint64_t stride;

    if (s->rests.len > 0) {
        return true;
    }
    if (index_ranges_take(&s->blocks, 1, &block, &stride) == 0) {
        return false;
    }
    int64_t end = (block + 1) * NEXMARK_BLOCK;
    if (s->config->events > 0) {
        end = MIN(end, s->config->events);
    }
    *VEC_PUSH(&s->rests, struct index_range) =
        (struct index_range){block * NEXMARK_BLOCK, end - 1, 1};
    return true;
}

/* How many of the next `n` events from k on fit the batch; 0: it is full. */
static uint32_t fitting(const struct nexmark_source *s, int64_t k, uint32_t n)
{
    const struct nexmark_generator *g = &s->generator;
    uint32_t room = g->rows_max - g->n_rows;

    if (nexmark_generator_rows(g, k, n) <= room) {
        return n;
    }
    return g->n_rows == 0 ? MIN(n, room) : 0; /* no event makes two rows */
}

/* Up to n events.  Returns how many. */
static uint32_t make_events(struct nexmark_source *s, uint32_t n)
{
    uint32_t made = 0;

    while (made < n && s->generator.n_rows < s->generator.rows_max && have_rest(s)) {
        struct index_range *r = VEC_AT(&s->rests, struct index_range, s->rests.len - 1);
        uint32_t some = (uint32_t)MIN(r->last - r->next + 1, (int64_t)(n - made));
        some = fitting(s, r->next, some);
        if (some == 0) {
            break;
        }
        nexmark_generator_add(&s->generator, r->next, some);
        r->next += some;
        made += some;
        if (r->next > r->last) {
            vec_pop(&s->rests);
        }
    }
    return made;
}

static int nexmark_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct nexmark_source *s = (struct nexmark_source *)op;

    (void)err;
    if (s->rests.len == 0 && index_ranges_is_empty(&s->blocks)) {
        if (!s->config->keep_alive) {
            return OP_END;
        }
        op_emit_idle(ctx, true);
        return OP_IDLE;
    }
    uint32_t n = row_rate_allowance(&s->rate, NEXMARK_EVENTS_PER_POLL);
    if (n == 0) {
        op_wake_after(ctx, row_rate_wake_ms(&s->rate));
        return OP_IDLE;
    }
    row_rate_take(&s->rate, make_events(s, n));
    tell_pending(s);
    struct batch *b = nexmark_generator_take(&s->generator);
    if (b != NULL) {
        op_emit(ctx, 0, b);
    }
    return OP_DONE;
}

static void nexmark_close(struct operator* op, struct op_context *ctx)
{
    struct nexmark_source *s = (struct nexmark_source *)op;

    (void)ctx;
    if (s->has_generator) {
        nexmark_generator_fini(&s->generator);
    }
    index_ranges_fini(&s->blocks);
    vec_fini(&s->rests);
    if (s->config != NULL) {
        flinc__nexmark_source_config__free_unpacked(s->config, NULL);
    }
}

const struct operator_desc operator_table_nexmark = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.table.nexmark",
    .summary = "persons, auctions and bids of an auction site",
    .instance_size = sizeof(struct nexmark_source),
    .n_inputs = 0,
    .open = nexmark_open,
    .poll = nexmark_poll,
    .snapshot = nexmark_snapshot,
    .close = nexmark_close,
};
