# GROUP BY, its sets, DISTINCT, FILTER, HAVING.

CREATE TABLE t (a INT NOT NULL, b STRING, c BIGINT, d DECIMAL(10, 2)) WITH ('connector' = 'datagen', 'number-of-rows' = '100');
CREATE TABLE u (a INT, k BIGINT NOT NULL, g DOUBLE) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE w (a INT, l ARRAY<INT>, m MAP<STRING, INT>, n ARRAY<ROW<p INT, q STRING>>) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE z (a INT, b STRING) WITH ('connector' = 'blackhole');
SELECT a, SUM(c) AS s, COUNT(*) FROM t GROUP BY a;
SELECT a + 1 AS k, SUM(c) * 2 FROM t GROUP BY a + 1 HAVING COUNT(*) > 1;
SELECT COUNT(*) FROM t;
SELECT COUNT(DISTINCT a), SUM(c) FILTER (WHERE a > 1) FROM t;
SELECT DISTINCT a, b FROM t;
SELECT a, b, SUM(c), GROUPING(a), GROUPING_ID(a, b) FROM t GROUP BY ROLLUP (a, b);
SELECT a, b, COUNT(*) FROM t GROUP BY GROUPING SETS ((a), (b), ());
SELECT a, COUNT(*) FROM t GROUP BY a ORDER BY COUNT(*) DESC, a LIMIT 5;
SELECT a FROM t GROUP BY a ORDER BY SUM(c);
SELECT a, COUNT(*) AS n FROM t WHERE a > 0 GROUP BY a HAVING a < 10 AND COUNT(*) > 3;
SELECT n FROM (SELECT a, COUNT(*) AS n, SUM(c) AS s FROM t GROUP BY a) WHERE a = 5;
SELECT b FROM t GROUP BY a;
SELECT a AS x, COUNT(*) FROM t GROUP BY x;
SELECT GROUPING(b) FROM t GROUP BY a;
SELECT a, LISTAGG(b, ',') FROM t GROUP BY a;
