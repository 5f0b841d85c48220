"""Joins of every kind by every kind of condition; semi and anti joins by IN, EXISTS, SOME, ALL."""

import itertools

KINDS = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]

CONDITIONS = [
    "a.k = b.k",
    "a.k = b.k AND a.x < b.x",
    "a.k = b.k AND a.x > 3",
    "a.k = b.k AND b.x > 3",
    "a.k = b.k AND (a.x > 4 OR b.w IS NULL)",
    "a.k = b.k AND a.x = b.x",
    "a.k + 1 = b.k",
    "a.v = b.w",
    "a.x = b.x",
    "a.k IS NOT DISTINCT FROM b.k",
    "a.k = b.k AND a.v <> b.w",
    "a.k = b.k AND b.k = 2",
    "CAST(a.k AS DECIMAL(5, 1)) = b.x",
]
# PostgreSQL has no full join by these.
LOOSE = ["a.k < b.k", "a.k = b.k OR a.x = b.x", "a.x BETWEEN b.x - 2 AND b.x", "a.k > 100", "TRUE", "a.k IS NULL AND b.k IS NULL", "a.v LIKE b.w"]

ENDS = [
    "",
    " WHERE a.x > 2",
    " WHERE b.x > 2",
    " WHERE b.k IS NULL",
    " WHERE a.k IS NULL",
    " WHERE COALESCE(a.x, 0) + COALESCE(b.x, 0) > 6",
]


def plain():
    columns = "a.k AS ak, a.v, a.x AS ax, b.k AS bk, b.w, b.x AS bx"
    for i, c in enumerate(CONDITIONS):
        for k, kind in enumerate(KINDS):
            end = "" if (i + k) % 2 == 0 else ENDS[1 + (i * 4 + k) % 5]
            if kind == "FULL JOIN" and "IS NOT DISTINCT" in c:
                continue
            yield f"SELECT {columns} FROM a {kind} b ON {c}{end}"
    for i, c in enumerate(LOOSE):
        for k, kind in enumerate(KINDS[:3]):
            end = "" if (i + k) % 3 == 0 else ENDS[1 + (i * 3 + k) % 5]
            yield f"SELECT {columns} FROM a {kind} b ON {c}{end}"
    for kind, end in itertools.product(KINDS, ENDS[1:]):
        yield f"SELECT {columns} FROM a {kind} b ON a.k = b.k{end}"


def empty_and_counted():
    for kind, order in itertools.product(KINDS, [("a", "e"), ("e", "a"), ("e", "e")]):
        left, right = order
        yield f"SELECT l.k AS lk, l.x AS lx, r.k AS rk, r.v FROM {left} AS l {kind} {right} AS r ON l.k = r.k"
    for kind in KINDS:
        yield f"SELECT COUNT(*) AS n, COUNT(a.k) AS ak, COUNT(b.k) AS bk, SUM(a.x) AS s FROM a {kind} b ON a.k = b.k"
        yield f"SELECT b.w, COUNT(*) AS n FROM a {kind} b ON a.k = b.k AND b.x > 1 GROUP BY b.w"
        yield f"SELECT DISTINCT a.k FROM a {kind} b ON a.k = b.k"
        yield f"SELECT 1 AS uno FROM a {kind} b ON a.k = b.k"
        yield f"SELECT a.k, b.k AS bk FROM a {kind} b ON a.k = b.k ORDER BY a.k NULLS LAST, bk, a.v, b.w LIMIT 5"
        yield f"SELECT k, v, w FROM a {kind} b USING (k)"
        yield f"SELECT k, x, v, w FROM a {kind} b USING (k, x)"
        yield f"SELECT k, x, v, w FROM a NATURAL {kind} b"
        yield f"SELECT p.k, q.w FROM (SELECT k, x + 1 AS x FROM a WHERE x IS NOT NULL) AS p {kind} (SELECT w, x FROM b WHERE k < 6) AS q ON p.x = q.x"
        yield f"SELECT p.k, p.n, q.k AS qk, q.m FROM (SELECT k, COUNT(*) AS n FROM a GROUP BY k) AS p {kind} (SELECT k, MAX(x) AS m FROM b GROUP BY k) AS q ON p.k = q.k"
    for end in ENDS:
        yield f"SELECT a.k AS ak, a.x AS ax, b.k AS bk, b.w FROM a CROSS JOIN b{end}"
        yield f"SELECT a.k AS ak, b.w FROM a, b{end + (' AND' if end else ' WHERE')} a.k = b.k"


