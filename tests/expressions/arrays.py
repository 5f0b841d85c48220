"""ARRAY and its functions, one at a time.  Items are equal as SQL says, and NULL is equal to NULL."""

import math

from generator import Node, brought, call, eager, implicit, producer
from numbers_and_logic import ordering
from sql_types import BOOLEAN, INT, STRING, array, common, kind
from sql_values import Unknown

TABLE = {}
ITEMS = ("int", "str", "date", "dec", "bool")


@producer(TABLE, "array", weight=6)
def array_node(g, depth, k):
    nodes, t = g.alike(g.random.choice(ITEMS), g.random.randint(1, 4), min(depth, 1))

    def make(*c):
        def ev(row):
            return tuple(brought(x, t)(row) for x in c)
        return Node(f"ARRAY[{', '.join(x.sql for x in c)}]", array(t), ev, c, lambda c: make(*c), "ARRAY")
    return make(*nodes)


def same(x, y, t):
    if x is None or y is None:
        return x is y
    return ordering(x, t, y, t) == 0


def place(items, x, t):
    """Index of the item, or -1."""
    return next((i for i, y in enumerate(items) if same(y, x, t)), -1)


def distinct(items, t):
    out = []
    for x in items:
        if place(out, x, t) < 0:
            out.append(x)
    return tuple(out)


def slice_of(items, start, end=None):
    n = len(items)
    end = n if end is None else end
    start = start or 1
    end = end or 1
    start = start + n + 1 if start < 0 else start
    end = end + n + 1 if end < 0 else end
    if start < 1 and end >= 1:
        raise Unknown
    return items[start - 1:end] if 1 <= start <= end and start <= n else ()


def sortable(x, t):
    return x.encode() if kind(t) == "str" else x


def sort(items, t, up=True):
    if kind(t) == "real":
        raise Unknown
    nulls = [x for x in items if x is None]
    rest = sorted((x for x in items if x is not None), key=lambda x: sortable(x, t), reverse=not up)
    return tuple(nulls + rest if up else rest + nulls)


@producer(TABLE, "array", weight=4)
def of_array_node(g, depth, k):
    a = g.any("array", depth)
    t = a.type.of[0]
    if g.random.random() < 0.4:
        start, end = g.random.randint(-5, 5), g.random.randint(-5, 5)
        if g.random.random() < 0.5:
            return call(f"ARRAY_SLICE({{0}}, {start})", a.type, lambda v: slice_of(v, start), a)
        return call(f"ARRAY_SLICE({{0}}, {start}, {end})", a.type, lambda v: slice_of(v, start, end), a)
    form, f = g.random.choice((
        ("ARRAY_DISTINCT({0})", lambda v: distinct(v, t)), ("ARRAY_REVERSE({0})", lambda v: v[::-1]),
        ("ARRAY_SORT({0})", lambda v: sort(v, t)), ("ARRAY_SORT({0}, FALSE)", lambda v: sort(v, t, False))))
    return call(form, a.type, f, a)


@producer(TABLE, "array", weight=3)
def of_arrays_node(g, depth, k):
    a, b = g.any("array", depth), g.any("array", depth)
    t = common([a.type, b.type])
    if t is None or kind(t.of[0]) == "str" and a.type != b.type:
        return None
    item = t.of[0]
    name, f = g.random.choice((
        ("ARRAY_CONCAT", lambda x, y: x + y), ("ARRAY_UNION", lambda x, y: distinct(x + y, item)),
        ("ARRAY_EXCEPT", lambda x, y: distinct([i for i in x if place(y, i, item) < 0], item)),
        ("ARRAY_INTERSECT", lambda x, y: distinct([i for i in x if place(y, i, item) >= 0], item))))
    ta, tb = a.type, b.type
    return call(f"{name}({{0}}, {{1}})", t, lambda x, y: f(implicit(x, ta, t), implicit(y, tb, t)), a, b)


@producer(TABLE, "array", "bool", "int", weight=1)
def with_item_node(g, depth, k):
    a = g.any("array", depth)
    t = a.type.of[0]
    x = g.of_type(t, depth)
    if k == "bool":
        return eager("ARRAY_CONTAINS({0}, {1})", BOOLEAN, lambda v, i: None if v is None else place(v, i, t) >= 0, a, x)
    if k == "int":
        if g.random.random() < 0.5:
            return call("CARDINALITY({0})", INT, len, a)
        return call("ARRAY_POSITION({0}, {1})", INT, lambda v, i: place(v, i, t) + 1, a, x)
    name, f = g.random.choice((
        ("ARRAY_APPEND", lambda v, i: v + (i,)), ("ARRAY_PREPEND", lambda v, i: (i,) + v),
        ("ARRAY_REMOVE", lambda v, i: tuple(y for y in v if not same(y, i, t)))))
    return eager(f"{name}({{0}}, {{1}})", a.type, lambda v, i: None if v is None else f(v, i), a, x)


@producer(TABLE, *ITEMS)
def item_node(g, depth, k):
    a = g.any("array", depth)
    t = a.type.of[0]
    if kind(t) != k:
        return None

    def best(v, up):
        items = [x for x in v if x is not None]
        return (max if up else min)(items, key=lambda x: sortable(x, t), default=None)
    if g.random.random() < 0.3 and kind(t) != "real":
        up = g.random.random() < 0.5
        return call(f"ARRAY_{'MAX' if up else 'MIN'}({{0}})", t, lambda v: best(v, up), a)
    n = g.random.randint(1, 4)
    return call(f"{{0}}[{n}]", t, lambda v: v[n - 1] if n <= len(v) else None, a)


@producer(TABLE, "str")
def join_node(g, depth, k):
    a = g.any("array", depth)
    if kind(a.type.of[0]) != "str":
        return None
    if g.random.random() < 0.5:
        return call("ARRAY_JOIN({0}, {1})", STRING, lambda v, s: s.join(x for x in v if x is not None), a, g.any("str", 0))
    return call("ARRAY_JOIN({0}, {1}, {2})", STRING, lambda v, s, n: s.join(n if x is None else x for x in v), a, g.any("str", 0),
                g.any("str", 0))


__all__ = ["TABLE", "math"]
