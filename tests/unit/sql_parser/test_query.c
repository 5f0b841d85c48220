/* Queries: clauses, joins, set operations, table functions, MATCH_RECOGNIZE, hints. */
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

static void check_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct arena arena;
        struct sql_statement *s = NULL;
        struct error err = ERROR_INIT;
        STR_AUTO tree = STR_INIT;
        arena_init(&arena, 0);
        if (sql_parse_statement(slice_cstr(rows[i].text), &arena, &s, NULL, &err) < 0) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
        assert_int_equal(s->kind, SQL_STATEMENT_QUERY);
        tree_of_query(&tree, s->query);
        if (strcmp(str_cstr(&tree), rows[i].tree) != 0) {
            fail_msg("%s\n  is     %s\n  wanted %s", rows[i].text, str_cstr(&tree), rows[i].tree);
        }
        arena_fini(&arena);
    }
}

static void test_select(void **state)
{
    static const struct row rows[] = {
        {"SELECT 1", "(select 1)"},
        {"select a, b AS c, d e, t.*, * from t;", "(select a b=c d=e t.* * from t)"},
        {"SELECT DISTINCT a FROM c.d.t AS x (p, q) WHERE p > 1",
         "(select distinct a from c.d.t as x[p q] where (> p 1))"},
        {"SELECT ALL a FROM t GROUP BY a HAVING COUNT(*) > 1",
         "(select a from t group a having (> (COUNT *) 1))"},
        {"SELECT a FROM t GROUP BY a, (b, c), ()", "(select a from t group a (list b c) (list))"},
        {"SELECT 1 FROM t GROUP BY GROUPING SETS ((a, b), a, ()), ROLLUP (a, b), CUBE (c)",
         "(select 1 from t group (sets (list a b) a (list)) (rollup a b) (cube c))"},
        {"SELECT SUM(a) OVER w FROM t WINDOW w AS (PARTITION BY b ORDER BY c) QUALIFY d = 1",
         "(select (SUM a over {w}) from t window w{by b order c} qualify (= d 1))"},
        {"SELECT a FROM t ORDER BY a DESC NULLS FIRST, 2 LIMIT 10 OFFSET 5",
         "(select a from t) order a DESC NF 2 limit 10 offset 5"},
        {"SELECT a FROM t LIMIT ALL", "(select a from t)"},
        {"SELECT a FROM t OFFSET 5 ROWS FETCH NEXT 3 ROWS ONLY",
         "(select a from t) limit 3 offset 5"},
        {"SELECT a FROM t FETCH FIRST ROW ONLY", "(select a from t) limit 1"},
        {"VALUES (1, 'a'), (2, 'b')", "(values (ROW 1 'a') (ROW 2 'b'))"},
        {"VALUES 1, 2", "(values (ROW 1) (ROW 2))"},
        {"TABLE t", "(table t)"},
        {"WITH a AS (SELECT 1), b (x) AS (SELECT 2) SELECT * FROM a, b",
         "with a is (select 1) with b[x] is (select 2) (select * from (comma a b))"},
        {"SELECT `a``b`, `select` FROM `my table`", "(select a`b select from my table)"},
        {"SELECT a -- one\n, b // two\n, c /* three */ FROM t", "(select a b c from t)"},
        {"SELECT data, type, key, value1, \xc3\xa4 FROM view_1",
         "(select data type key value1 \xc3\xa4 from view_1)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_set_operations(void **state)
{
    static const struct row rows[] = {
        {"SELECT 1 UNION SELECT 2 UNION ALL SELECT 3",
         "(union-all (union (select 1) (select 2)) (select 3))"},
        {"SELECT 1 UNION SELECT 2 INTERSECT SELECT 3",
         "(union (select 1) (intersect (select 2) (select 3)))"},
        {"SELECT 1 EXCEPT DISTINCT (SELECT 2 UNION SELECT 3)",
         "(except (select 1) (union (select 2) (select 3)))"},
        {"(SELECT 1) UNION (SELECT 2) ORDER BY 1", "(union (select 1) (select 2)) order 1"},
        {"((SELECT 1) INTERSECT ALL SELECT 2) LIMIT 1",
         "(intersect-all (select 1) (select 2)) limit 1"},
        {"(SELECT a FROM t ORDER BY a LIMIT 1) UNION SELECT 2",
         "(union (select a from t) order a limit 1 (select 2))"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_from(void **state)
{
    static const struct row rows[] = {
        {"SELECT * FROM a JOIN b ON a.x = b.x LEFT OUTER JOIN c USING (y, z)",
         "(select * from (left (join a b on (= a.x b.x)) c using [y z]))"},
        {"SELECT * FROM a CROSS JOIN b, c", "(select * from (comma (cross a b) c))"},
        {"SELECT * FROM a NATURAL FULL JOIN b", "(select * from (natural-full a b))"},
        {"SELECT * FROM (a RIGHT JOIN b ON TRUE) INNER JOIN c ON FALSE",
         "(select * from (join (right a b on TRUE) c on FALSE))"},
        {"SELECT * FROM (SELECT 1) AS t (a)", "(select * from (select 1) as t[a])"},
        {"SELECT * FROM ((SELECT 1) UNION ALL (SELECT 2)) t",
         "(select * from (union-all (select 1) (select 2)) as t)"},
        {"SELECT * FROM (VALUES (1), (2)) AS t (a)",
         "(select * from (values (ROW 1) (ROW 2)) as t[a])"},
        {"SELECT * FROM t, LATERAL (SELECT 1) AS s",
         "(select * from (comma t lateral (select 1) as s))"},
        {"SELECT * FROM t LEFT JOIN LATERAL TABLE(f(a)) AS x (y) ON TRUE",
         "(select * from (left t lateral (f a) as x[y] on TRUE))"},
        {"SELECT * FROM t CROSS JOIN UNNEST(a) WITH ORDINALITY AS u (v, o)",
         "(select * from (cross t (unnest a ordinality) as u[v o]))"},
        {"SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY "
         "window_start",
         "(select * from (TUMBLE (table t) (DESCRIPTOR ts) INTERVAL'1'DAY) group window_start)"},
        {"SELECT * FROM HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts)) w",
         "(select * from (HOP DATA=>(table t) TIMECOL=>(DESCRIPTOR ts)) as w)"},
        {"SELECT * FROM l JOIN r FOR SYSTEM_TIME AS OF l.pt AS d ON l.k = d.k",
         "(select * from (join l r at l.pt as d on (= l.k d.k)))"},
        {"SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00' + INTERVAL '1' DAY",
         "(select * from t at (+ TIMESTAMP'2020-01-01 00:00:00' INTERVAL'1'DAY))"},
        {"SELECT /*+ BROADCAST(a, b), STATE_TTL('a' = '1d', 'b' = '2h') */ * FROM t /*+ "
         "OPTIONS('k' = 'v') */ AS x",
         "(select +BROADCAST:a:b +STATE_TTL{a=1d b=2h} * from t +OPTIONS{k=v} as x)"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_match_recognize(void **state)
{
    static const struct row rows[] = {
        {"SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY s ORDER BY ts MEASURES A.x AS x, LAST(B.y, "
         "1) AS y "
         "ONE ROW PER MATCH AFTER MATCH SKIP TO LAST B PATTERN (A B+ C*? D{2,3} E{,4} F? G{5} "
         "H{6,}?) "
         "WITHIN INTERVAL '1' HOUR DEFINE A AS A.x > 1, B AS SUM(B.x) < 2) AS m",
         "(select * from (match t by s order ts x:A.x y:(LAST B.y 1) after4B pattern A{1,1} "
         "B{1,-1} C{0,-1}? D{2,3} E{0,4} "
         "F{0,1} G{5,5} H{6,-1}? within INTERVAL'1'HOUR A:(> A.x 1) B:(< (SUM B.x) 2)) as m)"},
        {"SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts AFTER MATCH SKIP PAST LAST ROW PATTERN (A) "
         "DEFINE A AS TRUE)",
         "(select * from (match t order ts after2 pattern A{1,1} A:TRUE))"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_set_operations),
        cmocka_unit_test(test_from),
        cmocka_unit_test(test_match_recognize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
