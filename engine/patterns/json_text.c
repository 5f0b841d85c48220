/* JSON checked and cut into items in one pass. */
#include "engine/patterns/json_text.h"

#include "common/text/utf8.h"

struct scanner {
    struct json_document *d;
    const char *p, *end;
    uint32_t depth;
};

void json_document_fini(struct json_document *d)
{
    mem_free(d->items);
    *d = (struct json_document){0};
}

static uint32_t add_item(struct json_document *d, enum json_item_kind kind, struct slice key)
{
    if (d->n == d->cap) {
        d->cap = d->cap * 2 + 32;
        d->items = mem_realloc(d->items, d->cap * sizeof(*d->items));
    }
    d->items[d->n] = (struct json_item){.kind = kind, .key = key};
    return d->n++;
}

static void skip_blanks(struct scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
    }
}

static bool take(struct scanner *s, char c)
{
    skip_blanks(s);
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    return false;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* Behind a quote: the text up to the next one. */
static bool scan_string(struct scanner *s, struct slice *ret)
{
    const char *start = s->p;
    for (; s->p < s->end && *s->p != '"'; s->p++) {
        if ((unsigned char)*s->p < 0x20) {
            return false;
        }
        if (*s->p != '\\') {
            continue;
        }
        if (++s->p == s->end || memchr("\"\\/bfnrtu", *s->p, 9) == NULL) {
            return false;
        }
        for (int i = 1; *s->p == 'u' && i <= 4; i++) {
            if (s->end - s->p <= i || !is_hex(s->p[i])) {
                return false;
            }
        }
    }
    if (s->p == s->end) {
        return false;
    }
    *ret = slice_make(start, (size_t)(s->p - start));
    s->p++;
    return true;
}

static size_t digits(struct scanner *s)
{
    const char *start = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
    }
    return (size_t)(s->p - start);
}

static bool scan_number(struct scanner *s)
{
    s->p += *s->p == '-';
    const bool is_zero = s->p < s->end && *s->p == '0';
    const size_t n = digits(s);
    if (n == 0 || (is_zero && n > 1)) {
        return false;
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (digits(s) == 0) {
            return false;
        }
    }
    if (s->p < s->end && (*s->p | 32) == 'e') {
        s->p++;
        s->p += s->p < s->end && (*s->p == '+' || *s->p == '-');
        return digits(s) > 0;
    }
    return true;
}

static bool scan_word(struct scanner *s, const char *word)
{
    const size_t n = strlen(word);
    const bool is_it = (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
    s->p += is_it ? n : 0;
    return is_it;
}

static bool scan_value(struct scanner *s, struct slice key);

/* Behind [ or {: up to the other one. */
static bool scan_members(struct scanner *s, bool is_object)
{
    const char close = is_object ? '}' : ']';
    if (++s->depth > JSON_TEXT_DEPTH_MAX) {
        return false;
    }
    if (!take(s, close)) {
        do {
            struct slice key = {NULL, 0};
            if (is_object && (!take(s, '"') || !scan_string(s, &key) || !take(s, ':'))) {
                return false;
            }
            if (!scan_value(s, key)) {
                return false;
            }
        } while (take(s, ','));
        if (!take(s, close)) {
            return false;
        }
    }
    s->depth--;
    return true;
}

static bool scan_value(struct scanner *s, struct slice key)
{
    struct json_document *d = s->d;
    bool is_right;
    skip_blanks(s);
    if (s->p == s->end) {
        return false;
    }
    const char *start = s->p;
    const uint32_t at = add_item(d, JSON_ITEM_NULL, key);
    enum json_item_kind kind = JSON_ITEM_NULL;
    struct slice text = {NULL, 0};
    switch (*s->p) {
    case '{':
    case '[':
        kind = *s->p++ == '{' ? JSON_ITEM_OBJECT : JSON_ITEM_ARRAY;
        is_right = scan_members(s, kind == JSON_ITEM_OBJECT);
        break;
    case '"':
        s->p++;
        kind = JSON_ITEM_STRING;
        is_right = scan_string(s, &text);
        break;
    case 't':
        kind = JSON_ITEM_TRUE;
        is_right = scan_word(s, "true");
        break;
    case 'f':
        kind = JSON_ITEM_FALSE;
        is_right = scan_word(s, "false");
        break;
    case 'n':
        is_right = scan_word(s, "null");
        break;
    default:
        kind = JSON_ITEM_NUMBER;
        is_right = scan_number(s);
        break;
    }
    struct json_item *item = &d->items[at];
    item->kind = kind;
    item->text = kind == JSON_ITEM_STRING ? text : slice_make(start, (size_t)(s->p - start));
    item->end = d->n;
    return is_right;
}

bool json_document_parse(struct json_document *d, struct slice text)
{
    struct scanner s = {.d = d, .p = text.data, .end = text.data + text.len};
    d->n = 0;
    if (text.len == 0 || !scan_value(&s, slice_make(NULL, 0))) {
        return false;
    }
    skip_blanks(&s);
    return s.p == s.end;
}

/* ---- strings ---------------------------------------------------------------------------------------- */

static uint32_t hex_code(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        v = v << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    }
    return v;
}

