"""Set operations, ORDER BY, LIMIT, OFFSET, FETCH, WITH, VALUES, UNNEST, expressions over rows."""

import itertools

OPERATIONS = ["UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"]
PAIRS = [
    ("SELECT k FROM a", "SELECT k FROM b"),
    ("SELECT x FROM a", "SELECT x FROM b"),
    ("SELECT k, x FROM a", "SELECT k, x FROM b"),
    ("SELECT k FROM a", "SELECT k FROM e"),
    ("SELECT k FROM e", "SELECT k FROM b"),
    ("SELECT dept FROM emp", "SELECT id FROM dept"),
    ("SELECT item FROM sale", "SELECT v FROM a"),
    ("SELECT dept, boss FROM emp", "SELECT dept, boss FROM emp WHERE pay > 400"),
    ("SELECT bonus FROM emp", "SELECT price FROM sale"),
    ("SELECT pay AS p FROM emp WHERE pay > 400", "SELECT 450"),
]


def set_operations():
    for i, ((one, two), op) in enumerate(itertools.product(PAIRS, OPERATIONS)):
        yield f"{one} {op} {two}"
        if i % 3 == 0:
            yield f"{two.replace('SELECT 450', 'SELECT 450 AS p')} {op} {one}"
    for one, two in itertools.product(OPERATIONS, OPERATIONS):
        yield f"SELECT k FROM a {one} SELECT k FROM b {two} SELECT x FROM a"
        if one != two:
            yield f"SELECT k FROM a {one} (SELECT k FROM b {two} SELECT x FROM a)"
    for op in OPERATIONS:
        yield f"SELECT k FROM a {op} SELECT k FROM b ORDER BY k NULLS LAST"
        yield f"SELECT k FROM a {op} SELECT k FROM b ORDER BY 1 DESC NULLS LAST LIMIT 3"
        yield f"SELECT t.k, COUNT(*) AS n FROM (SELECT k FROM a {op} SELECT k FROM b) AS t GROUP BY t.k"
        yield f"WITH c AS (SELECT k FROM a {op} SELECT k FROM b) SELECT l.k FROM c AS l JOIN c AS r ON l.k = r.k"
        yield f"(SELECT k, x FROM a ORDER BY x NULLS FIRST, k LIMIT 3) {op} (SELECT k, CAST(x AS INT) FROM b WHERE x > 1)"
        yield f"SELECT k FROM a WHERE x > 2 {op} SELECT k FROM b WHERE k IN (SELECT k FROM a WHERE v IS NOT NULL)"
        yield f"SELECT dept, COUNT(*) AS n FROM emp GROUP BY dept {op} SELECT id, 3 FROM dept"
        yield f"VALUES (1, 'a'), (2, 'b'), (2, 'b') {op} VALUES (2, 'b'), (3, 'c')".replace("VALUES (1", "SELECT p, q FROM (VALUES (1", 1).replace(
            f" {op} ", f") AS l(p, q) {op} SELECT p, q FROM (", 1
        ) + ") AS r(p, q)"


KEYS = ["pay", "pay DESC", "pay NULLS LAST", "pay DESC NULLS FIRST", "name", "name DESC", "hired, name NULLS LAST", "bonus DESC", "dept DESC NULLS FIRST, pay", "boss NULLS LAST, dept DESC"]
ENDS = ["", " LIMIT 4", " LIMIT 3 OFFSET 2", " OFFSET 9", " FETCH FIRST 2 ROWS ONLY", " OFFSET 3 ROWS FETCH NEXT 4 ROWS ONLY", " LIMIT 0", " LIMIT 100", " OFFSET 100", " FETCH FIRST ROW ONLY"]


