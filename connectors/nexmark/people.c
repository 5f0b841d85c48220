/* Persons and auctions: one event in twelve, made one by one; their words are what costs. */
#include "connectors/nexmark/events.h"
#include "connectors/nexmark/words.h"

enum {
    PERSON_BYTES = 8, /* beside texts, as the suite counts */
    AUCTION_BYTES = 48,
    EMAIL_NAME_MAX = 7,
    EMAIL_HOST_MAX = 5,
    CARD_GROUPS = 4,
    ITEM_MAX = 20,
    DESCRIPTION_MAX = 100,
};
_Static_assert(EMAIL_NAME_MAX - 1 + EMAIL_HOST_MAX - 1 + 5 <= NEXMARK_EMAIL_BYTES, "fits");
_Static_assert(ITEM_MAX - 1 == NEXMARK_ITEM_BYTES, "fits");
_Static_assert(DESCRIPTION_MAX - 1 == NEXMARK_DESCRIPTION_BYTES, "fits");

static void put_long(const struct nexmark_out *out, enum nexmark_field field, uint32_t row,
                     int64_t v)
{
    if (out->values[field] != NULL) {
        ((int64_t *)out->values[field])[row] = v;
    }
}

static void put_view(const struct nexmark_out *out, enum nexmark_field field, uint32_t row,
                     const struct view *v)
{
    if (out->values[field] != NULL) {
        ((struct view *)out->values[field])[row] = *v;
    }
}

/* Copies the text to the column's heap. */
static void put_text(struct nexmark_out *out, enum nexmark_field field, uint32_t row,
                     struct slice text)
{
    if (out->values[field] == NULL) {
        return;
    }
    int32_t at = out->used[field];
    memcpy(out->heap[field] + at, text.data, text.len);
    struct view v = nexmark_view(out->heap[field], at, (uint32_t)text.len);
    if (text.len > VIEW_INLINE_MAX) {
        out->used[field] = at + (int32_t)text.len;
    }
    put_view(out, field, row, &v);
}

static void put_extra(struct nexmark_out *out, enum nexmark_field field, uint32_t row,
                      uint64_t *state, int32_t have, int32_t average)
{
    if (out->values[field] != NULL) {
        struct nexmark_cut cut = nexmark_extra(state, have, average);
        struct view v = nexmark_view(out->texts->pool, cut.offset, cut.len);
        put_view(out, field, row, &v);
    }
}

/* ---- persons --------------------------------------------------------------------------------------- */

static struct slice make_email(uint64_t *state, char ret[2 * NEXMARK_WORD_BYTES_MAX])
{
    char host[NEXMARK_WORD_BYTES_MAX];
    struct slice word = nexmark_word(state, EMAIL_NAME_MAX, ' ', host);
    size_t len = word.len;

    memcpy(ret, word.data, word.len);
    ret[len++] = '@';
    word = nexmark_word(state, EMAIL_HOST_MAX, ' ', host);
    memcpy(ret + len, word.data, word.len);
    len += word.len;
    memcpy(ret + len, ".com", 4);
    return slice_make(ret, len + 4);
}

static struct slice make_card(uint64_t *state, char ret[NEXMARK_CARD_BYTES + 1])
{
    const struct random_bound group = random_bound_of(10000);
    char *p = ret;

    for (int i = 0; i < CARD_GROUPS; i++) {
        uint32_t v = random_below(state, &group);
        if (i > 0) {
            *p++ = ' ';
        }
        for (uint32_t by = 1000; by > 0; by /= 10) {
            *p++ = (char)('0' + v / by % 10);
        }
    }
    return slice_make(ret, NEXMARK_CARD_BYTES);
}

static void make_person_texts(const struct nexmark_model *m, struct nexmark_out *out, uint32_t row,
                              uint64_t state)
{
    const struct random_bound first = random_bound_of(NEXMARK_FIRST_NAMES),
                              last = random_bound_of(NEXMARK_LAST_NAMES),
                              cities = random_bound_of(NEXMARK_CITIES),
                              states = random_bound_of(NEXMARK_STATES);
    char email_bytes[2 * NEXMARK_WORD_BYTES_MAX], card_bytes[NEXMARK_CARD_BYTES + 1];
    uint32_t name_no = random_below(&state, &first) * NEXMARK_LAST_NAMES;

    name_no += random_below(&state, &last);
    struct slice email = make_email(&state, email_bytes);
    struct slice card = make_card(&state, card_bytes);
    const struct view *name = &out->texts->name[name_no];
    const struct view *city = &out->texts->city[random_below(&state, &cities)];
    const struct view *where = &out->texts->state[random_below(&state, &states)];
    put_view(out, NEXMARK_PERSON_NAME, row, name);
    put_text(out, NEXMARK_PERSON_EMAIL, row, email);
    put_text(out, NEXMARK_PERSON_CARD, row, card);
    put_view(out, NEXMARK_PERSON_CITY, row, city);
    put_view(out, NEXMARK_PERSON_STATE, row, where);
    int32_t have =
        PERSON_BYTES + name->len + (int32_t)email.len + (int32_t)card.len + city->len + where->len;
    put_extra(out, NEXMARK_PERSON_EXTRA, row, &state, have, m->person_bytes);
}

