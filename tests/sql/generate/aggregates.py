"""Aggregates by keys, grouping sets, HAVING, DISTINCT, FILTER."""

import itertools

# (text, name): of emp
CALLS = [
    ("COUNT(*)", "n"),
    ("COUNT(pay)", "c"),
    ("COUNT(DISTINCT pay)", "cd"),
    ("COUNT(DISTINCT dept)", "cdd"),
    ("SUM(pay)", "s"),
    ("SUM(DISTINCT pay)", "sd"),
    ("MIN(pay)", "mi"),
    ("MAX(pay)", "ma"),
    ("AVG(pay)", "av"),
    ("AVG(DISTINCT pay)", "ad"),
    ("SUM(bonus)", "sb"),
    ("AVG(bonus)", "ab"),
    ("MIN(bonus)", "mb"),
    ("MIN(name)", "mn"),
    ("MAX(name)", "mx"),
    ("MIN(hired)", "h"),
    ("MAX(hired)", "hh"),
    ("COUNT(DISTINCT hired)", "ch"),
    ("COUNT(bonus)", "cb"),
    ("SUM(DISTINCT bonus)", "sdb"),
    ("SUM(pay + id)", "sp"),
    ("MAX(pay) - MIN(pay)", "d"),
    ("SUM(pay) / COUNT(*)", "q"),
    ("COUNT(CASE WHEN pay > 450 THEN 1 END)", "cc"),
    ("SUM(CASE WHEN pay > 450 THEN 1 ELSE 0 END)", "sc"),
    ("COALESCE(SUM(pay), 0)", "cs"),
    ("CAST(AVG(CAST(pay AS DECIMAL(10, 2))) AS DECIMAL(10, 2))", "da"),
]
FILTERS = ["pay > 450", "bonus IS NULL", "name LIKE '%a%'", "dept = 10 OR boss = 1", "id > 100", "hired >= DATE '2020-01-01'"]
KEYS = ["dept", "boss", "dept, boss", "pay > 450", "hired", "COALESCE(dept, 0)", "pay, bonus", "CHAR_LENGTH(name)", "id % 3", "dept IS NULL, boss"]
WHERES = ["", " WHERE pay > 400", " WHERE dept IS NOT NULL", " WHERE id < 0", " WHERE name LIKE '_a%' OR boss = 1"]
HAVINGS = ["COUNT(*) > 1", "SUM(pay) > 900", "MAX(pay) = MIN(pay)", "COUNT(DISTINCT pay) > 1 AND MIN(id) < 4", "AVG(bonus) > 10", "NOT (COUNT(pay) = COUNT(*))"]


def named(*calls):
    return ", ".join(f"{c} AS {n}" for c, n in calls)


def keys_as(keys):
    return ", ".join(f"{k} AS g{i}" for i, k in enumerate(keys.split(", ") if "(" not in keys else [keys]))


def by_keys():
    for i, call in enumerate(CALLS):
        where = WHERES[i % len(WHERES)]
        yield f"SELECT {named(call)} FROM emp{where}"
        yield f"SELECT dept, {named(call)} FROM emp{WHERES[(i + 1) % len(WHERES)]} GROUP BY dept"
        other = CALLS[(i * 7 + 3) % len(CALLS)]
        key = KEYS[i % len(KEYS)]
        if other != call:
            yield f"SELECT {keys_as(key)}, {named(call, other)} FROM emp GROUP BY {key}"
    for i, (key, having) in enumerate(itertools.product(KEYS, HAVINGS)):
        if i % 2 == 0:
            call = CALLS[(i * 5) % len(CALLS)]
            yield f"SELECT {keys_as(key)}, {named(call)} FROM emp{WHERES[i % 3]} GROUP BY {key} HAVING {having}"
    for having in HAVINGS:
        yield f"SELECT COUNT(*) AS n FROM emp HAVING {having}"
        yield f"SELECT COUNT(*) AS n FROM emp WHERE FALSE HAVING {having}"
    for key in KEYS:
        yield f"SELECT {keys_as(key)} FROM emp GROUP BY {key}"
        yield f"SELECT DISTINCT {keys_as(key)} FROM emp"
        yield f"SELECT COUNT(*) AS n FROM emp GROUP BY {key}"
    yield f"SELECT {named(*CALLS[:12])} FROM emp"
    yield f"SELECT dept, {named(*CALLS[8:20])} FROM emp GROUP BY dept"
    yield f"SELECT {named(*CALLS[:8])} FROM emp WHERE id < 0"
    yield f"SELECT dept, {named(*CALLS[:8])} FROM emp WHERE id < 0 GROUP BY dept"


