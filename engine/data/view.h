/* String views: Arrow's 16-byte layout of variable-size values (Utf8View, BinaryView).
 *
 *   length <= 12: the bytes are inline, the rest of them zero;
 *   else: a 4-byte prefix, the number of a data buffer of the column, an offset into it.
 *
 * Bytes of a view's data buffer may be read up to BUFFER_PADDING past its end. */
#ifndef FLINC_ENGINE_DATA_VIEW_H
#define FLINC_ENGINE_DATA_VIEW_H

#include "common/base/str.h"

enum { VIEW_INLINE_MAX = 12 };

struct view {
    int32_t len;
    union {
        char inlined[12];
        struct {
            char prefix[4];
            int32_t buffer;
            int32_t offset;
        };
        struct {
            uint32_t word0;                         /* the first four bytes either way */
            uint64_t word1 __attribute__((packed)); /* the other eight */
        };
    };
};
_Static_assert(sizeof(struct view) == 16, "Arrow's view is 16 bytes");

/* An inline view of at most 12 bytes. */
static inline struct view view_inline(const char *data, uint32_t len)
{
    struct view v = {.len = (int32_t)len};
    memcpy(v.inlined, data, len);
    return v;
}

static inline bool view_is_inline(const struct view *v)
{
    return v->len <= VIEW_INLINE_MAX;
}

#endif
