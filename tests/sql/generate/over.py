"""OVER windows: every function by partitions, orders and frames; orders are total where the result depends on it."""

import itertools

RANKS = ["ROW_NUMBER()", "RANK()", "DENSE_RANK()", "PERCENT_RANK()", "CUME_DIST()", "NTILE(3)", "NTILE(20)"]
MOVES = ["LAG(pay)", "LEAD(pay)", "LAG(pay, 2)", "LEAD(pay, 2, -1)", "LAG(name, 1, 'none')", "LEAD(hired)", "LAG(bonus, 3)", "LEAD(id, 0)", "LAG(id, 100)"]
SUMS = ["COUNT(*)", "COUNT(pay)", "SUM(pay)", "MIN(pay)", "MAX(pay)", "AVG(pay)", "SUM(bonus)", "MIN(name)", "MAX(hired)", "FIRST_VALUE(id)", "LAST_VALUE(id)"]
PARTITIONS = ["", "PARTITION BY dept ", "PARTITION BY dept, boss ", "PARTITION BY id % 2 ", "PARTITION BY pay > 450 "]
TOTAL = ["id", "id DESC", "pay, id", "pay DESC, id", "pay NULLS LAST, id DESC", "dept DESC NULLS FIRST, hired, id", "name NULLS LAST, id"]
PARTIAL = ["pay", "pay DESC", "dept NULLS LAST", "hired DESC NULLS FIRST", "dept, boss DESC"]
BOUNDS = ["UNBOUNDED PRECEDING", "2 PRECEDING", "1 PRECEDING", "CURRENT ROW", "1 FOLLOWING", "3 FOLLOWING", "UNBOUNDED FOLLOWING"]


def number(call):
    if call.startswith(("PERCENT_RANK", "CUME_DIST")):
        return "CAST({} AS DECIMAL(8, 5))"
    return "{}"


def ranks():
    for i, (call, order) in enumerate(itertools.product(RANKS, TOTAL + PARTIAL)):
        if call.startswith(("ROW_NUMBER", "NTILE")) and order in PARTIAL:
            continue
        part = PARTITIONS[i % len(PARTITIONS)]
        yield f"SELECT id, {number(call).format(f'{call} OVER ({part}ORDER BY {order})')} AS r FROM emp"
    for i, (call, order) in enumerate(itertools.product(MOVES, TOTAL[:5])):
        part = PARTITIONS[(i * 2 + 1) % len(PARTITIONS)]
        yield f"SELECT id, {call} OVER ({part}ORDER BY {order}) AS r FROM emp"


def frames():
    found = [(s, e) for s in range(6) for e in range(1, 7) if s <= e and not (s == 3 and e < 3)]
    for i, (s, e) in enumerate(found):
        for k in range(2):
            call = SUMS[(i * 2 + k * 5) % len(SUMS)]
            part, order = PARTITIONS[(i + k) % len(PARTITIONS)], TOTAL[(i * 3 + k) % len(TOTAL)]
            yield f"SELECT id, {call} OVER ({part}ORDER BY {order} ROWS BETWEEN {BOUNDS[s]} AND {BOUNDS[e]}) AS r FROM emp"
    for i, (s, e) in enumerate(found):
        call, part = SUMS[(i * 3 + 1) % 9], PARTITIONS[(i * 2) % len(PARTITIONS)]
        bounds = [b.replace("2 P", "100 P").replace("1 P", "50 P").replace("1 F", "50 F").replace("3 F", "200 F") for b in BOUNDS]
        order = ["pay", "pay DESC", "pay NULLS LAST", "pay DESC NULLS FIRST"][i % 4]
        yield f"SELECT id, {call} OVER ({part}ORDER BY {order} RANGE BETWEEN {bounds[s]} AND {bounds[e]}) AS r FROM emp"
    for i, call in enumerate(SUMS[:9]):
        for k, part in enumerate(PARTITIONS):
            yield f"SELECT id, {call} OVER ({part.strip()}) AS r FROM emp"
            order = (TOTAL + PARTIAL)[(i * 2 + k) % 12]
            yield f"SELECT id, {call} OVER ({part}ORDER BY {order}) AS r FROM emp"
    for call, unit in itertools.product(["COUNT(*)", "SUM(qty)", "MAX(price)"], ["'1' DAY", "'12' HOUR", "'90' MINUTE", "'5' SECOND"]):
        yield f"SELECT id, {call} OVER (ORDER BY sold RANGE BETWEEN INTERVAL {unit} PRECEDING AND CURRENT ROW) AS r FROM sale WHERE sold IS NOT NULL"
    for unit in ("'1' MONTH", "'2' YEAR"):
        yield f"SELECT id, COUNT(*) OVER (ORDER BY sold RANGE BETWEEN INTERVAL {unit} PRECEDING AND CURRENT ROW) AS r FROM sale WHERE sold IS NOT NULL"
    for call in ("COUNT(*)", "SUM(id)"):
        yield f"SELECT id, {call} OVER (ORDER BY hired RANGE BETWEEN INTERVAL '100' DAY(3) PRECEDING AND INTERVAL '1' DAY FOLLOWING) AS r FROM emp WHERE hired IS NOT NULL"
        yield f"SELECT id, {call} OVER (ORDER BY bonus RANGE BETWEEN 10.5 PRECEDING AND 5 FOLLOWING) AS r FROM emp WHERE bonus IS NOT NULL"
        yield f"SELECT id, {call} OVER (ORDER BY id ROWS 2 PRECEDING) AS r FROM emp"
        yield f"SELECT id, {call} OVER (PARTITION BY dept ORDER BY id ROWS UNBOUNDED PRECEDING) AS r FROM emp"
        yield f"SELECT id, {call} OVER (ORDER BY pay RANGE UNBOUNDED PRECEDING) AS r FROM emp"
        yield f"SELECT id, {call} OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) AS r FROM emp"
        yield f"SELECT id, {call} OVER (ORDER BY id ROWS BETWEEN 100 FOLLOWING AND 200 FOLLOWING) AS r FROM emp"


