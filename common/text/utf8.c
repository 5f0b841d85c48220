/* UTF-8 validation, counting and cutting.  ASCII runs go sixteen bytes at a time; the rest is judged
 * sequence by sequence by the ranges of RFC 3629, table 3-7 of the Unicode standard. */
#include "common/text/utf8.h"

/* Bytes at the start of data that are ASCII. */
static inline size_t ascii_run(const char *data, size_t len)
{
    size_t i = 0;
    while (i + 16 <= len) {
        uint64_t words[2];
        memcpy(words, data + i, sizeof(words));
        if (((words[0] | words[1]) & 0x8080808080808080ULL) != 0) {
            break;
        }
        i += 16;
    }
    while (i < len && (unsigned char)data[i] < 0x80) {
        i++;
    }
    return i;
}

bool utf8_is_ascii(const char *data, size_t len)
{
    return ascii_run(data, len) == len;
}

static inline bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_decode(const char *data, size_t len, uint32_t *ret_code_point)
{
    if (len == 0) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)data;
    unsigned char first = p[0];
    if (first < 0x80) {
        *ret_code_point = first;
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0; /* a continuation, an overlong lead, or above the last plane */
    }
    if (len < 2 || !is_continuation(p[1])) {
        return 0;
    }
    if (first < 0xe0) {
        *ret_code_point = (uint32_t)(first & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if (len < 3 || !is_continuation(p[2])) {
        return 0;
    }
    if (first < 0xf0) {
        uint32_t cp = (uint32_t)(first & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        if (cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff)) {
            return 0; /* overlong, or half a surrogate pair */
        }
        *ret_code_point = cp;
        return 3;
    }
    if (len < 4 || !is_continuation(p[3])) {
        return 0;
    }
    uint32_t cp = (uint32_t)(first & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                  (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
    if (cp < 0x10000 || cp > UTF8_MAX_CODE_POINT) {
        return 0;
    }
    *ret_code_point = cp;
    return 4;
}

bool utf8_validate(const char *data, size_t len, size_t *ret_error_offset)
{
    size_t i = 0;
    for (;;) {
        i += ascii_run(data + i, len - i);
        /* Text that is not ASCII mostly stays so for a while: no run check between sequences. */
        while (i < len && (unsigned char)data[i] >= 0x80) {
            uint32_t cp;
            size_t n = utf8_decode(data + i, len - i, &cp);
            if (n == 0) {
                if (ret_error_offset != NULL) {
                    *ret_error_offset = i;
                }
                return false;
            }
            i += n;
        }
        if (i == len) {
            return true;
        }
    }
}

size_t utf8_count(const char *data, size_t len)
{
    size_t continuations = 0;
    for (size_t i = 0; i < len; i++) { /* vectorised by the compiler */
        continuations += (signed char)data[i] < -64;
    }
    return len - continuations;
}

size_t utf8_truncate(const char *data, size_t len, size_t max_bytes)
{
    if (len <= max_bytes) {
        return len;
    }
    size_t end = max_bytes;
    /* At most three steps back: further continuations belong to no sequence and may be cut. */
    for (int back = 0; back < UTF8_MAX_BYTES - 1 && end > 0; back++) {
        if (!is_continuation((unsigned char)data[end])) {
            return end;
        }
        end--;
    }
    return is_continuation((unsigned char)data[end]) ? max_bytes : end;
}

size_t utf8_offset(const char *data, size_t len, size_t max_points)
{
    size_t i = 0;
    for (size_t points = 0; i < len; i++) {
        if (!is_continuation((unsigned char)data[i]) && points++ == max_points) {
            break;
        }
    }
    return i;
}

size_t utf8_encode(uint32_t code_point, char ret_bytes[UTF8_MAX_BYTES])
{
    if (code_point < 0x80) {
        ret_bytes[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        ret_bytes[0] = (char)(0xc0 | code_point >> 6);
        ret_bytes[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        if (code_point >= 0xd800 && code_point <= 0xdfff) {
            return 0;
        }
        ret_bytes[0] = (char)(0xe0 | code_point >> 12);
        ret_bytes[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        ret_bytes[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    if (code_point > UTF8_MAX_CODE_POINT) {
        return 0;
    }
    ret_bytes[0] = (char)(0xf0 | code_point >> 18);
    ret_bytes[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    ret_bytes[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    ret_bytes[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}

void utf8_append_clean(struct str *out, const char *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        size_t bad;
        if (utf8_validate(data + i, len - i, &bad)) {
            str_append(out, data + i, len - i);
            return;
        }
        str_append(out, data + i, bad);
        str_append_cstr(out, "\xef\xbf\xbd");
        i += bad + 1;
    }
}
