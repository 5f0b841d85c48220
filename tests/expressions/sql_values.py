"""Values of the reference interpreter and what SQL does with them, one at a time.

NULL is None; integers, dates (days), times (ms) and intervals (months, ms) are int; DECIMAL is the unscaled int; FLOAT and
DOUBLE float; timestamps are nanoseconds since 1970 as int; strings str, bytes bytes, arrays tuples, maps tuples of pairs.
"""

import ctypes
import math
import re
import zoneinfo
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from sql_types import INTEGERS, kind

DAY_MS = 86400000
DAY_NS = DAY_MS * 10**6
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
WIDE = Context(prec=2000, rounding=ROUND_HALF_UP, Emax=100000, Emin=-100000)


class SqlError(Exception):
    """What fails the job."""


class Unknown(Exception):
    """What the rules leave open: the row is not compared."""


# ---- numbers --------------------------------------------------------------------------------------------


def wrap(v, bits):
    v &= (1 << bits) - 1
    return v - (1 << bits) if v >> (bits - 1) else v


def to_float(x):
    return ctypes.c_float(x).value


def int_to_float(v):
    """One rounding, not two by way of a double."""
    n = abs(v).bit_length()
    if n > 53:
        shift = n - 24
        quotient, rest = divmod(abs(v), 1 << shift)
        half = 1 << (shift - 1)
        quotient += rest > half or (rest == half and quotient & 1)
        return math.copysign(float(quotient << shift), v)
    return to_float(v)


def divide_half_up(a, b):
    """a / b of integers, rounded half away from zero."""
    q, r = divmod(abs(a), abs(b))
    q += 2 * r >= abs(b)
    return -q if (a < 0) != (b < 0) else q


def divide_cut(a, b):
    q = abs(a) // abs(b)
    return -q if (a < 0) != (b < 0) else q


def rescale(v, s, to_s, cut=False):
    if to_s >= s:
        return v * 10 ** (to_s - s)
    return (divide_cut if cut else divide_half_up)(v, 10 ** (s - to_s))


def fits(v, p):
    """The unscaled value, or NULL when it has too many digits."""
    return v if abs(v) < 10**p else None


def of_decimal(d, t):
    """A decimal.Decimal as a value of DECIMAL(p, s)."""
    return fits(int(d.scaleb(t.s, WIDE).to_integral_value(ROUND_HALF_UP, WIDE)), t.p)


def to_decimal(v, t):
    return Decimal(v).scaleb(-t.s, WIDE)


def real_of(v, t):
    """A number of any type as a double."""
    if t.id == "DECIMAL":
        return v / 10**t.s
    return float(v)


def compare_key(v, t):
    """For exact comparisons of numbers of different types."""
    return (v, 10**t.s) if t.id == "DECIMAL" else (v, 1)


def java_text(x, is_float=False):
    """Double.toString, Float.toString."""
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    sign = "-" if math.copysign(1, x) < 0 else ""
    x = abs(x)
    if x == 0:
        return sign + "0.0"
    shortest = repr(x)
    if is_float:
        shortest = next(t for t in (f"{x:.{n}e}" for n in range(1, 10)) if to_float(float(t)) == x)
    elif float(f"{x:.1e}") == x:  # of one digit there are always two
        shortest = f"{x:.1e}"
    digits = Decimal(shortest).normalize(WIDE).as_tuple()
    number, e = "".join(map(str, digits.digits)), len(digits.digits) + digits.exponent - 1
    if 1e-3 <= x < 1e7:
        if e < 0:
            return f"{sign}0.{'0' * (-e - 1)}{number}"
        number = number.ljust(e + 2, "0")
        return f"{sign}{number[:e + 1]}.{number[e + 1:]}"
    return f"{sign}{number[0]}.{number[1:] or '0'}E{e}"


def real_divide(a, b):
    if b != 0 or math.isnan(b):
        try:
            return a / b
        except OverflowError:
            return math.copysign(math.inf, a) * math.copysign(1, b)
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b)


def real_to_int(x, bits):
    if math.isnan(x):
        return 0
    wide = 64 if bits == 64 else 32
    low, high = -(1 << (wide - 1)), (1 << (wide - 1)) - 1
    v = (high if x > 0 else low) if math.isinf(x) else min(max(math.trunc(x), low), high)
    return wrap(v, bits)


# ---- dates ----------------------------------------------------------------------------------------------


def days_of(y, m, d):
    """Days since 1970 in the proleptic Gregorian calendar."""
    y -= m <= 2
    era = y // 400
    year = y - era * 400
    day = (153 * (m + (-3 if m > 2 else 9)) + 2) // 5 + d - 1
    return era * 146097 + year * 365 + year // 4 - year // 100 + day - 719468


