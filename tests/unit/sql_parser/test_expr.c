/* Expressions and types: precedence, every operator, literals, calls with a syntax of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tree.h"

struct row {
    const char *text, *tree;
};

static void check_expr(const struct row *row)
{
    struct arena arena;
    struct sql_expr *e = NULL;
    struct error err = ERROR_INIT;
    STR_AUTO tree = STR_INIT;
    arena_init(&arena, 0);
    if (sql_parse_expression(slice_cstr(row->text), &arena, &e, NULL, &err) < 0) {
        fail_msg("%s: %s", row->text, err.message);
    }
    tree_of_expr(&tree, e);
    if (strcmp(str_cstr(&tree), row->tree) != 0) {
        fail_msg("%s\n  is     %s\n  wanted %s", row->text, str_cstr(&tree), row->tree);
    }
    assert_int_equal(e->span.start, 0);
    assert_int_equal(e->span.end, strlen(row->text));
    arena_fini(&arena);
}

static void check_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_expr(&rows[i]);
    }
}

static void test_precedence(void **state)
{
    static const struct row rows[] = {
        {"1 + 2 * 3", "(+ 1 (* 2 3))"},
        {"1 - 2 - 3", "(- (- 1 2) 3)"},
        {"(1 + 2) * 3", "(* (+ 1 2) 3)"},
        {"a || b || c", "(|| (|| a b) c)"},
        {"a * b % c / d", "(/ (% (* a b) c) d)"},
        {"-a * +b", "(* (- a) (+ b))"},
        {"- - 1", "(- (- 1))"},
        {"a OR b AND NOT c = d", "(OR a (AND b (NOT (= c d))))"},
        {"a AND b AND c OR d OR e", "(OR (AND a b c) d e)"},
        {"NOT a IN (1, 2)", "(NOT (IN a 1 2))"},
        {"a = b IS NULL", "(= a (IS-NULL b))"},
        {"a < b + 1 AND c >= d", "(AND (< a (+ b 1)) (>= c d))"},
        {"a BETWEEN 1 AND 2 AND b", "(AND (BETWEEN a 1 2) b)"},
        {"a + 1 BETWEEN SYMMETRIC b AND c + 2", "(BETWEEN-SYM (+ a 1) b (+ c 2))"},
        {"a <> b", "(<> a b)"},
        {"a.b[1].c", "(. ([] a.b 1) c)"},
        {"- a[1]", "(- ([] a 1))"},
        {"f(x).y.*", "(. (. (f x) y) *)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_predicates(void **state)
{
    static const struct row rows[] = {
        {"a NOT BETWEEN ASYMMETRIC 1 AND 2", "(NOT-BETWEEN a 1 2)"},
        {"a NOT IN (1)", "(NOT-IN a 1)"},
        {"a IN (SELECT b FROM t)", "(IN a (select b from t))"},
        {"a IN ((SELECT 1) UNION (SELECT 2))", "(IN a (union (select 1) (select 2)))"},
        {"a LIKE 'x!%' ESCAPE '!'", "(LIKE a 'x!%' '!')"},
        {"a NOT LIKE b", "(NOT-LIKE a b)"},
        {"a SIMILAR TO 'x+'", "(SIMILAR TO a 'x+')"},
        {"a IS NOT NULL", "(NOT-IS-NULL a)"},
        {"a IS TRUE", "(IS-TRUE a)"},
        {"a IS NOT UNKNOWN", "(NOT-IS-UNKNOWN a)"},
        {"a IS NOT DISTINCT FROM b + 1", "(NOT-IS DISTINCT FROM a (+ b 1))"},
        {"a IS JSON", "(IS-JSON a)"},
        {"a IS NOT JSON SCALAR", "(NOT-IS-SCALAR a)"},
        {"a = ANY (SELECT 1)", "(=-SOME a (select 1))"},
        {"a <> SOME (1, 2)", "(<>-SOME a 1 2)"},
        {"a <= ALL (SELECT 1)", "(<=-ALL a (select 1))"},
        {"EXISTS (SELECT 1)", "(EXISTS (select 1))"},
        {"NOT EXISTS (SELECT 1)", "(NOT (EXISTS (select 1)))"},
        {"(a, b) OVERLAPS (c, d)", "(OVERLAPS (ROW a b) (ROW c d))"},
        {"(a, b) IN ((1, 2), (3, 4))", "(IN (ROW a b) (ROW 1 2) (ROW 3 4))"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_literals(void **state)
{
    static const struct row rows[] = {
        {"1", "1"},
        {".5", ".5"},
        {"5.", "5."},
        {"1.50", "1.50"},
        {"1e3", "~1e3"},
        {"2.5E-7", "~2.5E-7"},
        {"'it''s'", "'it's'"},
        {"''", "''"},
        {"'a'\n 'b'\n'c'", "'abc'"},
        {"X'0aFF'", "x0aff"},
        {"U&'\\0041b'", "'Ab'"},
        {"U&'!0041!!' UESCAPE '!'", "'A!'"},
        {"_utf8'x'", "'x'"},
        {"TRUE", "TRUE"},
        {"unknown", "UNKNOWN"},
        {"NULL", "NULL"},
        {"DATE '2020-01-02'", "DATE'2020-01-02'"},
        {"TIME '10:11:12'", "TIME'10:11:12'"},
        {"TIMESTAMP '2020-01-02 10:11:12.5'", "TIMESTAMP'2020-01-02 10:11:12.5'"},
        {"TIMESTAMP WITH LOCAL TIME ZONE '2020-01-02 00:00:00'", "LTZ'2020-01-02 00:00:00'"},
        {"INTERVAL '5' DAY", "INTERVAL'5'DAY"},
        {"INTERVAL -'5' DAYS", "INTERVAL'-5'DAY"},
        {"INTERVAL '100' DAY(3)", "INTERVAL'100'DAY(3)"},
        {"INTERVAL '1-2' YEAR TO MONTH", "INTERVAL'1-2'YEAR-MONTH"},
        {"INTERVAL '1 2:3:4.5' DAY TO SECOND(3)", "INTERVAL'1 2:3:4.5'DAY-SECOND(.3)"},
        {"INTERVAL '1.5' SECOND(2, 3)", "INTERVAL'1.5'SECOND(2)(.3)"},
        {"INTERVAL 5 MINUTE", "(INTERVAL 5 MINUTE)"},
        {"INTERVAL (a + 1) HOUR", "(INTERVAL (+ a 1) HOUR)"},
        {"(a - b) DAY", "(INTERVAL (- a b) DAY)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_constructors(void **state)
{
    static const struct row rows[] = {
        {"ROW(1, 'a')", "(ROW 1 'a')"},
        {"(1, 2)", "(ROW 1 2)"},
        {"ARRAY[]", "(ARRAY)"},
        {"ARRAY[1, 2][1]", "([] (ARRAY 1 2) 1)"},
        {"MAP['a', 1, 'b', 2]['a']", "([] (MAP 'a' 1 'b' 2) 'a')"},
        {"ARRAY(SELECT a FROM t)", "(ARRAY (select a from t))"},
        {"MULTISET[1]", "(MULTISET 1)"},
        {"(SELECT 1) + 2", "(+ (QUERY (select 1)) 2)"},
        {"((SELECT 1) UNION ALL (SELECT 2))", "(QUERY (union-all (select 1) (select 2)))"},
        {"CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END", "(CASE a 1 b 2 3)"},
        {"CASE x WHEN 1 THEN 'a' END", "(CASE of x 1 'a')"},
        {"CAST(a AS DECIMAL(10, 2) NOT NULL)", "(CAST a DECIMAL(10,2)!)"},
        {"TRY_CAST('1' AS INT)", "(TRY_CAST '1' INT)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_calls(void **state)
{
    static const struct row rows[] = {
        {"f()", "(f)"},
        {"cat.db.f(1)", "(cat.db.f 1)"},
        {"COUNT(*)", "(COUNT *)"},
        {"COUNT(DISTINCT a)", "(COUNT distinct a)"},
        {"SUM(ALL a) FILTER (WHERE a > 1)", "(SUM a filter (> a 1))"},
        {"LISTAGG(a, ',') WITHIN GROUP (ORDER BY b DESC NULLS LAST)",
         "(LISTAGG a ',' within b DESC NL)"},
        {"ROW_NUMBER() OVER (PARTITION BY a, b ORDER BY c)", "(ROW_NUMBER over {by a b order c})"},
        {"SUM(a) OVER w", "(SUM a over {w})"},
        {"SUM(a) OVER (ORDER BY t RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)",
         "(SUM a over { order t range -INTERVAL'1'HOUR 0})"},
        {"SUM(a) OVER (ROWS UNBOUNDED PRECEDING)", "(SUM a over { rows -inf 0})"},
        {"SUM(a) OVER (ROWS BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING)",
         "(SUM a over { rows -2 +inf})"},
        {"LAG(a, 1) IGNORE NULLS OVER w", "(LAG a 1 ignore-nulls over {w})"},
        {"f(a => 1, b => DEFAULT)", "(f a=>1 b=>DEFAULT)"},
        {"TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
         "(TUMBLE (table t) (DESCRIPTOR ts) INTERVAL'1'MINUTE)"},
        {"f(DATA => TABLE a.b PARTITION BY (x, y) ORDER BY z)",
         "(f DATA=>(table a.b by x y order z))"},
        {"f(TABLE (SELECT 1))", "(f (table (select 1)))"},
        {"LEFT('abc', 2)", "(LEFT 'abc' 2)"},
        {"IF(a, b, c)", "(IF a b c)"},
        {"MOD(a, b)", "(MOD a b)"},
        {"CURRENT_DATE", "(CURRENT_DATE bare)"},
        {"CURRENT_TIMESTAMP(3)", "(CURRENT_TIMESTAMP 3)"},
        {"LOCALTIMESTAMP", "(LOCALTIMESTAMP bare)"},
        {"`weird name`(1)", "(weird name 1)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_special_calls(void **state)
{
    static const struct row rows[] = {
        {"EXTRACT(DAY FROM t)", "(EXTRACT #DAY t)"},
        {"CEIL(a)", "(CEIL a)"},
        {"FLOOR(t TO MONTH)", "(FLOOR t #MONTH)"},
        {"FLOOR(a, 2)", "(FLOOR a 2)"},
        {"TRIM(a)", "(TRIM #BOTH ' ' a)"},
        {"TRIM(LEADING 'x' FROM a)", "(TRIM #LEADING 'x' a)"},
        {"TRIM(TRAILING FROM a)", "(TRIM #TRAILING ' ' a)"},
        {"TRIM('x' FROM a)", "(TRIM #BOTH 'x' a)"},
        {"SUBSTRING(a FROM 2 FOR 3)", "(SUBSTRING a 2 3)"},
        {"SUBSTRING(a, 2)", "(SUBSTRING a 2)"},
        {"OVERLAY(a PLACING b FROM 1 FOR 2)", "(OVERLAY a b 1 2)"},
        {"POSITION('a' IN b)", "(POSITION 'a' b)"},
        {"TIMESTAMPADD(HOUR, 2, t)", "(TIMESTAMPADD #HOUR 2 t)"},
        {"TIMESTAMPDIFF(DAY, a, b)", "(TIMESTAMPDIFF #DAY a b)"},
        {"JSON_EXISTS(j, '$.a' FALSE ON ERROR)", "(JSON_EXISTS j '$.a' #FALSE ON ERROR)"},
        {"JSON_VALUE(j, 'lax $.a' RETURNING INT DEFAULT 0 ON EMPTY ERROR ON ERROR)",
         "(JSON_VALUE j 'lax $.a' #RETURNING INT #DEFAULT ON EMPTY 0 #ERROR ON ERROR)"},
        {"JSON_QUERY(j, '$' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY)",
         "(JSON_QUERY j '$' #WITH CONDITIONAL ARRAY WRAPPER #EMPTY ARRAY ON EMPTY)"},
        {"JSON_OBJECT('a' VALUE 1, KEY 'b' VALUE c ABSENT ON NULL)",
         "(JSON_OBJECT 'a' 1 'b' c #ABSENT ON NULL)"},
        {"JSON_OBJECT('a' : 1)", "(JSON_OBJECT 'a' 1)"},
        {"JSON_OBJECT()", "(JSON_OBJECT)"},
        {"JSON_ARRAY(1, 2 NULL ON NULL)", "(JSON_ARRAY 1 2 #NULL ON NULL)"},
        {"JSON_OBJECTAGG(KEY a VALUE b)", "(JSON_OBJECTAGG a b)"},
        {"JSON_ARRAYAGG(a ABSENT ON NULL) FILTER (WHERE b)",
         "(JSON_ARRAYAGG a #ABSENT ON NULL filter b)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_types(void **state)
{
    static const struct row rows[] = {
        {"INT", "INT"},
        {"integer not null", "INT!"},
        {"CHAR", "CHAR"},
        {"CHARACTER VARYING(3)", "VARCHAR(3)"},
        {"STRING", "STRING"},
        {"BYTES", "BYTES"},
        {"BINARY VARYING(9)", "VARBINARY(9)"},
        {"NUMERIC(5)", "DECIMAL(5)"},
        {"DOUBLE PRECISION", "DOUBLE"},
        {"TIMESTAMP(3)", "TIMESTAMP(3)"},
        {"TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"},
        {"TIMESTAMP WITH LOCAL TIME ZONE", "LTZ"},
        {"TIMESTAMP_LTZ(9) NOT NULL", "LTZ(9)!"},
        {"TIMESTAMP(6) WITH TIME ZONE", "TZ(6)"},
        {"INTERVAL DAY(3) TO SECOND(6)", "INTERVAL DAY(3)-SECOND(.6)"},
        {"ARRAY<INT NOT NULL>", "ARRAY<INT!>"},
        {"INT ARRAY", "ARRAY<INT>"},
        {"INT NOT NULL MULTISET NOT NULL ARRAY", "ARRAY<MULTISET<INT!>!>"},
        {"MAP<STRING, ARRAY<ROW<a INT, `b` MAP<INT, INT>>>>",
         "MAP<STRING ARRAY<ROW<a:INT b:MAP<INT INT>>>>"},
        {"ROW<a INT 'the a', b STRING NOT NULL>", "ROW<a:INT b:STRING!>"},
        {"ROW(INT, STRING)", "ROW<INT STRING>"},
        {"ROW<>", "ROW"},
        {"STRUCTURED<'a.B', x INT>", "STRUCTURED'a.B'<x:INT>"},
        {"RAW('a.B', 'c')", "RAW'a.B'"},
        {"VARIANT", "VARIANT"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct sql_type *t = NULL;
        struct error err = ERROR_INIT;
        STR_AUTO tree = STR_INIT;
        arena_init(&arena, 0);
        if (sql_parse_type(slice_cstr(rows[i].text), &arena, &t, NULL, &err) < 0) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
        tree_of_type(&tree, t);
        assert_string_equal(str_cstr(&tree), rows[i].tree);
        arena_fini(&arena);
    }
}

/* A chain is one node and takes no depth; parentheses and signs do. */
static void test_long_and_deep(void **state)
{
    enum { TERMS = 20000, DEEP = 100000 };
    struct arena arena;
    struct error err = ERROR_INIT;
    struct sql_expr *e = NULL;
    STR_AUTO text = STR_INIT;
    arena_init(&arena, 0);
    for (int i = 0; i < TERMS; i++) {
        str_printf(&text, "%sa = %d", i > 0 ? " OR " : "", i);
    }
    assert_int_equal(sql_parse_expression(str_slice(&text), &arena, &e, NULL, &err), 0);
    assert_int_equal(e->n_operands, TERMS);
    static const char *const openings[] = {"(",
                                           "-",
                                           "NOT ",
                                           "f(",
                                           "ARRAY[",
                                           "(SELECT ",
                                           "CASE WHEN ",
                                           "CAST(",
                                           "a + ",
                                           "x[",
                                           "1 IN (SELECT ",
                                           "CAST(a AS ROW<b ",
                                           "(SELECT 1 UNION (",
                                           "- INTERVAL "};
    for (size_t i = 0; i < ARRAY_LEN(openings); i++) {
        str_clear(&text);
        for (int k = 0; k < DEEP; k++) {
            str_append_cstr(&text, openings[i]);
        }
        assert_true(sql_parse_expression(str_slice(&text), &arena, &e, NULL, &err) < 0);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_predicates),
        cmocka_unit_test(test_literals),   cmocka_unit_test(test_constructors),
        cmocka_unit_test(test_calls),      cmocka_unit_test(test_special_calls),
        cmocka_unit_test(test_types),      cmocka_unit_test(test_long_and_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
