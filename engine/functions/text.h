/* Text as functions see it: characters are code points of UTF-8.  Bytes that are no UTF-8 count one each.  Inside the room
 * only.  Thread: any. */
#ifndef FLINC_ENGINE_FUNCTIONS_TEXT_H
#define FLINC_ENGINE_FUNCTIONS_TEXT_H

#include "common/base/str.h"
#include "engine/expr/function.h"

/* Bytes of the character that begins here (1 to 4, no more than there are). */
static inline size_t text_step(struct slice s, size_t at)
{
    const unsigned char c = (unsigned char)s.data[at];
    const size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return n < s.len - at ? n : s.len - at;
}
int64_t text_length(struct slice s); /* characters */
/* Where character `n` (from 0) begins; s.len when there are not so many. */
size_t text_offset(struct slice s, int64_t n);
/* The first place of `part` at or behind byte `from`; s.len + 1 when there is none. */
size_t text_find(struct slice s, struct slice part, size_t from);
static inline bool text_is_ascii(struct slice s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.len; i++) {
        all |= (unsigned char)s.data[i];
    }
    return all < 0x80;
}

/* bind() of functions of regular expressions: the state is a struct regex_cache. */
int functions_bind_regex(struct expr_binding *b, struct error *err) MUST_CHECK;

/* infer() of functions whose result is VARCHAR as long as the first argument; nullable when an argument is, or the row says
 * so. */
int functions_infer_varchar(const struct expr_function *function, struct expr_pool *pool,
                            const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                            struct error *err) MUST_CHECK;

#endif
