#!/usr/bin/env python3
"""Makes the golden lines of casts in tests/sql/casts: each kind of value by each target, computed here by the rules of CAST.

usage: tests/sql/generate/casts.py [--check] [--out FOLDER]

The rules are those of docs and of java.lang for numbers as text; nothing of Flinc is asked. A pair of types has CAST of several values,
TRY_CAST where CAST fails, and NULL; pairs without a cast have their refusal once.
"""

import argparse
import datetime
import decimal
import os
import re
import struct
import sys
import zoneinfo

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")  # of the test
D = decimal.Decimal
decimal.getcontext().prec = 400


class Fails(Exception):
    """CAST fails at run time, TRY_CAST gives NULL."""


class NotThere(Exception):
    """There is no such cast."""


# ---- numbers as text, as Java does -------------------------------------------------------------------------


def shortest_float(x):
    for digits in range(1, 10):
        text = f"{x:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == x:
            return text
    return repr(x)


def java_text(x, is_float):
    if x != x or x in (float("inf"), float("-inf")):
        return "NaN" if x != x else ("Infinity" if x > 0 else "-Infinity")
    if x == 0:
        return "-0.0" if str(x).startswith("-") else "0.0"
    sign, digits, exponent = D(shortest_float(x) if is_float else repr(x)).normalize().as_tuple()
    digits = "".join(map(str, digits))
    point = len(digits) + exponent  # digits before the point
    minus = "-" if sign else ""
    if -3 < point <= 7:
        text = digits.ljust(point, "0") if point > 0 else "0" * (1 - point) + digits
        whole = max(point, 1)
        return f"{minus}{text[:whole]}.{text[whole:] or '0'}"
    return f"{minus}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


# ---- values ------------------------------------------------------------------------------------------------

BITS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}
DAY_MS = 86400000
EPOCH = datetime.datetime(1970, 1, 1)


def base(sql_type):
    return sql_type.split("(")[0].split(" ")[0].split("<")[0]


def parameters(sql_type):
    m = re.search(r"\(([\d, ]+)\)", sql_type)
    return [int(n) for n in m[1].split(",")] if m else []


def wrap(n, bits):
    n &= (1 << bits) - 1
    return n - (1 << bits) if n >> (bits - 1) else n


def date_text(d):
    return d.isoformat()


def fraction(nanos, p):
    return f".{nanos:09d}"[: p + 1] if p > 0 else ""


def stamp_text(value, p):
    """(datetime without microseconds, nanoseconds)"""
    when, nanos = value
    return when.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0") + fraction(nanos, p)


def time_text(ms, p):
    s, f = divmod(ms, 1000)
    return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" + fraction(f * 1000000, p)


def to_text(v, t):
    b = base(t)
    if b in ("CHAR", "VARCHAR", "STRING"):
        return v
    if b in ("BINARY", "VARBINARY", "BYTES"):
        return v.decode()
    if b == "BOOLEAN":
        return "TRUE" if v else "FALSE"
    if b in BITS:
        return str(v)
    if b == "DECIMAL":
        return f"{v:f}"
    if b in ("FLOAT", "DOUBLE"):
        return java_text(v, b == "FLOAT")
    if b == "DATE":
        return date_text(v)
    if b == "TIME":
        return time_text(v, (parameters(t) or [0])[0])
    if b in ("TIMESTAMP", "TIMESTAMP_LTZ"):
        return stamp_text(v, (parameters(t) or [6])[0])
    if t.startswith("INTERVAL MONTH"):
        return f"{'-' if v < 0 else '+'}{abs(v) // 12}-{abs(v) % 12:02d}"
    if t.startswith("INTERVAL"):
        days, ms = divmod(abs(v), DAY_MS)
        return f"{'-' if v < 0 else '+'}{days} {time_text(ms, 3)}"
    return v  # of collections: written with the source


