"""Arithmetic, comparisons, three-valued logic, CASE and casts, one row at a time."""

import math
from decimal import Decimal
from fractions import Fraction

from generator import Node, brought, call, eager, fail, implicit, lazy, producer
from sql_types import (
    BIGINT, BOOLEAN, BYTES, DOUBLE, FLOAT, INT, INTEGERS, STRING, arithmetic, as_decimal, char, common, decimal, kind, text, time,
    timestamp, instant, varchar, Type,
)
from sql_values import (
    WIDE, SqlError, Unknown, can_cast, cast, divide_cut, divide_half_up, fits, real_divide, real_of, rescale, to_decimal, to_float,
    to_number, wrap, of_decimal,
)

NUMBERS = ("int", "dec", "real")
TABLE = {}

# ---- + - * / % ------------------------------------------------------------------------------------------


def exact_operation(op, x, a, y, b, t):
    """Of DECIMALs and integers, in DECIMAL t."""
    fx, fy = Fraction(x, 10**a.s), Fraction(y, 10**b.s)
    if op in "/%" and y == 0:
        fail("Division by zero")
    if op == "%":
        s = max(a.s, b.s)
        x, y = x * 10 ** (s - a.s), y * 10 ** (s - b.s)
        r = abs(x) % abs(y)
        v = Fraction(-r if x < 0 else r, 10**s)
    else:
        v = {"+": fx + fy, "-": fx - fy, "*": fx * fy}[op] if op != "/" else fx / fy
    v *= 10**t.s
    return fits(divide_half_up(v.numerator, v.denominator), t.p)


def integer_operation(op, x, y, t):
    if op in "/%" and y == 0:
        fail("Division by zero")
    if op == "/":
        v = divide_cut(x, y)
    elif op == "%":
        v = abs(x) % abs(y)
        v = -v if x < 0 else v
    else:
        v = {"+": x + y, "-": x - y, "*": x * y}[op]
    return wrap(v, INTEGERS[t.id])


def real_operation(op, x, y, is_float):
    if op == "/":
        v = real_divide(x, y)
    else:
        v = {"+": x + y, "-": x - y, "*": x * y}[op]
    return to_float(v) if is_float else v


def operate(op, x, a, y, b, t):
    if kind(t) == "real":
        return real_operation(op, to_number(x, a, t), to_number(y, b, t), t.id == "FLOAT")
    if kind(a) == kind(b) == "int":
        return integer_operation(op, x, y, t)
    v = exact_operation(op, x, as_decimal(a), y, as_decimal(b), as_decimal(t))
    return v if kind(t) == "dec" or v is None else wrap(v, INTEGERS[t.id])


@producer(TABLE, "int", "dec", "real", weight=6)
def arithmetic_node(g, depth, k):
    op = g.random.choice("+-*/%" if k != "real" else "+-*/")
    kinds = {"int": ("int",), "dec": ("int", "dec"), "real": NUMBERS}[k]
    left, right = g.any(g.random.choice(kinds), depth), g.any(g.random.choice(kinds), depth)
    a, b = left.type, right.type
    t = arithmetic(op, a, b)
    if kind(t) != k:
        return None
    return call(f"({{0}} {op} {{1}})", t, lambda x, y: operate(op, x, a, y, b, t), left, right)


@producer(TABLE, "int", "dec", "real")
def sign_node(g, depth, k):
    x = g.any(k, depth)
    t = x.type
    one = 10**t.s if t.id == "DECIMAL" else 1

    def signum(v):
        if kind(t) == "real":
            return v if v == 0 or math.isnan(v) else math.copysign(1.0, v)
        v = (v > 0) - (v < 0)
        return fits(v * one, t.p) if t.id == "DECIMAL" else v

    name, function = g.random.choice((
        ("(- {0})", lambda v: wrap(-v, INTEGERS[t.id]) if kind(t) == "int" else -v),
        ("(+ {0})", lambda v: v),
        ("ABS({0})", lambda v: wrap(abs(v), INTEGERS[t.id]) if kind(t) == "int" else abs(v)),
        ("SIGN({0})", signum),
    ))
    return call(name, t, function, x)