def three():
    for one, two in itertools.product(KINDS, KINDS):
        yield (
            f"SELECT e.name, d.title, s.item FROM emp AS e {one} dept AS d ON e.dept = d.id {two} sale AS s ON s.emp = e.id"
        )
        yield f"SELECT a.k AS ak, b.w, c.v FROM a {one} b ON a.k = b.k {two} a AS c ON c.x = b.x AND c.k = a.k"
    for one, two in itertools.product(KINDS[:3], KINDS[:3]):
        yield f"SELECT a.v, p.w, p.v AS pv FROM a {one} (SELECT b.k, b.w, c.v FROM b {two} a AS c ON b.x = c.x) AS p ON a.k = p.k"
        yield f"SELECT a.v, b.w, d.title FROM a {one} (b {two} dept AS d ON b.x * 10 = d.id) ON a.k = b.k"
    for kind in KINDS:
        yield f"SELECT e.name, m.name AS boss, g.name AS top FROM emp AS e {kind} emp AS m ON e.boss = m.id {kind} emp AS g ON m.boss = g.id"
        yield f"SELECT e.name, d.title FROM emp AS e {kind} dept AS d ON e.dept = d.id AND e.pay * 10 > d.budget"
        yield f"SELECT d.title, SUM(s.qty) AS q, COUNT(DISTINCT e.id) AS n FROM dept AS d {kind} emp AS e ON e.dept = d.id {kind} sale AS s ON s.emp = e.id GROUP BY d.title"
        yield f"SELECT e.name, s.item FROM emp AS e {kind} sale AS s ON e.id = s.emp AND s.price > 5 WHERE e.pay IS NOT NULL OR s.qty > 1"
    yield "SELECT x.name, y.name AS peer FROM emp AS x JOIN emp AS y ON x.dept = y.dept AND x.id < y.id"
    yield "SELECT x.name, y.name AS peer FROM emp AS x JOIN emp AS y ON x.pay = y.pay AND x.id <> y.id"
    yield "SELECT COUNT(*) AS n FROM emp AS x CROSS JOIN dept AS y CROSS JOIN a"
    yield "SELECT e.name, d.title, b.w FROM emp AS e, dept AS d, b WHERE e.dept = d.id AND d.id = b.k * 10"
    yield "SELECT d.title, t.n FROM dept AS d LEFT JOIN (SELECT dept, COUNT(*) AS n FROM emp GROUP BY dept) AS t ON t.dept = d.id WHERE COALESCE(t.n, 0) < 3"


# ---- subqueries as conditions ---------------------------------------------------------------------------

SETS = [
    "SELECT b.k FROM b",
    "SELECT b.k FROM b WHERE b.k IS NOT NULL",
    "SELECT k FROM e",
    "SELECT b.k FROM b WHERE b.x = a.x",
    "SELECT b.k FROM b WHERE b.k IS NOT NULL AND b.x >= a.x",
    "SELECT b.k + 1 FROM b WHERE b.w <> a.v",
    "SELECT MAX(b.k) FROM b",
    "SELECT b.k FROM b GROUP BY b.k HAVING COUNT(*) > 1",
    "SELECT b.k FROM b INTERSECT SELECT c.x FROM a AS c",
]
TESTS = ["IN", "NOT IN", "= SOME", "<> ALL", "> ALL", "<= ALL", "< SOME", "<> SOME"]