def round_decimal(v, t):
    p, s = parameters(t) if parameters(t) else (10, 0)
    r = v.quantize(D(1).scaleb(-s), rounding=decimal.ROUND_HALF_UP)
    return None if abs(r) >= D(10) ** (p - s) else r


def real_to_integer(v, bits):
    if v != v:
        return 0
    wide = max(bits, 32)
    low, high = -(1 << (wide - 1)), (1 << (wide - 1)) - 1
    n = low if v <= low else high if v >= high else int(v)
    return wrap(n, bits)


def to_float32(x):
    try:
        return struct.unpack("f", struct.pack("f", x))[0]
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")


def parse_integer(s, bits):
    s = s.strip(" ")
    m = re.fullmatch(r"([+-]?\d+)(\.\d*)?", s)
    if not m or not -(1 << (bits - 1)) <= int(m[1]) < 1 << (bits - 1):
        raise Fails
    return int(m[1])


def parse_decimal(s, t):
    if "_" in s:  # Python's own
        raise Fails
    try:
        v = round_decimal(D(s.strip(" ")), t)
    except decimal.InvalidOperation:
        raise Fails from None
    if v is None:
        raise Fails
    return v


def parse_real(s):
    s = s.strip(" ")
    if not re.fullmatch(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?)", s):
        raise Fails
    return float(s.rstrip("dDfF") if not s.endswith(("NaN", "Infinity")) else s.replace("Infinity", "inf"))


def parse_boolean(s):
    s = s.strip(" ").lower()
    if s in ("t", "true", "y", "yes", "1"):
        return True
    if s in ("f", "false", "n", "no", "0"):
        return False
    raise Fails


def parse_date(s):
    m = re.fullmatch(r"(\d{1,4})(?:-(\d{1,2})(?:-(\d{1,2})(?: .*)?)?)?", s.strip(" "))
    try:
        return datetime.date(int(m[1]), int(m[2] or 1), int(m[3] or 1))
    except (TypeError, ValueError):
        raise Fails from None


def parse_time(s, p):
    m = re.fullmatch(r"(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?", s.strip(" "))
    if not m or int(m[1]) > 23 or int(m[2] or 0) > 59 or int(m[3] or 0) > 59:
        raise Fails
    ms = int((m[4] or "").ljust(3, "0")[:3]) if p > 0 else 0
    ms = ms // 10 ** (3 - p) * 10 ** (3 - p) if p < 3 else ms
    return ((int(m[1]) * 60 + int(m[2] or 0)) * 60 + int(m[3] or 0)) * 1000 + ms


def parse_stamp(s, p):
    m = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?)?", s.strip(" "))
    try:
        when = datetime.datetime(*(int(g or 0) for g in m.groups()[:6]))
    except (TypeError, ValueError, AttributeError):
        raise Fails from None
    return cut((when, int((m[7] or "").ljust(9, "0"))), p)


def cut(stamp, p):
    return stamp[0], stamp[1] // 10 ** (9 - p) * 10 ** (9 - p)


def fit_bytes(v, t):
    n = parameters(t)
    if not n:
        return v
    return v[: n[0]].ljust(n[0], b"\0") if base(t) == "BINARY" else v[: n[0]]


def fit_text(v, t):
    n = parameters(t)
    if not n:
        return v
    return v[: n[0]].ljust(n[0]) if base(t) == "CHAR" else v[: n[0]]


NUMBERS = set(BITS) | {"DECIMAL", "FLOAT", "DOUBLE"}
STRINGS, BYTES = {"CHAR", "VARCHAR", "STRING"}, {"BINARY", "VARBINARY", "BYTES"}


def from_string(v, t):
    b = base(t)
    if b in BYTES:
        return fit_bytes(v.encode(), t)
    if b == "BOOLEAN":
        return parse_boolean(v)
    if b in BITS:
        return parse_integer(v, BITS[b])
    if b == "DECIMAL":
        return parse_decimal(v, t)
    if b in ("FLOAT", "DOUBLE"):
        return to_float32(parse_real(v)) if b == "FLOAT" else parse_real(v)
    if b == "DATE":
        return parse_date(v)
    if b == "TIME":
        return parse_time(v, parameters(t)[0])
    if b in ("TIMESTAMP", "TIMESTAMP_LTZ"):
        return parse_stamp(v, parameters(t)[0])
    raise NotThere