def filtered():
    for i, (f, call) in enumerate(itertools.product(FILTERS, CALLS[:15])):
        if i % 3 == 0:
            yield f"SELECT {call[0]} FILTER (WHERE {f}) AS f, COUNT(*) AS n FROM emp"
        elif i % 3 == 1:
            yield f"SELECT dept, {call[0]} FILTER (WHERE {f}) AS f, {named(CALLS[(i * 3) % 12])} FROM emp GROUP BY dept"
    for f, g in itertools.combinations(FILTERS, 2):
        yield f"SELECT boss, COUNT(DISTINCT pay) FILTER (WHERE {f}) AS p, COUNT(DISTINCT pay) FILTER (WHERE {g}) AS q, COUNT(DISTINCT pay) AS r FROM emp GROUP BY boss"
    yield "SELECT dept, SUM(pay) FILTER (WHERE boss = 1) AS s FROM emp GROUP BY dept HAVING COUNT(*) FILTER (WHERE pay > 400) > 0"
    yield "SELECT SUM(DISTINCT pay) FILTER (WHERE dept = 20) AS s, SUM(pay) FILTER (WHERE dept = 20) AS t FROM emp"


SETS = [
    "GROUPING SETS ((dept), (boss))",
    "GROUPING SETS ((dept, boss), (dept), ())",
    "GROUPING SETS ((dept), (dept), ())",
    "GROUPING SETS (())",
    "GROUPING SETS ((boss, dept), (boss), (dept))",
    "ROLLUP (dept, boss)",
    "ROLLUP (boss)",
    "CUBE (dept, boss)",
    "CUBE (dept)",
    "dept, ROLLUP (boss)",
    "dept, CUBE (boss)",
    "GROUPING SETS ((dept), ROLLUP (boss))",
    "GROUPING SETS ((dept, boss), CUBE (boss))",
    "ROLLUP ((dept, boss))",
    "ROLLUP (dept), ROLLUP (boss)",
]


def grouping_sets():
    for i, s in enumerate(SETS):
        columns = [c for c in ("dept", "boss") if c in s]
        keys = "".join(f"{c}, " for c in columns)
        for k in range(3):
            call, other = CALLS[(i * 3 + k * 4) % len(CALLS)], CALLS[(i * 5 + k * 7 + 2) % len(CALLS)]
            if call == other:
                other = ("COUNT(*)", "rows_")
            yield f"SELECT {keys}{named(call, other)} FROM emp{WHERES[(i + k) % 5]} GROUP BY {s}"
        if columns:
            yield f"SELECT {keys}GROUPING({columns[0]}) AS g, COUNT(*) AS n FROM emp GROUP BY {s}"
            yield f"SELECT {keys}GROUPING({', '.join(columns)}) AS g, SUM(pay) AS s FROM emp GROUP BY {s} HAVING COUNT(*) > 1"
            yield f"SELECT {keys}GROUPING_ID({', '.join(reversed(columns))}) AS g, COUNT(DISTINCT pay) AS n, SUM(pay) FILTER (WHERE id > 3) AS f FROM emp GROUP BY {s}"
            yield f"SELECT {keys}COUNT(*) AS n FROM emp GROUP BY {s} HAVING GROUPING({columns[-1]}) = 1"
    yield "SELECT dept, boss, pay, COUNT(*) AS n FROM emp WHERE dept IN (10, 20) GROUP BY CUBE (dept, boss, pay)"
    yield "SELECT dept, boss, pay, COUNT(*) AS n FROM emp GROUP BY ROLLUP (dept, boss, pay)"
    yield "SELECT d.city, d.title, SUM(e.pay) AS s FROM emp AS e JOIN dept AS d ON e.dept = d.id GROUP BY ROLLUP (d.city, d.title)"
    yield "SELECT x.dept, COUNT(*) AS n FROM (SELECT dept, boss, SUM(pay) AS s FROM emp GROUP BY CUBE (dept, boss)) AS x GROUP BY x.dept"
    yield "SELECT id % 2 AS p, dept, COUNT(*) AS n FROM emp GROUP BY GROUPING SETS ((id % 2, dept), (id % 2))"
    yield "SELECT COALESCE(CAST(dept AS STRING), 'all') AS d, SUM(pay) AS s FROM emp WHERE dept IS NOT NULL GROUP BY ROLLUP (dept) ORDER BY d"