def date_of(days):
    days += 719468
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    rest = day - (365 * year + year // 4 - year // 100)
    m = (5 * rest + 2) // 153
    month = m + 3 if m < 10 else m - 9
    return year + era * 400 + (month <= 2), month, rest - (153 * m + 2) // 5 + 1


def month_days(y, m):
    return (31, 29 if y % 4 == 0 and (y % 100 != 0 or y % 400 == 0) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[m - 1]


def add_months(days, n):
    y, m, d = date_of(days)
    at = y * 12 + m - 1 + n
    y, m = at // 12, at % 12 + 1
    return days_of(y, m, min(d, month_days(y, m)))


def check_days(days):
    """Dates outside of SQL's years are not compared."""
    if not -719528 <= days <= 2932896:
        raise Unknown
    return days


def local_of(ns):
    """The instant as local nanoseconds of the session's zone."""
    seconds, rest = divmod(ns, 10**9)
    if not -2208988800 <= seconds <= 4102444800:
        raise Unknown
    at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return ns + int(at.astimezone(ZONE).utcoffset().total_seconds()) * 10**9


def instant_of(ns):
    seconds, rest = divmod(ns, 10**9)
    if not -2208988800 <= seconds <= 4102444800:
        raise Unknown
    at = datetime(1970, 1, 1, tzinfo=ZONE) + timedelta(seconds=seconds)
    return ns - int(at.utcoffset().total_seconds()) * 10**9


def cut(ns, p):
    unit = 10 ** (9 - p)
    return ns // unit * unit


def date_text(days):
    return "{:04d}-{:02d}-{:02d}".format(*date_of(check_days(days)))


def clock_text(ns, p):
    seconds, rest = divmod(ns, 10**9)
    fraction = f".{rest:09d}"[: p + 1] if p > 0 else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def timestamp_text(ns, p):
    return f"{date_text(ns // DAY_NS)} {clock_text(ns % DAY_NS, p)}"


def parse_date(s):
    m = re.fullmatch(r"(\d+)(?:-(\d{1,2})(?:-(\d{1,2}))?)?", s.strip(" ").split(" ")[0], re.A)
    if not m:
        raise SqlError("date")
    y, month, d = (int(m[i] or 1) for i in (1, 2, 3))
    if len(m[1]) != 4:
        raise Unknown
    if not (1 <= month <= 12 and 1 <= d <= month_days(y, month)):
        raise SqlError("date")
    return days_of(y, month, d)


def parse_clock(s, unit_digits):
    m = re.fullmatch(r"(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?", s, re.A)
    if not m:
        raise SqlError("time")
    h, minute, second = (int(m[i] or 0) for i in (1, 2, 3))
    if h > 23 or minute > 59 or second > 59:
        raise SqlError("time")
    fraction = int((m[4] or "0").ljust(9, "0"))
    return (h * 3600 + minute * 60 + second) * 10**unit_digits + fraction // 10 ** (9 - unit_digits)


def parse_timestamp(s):
    s = s.strip(" ")
    day, _, clock = s.partition(" ")
    if not re.fullmatch(r"\d+-\d{1,2}-\d{1,2}", day, re.A):
        raise SqlError("timestamp")
    return parse_date(day) * DAY_NS + (parse_clock(clock, 9) if clock else 0)


# ---- casts ----------------------------------------------------------------------------------------------


def parse_int(s, bits):
    s = s.strip(" ")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d*)", s, re.A):
        raise SqlError("integer")
    whole = int(re.match(r"[+-]?\d*", s)[0].strip("+-") or 0)
    v = -whole if s[0] == "-" else whole
    if not -(1 << (bits - 1)) <= v < 1 << (bits - 1):
        raise SqlError("integer")
    return v


def parse_real(s, is_float):
    s = s.strip(" ")
    if not re.fullmatch(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?)", s, re.A):
        raise SqlError("number")
    v = float(re.sub(r"(?<=[\d.])[fFdD]$", "", s))
    return to_float(v) if is_float else v


def parse_decimal(s, t):
    s = s.strip(" ")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", s, re.A):
        raise SqlError("decimal")
    try:
        v = of_decimal(Decimal(s), t)
    except InvalidOperation:
        raise SqlError("decimal") from None
    if v is None:
        raise SqlError("decimal")
    return v


def parse_bool(s):
    word = s.strip(" ").lower()
    if word in ("t", "true", "y", "yes", "1"):
        return True
    if word in ("f", "false", "n", "no", "0"):
        return False
    raise SqlError("boolean")


def months_text(v):
    return f"{'-' if v < 0 else '+'}{abs(v) // 12}-{abs(v) % 12:02d}"


def millis_text(v):
    days, rest = divmod(abs(v), DAY_MS)
    return f"{'-' if v < 0 else '+'}{days} {clock_text(rest * 10**6, 3)}"


def to_text(v, t):
    """As a string without limits."""
    k = kind(t)
    if k == "str":
        return v
    if k == "bool":
        return "TRUE" if v else "FALSE"
    if k == "int":
        return str(v)
    if k == "dec":
        sign, digits = "-" if v < 0 else "", str(abs(v)).rjust(t.s + 1, "0")
        return f"{sign}{digits[:-t.s]}.{digits[-t.s:]}" if t.s else sign + digits
    if k == "real":
        return java_text(v, t.id == "FLOAT")
    if k == "bin":
        try:
            return v.decode("utf-8")
        except UnicodeDecodeError:
            raise Unknown from None
    if k == "date":
        return date_text(v)
    if k == "time":
        return clock_text(v * 10**6, t.p)
    if k == "ts":
        return timestamp_text(v, t.p)
    if k == "ltz":
        return timestamp_text(local_of(v), t.p)
    if k == "months":
        return months_text(v)
    if k == "millis":
        return millis_text(v)
    if k == "array":
        return "[" + ", ".join("NULL" if x is None else to_text(x, t.of[0]) for x in v) + "]"
    raise Unknown


def to_number(v, f, t):
    """Numbers and BOOLEAN to numbers."""
    if kind(f) == "bool":
        v, f = int(v), f._replace(id="INT")
    if kind(t) == "int":
        if kind(f) == "real":
            return real_to_int(v, INTEGERS[t.id])
        return wrap(divide_cut(v, 10**f.s) if f.id == "DECIMAL" else v, INTEGERS[t.id])
    if kind(t) == "dec":
        if kind(f) == "real":
            if not math.isfinite(v):
                raise Unknown
            return of_decimal(Decimal(repr(v)), t)
        return fits(rescale(v, f.s if f.id == "DECIMAL" else 0, t.s), t.p)
    if kind(f) == "int" and t.id == "FLOAT":
        return int_to_float(v)
    real = real_of(v, f)
    return to_float(real) if t.id == "FLOAT" else real


def from_text(v, t):
    k = kind(t)
    if k == "bool":
        return parse_bool(v)
    if k == "int":
        return parse_int(v, INTEGERS[t.id])
    if k == "dec":
        return parse_decimal(v, t)
    if k == "real":
        return parse_real(v, t.id == "FLOAT")
    if k == "date":
        return parse_date(v)
    if k == "time":
        ms = parse_clock(v.strip(" "), 3)
        return ms // 10 ** (3 - min(t.p, 3)) * 10 ** (3 - min(t.p, 3))
    if k == "ts":
        return cut(parse_timestamp(v), t.p)
    if k == "ltz":
        return cut(instant_of(parse_timestamp(v)), t.p)
    raise Unknown


def sized(v, t):
    """Strings and bytes cut, and padded, to their type."""
    pad = " " if isinstance(v, str) else b"\0"
    v = v[: t.p]
    return v.ljust(t.p, pad) if t.id in ("CHAR", "BINARY") else v


def between_times(v, f, t):
    """Among DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ."""
    if f.id == "DATE":
        local = v * DAY_NS
    elif f.id == "TIME":
        local = v * 10**6
    else:
        local = local_of(v) if f.id == "TIMESTAMP_LTZ" and t.id != "TIMESTAMP_LTZ" else v
    if t.id == "DATE":
        return local // DAY_NS
    if t.id == "TIME":
        unit = 10 ** (9 - min(t.p, 3))
        return local % DAY_NS // unit * unit // 10**6
    if t.id == "TIMESTAMP_LTZ" and f.id != "TIMESTAMP_LTZ":
        local = instant_of(local)
    return cut(local, t.p)


NUMBERS = ("bool", "int", "dec", "real")
TIMES = ("date", "time", "ts", "ltz")


def can_cast(f, t):
    a, b = kind(f), kind(t)
    if "array" in (a, b) or "map" in (a, b):
        return a == "array" and b == "str"
    if b == "str" or a == b:
        return True
    if a == "str":
        return b not in ("months", "millis")
    if a in NUMBERS and b in NUMBERS:
        return True
    return (a, b) in (("date", "ts"), ("date", "ltz"), ("ts", "date"), ("ltz", "date"), ("ts", "time"),
                      ("ltz", "time"), ("ts", "ltz"), ("ltz", "ts"), ("time", "ts"), ("time", "ltz"))


def cast(v, f, t):
    """SqlError when the text cannot be read."""
    a, b = kind(f), kind(t)
    if b == "str":
        return sized(to_text(v, f), t)
    if b == "bin":
        return sized(v.encode() if a == "str" else v, t)
    if a == "str":
        return from_text(v, t)
    if b == "bool":
        return v if a == "bool" else v != 0
    if a in NUMBERS:
        return to_number(v, f, t)
    if a in TIMES:
        return between_times(v, f, t)
    return v


def cell(v, t):
    """As the runner prints it."""
    if v is None:
        return "~"
    k = kind(t)
    if k == "bool":
        return "1" if v else "0"
    if k == "real":
        if t.id == "FLOAT":
            return f"x{ctypes.c_uint32.from_buffer(ctypes.c_float(v)).value:08x}"
        return f"x{ctypes.c_uint64.from_buffer(ctypes.c_double(v)).value:016x}"
    if k in ("str", "bin"):
        return "=" + (v.encode() if k == "str" else v).hex()
    if k in ("ts", "ltz"):
        millis, nanos = divmod(v, 10**6)
        return f"{millis}:{nanos}"
    if k == "array":
        return "[" + ";".join(cell(x, t.of[0]) for x in v) + "]"
    if k == "map":
        return "{" + ";".join(f"{cell(a, t.of[0])}:{cell(b, t.of[1])}" for a, b in v) + "}"
    return str(v)
