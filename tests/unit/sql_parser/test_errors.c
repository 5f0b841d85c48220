/* What is said of text that is no SQL: the place, what could have stood there, the nearest word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "sql/parser/parser.h"
#include <stdio.h>

struct row {
    const char *text, *message; /* a part of it */
};

static void check_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct arena arena;
        struct sql_statement *s = NULL;
        struct error err = ERROR_INIT;
        struct sql_error_place place = {{0, 0}};
        arena_init(&arena, 0);
        int rc = sql_parse_statement(slice_cstr(rows[i].text), &arena, &s, &place, &err);
        if (rc != ERR_PARSE || strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s\n  says   %s\n  wanted %s", rows[i].text, rc < 0 ? err.message : "nothing",
                     rows[i].message);
        }
        assert_true(place.span.start <= place.span.end && place.span.end <= strlen(rows[i].text));
        arena_fini(&arena);
    }
}

static void test_syntax(void **state)
{
    static const struct row rows[] = {
        {"SELEC 1", "Encountered \"SELEC\" at line 1, column 1. Was expecting one of: \"SELECT\""},
        {"SELEC 1", "Did you mean \"SELECT\"?"},
        {"SELECT a\nFORM t WHERE b",
         "Encountered \"t\" at line 2, column 6. Was expecting one of: \",\", \"FROM\""},
        {"SELECT a FROM t WHERE",
         "Encountered \"<EOF>\" at line 1, column 22. Was expecting one of: <IDENTIFIER>"},
        {"SELECT FROM t", "\"FROM\" is a reserved word: as a name it is written `FROM`."},
        {"SELECT a b c FROM t", "Encountered \"c\" at line 1, column 12"},
        {"SELECT (a FROM t", "Encountered \"FROM\" at line 1, column 11. Was expecting"},
        {"SELECT a FROM t GROUP a",
         "Encountered \"a\" at line 1, column 23. Was expecting \"BY\"."},
        {"SELECT a FORM t", "Did you mean \"FROM\" instead of \"FORM\"?"},
        {"DROP TABLE IF EXIST t", "Did you mean \"EXISTS\"?"},
        {"CREATE TABEL t (a INT)", "Did you mean \"TABLE\"?"},
        {"CREATE TABLE t (a INTT)", "There is no type \"INTT\" (INT?), at line 1, column 19"},
        {"CREATE TABLE t (a INT", "Encountered \"<EOF>\" at line 1, column 22"},
        {"CREATE TABLE order (a INT)",
         "\"order\" is a reserved word: as a name it is written `order`."},
        {"CREATE TABLE t (a INT) WITH (connector = 'x')",
         "Keys and values are strings: 'connector'."},
        {"INSERT t SELECT 1", "Was expecting one of: \"OVERWRITE\", \"INTO\""},
        {"SHOW TABLS", "Did you mean \"TABLES\"?"},
        {"CREATE OR REPLACE VIEW v AS SELECT 1",
         "REPLACE goes with tables, not with a VIEW, at line 1, column 19"},
        {"CREATE TEMPORARY DATABASE d", "A DATABASE cannot be temporary"},
        {"SELECT a FROM t LIMIT 1, 2", "LIMIT start, count is not of this dialect"},
        {"WITH RECURSIVE a AS (SELECT 1) SELECT 1", "WITH RECURSIVE is not supported"},
        {"SELECT 1 SELECT 2", "Encountered \"SELECT\" at line 1, column 10"},
        {"SELECT CAST(a AS)", "A type should stand here"},
        {"SELECT EXTRACT(FOO FROM a)", "EXTRACT takes a unit such as YEAR"},
        {"SELECT INTERVAL '1' DAY TO YEAR", "An interval of DAY TO YEAR does not exist"},
        {"SELECT * FROM t MATCH_RECOGNIZE (ORDER BY a PATTERN (A | B) DEFINE A AS TRUE)",
         "Alternatives (|) are not supported in patterns"},
        {"EXPLAIN SHOW TABLES", "EXPLAIN takes a query"},
        {"COMPILE PLAN 'x' FOR SELECT 1", "COMPILE PLAN takes an INSERT"},
        {"SELECT a.b.c.d FROM a.b.c.d", "A name of more than 3 parts"},
        {"SELECT MAP['a']", "MAP[...] needs a value for each key"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_lexical(void **state)
{
    static const struct row rows[] = {
        {"SELECT 'abc", "A string is never closed, it opens at line 1, column 8"},
        {"SELECT\n `abc", "A back-quote is never closed, it opens at line 2, column 2"},
        {"SELECT 1 /* x", "A comment is never closed, it opens at line 1, column 10"},
        {"SELECT \"a\" FROM t", "Names are quoted by back-quotes and strings by single quotes"},
        {"SELECT a != b", "\"!=\" is written <> in this dialect, at line 1, column 10"},
        {"SELECT a == b", "\"==\" is written = in this dialect, at line 1, column 10"},
        {"SELECT 1abc", "A name that begins with a digit needs back-quotes, at line 1, column 8"},
        {"SELECT a @ b", "A character that begins nothing at line 1, column 10"},
        {"SELECT X'0'", "A binary string needs an even number of digits"},
        {"SELECT X'0g'", "other characters than hexadecimal digits"},
        {"SELECT U&'\\00zz'", "an escape that is no character"},
        {"SELECT ``", "A name between back-quotes is empty"},
        {"SELECT '\xc3\xa4\xc3\xb6' x y", "at line 1, column 15"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_bad_bytes(void **state)
{
    struct arena arena;
    struct sql_statement *s = NULL;
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    assert_int_equal(sql_parse_statement(slice_cstr("SELECT '\xff'"), &arena, &s, NULL, &err),
                     ERR_PARSE);
    assert_non_null(strstr(err.message, "The text is not UTF-8 at line 1, column 9"));
    assert_int_equal(sql_parse_statement(SLICE_LIT("SELECT\0 1"), &arena, &s, NULL, &err),
                     ERR_PARSE);
    assert_non_null(strstr(err.message, "zero byte at line 1, column 7"));
    arena_fini(&arena);
}

/* 10 MB and 100,000 levels end in an error, and quickly. */
static void test_limits(void **state)
{
    struct arena arena;
    struct sql_statement *s = NULL;
    struct error err = ERROR_INIT;
    STR_AUTO text = STR_INIT;
    arena_init(&arena, 0);
    str_append_cstr(&text, "SELECT '");
    while (text.len < 10000000) {
        str_append_cstr(&text, "0123456789");
    }
    str_append_cstr(&text, "'");
    assert_int_equal(sql_parse_statement(str_slice(&text), &arena, &s, NULL, &err), ERR_TOO_LARGE);
    str_clear(&text);
    for (int i = 0; i < 100000; i++) {
        str_append_cstr(&text, "SELECT * FROM (");
    }
    assert_int_equal(sql_parse_statement(str_slice(&text), &arena, &s, NULL, &err), ERR_PARSE);
    assert_non_null(strstr(err.message, "nested more than 500 levels deep"));
    str_clear(&text);
    str_append_cstr(&text, "SELECT 1");
    for (int i = 0; i < 100000; i++) {
        str_append_cstr(&text, " UNION ALL SELECT 1");
    }
    assert_int_equal(sql_parse_statement(str_slice(&text), &arena, &s, NULL, &err), ERR_PARSE);
    assert_non_null(strstr(err.message, "More than 4000 set operations"));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_lexical),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
