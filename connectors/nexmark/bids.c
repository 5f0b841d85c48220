/* Bids, in stages over the events of a run: whom they refer to, price, channel, extra.  Between the stages each event
 * has its state, so that a stage that nobody wants costs what it draws, or nothing.  Choices are made without
 * branches: half of them cannot be predicted. */
#include "connectors/nexmark/events.h"
#include "connectors/nexmark/words.h"

enum { BIDS_AT_ONCE = 64, BID_BYTES = 32 /* beside extra, as the suite counts */ };

#define FIELD_BIT(field) (UINT32_C(1) << (field))

/* Stages, each with all before it. */
enum bid_stage {
    BID_NONE,
    BID_AUCTION_STAGE,
    BID_BIDDER_STAGE,
    BID_PRICE_STAGE,
    BID_CHANNEL_STAGE,
    BID_EXTRA_STAGE
};

static enum bid_stage last_stage(uint32_t wanted)
{
    if (wanted & FIELD_BIT(NEXMARK_BID_EXTRA)) {
        return BID_EXTRA_STAGE;
    }
    if (wanted & (FIELD_BIT(NEXMARK_BID_CHANNEL) | FIELD_BIT(NEXMARK_BID_URL))) {
        return BID_CHANNEL_STAGE;
    }
    if (wanted & FIELD_BIT(NEXMARK_BID_PRICE)) {
        return BID_PRICE_STAGE;
    }
    if (wanted & FIELD_BIT(NEXMARK_BID_BIDDER)) {
        return BID_BIDDER_STAGE;
    }
    return wanted & FIELD_BIT(NEXMARK_BID_AUCTION) ? BID_AUCTION_STAGE : BID_NONE;
}

/* A hot id, or one of the choice when the ratio says so; all ids come with `first`. */
static ALWAYS_INLINE int64_t choose(uint64_t *state, const struct random_bound *ratio,
                                    const struct nexmark_choice *choice, int64_t hot, int64_t first)
{
    uint64_t s = *state;
    uint64_t is_cold = (uint64_t)(random_below(&s, ratio) == 0);
    uint64_t after = s;
    int64_t cold = first + choice->least + random_below(&after, &choice->bound);
    uint64_t mask = 0 - is_cold;

    *state = (after & mask) | (s & ~mask);
    return (int64_t)(((uint64_t)cold & mask) | ((uint64_t)hot & ~mask));
}

static ALWAYS_INLINE void make_keys(const struct nexmark_model *m, const struct nexmark_run *run,
                                    const bool with_bidder, int64_t *restrict auction,
                                    int64_t *restrict bidder, uint64_t *restrict state)
{
    const int64_t last_auction = nexmark_last_auction(m, run->epoch, run->offset);
    const int64_t last_person = nexmark_last_person(m, run->epoch, run->offset);
    const struct nexmark_choice auctions = nexmark_auction_choice(m, last_auction);
    const struct nexmark_choice persons = nexmark_person_choice(m, last_person);
    const struct random_bound hot_auctions = m->hot_auctions, hot_bidders = m->hot_bidders;
    const int64_t hot_auction = last_auction / NEXMARK_HOT * NEXMARK_HOT + NEXMARK_FIRST_PERSON;
    /* The suite adds the first id twice. */
    const int64_t first_bidder = 2 * NEXMARK_FIRST_PERSON;
    const int64_t hot_bidder = last_person / NEXMARK_HOT * NEXMARK_HOT + 1 + first_bidder;

    for (uint32_t i = 0; i < run->n; i++) {
        uint64_t s = nexmark_state(m, run->id + i);
        auction[i] = choose(&s, &hot_auctions, &auctions, hot_auction, NEXMARK_FIRST_PERSON);
        if (with_bidder) {
            bidder[i] = choose(&s, &hot_bidders, &persons, hot_bidder, first_bidder);
            state[i] = s;
        }
    }
}

static void make_prices(uint32_t n, uint64_t *restrict state, int64_t *restrict price)
{
    double u[BIDS_AT_ONCE];

    for (uint32_t i = 0; i < n; i++) {
        u[i] = random_double(&state[i]);
    }
    nexmark_prices(u, n, price);
}

static void skip_draw(uint32_t n, uint64_t *state)
{
    for (uint32_t i = 0; i < n; i++) {
        state[i] += RANDOM_STEP;
    }
}