def floor_of(v, t, up):
    if kind(t) == "int":
        return v
    if kind(t) == "real":
        if not math.isfinite(v) or abs(v) >= 2**53:
            return v
        return math.copysign(float(math.ceil(v) if up else math.floor(v)), v)
    return fits(-(-v // 10**t.s) if up else v // 10**t.s, t.p)


@producer(TABLE, "int", "dec", "real")
def floor_node(g, depth, k):
    x = g.any(k, depth)
    t, up = x.type, g.random.random() < 0.5
    result = decimal(t.p, 0) if t.id == "DECIMAL" else t
    return call("CEIL({0})" if up else "FLOOR({0})", result, lambda v: floor_of(v, t, up), x)


def round_type(t, n):
    if t.id != "DECIMAL" or n >= t.s:
        return t
    return decimal(1 + t.p - t.s + n, n) if n >= 0 else decimal(min(38, max(1 + t.p - t.s, 1)), 0)


def rounded(v, t, n, result, cuts):
    if kind(t) == "real":
        if not math.isfinite(v) or abs(v) > 1e15:
            raise Unknown
        s = Decimal(repr(v))
        if cuts:
            s = s.quantize(Decimal(1).scaleb(-18), "ROUND_HALF_UP", WIDE)
        d = s.scaleb(n, WIDE).to_integral_value("ROUND_DOWN" if cuts else "ROUND_HALF_UP", WIDE).scaleb(-n, WIDE)
        d = float(d) + 0.0  # a decimal zero has no sign
        return to_float(d) if t.id == "FLOAT" else d
    s = t.s if t.id == "DECIMAL" else 0
    if n < s:
        v = rescale(v, s, n, cuts) if n >= 0 else (divide_cut if cuts else divide_half_up)(v, 10 ** (s - n)) * 10**-n
    return wrap(v, INTEGERS[t.id]) if kind(t) == "int" else fits(v, result.p)


@producer(TABLE, "int", "dec", "real")
def round_node(g, depth, k):
    x = g.any(k, depth)
    t, n, cuts = x.type, g.random.choice((0, 0, 1, 2, 3, -1, -2)), g.random.random() < 0.4
    result = round_type(t, n)
    if kind(result) == "dec" and result.s < 0:
        return None
    name = "TRUNCATE" if cuts else "ROUND"
    return call(f"{name}({{0}}, {n})" if n != 0 or cuts else "ROUND({0})", result, lambda v: rounded(v, t, n, result, cuts), x)


def safely(f, at_zero=math.nan):
    def g(x):
        try:
            return f(x)
        except OverflowError:
            return math.inf
        except ValueError:
            return at_zero if x == 0 else math.nan
    return g


def power(x, y):
    if math.isnan(y) or (abs(x) == 1 and math.isinf(y)):
        return math.nan
    try:
        return math.pow(x, y)
    except OverflowError:
        return math.inf if x > 0 or y % 2 == 0 else -math.inf
    except ValueError:
        return (math.copysign(math.inf, x) if y % 2 == 1 else math.inf) if x == 0 else math.nan


REAL_FUNCTIONS = {
    "SQRT": safely(math.sqrt), "LN": safely(math.log, -math.inf), "LOG10": safely(math.log10, -math.inf),
    "EXP": safely(math.exp), "SIN": safely(math.sin), "COS": safely(math.cos), "TAN": safely(math.tan),
    "ASIN": safely(math.asin), "ACOS": safely(math.acos), "ATAN": safely(math.atan), "TANH": safely(math.tanh),
    "SINH": lambda x: math.copysign(safely(math.sinh)(abs(x)), x),
    "COSH": safely(math.cosh), "DEGREES": safely(math.degrees), "RADIANS": safely(math.radians),
}


@producer(TABLE, "real", weight=3)
def real_function_node(g, depth, k):
    r = g.random
    x = g.any(r.choice(NUMBERS), depth)
    if r.random() < 0.2:
        y = g.any(r.choice(NUMBERS), depth)
        a, b = x.type, y.type
        name, f = r.choice((("POWER", power), ("ATAN2", math.atan2)))
        return call(f"{name}({{0}}, {{1}})", DOUBLE, lambda u, v: f(real_of(u, a), real_of(v, b)), x, y)
    name = r.choice(list(REAL_FUNCTIONS))
    f, a = REAL_FUNCTIONS[name], x.type
    return call(f"{name}({{0}})", DOUBLE, lambda v: f(real_of(v, a)), x)


@producer(TABLE, "str")
def digits_node(g, depth, k):
    x = g.any("int", depth)
    name, f = g.random.choice((("BIN", lambda v: f"{v & (1 << 64) - 1:b}"), ("HEX", lambda v: f"{v & (1 << 64) - 1:X}")))
    return call(f"{name}({{0}})", STRING, f, x)


# ---- comparisons ----------------------------------------------------------------------------------------

ORDERED = ("int", "dec", "real", "str", "bin", "bool", "date", "time", "ts", "ltz", "months", "millis")


def ordering(x, a, y, b):
    """-1, 0, 1, or None when one is NaN."""
    if "real" in (kind(a), kind(b)):
        x, y = real_of(x, a), real_of(y, b)
        if math.isnan(x) or math.isnan(y):
            return None
    elif "dec" in (kind(a), kind(b)):
        t = common([a, b])
        if max(a.s, b.s) > t.s:
            raise Unknown  # more than 38 digits: the engine compares in the common type, rounded
        x, y = Fraction(x, 10**a.s if a.id == "DECIMAL" else 1), Fraction(y, 10**b.s if b.id == "DECIMAL" else 1)
    elif kind(a) == "str":
        x, y = x.encode(), y.encode()
    return (x > y) - (x < y)


COMPARISONS = {
    "=": lambda c: c == 0, "<>": lambda c: c != 0, "<": lambda c: c is not None and c < 0,
    "<=": lambda c: c is not None and c <= 0, ">": lambda c: c is not None and c > 0,
    ">=": lambda c: c is not None and c >= 0,
}


def pair(g, depth):
    """Two nodes that may be compared."""
    k = g.random.choice(ORDERED)
    if k in NUMBERS:
        return g.any(k, depth), g.any(g.random.choice(NUMBERS), depth)
    return g.any(k, depth), g.any(k, depth)


@producer(TABLE, "bool", weight=6)
def comparison_node(g, depth, k):
    left, right = pair(g, depth)
    a, b = left.type, right.type
    op = g.random.choice(list(COMPARISONS))
    test = COMPARISONS[op]
    return call(f"({{0}} {op} {{1}})", BOOLEAN, lambda x, y: test(ordering(x, a, y, b)), left, right)


@producer(TABLE, "bool")
def distinct_node(g, depth, k):
    left, right = pair(g, depth)
    a, b = left.type, right.type
    is_same = g.random.random() < 0.5

    def distinct(x, y):
        if x is None or y is None:
            return (x is None) != (y is None)
        return ordering(x, a, y, b) != 0

    form = "({0} IS NOT DISTINCT FROM {1})" if is_same else "({0} IS DISTINCT FROM {1})"
    return eager(form, BOOLEAN, lambda x, y: distinct(x, y) != is_same, left, right)


def and_of(row, *evs):
    result = True
    for ev in evs:
        v = ev(row)
        if v is False:
            return False
        result = None if v is None else result
    return result


def or_of(row, *evs):
    result = False
    for ev in evs:
        v = ev(row)
        if v is True:
            return True
        result = None if v is None else result
    return result


def compared(test, left, right):
    a, b = left.type, right.type

    def ev(row):
        x, y = left.ev(row), right.ev(row)
        return None if x is None or y is None else test(ordering(x, a, y, b))
    return ev


@producer(TABLE, "bool")
def between_node(g, depth, k):
    x, low = pair(g, depth)
    high = g.any(kind(low.type), depth)
    more, less, is_not = COMPARISONS[">="], COMPARISONS["<="], g.random.random() < 0.3

    def make(x, low, high):
        def ev(row):
            v = and_of(row, compared(more, x, low), compared(less, x, high))
            return v if v is None or not is_not else not v
        word = "NOT BETWEEN" if is_not else "BETWEEN"
        return Node(f"({x.sql} {word} {low.sql} AND {high.sql})", BOOLEAN, ev, (x, low, high), lambda c: make(*c), "BETWEEN")
    return make(x, low, high)


@producer(TABLE, "bool")
def in_node(g, depth, k):
    x, first = pair(g, depth)
    if kind(x.type) != kind(first.type) or kind(x.type) == "dec":
        return None
    items = [first] + [g.any(kind(first.type), depth - 1) for _ in range(g.random.randint(0, 3))]
    equal, is_not = COMPARISONS["="], g.random.random() < 0.3

    def make(x, *items):
        def ev(row):
            v = or_of(row, *(compared(equal, x, i) for i in items))
            return v if v is None or not is_not else not v
        word = "NOT IN" if is_not else "IN"
        return Node(f"({x.sql} {word} ({', '.join(i.sql for i in items)}))", BOOLEAN, ev, (x, *items), lambda c: make(*c), "IN")
    return make(x, *items)


@producer(TABLE, "bool", weight=5)
def logic_node(g, depth, k):
    n = g.random.choice((2, 2, 2, 3))
    word, f = g.random.choice((("AND", and_of), ("OR", or_of)))
    return lazy("(" + f" {word} ".join("{%d}" % i for i in range(n)) + ")", BOOLEAN, f, *(g.any("bool", depth) for _ in range(n)))


@producer(TABLE, "bool", weight=2)
def truth_node(g, depth, k):
    x = g.any("bool", depth)
    if g.random.random() < 0.4:
        return call("(NOT {0})", BOOLEAN, lambda v: not v, x)
    word, f = g.random.choice((
        ("TRUE", lambda v: v is True), ("NOT TRUE", lambda v: v is not True), ("FALSE", lambda v: v is False),
        ("NOT FALSE", lambda v: v is not False), ("UNKNOWN", lambda v: v is None), ("NOT UNKNOWN", lambda v: v is not None)))
    return eager(f"({{0}} IS {word})", BOOLEAN, f, x)


@producer(TABLE, "bool")
def null_node(g, depth, k):
    x, is_not = g.any(g.random.choice(ORDERED), depth), g.random.random() < 0.5
    return eager(f"({{0}} IS {'NOT ' if is_not else ''}NULL)", BOOLEAN, lambda v: (v is None) != is_not, x)


# ---- CASE and its like ----------------------------------------------------------------------------------

EVERYTHING = ORDERED + ("array",)


@producer(TABLE, *EVERYTHING, weight=2)
def case_node(g, depth, k):
    n = g.random.randint(1, 3)
    has_else = g.random.random() < 0.7
    values, t = g.alike(k, n + has_else, depth)
    conditions = [g.any("bool", depth) for _ in range(n)]

    def make(*c):
        conditions, values = c[:n], c[n:]
        evs = [brought(v, t) for v in values]

        def ev(row):
            for condition, value in zip(conditions, evs):
                if condition.ev(row) is True:
                    return value(row)
            return evs[n](row) if has_else else None
        sql = "".join(f" WHEN {a.sql} THEN {b.sql}" for a, b in zip(conditions, values))
        return Node(f"CASE{sql}{' ELSE ' + values[n].sql if has_else else ''} END", t, ev, c, lambda c: make(*c), "CASE")
    return make(*conditions, *values)


@producer(TABLE, *EVERYTHING)
def coalesce_node(g, depth, k):
    nodes, t = g.alike(k, g.random.randint(1, 3), depth)

    def make(*c):
        def ev(row):
            for x in c:
                v = x.ev(row)
                if v is not None:
                    return implicit(v, x.type, t)
            return None
        return Node(f"COALESCE({', '.join(x.sql for x in c)})", t, ev, c, lambda c: make(*c), "COALESCE")
    return make(*nodes)


@producer(TABLE, *EVERYTHING)
def if_node(g, depth, k):
    if g.random.random() < 0.5:
        (a, b), t = g.alike(k, 2, depth)

        def make(c, a, b):
            def ev(row):
                return brought(a, t)(row) if c.ev(row) is True else brought(b, t)(row)
            return Node(f"IF({c.sql}, {a.sql}, {b.sql})", t, ev, (c, a, b), lambda c: make(*c), "IF")
        return make(g.any("bool", depth), a, b)
    (a, b), t = g.alike(k, 2, depth)

    def make_ifnull(a, b):
        def ev(row):
            v = a.ev(row)
            return brought(b, t)(row) if v is None else implicit(v, a.type, t)
        return Node(f"IFNULL({a.sql}, {b.sql})", t, ev, (a, b), lambda c: make_ifnull(*c), "IFNULL")
    return make_ifnull(a, b)


@producer(TABLE, *ORDERED)
def nullif_node(g, depth, k):
    a = g.any(k, depth)
    b = g.any(k, depth)

    def make(a, b):
        def ev(row):
            x, y = a.ev(row), b.ev(row)
            return None if x is not None and y is not None and ordering(x, a.type, y, b.type) == 0 else a.ev(row)
        return Node(f"NULLIF({a.sql}, {b.sql})", a.type, ev, (a, b), lambda c: make(*c), "NULLIF")
    return make(a, b)


@producer(TABLE, *ORDERED)
def greatest_node(g, depth, k):
    nodes, t = g.alike(k, g.random.randint(1, 3), depth)
    is_greatest, types = g.random.random() < 0.5, [x.type for x in nodes]

    def best(*values):
        values = [implicit(v, f, t) for v, f in zip(values, types)]
        if None in values:
            return None
        if kind(t) == "real" and (any(math.isnan(v) for v in values) or 0.0 in values):
            raise Unknown
        result = values[0]
        for v in values[1:]:
            c = ordering(v, t, result, t)
            result = v if (c > 0 if is_greatest else c < 0) else result
        return result
    name = "GREATEST" if is_greatest else "LEAST"
    return call(f"{name}({', '.join('{%d}' % i for i in range(len(nodes)))})", t, best, *nodes)


# ---- casts ----------------------------------------------------------------------------------------------


def cast_target(g, k):
    t = g.type_of(k)
    if k == "str":
        return g.random.choice((STRING, STRING, varchar(3), char(5), varchar(40)))
    if k == "bin":
        return g.random.choice((BYTES, Type("BINARY", 4), Type("VARBINARY", 3)))
    return t


@producer(TABLE, *ORDERED, weight=3)
def cast_node(g, depth, k):
    x = g.any(g.random.choice(EVERYTHING), depth)
    f, t = x.type, cast_target(g, k)
    if not can_cast(f, t):
        return None

    def attempt(v):
        try:
            return cast(v, f, t)
        except SqlError:
            return None
    if g.random.random() < (0.7 if kind(f) == "str" else 0.15):
        return call(f"TRY_CAST({{0}} AS {text(t)})", t, attempt, x)
    return call(f"CAST({{0}} AS {text(t)})", t, lambda v: cast(v, f, t), x)
