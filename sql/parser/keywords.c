/* The table of keywords; see keyword_list.h.  Thread: any. */
#include "sql/parser/token.h"
#include <strings.h>

struct keyword {
    const char *name;
    uint8_t len;
    bool is_reserved;
};

enum { KEYWORD_LEN_MAX = 40 };

enum { CLASS_R = true, CLASS_N = false };

static const struct keyword keywords[] = {[SQL_KEYWORD_NONE] = {"", 0, false},
#define KEYWORD_ROW(word, class) [SQL_KW_##word] = {#word, sizeof(#word) - 1, CLASS_##class},
                                          SQL_KEYWORDS(KEYWORD_ROW)
#undef KEYWORD_ROW
};
_Static_assert(ARRAY_LEN(keywords) == SQL_KEYWORD_COUNT, "a row for each keyword");

const char *sql_keyword_name(enum sql_keyword keyword)
{
    return keywords[keyword].name;
}

bool sql_keyword_is_reserved(enum sql_keyword keyword)
{
    return keywords[keyword].is_reserved;
}

enum sql_keyword sql_keyword_find(struct slice word)
{
    if (word.len == 0 || word.len > KEYWORD_LEN_MAX) {
        return SQL_KEYWORD_NONE;
    }
    size_t low = 1, high = ARRAY_LEN(keywords);
    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct keyword *k = &keywords[mid];
        int order = strncasecmp(word.data, k->name, MIN(word.len, (size_t)k->len));
        if (order == 0) {
            order = (word.len > k->len) - (word.len < k->len);
        }
        if (order == 0) {
            return (enum sql_keyword)mid;
        }
        if (order < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return SQL_KEYWORD_NONE;
}