/* Numbers of the table of channels. */
static void draw_channels(uint32_t n, uint64_t *restrict state, uint16_t *restrict channel)
{
    const struct random_bound cold = random_bound_of(NEXMARK_COLD_CHANNELS);

    for (uint32_t i = 0; i < n; i++) {
        uint64_t s = state[i];
        uint32_t is_hot = 0 - ((uint32_t)random_int(&s) & 1);
        uint64_t hot_state = s;
        uint32_t hot = (uint32_t)random_int(&hot_state) & (NEXMARK_HOT_CHANNELS - 1);
        uint32_t other = NEXMARK_HOT_CHANNELS + random_below(&s, &cold);
        uint64_t mask = (uint64_t)(int64_t)(int32_t)is_hot;
        state[i] = (hot_state & mask) | (s & ~mask);
        channel[i] = (uint16_t)((hot & is_hot) | (other & ~is_hot));
    }
}

static void copy_views(const struct view *table, const uint16_t *which, uint32_t n,
                       struct view *restrict to)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = table[which[i]];
    }
}

static void make_channels(struct nexmark_out *out, const struct nexmark_run *run, uint64_t *state)
{
    uint16_t which[BIDS_AT_ONCE];

    draw_channels(run->n, state, which);
    if (out->values[NEXMARK_BID_CHANNEL] != NULL) {
        copy_views(out->texts->channel, which, run->n,
                   (struct view *)out->values[NEXMARK_BID_CHANNEL] + run->row);
    }
    if (out->values[NEXMARK_BID_URL] != NULL) {
        copy_views(out->texts->url, which, run->n,
                   (struct view *)out->values[NEXMARK_BID_URL] + run->row);
    }
}

static void make_extras(const struct nexmark_out *out, const struct nexmark_run *run,
                        uint64_t *state)
{
    struct view *to = (struct view *)out->values[NEXMARK_BID_EXTRA] + run->row;
    const struct random_bound sizes = out->bid_extra_sizes;
    const char *pool = out->texts->pool;
    int32_t at[BIDS_AT_ONCE];
    uint32_t len[BIDS_AT_ONCE];

    if (out->bid_extra_least < 0) {
        memset(to, 0, run->n * sizeof(*to));
        return;
    }
    /* The pool is larger than the nearest caches: its lines are on their way while others are chosen. */
    for (uint32_t i = 0; i < run->n; i++) {
        uint64_t s = state[i];
        uint32_t more = sizes.n > 1 ? random_below(&s, &sizes) : 0;
        at[i] = (int32_t)random_below(&s, &out->bid_extra_places[more]);
        len[i] = (uint32_t)out->bid_extra_least + more;
        __builtin_prefetch(pool + at[i]);
    }
    for (uint32_t i = 0; i < run->n; i++) {
        to[i] = nexmark_view(pool, at[i], len[i]);
    }
}

static void make_times(const struct nexmark_model *m, const struct nexmark_run *run,
                       int64_t *restrict time)
{
    for (uint32_t i = 0; i < run->n; i++) {
        time[i] = nexmark_time(m, run->id - 1 + i);
    }
}

/* Up to BIDS_AT_ONCE. */
static void make_some(const struct nexmark_model *m, struct nexmark_out *out,
                      const struct nexmark_run *run, enum bid_stage last)
{
    int64_t scratch[3][BIDS_AT_ONCE];
    uint64_t state[BIDS_AT_ONCE];
    int64_t *keys[3];

    for (int i = 0; i < 3; i++) {
        int64_t *values = out->values[NEXMARK_BID_AUCTION + i];
        keys[i] = values != NULL ? values + run->row : scratch[i];
    }
    if (out->values[NEXMARK_BID_TIME] != NULL) {
        make_times(m, run, (int64_t *)out->values[NEXMARK_BID_TIME] + run->row);
    }
    if (last == BID_AUCTION_STAGE) {
        make_keys(m, run, false, keys[0], keys[1], state);
    } else if (last >= BID_BIDDER_STAGE) {
        make_keys(m, run, true, keys[0], keys[1], state);
    }
    if (last >= BID_PRICE_STAGE && out->values[NEXMARK_BID_PRICE] != NULL) {
        make_prices(run->n, state, keys[2]);
    } else if (last > BID_PRICE_STAGE) {
        skip_draw(run->n, state);
    }
    if (last >= BID_CHANNEL_STAGE) {
        make_channels(out, run, state);
    }
    if (last == BID_EXTRA_STAGE) {
        make_extras(out, run, state);
    }
}

void nexmark_bids(const struct nexmark_model *m, struct nexmark_out *out,
                  const struct nexmark_run *run)
{
    const enum bid_stage last = last_stage(out->wanted);
    struct nexmark_run some = *run;

    for (uint32_t left = run->n; left > 0; left -= some.n) {
        some.n = MIN(left, (uint32_t)BIDS_AT_ONCE);
        make_some(m, out, &some, last);
        some.id += some.n;
        some.offset += some.n; /* behind all persons and auctions: the lasts stay */
        some.row += some.n;
    }
}
