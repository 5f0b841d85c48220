/* Settings of the auction site, checked; see model.h. */
#include "connectors/nexmark/model.h"

static int check(const Flinc__NexmarkSourceConfig *c, struct error *err)
{
    const int32_t bytes[] = {c->person_bytes, c->auction_bytes, c->bid_bytes};
    const int32_t ratios[] = {c->hot_auctions, c->hot_bidders, c->hot_sellers};
    const int32_t proportions[] = {c->person_proportion, c->auction_proportion, c->bid_proportion};
    bool good = c->events >= 0 && c->rate > 0 && c->real_rate >= 0;

    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        good = good && bytes[i] >= 0 && bytes[i] <= NEXMARK_BYTES_MAX && ratios[i] > 0 &&
               proportions[i] > 0 && proportions[i] <= INT32_MAX / 4;
    }
    return good ? 0
                : error_set(err, ERR_INVALID_CONFIG,
                            "the configuration of the nexmark source is damaged");
}

/* Seeds side by side must not give streams side by side; 0 is the suite's own. */
static uint64_t spread(uint64_t seed)
{
    uint64_t state = seed;

    return seed == 0 ? 0 : random_long(&state);
}

int nexmark_model_init(struct nexmark_model *m, const Flinc__NexmarkSourceConfig *c,
                       struct error *err)
{
    TRY(check(c, err));
    int32_t total = c->person_proportion + c->auction_proportion + c->bid_proportion;
    *m = (struct nexmark_model){
        .base_time_ms = c->base_time_ms,
        .delay_us = 1000000.0 / (double)c->rate,
        .seed = spread(c->seed),
        .persons = c->person_proportion,
        .auctions = c->auction_proportion,
        .bids = c->bid_proportion,
        .total = total,
        .person_bytes = c->person_bytes,
        .auction_bytes = c->auction_bytes,
        .bid_bytes = c->bid_bytes,
        .horizon = (int64_t)NEXMARK_IN_FLIGHT * total / c->auction_proportion,
        .hot_auctions = random_bound_of((uint32_t)c->hot_auctions),
        .hot_bidders = random_bound_of((uint32_t)c->hot_bidders),
        .hot_sellers = random_bound_of((uint32_t)c->hot_sellers),
        .auctions_in_flight = random_bound_of(NEXMARK_IN_FLIGHT + 1 + NEXMARK_LEAD),
        .active_persons = random_bound_of(NEXMARK_ACTIVE + NEXMARK_LEAD),
    };
    return 0;
}

/* Ids below `end` of this kind. */
static int64_t ids_below(const struct nexmark_model *m, enum nexmark_kind kind, int64_t end)
{
    static const struct {
        int person, auction; /* what lies before those of the kind in a round */
    } before[] = {{0, 0}, {1, 0}, {1, 1}};
    const int64_t sizes[] = {m->persons, m->auctions, m->bids};
    int64_t first =
        before[kind].person * (int64_t)m->persons + before[kind].auction * (int64_t)m->auctions;
    int64_t rest = MAX(end % m->total - first, (int64_t)0);

    return end / m->total * sizes[kind] + MIN(rest, sizes[kind]);
}

int64_t nexmark_count(const struct nexmark_model *m, enum nexmark_kind kind, int64_t n)
{
    return ids_below(m, kind, nexmark_id(n)) - ids_below(m, kind, NEXMARK_FIRST_ID);
}