void json_text_unescape(struct slice text, struct str *out)
{
    static const char letters[] = "bfnrt", signs[] = "\b\f\n\r\t";
    size_t i = 0;
    while (i < text.len) {
        const char *at = memchr(text.data + i, '\\', text.len - i);
        const size_t plain = at != NULL ? (size_t)(at - text.data) - i : text.len - i;
        str_append(out, text.data + i, plain);
        i += plain;
        if (at == NULL || i + 1 >= text.len) {
            break;
        }
        const char c = text.data[i + 1];
        i += 2;
        if (c == 'u') {
            char bytes[UTF8_MAX_BYTES];
            uint32_t code = hex_code(text.data + i);
            i += 4;
            if (code >= 0xd800 && code < 0xdc00 && i + 6 <= text.len && text.data[i] == '\\' &&
                text.data[i + 1] == 'u') {
                const uint32_t low = hex_code(text.data + i + 2);
                if (low >= 0xdc00 && low < 0xe000) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    i += 6;
                }
            }
            size_t n = utf8_encode(code, bytes);
            n = n > 0 ? n : utf8_encode(UTF8_REPLACEMENT, bytes);
            str_append(out, bytes, n);
            continue;
        }
        const char *letter = strchr(letters, c);
        str_append_char(out, letter != NULL ? signs[letter - letters] : c);
    }
}

void json_text_quote(struct slice s, struct str *out)
{
    static const char letters[] = "bfnrt", signs[] = "\b\f\n\r\t";
    size_t from = 0;
    str_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.data[i];
        if ((unsigned char)c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        str_append(out, s.data + from, i - from);
        from = i + 1;
        const char *sign = c != '\0' ? strchr(signs, c) : NULL;
        if (sign != NULL) {
            str_append_char(out, '\\');
            str_append_char(out, letters[sign - signs]);
        } else if (c == '"' || c == '\\') {
            str_append_char(out, '\\');
            str_append_char(out, c);
        } else {
            str_printf(out, "\\u%04X", (unsigned)(unsigned char)c);
        }
    }
    if (from < s.len) {
        str_append(out, s.data + from, s.len - from);
    }
    str_append_char(out, '"');
}

/* Strings without escapes are as they were written. */
static void print_string(struct slice text, struct str *out)
{
    if (text.len == 0 || memchr(text.data, '\\', text.len) == NULL) {
        str_append_char(out, '"');
        str_append_slice(out, text);
        str_append_char(out, '"');
        return;
    }
    STR_AUTO characters = STR_INIT;
    json_text_unescape(text, &characters);
    json_text_quote(str_slice(&characters), out);
}

void json_document_print(const struct json_document *d, uint32_t at, struct str *out)
{
    const struct json_item *item = &d->items[at];
    if (item->kind == JSON_ITEM_STRING) {
        print_string(item->text, out);
        return;
    }
    if (item->kind < JSON_ITEM_ARRAY) {
        str_append_slice(out, item->text);
        return;
    }
    const bool is_object = item->kind == JSON_ITEM_OBJECT;
    str_append_char(out, is_object ? '{' : '[');
    for (uint32_t i = at + 1; i < item->end; i = d->items[i].end) {
        str_append_cstr(out, i > at + 1 ? "," : "");
        if (is_object) {
            print_string(d->items[i].key, out);
            str_append_char(out, ':');
        }
        json_document_print(d, i, out);
    }
    str_append_char(out, is_object ? '}' : ']');
}
