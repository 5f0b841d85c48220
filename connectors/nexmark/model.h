/* The auction site: which event has which number, id, type and time, and whom events refer to.  All of it is a function of
 * the number of an event (k = 0, 1, ...) and of these settings; see docs/internals/nexmark.md.
 *
 * Thread: any; const once made.  Flink: the Nexmark suite's GeneratorConfig. */
#ifndef FLINC_CONNECTORS_NEXMARK_MODEL_H
#define FLINC_CONNECTORS_NEXMARK_MODEL_H

#include "common/base/error.h"
#include "connectors/nexmark/random.h"
#include "proto/connectors.pb-c.h"

/* Values of event_type; bits of sets of them. */
enum nexmark_kind { NEXMARK_PERSON, NEXMARK_AUCTION, NEXMARK_BID, NEXMARK_KINDS };

/* Leaves of the table. */
enum nexmark_field {
    NEXMARK_EVENT_TYPE,
    NEXMARK_PERSON_ID,
    NEXMARK_PERSON_NAME,
    NEXMARK_PERSON_EMAIL,
    NEXMARK_PERSON_CARD,
    NEXMARK_PERSON_CITY,
    NEXMARK_PERSON_STATE,
    NEXMARK_PERSON_TIME,
    NEXMARK_PERSON_EXTRA,
    NEXMARK_AUCTION_ID,
    NEXMARK_AUCTION_ITEM,
    NEXMARK_AUCTION_DESCRIPTION,
    NEXMARK_AUCTION_INITIAL,
    NEXMARK_AUCTION_RESERVE,
    NEXMARK_AUCTION_TIME,
    NEXMARK_AUCTION_EXPIRES,
    NEXMARK_AUCTION_SELLER,
    NEXMARK_AUCTION_CATEGORY,
    NEXMARK_AUCTION_EXTRA,
    NEXMARK_BID_AUCTION,
    NEXMARK_BID_BIDDER,
    NEXMARK_BID_PRICE,
    NEXMARK_BID_CHANNEL,
    NEXMARK_BID_URL,
    NEXMARK_BID_TIME,
    NEXMARK_BID_EXTRA,
    NEXMARK_FIELDS,
};

enum {
    NEXMARK_FIRST_ID = 2,        /* of event 0 */
    NEXMARK_FIRST_PERSON = 1000, /* ids of persons and auctions begin here */
    NEXMARK_FIRST_CATEGORY = 10,
    NEXMARK_CATEGORIES = 5,
    NEXMARK_IN_FLIGHT = 100, /* auctions that get bids */
    NEXMARK_ACTIVE = 1000,   /* persons that do something */
    NEXMARK_LEAD = 10,       /* ids that are referred to before they exist */
    NEXMARK_HOT = 100,       /* one in so many persons and auctions is a hot one */
    NEXMARK_POOL_BYTES = 1024 * 1024,
    NEXMARK_BYTES_MAX = NEXMARK_POOL_BYTES / 2, /* of the average sizes */
};

struct nexmark_model {
    int64_t base_time_ms;
    double delay_us; /* between two events */
    uint64_t seed;
    int32_t persons, auctions, bids, total; /* proportions */
    int32_t person_bytes, auction_bytes, bid_bytes;
    int64_t horizon; /* events for which an auction is open, at least */
    struct random_bound hot_auctions, hot_bidders, hot_sellers;
    struct random_bound auctions_in_flight, active_persons; /* once there are so many */
};

/* ERR_INVALID_CONFIG for what cannot be. */
int nexmark_model_init(struct nexmark_model *m, const Flinc__NexmarkSourceConfig *c,
                       struct error *err) MUST_CHECK;

static inline int64_t nexmark_id(int64_t k)
{
    return k + NEXMARK_FIRST_ID;
}

/* The state from which the event with this id draws. */
static inline uint64_t nexmark_state(const struct nexmark_model *m, int64_t id)
{
    return (uint64_t)id ^ m->seed;
}

/* `number` is one more than that of the event, as the suite counts; it may lie behind the last event. */
static inline int64_t nexmark_time(const struct nexmark_model *m, int64_t number)
{
    return m->base_time_ms + (int64_t)((double)number * m->delay_us) / 1000;
}

/* The last person at or before an event: `epoch` rounds of `total` events are over, it is the one at `offset` of the
 * next.  Ids without NEXMARK_FIRST_PERSON. */
static inline int64_t nexmark_last_person(const struct nexmark_model *m, int64_t epoch,
                                          int64_t offset)
{
    return epoch * m->persons + MIN(offset, (int64_t)m->persons - 1);
}

static inline int64_t nexmark_last_auction(const struct nexmark_model *m, int64_t epoch,
                                           int64_t offset)
{
    if (offset < m->persons) {
        return epoch * m->auctions - 1;
    }
    return epoch * m->auctions + MIN(offset - m->persons, (int64_t)m->auctions - 1);
}

/* Whom an event may refer to, when its lasts are these. */
struct nexmark_choice {
    int64_t least;
    struct random_bound bound;
};
static inline struct nexmark_choice nexmark_person_choice(const struct nexmark_model *m,
                                                          int64_t last_person)
{
    if (LIKELY(last_person >= NEXMARK_ACTIVE - 1)) {
        return (struct nexmark_choice){last_person + 1 - NEXMARK_ACTIVE, m->active_persons};
    }
    return (struct nexmark_choice){0, random_bound_of((uint32_t)(last_person + 1 + NEXMARK_LEAD))};
}
static inline struct nexmark_choice nexmark_auction_choice(const struct nexmark_model *m,
                                                           int64_t last_auction)
{
    if (LIKELY(last_auction >= NEXMARK_IN_FLIGHT)) {
        return (struct nexmark_choice){last_auction - NEXMARK_IN_FLIGHT, m->auctions_in_flight};
    }
    return (struct nexmark_choice){0, random_bound_of((uint32_t)(last_auction + 1 + NEXMARK_LEAD))};
}

/* How many events of the first n are of this kind. */
int64_t nexmark_count(const struct nexmark_model *m, enum nexmark_kind kind, int64_t n);

#endif