def sets():
    for i, s in enumerate(SETS):
        for k, test in enumerate(TESTS):
            correlated = "a.x" in s or "a.v" in s
            if correlated and k > 3:
                continue
            yield f"SELECT a.k, a.x FROM a WHERE a.k {test} ({s})"
            if not correlated and (i + k) % 2 == 0:
                yield f"SELECT a.k, a.x, a.k {test} ({s}) AS r FROM a"
            if not correlated and (i + k) % 3 == 0:
                yield f"SELECT a.k, a.x FROM a WHERE a.x > 4 OR a.k {test} ({s})"
            if not correlated and (i + k) % 3 == 1:
                yield f"SELECT a.k, a.x FROM a WHERE NOT (a.k {test} ({s}))"
            if not correlated and (i + k) % 3 == 2:
                yield f"SELECT a.k, CASE WHEN a.k {test} ({s}) THEN 'yes' ELSE 'no' END AS r FROM a"
    for test in ["IN", "NOT IN"]:
        yield f"SELECT a.k, a.x FROM a WHERE (a.k, a.x) {test} (SELECT k, CAST(x AS INT) FROM b)"
        yield f"SELECT a.k, a.x FROM a WHERE (a.k, a.x) {test} (SELECT k, CAST(x AS INT) FROM b WHERE k IS NOT NULL AND x IS NOT NULL)"
        yield f"SELECT dept, COUNT(*) AS n FROM emp GROUP BY dept HAVING dept {test} (SELECT id FROM dept WHERE city = 'Rome')"
        yield f"SELECT name FROM emp WHERE dept {test} (SELECT id FROM dept WHERE city {test} (SELECT city FROM dept WHERE budget > 1000 AND city IS NOT NULL))"
        yield f"SELECT name FROM emp WHERE id {test} (SELECT boss FROM emp WHERE boss IS NOT NULL) AND dept {test} (SELECT id FROM dept)"
        yield f"SELECT name FROM emp WHERE id {test} (1, 3, 5) OR dept {test} (10, 99)"
        yield f"SELECT name FROM emp WHERE id + 1 {test} (SELECT emp FROM sale WHERE emp IS NOT NULL)"
        yield f"SELECT DISTINCT item FROM sale WHERE emp {test} (SELECT id FROM emp WHERE pay > 400 UNION ALL SELECT 77)"


EXISTS = [
    "SELECT 1 FROM b WHERE b.k = a.k",
    "SELECT * FROM b WHERE b.k = a.k AND b.x > a.x",
    "SELECT 1 FROM b WHERE b.k > a.k",
    "SELECT 1 FROM b WHERE b.w = 'dos'",
    "SELECT 1 FROM e",
    "SELECT 1 FROM b WHERE b.k = a.k AND b.x IN (SELECT c.x FROM a AS c)",
    "SELECT 1 FROM b JOIN a AS c ON b.x = c.x WHERE c.k = a.k",
    "SELECT b.k FROM b WHERE b.k = a.k GROUP BY b.k HAVING COUNT(*) > 1",
    "SELECT 1 FROM b WHERE b.k = a.k AND EXISTS (SELECT 1 FROM dept AS d WHERE d.id = b.k * 10)",
    "SELECT 1 FROM b WHERE b.k IS NOT DISTINCT FROM a.k",
    "SELECT COUNT(*) FROM b WHERE b.w = 'never'",
    "SELECT 1 FROM b WHERE b.k = a.k UNION ALL SELECT 2 FROM dept AS d WHERE d.id = a.x * 10",
]


def exists():
    for i, s in enumerate(EXISTS):
        for test in ["EXISTS", "NOT EXISTS"]:
            yield f"SELECT a.k, a.v FROM a WHERE {test} ({s})"
            if i % 2 == 0 and "HAVING" not in s:
                yield f"SELECT a.k, a.v FROM a WHERE a.x > 2 AND {test} ({s})"
    for test in ["EXISTS", "NOT EXISTS"]:
        yield f"SELECT d.title FROM dept AS d WHERE {test} (SELECT 1 FROM emp AS e WHERE e.dept = d.id AND {test} (SELECT 1 FROM sale AS s WHERE s.emp = e.id))"
        yield f"SELECT d.title FROM dept AS d WHERE {test} (SELECT 1 FROM emp AS e WHERE e.dept = d.id AND e.pay > 400) AND d.city IS NOT NULL"
        yield f"SELECT e.dept, COUNT(*) AS n FROM emp AS e WHERE {test} (SELECT 1 FROM sale AS s WHERE s.emp = e.id AND s.qty > 2) GROUP BY e.dept"
        yield f"SELECT e.name FROM emp AS e JOIN dept AS d ON e.dept = d.id WHERE {test} (SELECT 1 FROM sale AS s WHERE s.emp = e.id AND s.price * 100 < d.budget)"