def nested():
    yield "SELECT MAX(n) AS m, MIN(n) AS i FROM (SELECT dept, COUNT(*) AS n FROM emp GROUP BY dept) AS t"
    yield "SELECT n, COUNT(*) AS c FROM (SELECT emp, COUNT(*) AS n FROM sale GROUP BY emp) AS t GROUP BY n"
    yield "SELECT item, SUM(qty * price) AS s, SUM(qty) * MAX(price) AS t FROM sale GROUP BY item"
    yield "SELECT item, CAST(SUM(price) / COUNT(price) AS DECIMAL(10, 3)) AS m FROM sale GROUP BY item"
    yield "SELECT COUNT(DISTINCT item) AS i, COUNT(DISTINCT emp) AS e, COUNT(DISTINCT price) AS p, SUM(DISTINCT qty) AS q FROM sale"
    yield "SELECT CAST(sold AS DATE) AS d, COUNT(*) AS n FROM sale GROUP BY CAST(sold AS DATE)"
    yield "SELECT DISTINCT item, qty FROM sale WHERE qty > 1"
    yield "SELECT DISTINCT COUNT(*) AS n FROM sale GROUP BY item"
    yield "SELECT DISTINCT dept FROM emp ORDER BY dept DESC NULLS FIRST LIMIT 3"
    yield "SELECT DISTINCT UPPER(name) AS u FROM emp"
    yield "SELECT item, COUNT(*) AS n FROM sale GROUP BY item ORDER BY COUNT(*) DESC, item NULLS LAST"
    yield "SELECT item FROM sale GROUP BY item ORDER BY SUM(qty) DESC NULLS LAST, item"
    yield "SELECT dept, pay, COUNT(*) AS n FROM emp GROUP BY dept, pay HAVING COUNT(*) > 1 OR pay > 600"
    yield "SELECT MAX(CASE WHEN item = 'pen' THEN price END) AS pen, MAX(CASE WHEN item = 'ink' THEN price END) AS ink FROM sale"
    yield "SELECT COUNT(*) AS n FROM (SELECT DISTINCT dept, boss FROM emp) AS t"
    yield "SELECT SUM(n) AS s FROM (SELECT COUNT(*) AS n FROM emp UNION ALL SELECT COUNT(*) AS n FROM dept) AS t"
    yield "SELECT emp, LISTAGG(item) AS l FROM sale WHERE id IN (1, 3, 7) GROUP BY emp"
    for f in ("STDDEV_POP", "STDDEV_SAMP", "VAR_POP", "VAR_SAMP"):
        call = f"CAST({f}(CAST(x AS DOUBLE)) AS DECIMAL(12, 6))"
        yield f"SELECT {call} AS r FROM a"
        yield f"SELECT k, {call} AS r FROM a GROUP BY k"
        yield f"SELECT {call} AS r FROM e"


def statements():
    yield from (("aggregates", s) for s in by_keys())
    yield from (("filters", s) for s in filtered())
    yield from (("grouping_sets", s) for s in grouping_sets())
    yield from (("aggregates", s) for s in nested())
