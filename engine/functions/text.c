/* Characters of UTF-8. */
#include "engine/functions/text.h"

#include "engine/expr/type_rules.h"

int64_t text_length(struct slice s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    }
    return n;
}

size_t text_offset(struct slice s, int64_t n)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    size_t at = 0;
    uint64_t eight;
    while (n >= 8 && s.len - at >= 8 &&
           (memcpy(&eight, s.data + at, sizeof(eight)), (eight & high) == 0)) {
        at += 8;
        n -= 8;
    }
    while (n > 0 && at < s.len) {
        at += text_step(s, at);
        n--;
    }
    return at;
}

size_t text_find(struct slice s, struct slice part, size_t from)
{
    if (from > s.len || part.len > s.len - from) {
        return s.len + 1;
    }
    if (part.len == 0) {
        return from;
    }
    if (part.len == 1) {
        const char *one = memchr(s.data + from, part.data[0], s.len - from);
        return one != NULL ? (size_t)(one - s.data) : s.len + 1;
    }
    const char *found = memmem(s.data + from, s.len - from, part.data, part.len);
    return found != NULL ? (size_t)(found - s.data) : s.len + 1;
}

int functions_infer_varchar(const struct expr_function *function, struct expr_pool *pool,
                            const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                            struct error *err)
{
    bool nullable = (function->flags & EXPR_FN_NULLABLE) != 0;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    const int32_t length = args[0]->type->id == TYPE_NULL ? TYPE_LENGTH_MAX : args[0]->type->length;
    *ret = type_new_sized(TYPE_VARCHAR, MAX(length, 1), nullable);
    return 0;
}
