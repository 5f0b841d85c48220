"""Random typed expressions with their meaning: every node has its SQL, its type and a function of a row."""

import math

from sql_types import (
    BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, FLOAT, INT, INTEGERS, MILLIS, MONTHS, SMALLINT, STRING, TINYINT, Type, array, char,
    common, decimal, instant, kind, text, time, timestamp, varchar,
)
from sql_values import SqlError, cast, cut, days_of, local_of, sized, to_float, to_text, date_text, timestamp_text


class Node:
    """`ev(row)`: the value, NULL is None; raises SqlError.  `make(children)`: the same with others of the same types."""

    __slots__ = ("sql", "type", "ev", "children", "make", "name")

    def __init__(self, sql, type_, ev, children=(), make=None, name=""):
        self.sql, self.type, self.ev, self.children, self.make, self.name = sql, type_, ev, children, make, name


def column(i, type_):
    return Node(f"c{i}", type_, lambda row: row[i], name="column")


def call(form, type_, function, *children):
    """A strict function: arguments are computed all, and one that is NULL makes NULL."""
    evs = [c.ev for c in children]

    def ev(row):
        values = [e(row) for e in evs]
        return None if None in values else function(*values)

    return Node(form.format(*(c.sql for c in children)), type_, ev, children,
                lambda others: call(form, type_, function, *others), form)


def eager(form, type_, function, *children):
    """All arguments are computed; the function sees NULLs."""
    evs = [c.ev for c in children]
    return Node(form.format(*(c.sql for c in children)), type_, lambda row: function(*[e(row) for e in evs]), children,
                lambda others: eager(form, type_, function, *others), form)


def lazy(form, type_, function, *children):
    """function(row, ev, ...) computes the arguments that it wants."""
    evs = [c.ev for c in children]
    return Node(form.format(*(c.sql for c in children)), type_, lambda row: function(row, *evs), children,
                lambda others: lazy(form, type_, function, *others), form)


def implicit(v, f, t):
    """What is converted without being written."""
    if v is None or f == t or kind(t) in ("str", "bin") or (kind(f) == kind(t) == "int"):
        return v
    if f.id == "ARRAY":
        return tuple(implicit(x, f.of[0], t.of[0]) for x in v)
    return cast(v, f, t)


def brought(node, t):
    """The node's value in a common type; its text stays."""
    return lambda row: implicit(node.ev(row), node.type, t)


# ---- values that hurt -----------------------------------------------------------------------------------

WORDS = ["", "a", "A", "ab", "abc", " abc ", "aXbXc", "Hello World", "äöü", "ÄÖÜ", "ß", "日本語", "😀", "a😀b", "é", "null", "NULL", "0", "1",
         "-1", "+7", " 42 ", "3.9", "-0.5", "1e3", "99999999999", "128", "-129", "NaN", "Infinity", "1.", ".5", "-", "true", "T", "no", "maybe",
         "2020-02-29", "2021-02-29", "2020-1-2", "12:34:56", "23:59:59.999", "2020-02-29 12:34:56", "1969-12-31 23:59:59.999999",
         "2020-03-29 02:30:00", "a,b,c", ",", "a%b", "a_b", "%", "_", "a\\b", "x" * 13, "0123456789abcdef" * 3, "abab", "aaa", "\ta", "q'q",
         "a.b.c", "foobarbaz", "Σίσυφος", "ΑΣ", "zZ9", "tschüß", "2147483648", "9223372036854775807", "9223372036854775808", "1.5", "12345.678"]
INTS = [0, 1, -1, 2, 3, 5, 7, 10, 12, 24, 31, 60, 100, 127, 128, 255, 256, 365, 999, 1000, 4096, 86400]
REALS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 0.1, 1e-3, 9.999e-4, 1e7, 9999999.0, 123456.789, 1e10, -1e20, 1e300, 5e-324, 2.0**31,
         2.0**63, -(2.0**63), 1 / 3, math.pi, math.inf, -math.inf, math.nan, 2.0**53 + 2, 1e38]
DAYS = [0, -1, 1, 59, 60, 18321, 18322, 18350, 18560, 11016, 10957, -25567, -719162, 2932896, days_of(2000, 2, 29), days_of(1900, 2, 28),
        days_of(2100, 2, 28), days_of(2020, 12, 31), days_of(2021, 1, 3), days_of(1970, 1, 31), days_of(2019, 12, 30)]
CLOCKS = [0, 1, 999, 1000, 43200000, 45296789, 86399999, 86399000, 3600000, 9000000]