def orders():
    for i, key in enumerate(KEYS):
        for k in range(5):
            yield f"SELECT id, pay FROM emp ORDER BY {key}, id{ENDS[(i * 3 + k * 2 + k // 3) % len(ENDS)]}"
    yield "SELECT id, pay FROM emp ORDER BY 2 DESC, 1"
    yield "SELECT id, pay * 2 AS p FROM emp ORDER BY p, id DESC"
    yield "SELECT id FROM emp ORDER BY pay * -1, id"
    yield "SELECT id, name FROM emp ORDER BY CHAR_LENGTH(name) NULLS LAST, name, id"
    yield "SELECT id FROM emp ORDER BY CASE WHEN dept = 20 THEN 0 ELSE 1 END, id DESC"
    yield "SELECT id FROM emp WHERE pay > 400 ORDER BY hired DESC NULLS LAST, id LIMIT 3"
    yield "SELECT id, pay > 450 AS p FROM emp ORDER BY p, id"
    yield "SELECT dept, SUM(pay) AS s FROM emp GROUP BY dept ORDER BY s DESC NULLS LAST, dept LIMIT 2"
    yield "SELECT dept, SUM(pay) AS s FROM emp GROUP BY dept ORDER BY COUNT(*), dept"
    yield "SELECT t.id FROM (SELECT id, pay FROM emp ORDER BY pay DESC NULLS LAST, id LIMIT 5) AS t WHERE t.pay < 700"
    yield "SELECT COUNT(*) AS n FROM (SELECT id FROM emp LIMIT 5) AS t"
    yield "SELECT COUNT(*) AS n FROM (SELECT id FROM emp ORDER BY id OFFSET 5 ROWS) AS t"
    yield "SELECT MAX(id) AS m FROM (SELECT id FROM emp ORDER BY id LIMIT 3 OFFSET 4) AS t"
    yield "SELECT e.id, d.title FROM emp AS e JOIN dept AS d ON e.dept = d.id ORDER BY d.title DESC, e.id LIMIT 3"
    yield "SELECT title, (SELECT name FROM emp AS e WHERE e.pay > 600 ORDER BY pay, id LIMIT 1) AS n FROM dept"


def with_and_values():
    yield "WITH x AS (SELECT dept, SUM(pay) AS s FROM emp GROUP BY dept) SELECT d.title, x.s FROM x JOIN dept AS d ON d.id = x.dept"
    yield "WITH x AS (SELECT id FROM emp WHERE pay > 400), y AS (SELECT id FROM x WHERE id > 2) SELECT COUNT(*) AS n, MAX(y.id) AS m FROM y"
    yield "WITH x (i, j) AS (SELECT id, pay FROM emp) SELECT i FROM x WHERE j = (SELECT MAX(j) FROM x)"
    yield "WITH x AS (SELECT k FROM a), y AS (SELECT k FROM x UNION SELECT k FROM b) SELECT COUNT(*) AS n FROM y"
    yield "WITH x AS (SELECT 1 AS n) SELECT n FROM x UNION ALL SELECT n + 1 FROM x UNION ALL SELECT n + 2 FROM x"
    yield "WITH emp AS (SELECT k AS id FROM a) SELECT id FROM emp"
    yield "SELECT t.n FROM (WITH x AS (SELECT COUNT(*) AS n FROM emp) SELECT n FROM x) AS t"
    yield "WITH x AS (SELECT id, boss FROM emp) SELECT p.id, q.id AS q FROM x AS p LEFT JOIN x AS q ON p.boss = q.id"
    yield "SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y'), (CAST(NULL AS INT), 'z')) AS v(a, b)"
    yield "SELECT v.a + w.a AS s FROM (VALUES 1, 2, 3) AS v(a), (VALUES 10, 20) AS w(a)"
    yield "SELECT SUM(v.a) AS s FROM (VALUES 1, 2, 3000000000) AS v(a)"
    yield "SELECT v.a FROM (VALUES 1.5, 2, 3.25) AS v(a)".replace("1.5, 2, 3.25", "1.50, 2.00, 3.25")
    yield "SELECT v.a, COUNT(*) AS n FROM (VALUES 'x', 'y', 'x') AS v(a) GROUP BY v.a"
    yield "SELECT a.k, v.t FROM a JOIN (VALUES (1, 'uno'), (2, 'due')) AS v(n, t) ON a.k = v.n"
    yield "SELECT a.k FROM a WHERE a.k IN (VALUES 1, 3, 6)"
    yield "SELECT a.k FROM a WHERE (a.k, a.x) IN (VALUES (1, 5), (2, 8))"
    yield "SELECT u.n FROM UNNEST(ARRAY[3, 1, 2]) AS u(n)"
    yield "SELECT u.n, u.i FROM UNNEST(ARRAY['x', 'y', 'z']) WITH ORDINALITY AS u(n, i)"
    yield "SELECT a.k, u.n FROM a CROSS JOIN UNNEST(ARRAY[a.k, a.x]) AS u(n)"
    yield "SELECT a.k, u.n, u.i FROM a CROSS JOIN UNNEST(ARRAY[a.v, 'end']) WITH ORDINALITY AS u(n, i) WHERE a.k < 3"
    yield "SELECT SUM(u.n) AS s FROM a, UNNEST(ARRAY[a.x, 1]) AS u(n)"
    yield "SELECT a.k, u.n FROM a LEFT JOIN UNNEST(ARRAY[a.x]) AS u(n) ON TRUE"