def uses():
    yield "SELECT id, rn FROM (SELECT id, dept, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY pay DESC, id) AS rn FROM emp) AS t WHERE rn <= 2"
    yield "SELECT id, rn FROM (SELECT id, dept, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY pay DESC, id) AS rn FROM emp) AS t WHERE rn = 1"
    yield "SELECT id, dept FROM (SELECT id, dept, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY hired, id) AS rn FROM emp) AS t WHERE rn BETWEEN 2 AND 3"
    yield "SELECT id, r FROM (SELECT id, RANK() OVER (ORDER BY pay DESC) AS r FROM emp) AS t WHERE r <= 4"
    yield "SELECT id, r FROM (SELECT id, DENSE_RANK() OVER (PARTITION BY boss ORDER BY pay) AS r FROM emp) AS t WHERE r = 2"
    yield "SELECT id, r FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY pay, id) AS r FROM emp) AS t WHERE r > 3 AND r < 7 AND id <> 2"
    yield "SELECT dept, SUM(pay) AS s, RANK() OVER (ORDER BY SUM(pay) DESC) AS r FROM emp GROUP BY dept"
    yield "SELECT dept, COUNT(*) AS n, SUM(COUNT(*)) OVER (ORDER BY dept NULLS FIRST) AS t FROM emp GROUP BY dept"
    yield "SELECT id, pay - AVG(pay) OVER (PARTITION BY dept) AS d, pay * 100 / SUM(pay) OVER () AS share FROM emp WHERE pay > 0"
    yield "SELECT id, SUM(pay) OVER w AS s, COUNT(*) OVER w AS n FROM emp WINDOW w AS (PARTITION BY dept ORDER BY id)"
    yield "SELECT id, SUM(pay) OVER w AS s, MAX(pay) OVER v AS n FROM emp WINDOW w AS (ORDER BY id), v AS (PARTITION BY boss)"
    yield "SELECT id, SUM(pay) OVER (PARTITION BY dept ORDER BY id) AS s, ROW_NUMBER() OVER (ORDER BY id DESC) AS n, LAG(id) OVER (PARTITION BY boss ORDER BY id) AS l FROM emp"
    yield "SELECT DISTINCT dept, MAX(pay) OVER (PARTITION BY dept) AS m FROM emp"
    yield "SELECT id, CASE WHEN ROW_NUMBER() OVER (ORDER BY id) % 2 = 0 THEN 'even' ELSE 'odd' END AS p FROM emp"
    yield "SELECT k, COUNT(*) OVER (ORDER BY k) AS n FROM e"
    yield "SELECT id, COUNT(*) OVER (PARTITION BY k) AS n FROM (SELECT k, x AS id FROM e) AS t"
    yield "SELECT t.dept, t.s FROM (SELECT dept, SUM(pay) OVER (PARTITION BY dept) AS s FROM emp) AS t WHERE t.s > 1000"
    yield "SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM emp ORDER BY n DESC LIMIT 4"
    yield "SELECT id, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY id) AS n FROM emp ORDER BY ROW_NUMBER() OVER (PARTITION BY dept ORDER BY id), id"
    yield "SELECT e.id, d.title, COUNT(*) OVER (PARTITION BY d.title) AS n FROM emp AS e LEFT JOIN dept AS d ON e.dept = d.id"
    yield "SELECT id, COUNT(pay) FILTER (WHERE pay > 450) OVER (PARTITION BY dept) AS n FROM emp"
    yield "SELECT id, SUM(SUM(pay)) OVER (PARTITION BY boss) AS n FROM emp GROUP BY id, boss"
    yield "SELECT id, SUM(q) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS r FROM (SELECT emp AS id, SUM(qty) AS q FROM sale WHERE emp IS NOT NULL GROUP BY emp) AS t"


def statements():
    for family in (ranks, frames, uses):
        yield from (("over", s) for s in family())
