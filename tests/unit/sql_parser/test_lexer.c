/* Tokens: words, literals, signs, comments, hints, and where they lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "sql/parser/token.h"
#include <ctype.h>

/* The kinds and texts of all tokens: "WORD:a COMMA:, ...". */
static void print_tokens(const char *text, struct str *out)
{
    struct sql_lexer lexer;
    struct sql_token token;
    struct error err = ERROR_INIT;
    assert_int_equal(sql_lexer_init(&lexer, slice_cstr(text), &err), 0);
    for (;;) {
        if (sql_lexer_next(&lexer, &token, &err) < 0) {
            fail_msg("%s: %s", text, err.message);
        }
        if (token.kind == SQL_TOKEN_END) {
            return;
        }
        str_printf(out, "%s%.*s", out->len > 0 ? " " : "", (int)(token.span.end - token.span.start),
                   text + token.span.start);
        str_printf(out, ":%s",
                   token.keyword != SQL_KEYWORD_NONE ? sql_keyword_name(token.keyword)
                                                     : sql_token_kind_text(token.kind));
    }
}

static void test_tokens(void **state)
{
    static const struct {
        const char *text, *tokens;
    } rows[] = {
        {"p.q", "p:<IDENTIFIER> .:. q:<IDENTIFIER>"},
        {"Select", "Select:SELECT"},
        {"a$1 _x", "a$1:<IDENTIFIER> _x:<IDENTIFIER>"},
        {"1 1.5 .5 5. 1e3 1.e-3",
         "1:<UNSIGNED_INTEGER> 1.5:<DECIMAL_NUMBER> .5:<DECIMAL_NUMBER> 5.:<DECIMAL_NUMBER> "
         "1e3:<APPROX_NUMBER> 1.e-3:<APPROX_NUMBER>"},
        {"p<=q<>r>=d=>e||f",
         "p:<IDENTIFIER> <=:<= q:<IDENTIFIER> <>:<> r:<IDENTIFIER> >=:>= d:<IDENTIFIER> =>:=> "
         "e:<IDENTIFIER> ||:|| f:<IDENTIFIER>"},
        {"'a''b' `c``d`", "'a''b':<QUOTED_STRING> `c``d`:<QUOTED_IDENTIFIER>"},
        {"x'0a' U&'b' _utf8'c'",
         "x'0a':<BINARY_STRING> U&'b':<UNICODE_STRING> _utf8'c':<PREFIXED_STRING>"},
        {"p--b\nq//d\ne/*f*/u/**/h",
         "p:<IDENTIFIER> q:<IDENTIFIER> e:<IDENTIFIER> u:<IDENTIFIER> h:<IDENTIFIER>"},
        {"/*+ a */ 2*/*x*/3", "/*+:/*+ a:A */:*/ 2:<UNSIGNED_INTEGER> *:* 3:<UNSIGNED_INTEGER>"},
        {"p>>q", "p:<IDENTIFIER> >:> >:> q:<IDENTIFIER>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        STR_AUTO out = STR_INIT;
        print_tokens(rows[i].text, &out);
        if (strcmp(str_cstr(&out), rows[i].tokens) != 0) {
            fail_msg("%s\n  is     %s\n  wanted %s", rows[i].text, str_cstr(&out), rows[i].tokens);
        }
    }
}

/* Every keyword is found, in any case, and the table is in order (which the search needs). */
static void test_keywords(void **state)
{
    for (int k = SQL_KEYWORD_NONE + 1; k < SQL_KEYWORD_COUNT; k++) {
        const char *name = sql_keyword_name((enum sql_keyword)k);
        char lower[64];
        size_t n = strlen(name);
        for (size_t i = 0; i <= n; i++) {
            lower[i] = (char)tolower((unsigned char)name[i]);
        }
        assert_int_equal(sql_keyword_find(slice_cstr(name)), k);
        assert_int_equal(sql_keyword_find(slice_cstr(lower)), k);
        assert_int_equal(sql_keyword_find(slice_make(name, n > 1 ? n : 0)),
                         n > 1 ? k : SQL_KEYWORD_NONE);
    }
    assert_int_equal(sql_keyword_find(SLICE_LIT("SELECTED")), SQL_KEYWORD_NONE);
    assert_int_equal(sql_keyword_find(SLICE_LIT("")), SQL_KEYWORD_NONE);
    assert_true(sql_keyword_is_reserved(SQL_KW_SELECT) && !sql_keyword_is_reserved(SQL_KW_DATA));
}

static void test_positions(void **state)
{
    struct slice text = SLICE_LIT("ab\n\xc3\xa4\xe2\x82\xac"
                                  "c\r\nd");
    struct sql_position at = sql_position_of(text, 8);
    assert_true(at.line == 2 && at.column == 3);
    at = sql_position_of(text, 1000);
    assert_true(at.line == 3 && at.column == 2);
    at = sql_position_of(text, 0);
    assert_true(at.line == 1 && at.column == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
