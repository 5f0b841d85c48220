/* Case by table: each character that changes, in order, with what it becomes (made by tools/make_letters). */
#include "engine/functions/letters.h"

#include "engine/functions/text.h"

struct letter {
    uint32_t code;
    const char *text;
};

static const struct letter upper[] = {
#include "engine/functions/letters_upper.inc"
};
static const struct letter lower[] = {
#include "engine/functions/letters_lower.inc"
};

static uint32_t code_of(const char *c, size_t n)
{
    const unsigned char *b = (const unsigned char *)c;
    switch (n) {
    case 2:
        return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    case 3:
        return (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    case 4:
        return (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 | (b[3] & 0x3fu);
    default:
        return b[0];
    }
}

static const char *find(const struct letter *letters, size_t n, uint32_t code)
{
    size_t from = 0, to = n;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (letters[middle].code < code) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < n && letters[from].code == code ? letters[from].text : NULL;
}

static bool has_case(uint32_t code)
{
    return find(upper, ARRAY_LEN(upper), code) != NULL ||
           find(lower, ARRAY_LEN(lower), code) != NULL;
}

/* Marks that a word may have between its letters (Unicode: Case_Ignorable, the usual ones). */
static bool is_passed_over(uint32_t code)
{
    return code == '\'' || code == '.' || code == ':' || code == '^' || code == '`' ||
           code == 0xad || code == 0xb7 || code == 0x2018 || code == 0x2019 || code == 0x2024 ||
           code == 0x2027 || (code >= 0x300 && code <= 0x36f);
}

/* A sigma at `at` ends a word: a letter comes before it and none behind it. */
static bool is_final(struct slice text, size_t at)
{
    bool before = false, behind = false;
    for (size_t i = 0; i < at;) {
        const size_t n = text_step(text, i);
        const uint32_t code = code_of(text.data + i, n);
        before = is_passed_over(code) ? before : has_case(code);
        i += n;
    }
    for (size_t i = at + text_step(text, at); i < text.len;) {
        const size_t n = text_step(text, i);
        const uint32_t code = code_of(text.data + i, n);
        if (!is_passed_over(code)) {
            behind = has_case(code);
            break;
        }
        i += n;
    }
    return before && !behind;
}

enum { CAPITAL_SIGMA = 0x3a3 };

void letters_change(struct slice text, bool is_upper, struct str *out)
{
    for (size_t i = 0; i < text.len;) {
        const size_t n = text_step(text, i);
        const uint32_t code = code_of(text.data + i, n);
        const char *changed =
            is_upper ? find(upper, ARRAY_LEN(upper), code) : find(lower, ARRAY_LEN(lower), code);
        if (code == CAPITAL_SIGMA && !is_upper && is_final(text, i)) {
            str_append_cstr(out, "\xcf\x82"); /* the one that stands at the end of words */
        } else if (changed != NULL) {
            str_append_cstr(out, changed);
        } else {
            str_append(out, text.data + i, n);
        }
        i += n;
    }
}
