# Subqueries as joins: EXISTS, IN, NOT IN with NULLs, scalar ones, LATERAL.

CREATE TABLE t (a INT NOT NULL, b STRING, c BIGINT, d DECIMAL(10, 2)) WITH ('connector' = 'datagen', 'number-of-rows' = '100');
CREATE TABLE u (a INT, k BIGINT NOT NULL, g DOUBLE) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE w (a INT, l ARRAY<INT>, m MAP<STRING, INT>, n ARRAY<ROW<p INT, q STRING>>) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE z (a INT, b STRING) WITH ('connector' = 'blackhole');
SELECT b FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.c);
SELECT b FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.c AND u.g > 1);
SELECT b FROM t WHERE a IN (SELECT a FROM u);
SELECT b FROM t WHERE a NOT IN (SELECT a FROM u);
SELECT b FROM t WHERE c NOT IN (SELECT k FROM u WHERE u.a = t.a);
SELECT b FROM t WHERE (a, c) IN (SELECT a, k FROM u);
SELECT b FROM t WHERE c > ALL (SELECT k FROM u);
SELECT b FROM t WHERE c = ANY (SELECT k FROM u);
SELECT b FROM t WHERE c > (SELECT MAX(k) FROM u);
SELECT b, (SELECT COUNT(*) FROM u WHERE u.a = t.a) AS n FROM t;
SELECT b, (SELECT k FROM u WHERE u.a = t.a) AS n FROM t;
SELECT b, (SELECT k FROM u WHERE u.a = t.a ORDER BY g DESC LIMIT 1) AS n FROM t;
SELECT b, EXISTS (SELECT 1 FROM u WHERE u.a = t.a) AS n FROM t;
SELECT b, a IN (SELECT a FROM u) AS n FROM t;
SELECT b FROM t WHERE a > 5 OR EXISTS (SELECT 1 FROM u WHERE u.a = t.a);
SELECT a, SUM(c) FROM t GROUP BY a HAVING SUM(c) > (SELECT MAX(k) FROM u WHERE u.a = t.a);
SELECT b FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a AND EXISTS (SELECT 1 FROM w WHERE w.a = u.a AND w.a > t.a));
SELECT t.b, x.k FROM t, LATERAL (SELECT k FROM u WHERE u.a = t.a ORDER BY g LIMIT 2) AS x;
SELECT b FROM t WHERE a < (SELECT SUM(g) FROM u WHERE u.a < t.a);
SELECT (SELECT a, k FROM u) FROM t;
SELECT b FROM t WHERE a IN (SELECT a, k FROM u);