SCALARS = [
    "SELECT MAX(b.x) FROM b WHERE b.k = a.k",
    "SELECT COUNT(*) FROM b WHERE b.k = a.k",
    "SELECT SUM(b.x) FROM b WHERE b.k < a.k",
    "SELECT MIN(x) FROM b",
    "SELECT MAX(x) FROM e",
    "SELECT AVG(b.x) + a.x FROM b WHERE b.k = a.k",
    "SELECT COUNT(b.w) FROM b WHERE b.k = a.k AND b.x > 1",
    "SELECT COUNT(DISTINCT b.x) FROM b WHERE b.k = a.k",
]


def scalars():
    for s in SCALARS:
        yield f"SELECT a.k, a.x, ({s}) AS r FROM a"
        yield f"SELECT a.k, a.x FROM a WHERE a.x < ({s})"
        yield f"SELECT a.k, COALESCE(({s}), -1) + 1 AS r FROM a WHERE a.k IS NOT NULL"
    yield "SELECT title, (SELECT COUNT(*) FROM emp AS e WHERE e.dept = d.id) AS n, (SELECT SUM(pay) FROM emp AS e WHERE e.dept = d.id) AS s FROM dept AS d"
    yield "SELECT name FROM emp WHERE pay = (SELECT MAX(pay) FROM emp)"
    yield "SELECT name FROM emp AS e WHERE pay > (SELECT AVG(pay) FROM emp AS o WHERE o.dept = e.dept)"
    yield "SELECT name FROM emp AS e WHERE pay >= (SELECT MAX(pay) FROM emp AS o WHERE o.dept = e.dept) AND dept = (SELECT id FROM dept WHERE title = 'Ops')"
    yield "SELECT (SELECT MAX(pay) FROM emp) - (SELECT MIN(pay) FROM emp) AS gap"
    yield "SELECT dept, SUM(pay) AS s FROM emp GROUP BY dept HAVING SUM(pay) > (SELECT AVG(pay) FROM emp)"
    yield "SELECT name, pay - (SELECT AVG(pay) FROM emp) AS diff FROM emp WHERE pay IS NOT NULL ORDER BY name NULLS LAST"
    yield "SELECT e.name, (SELECT d.title FROM dept AS d WHERE d.id = e.dept) AS title FROM emp AS e"
    yield "SELECT CASE WHEN (SELECT COUNT(*) FROM e) = 0 THEN 'empty' ELSE 'full' END AS r"


def lateral():
    yield "SELECT d.title, t.name FROM dept AS d, LATERAL (SELECT name FROM emp AS e WHERE e.dept = d.id) AS t"
    yield "SELECT d.title, t.n FROM dept AS d, LATERAL (SELECT COUNT(*) AS n FROM emp AS e WHERE e.dept = d.id) AS t"
    yield "SELECT d.title, t.name FROM dept AS d LEFT JOIN LATERAL (SELECT name FROM emp AS e WHERE e.dept = d.id AND e.pay > 400) AS t ON TRUE"
    yield "SELECT d.title, t.m FROM dept AS d CROSS JOIN LATERAL (SELECT MAX(pay) AS m FROM emp AS e WHERE e.dept = d.id) AS t"


def statements():
    for family in (plain, empty_and_counted, three):
        yield from (("joins", s) for s in family())
    for family in (sets, exists, scalars, lateral):
        yield from (("subqueries", s) for s in family())
