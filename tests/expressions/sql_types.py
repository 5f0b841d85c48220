"""Types of the reference interpreter: what they are called, what two of them have in common, what arithmetic makes of them.

Written from the rules of the language (docs/reference/types.md), not from the engine's code."""

import re
from typing import NamedTuple

STRING_MAX = 2147483647


class Type(NamedTuple):
    """`p` and `s`: length, or precision and scale; `of`: element types."""

    id: str
    p: int = 0
    s: int = 0
    of: tuple = ()


BOOLEAN, TINYINT, SMALLINT, INT, BIGINT = map(Type, ("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT"))
FLOAT, DOUBLE, DATE = map(Type, ("FLOAT", "DOUBLE", "DATE"))
STRING, BYTES = Type("VARCHAR", STRING_MAX), Type("VARBINARY", STRING_MAX)
MONTHS, MILLIS = Type("INTERVAL MONTH"), Type("INTERVAL SECOND")

INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}
INTEGER_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 19}


def char(n):
    return Type("CHAR", n)


def varchar(n):
    return Type("VARCHAR", min(n, STRING_MAX))


def decimal(p, s):
    return Type("DECIMAL", p, s)


def time(p):
    return Type("TIME", p)


def timestamp(p):
    return Type("TIMESTAMP", p)


def instant(p):
    return Type("TIMESTAMP_LTZ", p)


def array(of):
    return Type("ARRAY", 0, 0, (of,))


def mapping(key, value):
    return Type("MAP", 0, 0, (key, value))


KINDS = {
    "BOOLEAN": "bool", "TINYINT": "int", "SMALLINT": "int", "INT": "int", "BIGINT": "int", "DECIMAL": "dec",
    "FLOAT": "real", "DOUBLE": "real", "CHAR": "str", "VARCHAR": "str", "BINARY": "bin", "VARBINARY": "bin",
    "DATE": "date", "TIME": "time", "TIMESTAMP": "ts", "TIMESTAMP_LTZ": "ltz", "INTERVAL MONTH": "months",
    "INTERVAL SECOND": "millis", "ARRAY": "array", "MAP": "map",
}


def kind(t):
    return KINDS[t.id]


def text(t):
    """As a CAST names it."""
    if t in (STRING, BYTES):
        return "STRING" if t == STRING else "BYTES"
    if t.id in ("CHAR", "VARCHAR", "BINARY", "VARBINARY", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ"):
        return f"{t.id}({t.p})"
    if t.id == "DECIMAL":
        return f"DECIMAL({t.p}, {t.s})"
    if t.id == "INTERVAL SECOND":
        return "INTERVAL DAY TO SECOND(3)"
    if t.of:
        return f"{t.id}<{', '.join(map(text, t.of))}>"
    return t.id


def normal(shown):
    """A type as the engine shows it, without what is not compared: NULLs and the fields of intervals."""
    shown = shown.replace(" NOT NULL", "")
    shown = re.sub(r"INTERVAL (YEAR|MONTH)(\(\d\))?( TO MONTH)?", "INTERVAL MONTH", shown)
    return re.sub(r"INTERVAL (DAY|HOUR|MINUTE|SECOND)(\(\d\))?( TO [A-Z]+(\(\d\))?)?",
                  "INTERVAL DAY TO SECOND(3)", shown)


def as_decimal(t):
    return t if t.id == "DECIMAL" else decimal(INTEGER_DIGITS[t.id], 0)


def adjusted(p, s):
    if p <= 38:
        return decimal(p, s)
    return decimal(38, max(38 - (p - s), min(s, 6)))


def arithmetic(op, a, b):
    """The type of a op b for numbers."""
    if "DOUBLE" in (a.id, b.id) or {a.id, b.id} == {"FLOAT", "DECIMAL"}:
        return DOUBLE
    if "FLOAT" in (a.id, b.id):
        return FLOAT
    if "DECIMAL" not in (a.id, b.id):
        return b if op == "%" else max(a, b, key=lambda t: INTEGERS[t.id])
    (p1, s1), (p2, s2) = as_decimal(a)[1:3], as_decimal(b)[1:3]
    if op in "+-":
        s = max(s1, s2)
        return adjusted(max(p1 - s1, p2 - s2) + s + 1, s)
    if op == "*":
        return adjusted(p1 + p2 + 1, s1 + s2)
    if op == "/":
        s = max(6, s1 + p2 + 1)
        return adjusted(p1 - s1 + s2 + s, s)
    if s1 == 0 and s2 == 0:
        return b
    s = max(s1, s2)
    return adjusted(min(p1 - s1, p2 - s2) + s, s)


def common(types):
    """The least restrictive type, or None."""
    result = types[0]
    for t in types[1:]:
        result = common_of_two(result, t)
        if result is None:
            return None
    return result


def common_of_two(a, b):
    if a == b:
        return a
    ids = {a.id, b.id}
    if kind(a) == kind(b) == "str" or kind(a) == kind(b) == "bin":
        fixed = "CHAR" if kind(a) == "str" else "BINARY"
        return Type("VAR" + fixed, max(a.p, b.p))
    if kind(a) == kind(b) == "int":
        return max(a, b, key=lambda t: INTEGERS[t.id])
    if {kind(a), kind(b)} <= {"int", "dec"}:
        a, b = as_decimal(a), as_decimal(b)
        whole, s = min(38, max(a.p - a.s, b.p - b.s)), max(a.s, b.s)
        s = min(s, 38 - whole)
        return decimal(whole + s, s)
    if {kind(a), kind(b)} <= {"int", "dec", "real"}:
        return DOUBLE if ids & {"DOUBLE", "DECIMAL"} else FLOAT
    if a.id == b.id and a.id in ("TIME", "TIMESTAMP", "TIMESTAMP_LTZ"):
        return Type(a.id, max(a.p, b.p))
    if a.id == b.id == "ARRAY":
        of = common_of_two(a.of[0], b.of[0])
        return None if of is None else array(of)
    return None


def joined(a, b):
    """The type of a || b."""
    fixed = "CHAR" if kind(a) == "str" else "BINARY"
    n = a.p + b.p
    if a.id == fixed and b.id == fixed and n <= STRING_MAX:
        return Type(fixed, n)
    return Type("VAR" + fixed, min(n, STRING_MAX))
