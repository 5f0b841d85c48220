/* Names in paths; see path_escape.h. */
#include "engine/operators/files/path_escape.h"

static const bool is_special[256] = {
    [0x00 ... 0x1f] = true, [0x7f] = true, ['"'] = true, ['#'] = true, ['%'] = true, ['\''] = true,
    ['*'] = true,           ['/'] = true,  [':'] = true, ['='] = true, ['?'] = true, ['\\'] = true,
    ['{'] = true,           ['['] = true,  [']'] = true, ['^'] = true,
};

void path_escape(struct slice text, struct str *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t plain = 0; /* where the run that needs no escape begins */

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_special[c]) {
            str_append(out, text.data + plain, i - plain);
            str_append(out, (const char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
            plain = i + 1;
        }
    }
    if (plain < text.len) {
        str_append(out, text.data + plain, text.len - plain);
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

void path_unescape(struct slice text, struct str *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int high = text.data[i] == '%' && i + 3 <= text.len ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low >= 0) {
            str_append_char(out, (char)(high * 16 + low));
            i += 2;
        } else {
            str_append_char(out, text.data[i]);
        }
    }
}