def from_number(v, s, t):
    b = base(t)
    exact = D(v) if base(s) not in ("FLOAT", "DOUBLE") else None
    if b == "BOOLEAN":
        return v != 0
    if b in BITS:
        return wrap(int(v), BITS[b]) if exact is not None else real_to_integer(v, BITS[b])
    if b == "DECIMAL":
        if exact is None and (v != v or v in (float("inf"), float("-inf"))):
            raise NotThere  # left to others
        return round_decimal(exact if exact is not None else D(java_text(v, False)), t)
    if b == "DOUBLE":
        return float(v)
    if b == "FLOAT":
        return to_float32(float(v))
    raise NotThere


def from_time(v, s, t):
    b, f = base(t), base(s)
    p = (parameters(t) or [6])[0]
    if f == "DATE":
        when = (datetime.datetime.combine(v, datetime.time()), 0)
    elif f == "TIME":
        when = (EPOCH + datetime.timedelta(seconds=v // 1000), v % 1000 * 1000000)
    else:
        when = v
    if b == "DATE" and f != "TIME":
        return when[0].date()
    if b == "TIME" and f != "DATE":
        ms = int((when[0] - datetime.datetime.combine(when[0].date(), datetime.time())).total_seconds()) * 1000 + when[1] // 1000000
        return ms // 10 ** (3 - min(p, 3)) * 10 ** (3 - min(p, 3))
    if b in ("TIMESTAMP", "TIMESTAMP_LTZ"):  # the wall clock of the zone stays
        return cut(when, p)
    raise NotThere


def cast(v, s, t):
    """The value v of type s as t, as the text that is shown."""
    b, f = base(t), base(s)
    if f == "INTERVAL" and b == "INTERVAL" or (f == "BOOLEAN" and b == "BOOLEAN"):
        return to_text(v, t)
    if b in STRINGS:
        return fit_text(to_text(v, s), t)
    if f in STRINGS:
        return to_text(from_string(v, t), t)
    if f in BYTES and b in BYTES:
        return to_text(fit_bytes(v, t), t)
    if f == "BOOLEAN" and b in NUMBERS:
        return to_text(from_number(int(v), "INT", t), t)
    if f in NUMBERS:
        r = from_number(v, s, t)
        return "NULL" if r is None else to_text(r, t)
    if f in ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ"):
        return to_text(from_time(v, s, t), t)
    raise NotThere


# ---- the matrix --------------------------------------------------------------------------------------------


def stamp(text, nanos=0):
    return datetime.datetime.fromisoformat(text), nanos


# type: [(SQL, value)]
SOURCES = {
    "STRING": [(f"'{s}'", s) for s in (
        "", "0", "1", "-1", " 42 ", "127", "128", "-32769", "2147483648", "99999999999999999999", "3.99", "-0.5", "1e3", "1.", "+7", "0x1F", "1_0",
        "12.345", "999.995", "NaN", "-Infinity", "1e400", "true", "YES", "f", "nope", "2020-02-29", "2021-02-29", "2020-2-3", "2020", "2020-13-01",
        "12:34:56", "12:34:56.789", "24:00:00", "7:5", "2020-01-02 03:04:05", "2020-01-02 03:04:05.123456789", "2020-01-02T03:04:05", "abcdef", "äöü€",
    )],
    "BYTES": [("X'414243'", b"ABC"), ("X''", b""), ("X'61'", b"a")],
    "BOOLEAN": [("TRUE", True), ("FALSE", False)],
    "TINYINT": [(f"CAST({n} AS TINYINT)", n) for n in (0, 127, -128)],
    "SMALLINT": [(f"CAST({n} AS SMALLINT)", n) for n in (128, -32768)],
    "INT": [(str(n), n) for n in (0, 1, 65536, 2147483647)] + [("(-2147483647 - 1)", -2147483648)],
    "BIGINT": [(str(n), n) for n in (2147483648, 9223372036854775807)] + [("CAST(-300 AS BIGINT)", -300)],
    "DECIMAL(20, 3)": [(f"CAST({n} AS DECIMAL(20, 3))", D(n)) for n in ("0.000", "1.500", "-2.500", "127.999", "999.995", "12345678901234567.891", "-99999.999")],
    "FLOAT": [(f"CAST({n} AS FLOAT)", to_float32(float(n))) for n in ("0.1", "-3.99", "16777217", "1e10", "3.4e38", "1e-5")],
    "DOUBLE": [(f"CAST({n} AS DOUBLE)", float(n)) for n in ("0", "-0.5", "2.5", "1e7", "9999999.5", "1e-3", "0.00099", "1e19", "-1e300")]
    + [("CAST('NaN' AS DOUBLE)", float("nan")), ("CAST('Infinity' AS DOUBLE)", float("inf"))],
    "DATE": [(f"DATE '{d}'", datetime.date.fromisoformat(d)) for d in ("1970-01-01", "2020-02-29", "0001-01-01", "9999-12-31", "1969-12-31")],
    "TIME(0)": [("TIME '00:00:00'", 0), ("TIME '23:59:59'", 86399000)],
    "TIME(3)": [("TIME '12:34:56.789'", 45296789)],
    "TIMESTAMP(0)": [("TIMESTAMP '2020-03-29 02:30:00'", stamp("2020-03-29 02:30:00")), ("TIMESTAMP '1969-12-31 23:59:59'", stamp("1969-12-31 23:59:59"))],
    "TIMESTAMP(9)": [("TIMESTAMP '2020-01-02 03:04:05.123456789'", stamp("2020-01-02 03:04:05", 123456789)),
                     ("TIMESTAMP '1900-01-01 00:00:00.999999999'", stamp("1900-01-01 00:00:00", 999999999))],
    "TIMESTAMP_LTZ(3)": [("CAST(TIMESTAMP '2020-07-01 12:00:00.250' AS TIMESTAMP_LTZ(3))", stamp("2020-07-01 12:00:00", 250000000))],
    "INTERVAL MONTH": [("INTERVAL '1-2' YEAR TO MONTH", 14), ("INTERVAL '-5' MONTH", -5), ("INTERVAL '10' YEAR", 120)],
    "INTERVAL SECOND(3)": [("INTERVAL '1 02:03:04.5' DAY TO SECOND", 93784500), ("INTERVAL '-90' MINUTE", -5400000), ("INTERVAL '0' SECOND", 0)],
    "ARRAY<INT>": [("ARRAY[1, CAST(NULL AS INT), 3]", "[1, NULL, 3]")],
    "MAP<STRING, INT>": [("MAP['a', 1, 'b', 2]", "{a=1, b=2}")],
    "ROW<a INT, b STRING>": [("CAST(ROW(1, 'x') AS ROW<a INT, b STRING>)", "(1, x)")],
}  # fmt: skip
TARGETS = [
    "CHAR(4)", "VARCHAR(3)", "STRING", "BINARY(2)", "VARBINARY(4)", "BYTES", "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL(5, 2)", "DECIMAL(38, 18)",
    "FLOAT", "DOUBLE", "DATE", "TIME(0)", "TIME(3)", "TIMESTAMP(0)", "TIMESTAMP(3)", "TIMESTAMP(9)", "TIMESTAMP_LTZ(3)", "INTERVAL MONTH", "INTERVAL SECOND(3)",
]  # fmt: skip
# Casts of these are written by hand: their types have more than one way, or rules of their own.
BY_HAND = {("INTERVAL", "INT"), ("INTERVAL", "BIGINT"), ("BIGINT", "INTERVAL"), ("INT", "INTERVAL"), ("TINYINT", "INTERVAL"), ("SMALLINT", "INTERVAL"),
           ("INTERVAL", "INTERVAL"), ("TIMESTAMP_LTZ", "TIMESTAMP_LTZ")}  # fmt: skip


def is_sure(sql, value, source, target):
    """Combinations whose rule is known for certain."""
    if (base(source), base(target)) in BY_HAND or (base(source) == base(target) and source == target):
        return False
    if base(target) == "TIMESTAMP_LTZ" and "02:30" in sql:
        return False  # there is no such time in the zone
    if base(source) in BYTES and base(target) in BYTES | STRINGS and parameters(target) and base(target) in ("BINARY",):
        return value != b"" and len(value) >= parameters(target)[0]
    if base(source) in STRINGS and base(target) in BYTES:
        return not (base(target) == "BINARY" and len(value.encode()) < parameters(target)[0]) and value.isascii()
    if base(source) in STRINGS and base(target) in ("FLOAT", "DOUBLE") and value in ("0x1F", "1_0"):
        return value == "1_0"
    if base(target) in STRINGS and base(source) in STRINGS and value == "":
        return False
    if base(source) in STRINGS and base(target) in ("DATE", "TIMESTAMP", "TIMESTAMP_LTZ") and value == "0":
        return False  # the year 0, which Python has not
    if base(source) in STRINGS and base(target) in STRINGS | BYTES | {"BOOLEAN"}:
        return value in ("", "1", " 42 ", "abcdef", "äöü€", "2020-01-02 03:04:05", "true", "YES", "f", "nope", "0", "-1")
    return True


NAMES = {"BYTES": "BYTES", "STRING": "STRING"}


def lines_of(source, target):
    is_there, failures = False, 0
    for sql, value in SOURCES[source]:
        if not is_sure(sql, value, source, target):
            continue
        try:
            text = cast(value, source, target)
        except NotThere:
            if source in ("FLOAT", "DOUBLE") and base(target) == "DECIMAL":
                continue
            yield f"CAST({sql} AS {target}) !! Cast function cannot convert value of type"
            return
        except Fails:
            is_there, failures = True, failures + 1
            if failures <= 6:
                yield f"CAST({sql} AS {target}) !! Cannot cast {sql}"
                if failures % 3 == 1:
                    yield f"TRY_CAST({sql} AS {target}) -- NULL :: {target}"
            continue
        first = not is_there
        is_there = True
        if text.endswith(" ") or not text.isprintable():
            text = text if text.isprintable() else None
        if text is not None:
            yield f"CAST({sql} AS {target}) -- {text} :: {target} NOT NULL" if text != "NULL" else f"CAST({sql} AS {target}) -- NULL"
            if first:
                yield f"TRY_CAST({sql} AS {target}) -- {text} :: {target}"
    if is_there:
        yield f"CAST(CAST(NULL AS {source}) AS {target}) -- NULL :: {target}"


def make():
    """{file: text}"""
    files = {}
    for source in SOURCES:
        name = re.sub(r"\W+", "_", base(source).lower())
        out = files.setdefault(name, [f"# Made by tests/sql/generate/casts.py: {base(source)} to every other type, in Europe/Berlin."])
        for target in TARGETS:
            out += lines_of(source, target)
    return {name: "\n".join(dict.fromkeys(out)) + "\n" for name, out in files.items()}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--check", action="store_true")
    args.add_argument("--out", default=os.path.join(HERE, "..", "casts"))
    args = args.parse_args()
    wrong, n = 0, 0
    os.makedirs(args.out, exist_ok=True)
    for name, text in make().items():
        path = os.path.join(args.out, f"{name}.test")
        n += text.count("\n") - 1
        if args.check:
            with open(path, encoding="utf-8") as f:
                is_same = f.read() == text
            wrong += not is_same
            print(f"{name}: {'as committed' if is_same else 'not what is committed'}")
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
    print(f"{n} statements")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