class Generator:
    """Makes expressions over columns that it invents, with so many rows of values."""

    def __init__(self, random, n_rows, producers, leaf_array):
        self.random, self.n_rows, self.producers, self.leaf_array = random, n_rows, producers, leaf_array
        self.columns = []  # (type, may be NULL, values)
        self.made = {}

    # ---- types and values ----

    def type_of(self, k):
        r = self.random
        if k == "int":
            return r.choice((TINYINT, SMALLINT, INT, INT, INT, BIGINT, BIGINT))
        if k == "dec":
            p = r.choice((1, 3, 5, 9, 10, 18, 19, 20, 30, 38))
            return decimal(p, r.choice((0, min(2, p), min(6, p), p, r.randint(0, p))))
        if k == "real":
            return r.choice((DOUBLE, DOUBLE, FLOAT))
        if k == "str":
            return r.choice((STRING, STRING, STRING, varchar(60), char(4)))
        if k == "bin":
            return BYTES
        if k == "time":
            return time(r.choice((0, 0, 3)))
        if k == "ts":
            return timestamp(r.choice((0, 3, 6, 9, 3, 1)))
        if k == "ltz":
            return instant(r.choice((0, 3, 6, 9, 3)))
        if k == "array":
            return array(self.type_of(r.choice(("int", "str", "real", "dec"))))
        return {"bool": BOOLEAN, "date": DATE, "months": MONTHS, "millis": MILLIS}[k]

    def value_of(self, t):
        r, k = self.random, kind(t)
        if k == "bool":
            return r.random() < 0.5
        if k == "int":
            return self.integer(INTEGERS[t.id])
        if k == "dec":
            return self.unscaled(t)
        if k == "real":
            v = r.choice(REALS) if r.random() < 0.7 else r.uniform(-1000, 1000)
            return to_float(v) if t.id == "FLOAT" else v
        if k == "str":
            return self.string(t)
        if k == "bin":
            return self.string(STRING).encode()
        if k == "date":
            return r.choice(DAYS) if r.random() < 0.7 else r.randint(-20000, 40000)
        if k == "time":
            return cut(r.choice(CLOCKS) * 10**6, t.p) // 10**6
        if k in ("ts", "ltz"):
            return self.moment(t)
        if k == "months":
            return r.choice((0, 1, -1, 11, 12, 13, -25, 120))
        return r.choice((0, 1, -1, 999, 1000, 60000, 3600000, 86400000, -86400001, 90061001, 8640000000))

    def integer(self, bits):
        r, high = self.random, (1 << (bits - 1)) - 1
        v = r.choice((high, -high - 1, high - 1, high // 2)) if r.random() < 0.2 else r.choice(INTS) * r.choice((1, 1, -1))
        return v if -high - 1 <= v <= high else v % high

    def unscaled(self, t):
        r, high = self.random, 10**t.p - 1
        return r.choice((0, 1, -1, high, -high, 5, -5, 10**t.s, r.randint(-high, high), r.randint(-999, 999))) % (high + 1) * r.choice((1, -1))

    def string(self, t):
        r = self.random
        v = r.choice(WORDS) if r.random() < 0.85 else "".join(r.choice("abcAB ,%_é日😀0") for _ in range(r.randint(0, 30)))
        return sized(v, t) if t.id == "CHAR" else v[: t.p]

    def moment(self, t):
        r = self.random
        days = r.choice(DAYS) if r.random() < 0.6 else r.randint(-20000, 40000)
        if t.id == "TIMESTAMP_LTZ":
            days = days if -25000 < days < 40000 else days % 40000
        ns = days * 86400 * 10**9 + r.choice(CLOCKS) * 10**6 + r.choice((0, 0, 1, 999999, 123456))
        if r.random() < 0.1:  # around the changes of summer time in Berlin
            ns = r.choice((1585443600, 1603584000)) * 10**9 + r.randint(-7200, 7200) * 10**9
        return cut(ns, t.p)

    # ---- nodes ----

    def column(self, k):
        r = self.random
        known = [i for i, c in enumerate(self.columns) if kind(c[0]) == k]
        if known and (r.random() < 0.6 or len(self.columns) >= 10):
            i = r.choice(known)
        elif len(self.columns) >= 10 or k == "array":
            return self.literal(k)
        else:
            t, has_nulls = self.type_of(k), r.random() < 0.6
            values = [None if has_nulls and r.random() < 0.25 else self.value_of(t) for _ in range(self.n_rows)]
            self.columns.append((t, has_nulls, values))
            i = len(self.columns) - 1
        return column(i, self.columns[i][0])

    def literal(self, k):
        t = self.type_of(k)
        if self.random.random() < 0.08:
            return Node(f"CAST(NULL AS {text(t)})", t, lambda row: None, name="literal")
        if k == "array":
            return self.leaf_array(self, 0, k)
        return self.literal_of(t, self.value_of(t))

    def literal_of(self, t, v):
        """Some way to write the value; the type may be another one of the same kind."""
        k = kind(t)
        sql = None
        if k == "bool":
            sql = "TRUE" if v else "FALSE"
        elif k == "int" and 0 <= v < 1 << 63:
            sql, t = (str(v), INT if v < 1 << 31 else BIGINT) if t.id != "TINYINT" else (f"CAST({v} AS TINYINT)", t)
        elif k == "str" and "\t" not in v:
            quoted = "'" + v.replace("'", "''") + "'"
            sql, t = (quoted, char(len(v))) if v and t.id == "CHAR" else (f"CAST({quoted} AS {text(t)})", t)
        elif k == "bin":
            sql = f"CAST(x'{v.hex()}' AS BYTES)"
        elif k == "date":
            sql = f"DATE '{date_text(v)}'"
        elif k == "time":
            sql = f"CAST('{to_text(v, time(3))}' AS {text(t)})"
        elif k == "ts":
            sql = f"CAST('{timestamp_text(v, 9)}' AS {text(t)})"
        elif k == "ltz":
            sql = f"CAST('{timestamp_text(local_of(v), 9)}' AS {text(t)})"
            v = cast(timestamp_text(local_of(v), 9), STRING, t)  # of two instants in the hour that comes twice
        elif k == "months":
            sql = f"INTERVAL '{'-' if v < 0 else ''}{abs(v) // 12}-{abs(v) % 12}' YEAR(4) TO MONTH"
        elif k == "millis":
            sql = "INTERVAL '{}' DAY(6) TO SECOND(3)".format(to_text(v, t).lstrip("+"))
        elif k == "real" and math.isfinite(v) and v >= 0 and t == DOUBLE and math.copysign(1, v) > 0:
            sql = f"{v!r}E0" if "e" not in repr(v) else repr(v).upper()
        if sql is None:
            sql = f"CAST('{to_text(v, t)}' AS {text(t)})"
        return Node(sql, t, lambda row: v, name="literal")

    def any(self, k, depth):
        """A node of the kind with at most so many levels."""
        r = self.random
        made = self.made.get(k)
        if made and r.random() < 0.08:
            return r.choice(made)
        if depth <= 0 or r.random() < 0.12:
            return self.column(k) if r.random() < 0.8 else self.literal(k)
        node = self.produce(k, depth)
        self.made.setdefault(k, []).append(node)
        return node

    def produce(self, k, depth):
        r = self.random
        functions, weights = self.producers[k]
        while True:
            node = r.choices(functions, weights)[0](self, depth - 1, k)
            if node is not None:
                return node

    def of_type(self, t, depth):
        """A node of exactly this type."""
        node = self.any(kind(t), depth)
        if node.type == t:
            return node
        f = node.type
        return call(f"CAST({{0}} AS {text(t)})", t, lambda v: cast(v, f, t), node)

    def alike(self, k, n, depth):
        """Nodes that have a common type, and that type."""
        for _ in range(10):
            nodes = [self.any(k, depth) for _ in range(n)]
            t = common([x.type for x in nodes])
            if t is not None:
                return nodes, t
        node = self.any(k, depth)
        return [node] * n, node.type

    def int32(self, depth, low=-3, high=12):
        """Where an INT is asked for: mostly a small one."""
        if self.random.random() < 0.75:
            v = self.random.randint(low, high)
            return Node(f"({v})", INT, lambda row: v, name="literal") if v < 0 else Node(str(v), INT, lambda row: v, name="literal")
        return self.of_type(INT, min(depth, 1))


def producer(table, *kinds, weight=1):
    """Enters a function(generator, depth, kind) that makes nodes of the kinds."""

    def enter(function):
        for k in kinds:
            functions, weights = table.setdefault(k, ([], []))
            functions.append(function)
            weights.append(weight)
        return function

    return enter


def fail(what):
    raise SqlError(what)


__all__ = ["Node", "Generator", "call", "eager", "lazy", "column", "implicit", "brought", "producer", "fail", "Type"]