CONDITIONS = [
    "pay > 450 AND bonus > 10",
    "pay > 450 OR bonus > 10",
    "NOT (pay > 450)",
    "NOT (pay > 450 AND bonus > 10)",
    "NOT (pay > 450 OR bonus IS NULL)",
    "pay IS NULL",
    "pay IS NOT NULL AND dept IS NULL",
    "pay BETWEEN 300 AND 500",
    "pay NOT BETWEEN 300 AND 500",
    "pay BETWEEN 500 AND 300",
    "dept IN (10, 30)",
    "dept NOT IN (10, 30)",
    "dept IN (10, CAST(NULL AS INT))",
    "dept NOT IN (10, CAST(NULL AS INT))",
    "name LIKE 'A%'",
    "name NOT LIKE '%a%'",
    "name LIKE '_o_'",
    "LOWER(name) = 'ann'",
    "name > 'E'",
    "name || 'x' < 'Cx'",
    "hired > DATE '2020-03-01'",
    "hired = DATE '2020-02-29'",
    "hired BETWEEN DATE '2020-01-01' AND DATE '2020-12-31'",
    "EXTRACT(MONTH FROM hired) = 12",
    "(pay > 450) IS TRUE",
    "(pay > 450) IS NOT TRUE",
    "(pay > 450) IS FALSE",
    "(pay > 450) IS NOT FALSE",
    "(pay > 450) IS UNKNOWN",
    "pay IS DISTINCT FROM 450",
    "pay IS NOT DISTINCT FROM boss",
    "dept = 10 AND dept = 20",
    "dept = 10 OR dept <> 10",
    "id % 2 = 1 AND pay % 100 = 0",
    "pay / 7 = 71",
    "-pay < -600",
    "bonus * 2 = 40.5",
    "COALESCE(bonus, 0) = 0",
    "NULLIF(dept, 10) IS NULL",
    "CASE WHEN dept = 10 THEN pay > 600 WHEN dept = 20 THEN pay < 400 ELSE name IS NULL END",
    "CASE dept WHEN 10 THEN 'a' WHEN 20 THEN 'b' END = 'b'",
    "TRUE",
    "FALSE",
    "1 = 1 AND pay = 450",
    "CHAR_LENGTH(name) = 3 AND SUBSTRING(name, 2, 1) = 'a'",
    "POSITION('n' IN name) > 1",
    "CAST(pay AS STRING) LIKE '%0'",
    "CAST(id AS BIGINT) * 1000000000 > 9000000000",
    "boss = id - 1",
    "dept = 20 AND NOT boss = 3",
    "ABS(pay) = 40",
    "TRIM(LEADING 'A' FROM name) = 'nn'",
]


def conditions():
    for i, c in enumerate(CONDITIONS):
        yield f"SELECT id FROM emp WHERE {c}"
        if i % 2 == 0:
            yield f"SELECT id, {c} AS r FROM emp"
        else:
            yield f"SELECT id, CASE WHEN {c} THEN 1 ELSE 0 END AS r, NOT ({c}) AS s FROM emp"
        if i % 3 == 0:
            yield f"SELECT dept, COUNT(*) FILTER (WHERE {c}) AS n FROM emp GROUP BY dept"
        if i % 3 == 1:
            yield f"SELECT e.id, d.title FROM (SELECT * FROM emp WHERE {c}) AS e LEFT JOIN dept AS d ON d.id = e.dept"


def statements():
    yield from (("set_operations", s) for s in set_operations())
    yield from (("order", s) for s in orders())
    yield from (("sources", s) for s in with_and_values())
    yield from (("conditions", s) for s in conditions())
