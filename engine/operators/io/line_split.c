/* Splitting at line ends; see line_split.h. */
#include "engine/operators/io/line_split.h"

/* Masks of the leading bytes that an inline view keeps, by length: of its first four, of its last
 * eight.  Lengths from 4 and 12 on keep all. */
static const uint32_t keep_first[VIEW_INLINE_MAX + 1] = {
    0,          0xff,       0xffff,     0xffffff,   UINT32_MAX, UINT32_MAX, UINT32_MAX,
    UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
};
static const uint64_t keep_rest[VIEW_INLINE_MAX + 1] = {
    0,
    0,
    0,
    0,
    0,
    0xff,
    0xffff,
    0xffffff,
    0xffffffff,
    0xffffffffff,
    0xffffffffffff,
    0xffffffffffffff,
    UINT64_MAX,
};

/* Lengths come in no order: selecting is cheaper than a branch that is guessed wrong.  Reads twelve
 * bytes whatever the length: there is padding. */
static inline void put_view(struct view *v, const uint8_t *data, uint32_t at, uint32_t len)
{
    uint32_t kept = MIN(len, (uint32_t)VIEW_INLINE_MAX);
    uint32_t word0;
    uint64_t word1;

    memcpy(&word0, data + at, sizeof(word0));
    memcpy(&word1, data + at + sizeof(word0), sizeof(word1));
    word1 &= keep_rest[kept];
    v->len = (int32_t)len;
    v->word0 = word0 & keep_first[kept];
    v->word1 = len > VIEW_INLINE_MAX ? (uint64_t)at << 32 : word1; /* offset, buffer 0 */
}

uint32_t line_split(struct line_range *range, struct view *views, uint32_t max)
{
    const uint8_t *data = range->data;
    uint32_t at = range->at, limit = range->limit, past = range->past;
    uint32_t n = 0;

    while (n < max && at < past) {
        const uint8_t *end = memchr(data + at, '\n', limit - at);
        uint32_t stop = end != NULL ? (uint32_t)(end - data) : limit;
        uint32_t next = end != NULL ? stop + 1 : limit;
        if (end == NULL && !range->at_eof) {
            break;
        }
        stop -= stop > at && data[stop - 1] == '\r';
        if (UNLIKELY(stop - at > range->max_line)) {
            break;
        }
        put_view(&views[n++], data, at, stop - at);
        at = next;
    }
    range->at = at;
    return n;
}
