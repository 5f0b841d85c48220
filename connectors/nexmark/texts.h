/* Texts that all events share, made once per process: the pool that `extra` is cut out of, the channels and their URLs,
 * names, cities and states.  Columns refer to them by views; nothing of them is copied.
 *
 * Thread: any.  Lives as long as the process. */
#ifndef FLINC_CONNECTORS_NEXMARK_TEXTS_H
#define FLINC_CONNECTORS_NEXMARK_TEXTS_H

#include "engine/data/batch.h"

enum {
    NEXMARK_HOT_CHANNELS = 4,
    NEXMARK_COLD_CHANNELS = 10000,
    NEXMARK_CHANNELS = NEXMARK_HOT_CHANNELS + NEXMARK_COLD_CHANNELS,
    NEXMARK_FIRST_NAMES = 11,
    NEXMARK_LAST_NAMES = 9,
    NEXMARK_CITIES = 10,
    NEXMARK_STATES = 6,
};

struct nexmark_texts {
    char *pool;  /* NEXMARK_POOL_BYTES, and padding */
    char *urls;  /* all URLs, one after the other, and padding */
    char *words; /* names and cities */
    /* The same as buffers of columns. */
    struct buffer *pool_buffer, *urls_buffer, *words_buffer;
    /* Views into the buffers above, as the only data buffer of their column. */
    struct view channel[NEXMARK_CHANNELS]; /* the hot ones first; inline */
    struct view url[NEXMARK_CHANNELS];
    struct view name[NEXMARK_FIRST_NAMES * NEXMARK_LAST_NAMES];
    struct view city[NEXMARK_CITIES];
    struct view state[NEXMARK_STATES]; /* inline */
};

const struct nexmark_texts *nexmark_texts_get(void);

/* A view of bytes that lie at `offset` of a column's first data buffer. */
static inline struct view nexmark_view(const char *data, int32_t offset, uint32_t len)
{
    struct view v = {.len = (int32_t)len};

    if (UNLIKELY(len <= VIEW_INLINE_MAX)) {
        return view_inline(data + offset, len);
    }
    memcpy(v.prefix, data + offset, sizeof(v.prefix));
    v.buffer = 0;
    v.offset = offset;
    return v;
}

#endif