void nexmark_persons(const struct nexmark_model *m, struct nexmark_out *out,
                     const struct nexmark_run *run)
{
    const uint32_t without_texts = UINT32_C(1) << NEXMARK_PERSON_ID | UINT32_C(1)
                                                                          << NEXMARK_PERSON_TIME;
    const uint32_t of_persons =
        (UINT32_C(2) << NEXMARK_PERSON_EXTRA) - (UINT32_C(1) << NEXMARK_PERSON_ID);

    for (uint32_t i = 0; i < run->n; i++) {
        int64_t id = run->id + i;
        int64_t person = nexmark_last_person(m, run->epoch, run->offset + i);
        put_long(out, NEXMARK_PERSON_ID, run->row + i, person + NEXMARK_FIRST_PERSON);
        put_long(out, NEXMARK_PERSON_TIME, run->row + i, nexmark_time(m, id - 1));
        if ((out->wanted & of_persons & ~without_texts) != 0) {
            make_person_texts(m, out, run->row + i, nexmark_state(m, id));
        }
    }
}

/* ---- auctions -------------------------------------------------------------------------------------- */

static int64_t draw_seller(const struct nexmark_model *m, uint64_t *state, int64_t last_person)
{
    if (random_below(state, &m->hot_sellers) > 0) {
        return last_person / NEXMARK_HOT * NEXMARK_HOT + NEXMARK_FIRST_PERSON;
    }
    struct nexmark_choice persons = nexmark_person_choice(m, last_person);
    return persons.least + random_below(state, &persons.bound) + NEXMARK_FIRST_PERSON;
}

static int64_t draw_duration(const struct nexmark_model *m, uint64_t *state, int64_t number)
{
    int64_t horizon = nexmark_time(m, number + m->horizon) - nexmark_time(m, number);
    int64_t longest = MAX(horizon * 2, (int64_t)1);

    if (longest < INT32_MAX) {
        struct random_bound bound = random_bound_of((uint32_t)longest);
        return 1 + random_below(state, &bound);
    }
    int64_t rest = (int64_t)random_long(state) % longest;
    return 1 + (rest < 0 ? -rest : rest);
}

static uint32_t bits_between(enum nexmark_field first, enum nexmark_field last)
{
    return (UINT32_C(2) << last) - (UINT32_C(1) << first);
}

/* From the item's name on; `initial` is the first bid. */
static void make_auction_texts(const struct nexmark_model *m, struct nexmark_out *out, uint32_t row,
                               uint64_t state, int64_t initial)
{
    char item_bytes[NEXMARK_WORD_BYTES_MAX], description_bytes[NEXMARK_WORD_BYTES_MAX];
    struct slice item = nexmark_word(&state, ITEM_MAX, ' ', item_bytes);
    const uint32_t behind = UINT32_C(1) << NEXMARK_AUCTION_DESCRIPTION |
                            UINT32_C(1) << NEXMARK_AUCTION_RESERVE |
                            UINT32_C(1) << NEXMARK_AUCTION_EXTRA;

    put_text(out, NEXMARK_AUCTION_ITEM, row, item);
    if ((out->wanted & behind) == 0) {
        return;
    }
    struct slice description = nexmark_word(&state, DESCRIPTION_MAX, ' ', description_bytes);
    put_text(out, NEXMARK_AUCTION_DESCRIPTION, row, description);
    if ((out->wanted & behind) == UINT32_C(1) << NEXMARK_AUCTION_DESCRIPTION) {
        return;
    }
    put_long(out, NEXMARK_AUCTION_RESERVE, row, initial + nexmark_price(&state));
    int32_t have = AUCTION_BYTES + (int32_t)item.len + (int32_t)description.len;
    put_extra(out, NEXMARK_AUCTION_EXTRA, row, &state, have, m->auction_bytes);
}

static void make_auction(const struct nexmark_model *m, struct nexmark_out *out, uint32_t row,
                         int64_t id, int64_t last_person)
{
    const struct random_bound categories = random_bound_of(NEXMARK_CATEGORIES);
    const int64_t number = id - 1, time = nexmark_time(m, number);
    const uint32_t texts =
        UINT32_C(1) << NEXMARK_AUCTION_ITEM | UINT32_C(1) << NEXMARK_AUCTION_DESCRIPTION |
        UINT32_C(1) << NEXMARK_AUCTION_RESERVE | UINT32_C(1) << NEXMARK_AUCTION_EXTRA;
    const uint32_t prices =
        texts | UINT32_C(1) << NEXMARK_AUCTION_INITIAL | UINT32_C(1) << NEXMARK_AUCTION_EXPIRES;
    uint64_t state = nexmark_state(m, id);

    put_long(out, NEXMARK_AUCTION_TIME, row, time);
    put_long(out, NEXMARK_AUCTION_SELLER, row, draw_seller(m, &state, last_person));
    put_long(out, NEXMARK_AUCTION_CATEGORY, row,
             NEXMARK_FIRST_CATEGORY + random_below(&state, &categories));
    if ((out->wanted & prices) == 0) {
        return;
    }
    int64_t initial = nexmark_price(&state);
    put_long(out, NEXMARK_AUCTION_INITIAL, row, initial);
    put_long(out, NEXMARK_AUCTION_EXPIRES, row, time + draw_duration(m, &state, number));
    if ((out->wanted & texts) != 0) {
        make_auction_texts(m, out, row, state, initial);
    }
}

void nexmark_auctions(const struct nexmark_model *m, struct nexmark_out *out,
                      const struct nexmark_run *run)
{
    const uint32_t drawn = bits_between(NEXMARK_AUCTION_ITEM, NEXMARK_AUCTION_EXTRA);
    const int64_t last_person = nexmark_last_person(m, run->epoch, run->offset);

    for (uint32_t i = 0; i < run->n; i++) {
        int64_t auction = nexmark_last_auction(m, run->epoch, run->offset + i);
        put_long(out, NEXMARK_AUCTION_ID, run->row + i, auction + NEXMARK_FIRST_PERSON);
        if ((out->wanted & drawn) != 0) {
            make_auction(m, out, run->row + i, run->id + i, last_person);
        }
    }
}
