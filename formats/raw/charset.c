/* Charsets by iconv; see raw.h. */
#include "formats/raw/raw.h"

#include "common/text/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <strings.h>

static bool is_utf8(const char *name)
{
    return strcasecmp(name, "UTF-8") == 0 || strcasecmp(name, "UTF8") == 0;
}

bool charset_open(struct charset *c, const char *name)
{
    *c = (struct charset){.to = NULL};
    if (is_utf8(name)) {
        return true;
    }
    /* Java's UTF-16 is big-endian where nothing else is said. */
    const char *writes = strcasecmp(name, "UTF-16") == 0 ? "UTF-16BE" : name;
    iconv_t to = iconv_open(writes, "UTF-8");
    iconv_t from = iconv_open("UTF-8", name);
    if (to == (iconv_t)-1 || from == (iconv_t)-1) {
        if (to != (iconv_t)-1) {
            iconv_close(to);
        }
        if (from != (iconv_t)-1) {
            iconv_close(from);
        }
        return false;
    }
    c->to = to;
    c->from = from;
    return true;
}

void charset_close(struct charset *c)
{
    if (c->to != NULL) {
        iconv_close(c->to);
        iconv_close(c->from);
    }
    str_fini(&c->text);
}

/* Bytes of one character that cannot be converted. */
static size_t bad_bytes(const char *p, size_t left, bool is_utf8_text)
{
    uint32_t point;
    size_t n = is_utf8_text ? utf8_decode(p, left, &point) : 1;

    return n > 0 ? n : 1;
}

static struct slice convert(struct charset *c, iconv_t conversion, struct slice in,
                            const char *replacement, bool is_encoding)
{
    char *from = (char *)(uintptr_t)in.data;
    size_t left = in.len;

    (void)iconv(conversion, NULL, NULL, NULL, NULL);
    str_clear(&c->text);
    str_reserve(&c->text, in.len * 2 + 16);
    while (left > 0) {
        char *to = c->text.data + c->text.len;
        size_t room = c->text.cap - c->text.len - 1;
        size_t rc = iconv(conversion, &from, &left, &to, &room);
        c->text.len = (size_t)(to - c->text.data);
        if (rc != (size_t)-1) {
            continue;
        }
        if (errno == E2BIG) {
            str_reserve(&c->text, c->text.cap + 16);
            continue;
        }
        size_t skipped = bad_bytes(from, left, is_encoding);
        from += skipped;
        left -= skipped;
        if (is_encoding) {
            /* The replacement in the charset, too. */
            char *text = (char *)(uintptr_t)replacement;
            size_t n = strlen(replacement);
            str_reserve(&c->text, 16);
            to = c->text.data + c->text.len;
            room = c->text.cap - c->text.len - 1;
            (void)iconv(conversion, &text, &n, &to, &room);
            c->text.len = (size_t)(to - c->text.data);
        } else {
            str_append_cstr(&c->text, replacement);
        }
    }
    c->text.data[c->text.len] = '\0';
    return slice_make(c->text.data, c->text.len);
}

struct slice charset_decode(struct charset *c, struct slice bytes)
{
    if (c->from != NULL) {
        return convert(c, c->from, bytes, "\xef\xbf\xbd", false);
    }
    if (utf8_validate(bytes.data, bytes.len, NULL)) {
        return bytes;
    }
    str_clear(&c->text);
    utf8_append_clean(&c->text, bytes.data, bytes.len);
    return slice_make(str_cstr(&c->text), c->text.len);
}

struct slice charset_encode(struct charset *c, struct slice text)
{
    return c->to != NULL ? convert(c, c->to, text, "?", true) : text;
}
