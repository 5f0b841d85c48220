/* UTF-8: validation, counting, cutting at a code point.  Accepts what RFC 3629 accepts: no overlong
 * forms, no surrogates, nothing above U+10FFFF.  All functions take a length and never look for a
 * NUL; runs of ASCII cost a fraction of a nanosecond per byte.  Thread: any. */
#ifndef FLINC_COMMON_TEXT_UTF8_H
#define FLINC_COMMON_TEXT_UTF8_H

#include "common/base/str.h"

enum {
    UTF8_MAX_BYTES = 4,        /* of one code point */
    UTF8_REPLACEMENT = 0xfffd, /* stands for what could not be decoded */
    UTF8_MAX_CODE_POINT = 0x10ffff,
};

/* True when all of it is valid; else *ret_error_offset (may be NULL) is where the first ill-formed
 * sequence starts. */
bool utf8_validate(const char *data, size_t len, size_t *ret_error_offset);
bool utf8_is_ascii(const char *data, size_t len);
/* Code points of valid text (bytes that do not continue one, in invalid text). */
size_t utf8_count(const char *data, size_t len);
/* The longest prefix of at most max_bytes that does not end inside a code point. */
size_t utf8_truncate(const char *data, size_t len, size_t max_bytes);
/* Bytes taken by the first max_points code points (len when there are fewer). */
size_t utf8_offset(const char *data, size_t len, size_t max_points);
/* Decodes the code point at data[0]: its bytes (1 to 4), or 0 when ill-formed or len is 0. */
size_t utf8_decode(const char *data, size_t len, uint32_t *ret_code_point);
/* Encodes; returns the bytes written (1 to 4), 0 for what is no code point. */
size_t utf8_encode(uint32_t code_point, char ret_bytes[UTF8_MAX_BYTES]);
/* Appends, each ill-formed byte replaced by U+FFFD. */
void utf8_append_clean(struct str *out, const char *data, size_t len);

#endif
