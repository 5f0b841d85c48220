/* Shared texts: the pool, the channel table; see texts.h. */
#include "connectors/nexmark/texts.h"

#include "connectors/nexmark/model.h"
#include "connectors/nexmark/words.h"
#include <pthread.h>
#include <stdio.h>

enum { POOL_CHARS_PER_DRAW = 6, URL_BYTES_MAX = 96 };

static struct nexmark_texts texts;
static struct buffer headers[3];

/* They have a holder for ever. */
static void never_released(void *owner)
{
    ASSERT(owner == NULL);
}

static struct buffer *wrap(struct buffer *header, char *data, uint64_t size)
{
    buffer_wrap_at(header, data, size, never_released, &texts);
    return header;
}

static void make_pool(struct nexmark_texts *t)
{
    uint64_t state = (uint64_t)-2;
    int32_t r = 0;

    t->pool = mem_zalloc(NEXMARK_POOL_BYTES + BUFFER_PADDING);
    for (uint32_t i = 0; i < NEXMARK_POOL_BYTES; i++) {
        if (i % POOL_CHARS_PER_DRAW == 0) {
            r = random_int(&state);
        }
        t->pool[i] = (char)('a' + r % 26); /* below 'a' for negative numbers, as in the suite */
        r /= 26;
    }
    t->pool_buffer = wrap(&headers[0], t->pool, NEXMARK_POOL_BYTES);
}

/* ---- channels -------------------------------------------------------------------------------------- */

static uint32_t reverse_bits(uint32_t v)
{
    uint32_t r = 0;

    for (int i = 0; i < 32; i++) {
        r |= (v >> i & 1) << (31 - i);
    }
    return r;
}

static void append_url(struct str *out, uint64_t *state)
{
    char word[NEXMARK_WORD_BYTES_MAX];

    str_append_cstr(out, "https://www.nexmark.com/");
    for (int i = 0; i < 3; i++) {
        str_append_slice(out, nexmark_word(state, 5, '_', word));
        str_append_char(out, '/');
    }
    str_append_cstr(out, "item.htm?query=1");
}

/* As the suite: Math.abs() of the least number is that number. */
static void append_channel_id(struct str *out, uint32_t j)
{
    int32_t id = (int32_t)reverse_bits(j);

    str_printf(out, "&channel_id=%d", id < 0 && id != INT32_MIN ? -id : id);
}

static void make_channels(struct nexmark_texts *t)
{
    static const char *const hot[NEXMARK_HOT_CHANNELS] = {"Google", "Facebook", "Baidu", "Apple"};
    const struct random_bound ten = random_bound_of(10);
    uint64_t state = (uint64_t)-1;
    STR_AUTO urls = STR_INIT;
    uint32_t ends[NEXMARK_CHANNELS];
    char name[VIEW_INLINE_MAX + 4];

    for (uint32_t i = 0; i < NEXMARK_CHANNELS; i++) {
        append_url(&urls, &state);
        if (i >= NEXMARK_HOT_CHANNELS) {
            uint32_t j = i - NEXMARK_HOT_CHANNELS;
            if (random_below(&state, &ten) > 0) {
                append_channel_id(&urls, j);
            }
            int len = snprintf(name, sizeof(name), "channel-%u", j);
            t->channel[i] = view_inline(name, (uint32_t)len);
        } else {
            t->channel[i] = view_inline(hot[i], (uint32_t)strlen(hot[i]));
        }
        ends[i] = (uint32_t)urls.len;
    }
    t->urls = mem_zalloc(urls.len + BUFFER_PADDING);
    memcpy(t->urls, urls.data, urls.len);
    t->urls_buffer = wrap(&headers[1], t->urls, urls.len);
    for (uint32_t i = 0, at = 0; i < NEXMARK_CHANNELS; at = ends[i++]) {
        t->url[i] = nexmark_view(t->urls, (int32_t)at, ends[i] - at);
    }
}

/* ---- names and cities ------------------------------------------------------------------------------ */

static void make_words(struct nexmark_texts *t)
{
    static const char *const first[NEXMARK_FIRST_NAMES] = {"Peter", "Paul",   "Luke",  "John",
                                                           "Saul",  "Vicky",  "Kate",  "Julie",
                                                           "Sarah", "Deiter", "Walter"};
    static const char *const last[NEXMARK_LAST_NAMES] = {
        "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};
    static const char *const cities[NEXMARK_CITIES] = {
        "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
        "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
    static const char *const states[NEXMARK_STATES] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    STR_AUTO words = STR_INIT;
    uint32_t at[NEXMARK_FIRST_NAMES * NEXMARK_LAST_NAMES + NEXMARK_CITIES + 1];
    uint32_t n = 0;

    for (uint32_t i = 0; i < NEXMARK_FIRST_NAMES * NEXMARK_LAST_NAMES; i++) {
        at[n++] = (uint32_t)words.len;
        str_printf(&words, "%s %s", first[i / NEXMARK_LAST_NAMES], last[i % NEXMARK_LAST_NAMES]);
    }
    for (uint32_t i = 0; i < NEXMARK_CITIES; i++) {
        at[n++] = (uint32_t)words.len;
        str_append_cstr(&words, cities[i]);
    }
    at[n] = (uint32_t)words.len;
    t->words = mem_zalloc(words.len + BUFFER_PADDING);
    memcpy(t->words, words.data, words.len);
    t->words_buffer = wrap(&headers[2], t->words, words.len);
    for (uint32_t i = 0; i < n; i++) {
        struct view *v = i < ARRAY_LEN(t->name) ? &t->name[i] : &t->city[i - ARRAY_LEN(t->name)];
        *v = nexmark_view(t->words, (int32_t)at[i], at[i + 1] - at[i]);
    }
    for (uint32_t i = 0; i < NEXMARK_STATES; i++) {
        t->state[i] = view_inline(states[i], (uint32_t)strlen(states[i]));
    }
}

static void make_texts(void)
{
    make_pool(&texts);
    make_channels(&texts);
    make_words(&texts);
}

const struct nexmark_texts *nexmark_texts_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_texts);
    return &texts;
}
