"""Fields, units, arithmetic of dates, times and intervals, one at a time."""

import datetime

from generator import call, fail, producer
from sql_types import BIGINT, DATE, INT, MILLIS, MONTHS, kind, time, timestamp
from sql_values import (
    DAY_MS, DAY_NS, Unknown, add_months, check_days, cut, date_of, days_of, divide_cut, instant_of, local_of, wrap, date_text,
    timestamp_text,
)

TABLE = {}


def local_parts(v, t):
    """(days, nanoseconds of the day) as the session sees it."""
    if t.id == "DATE":
        return v, 0
    if t.id == "TIME":
        return 0, v * 10**6
    return divmod(local_of(v) if t.id == "TIMESTAMP_LTZ" else v, DAY_NS)


def iso(days):
    if not 1 <= date_of(days)[0] <= 9998:
        raise Unknown
    return datetime.date(*date_of(days)).isocalendar()


def decade(y):
    return y // 10


FIELDS = {
    "YEAR": lambda d, n: date_of(d)[0],
    "QUARTER": lambda d, n: (date_of(d)[1] + 2) // 3,
    "MONTH": lambda d, n: date_of(d)[1],
    "DAY": lambda d, n: date_of(d)[2],
    "WEEK": lambda d, n: iso(d)[1],
    "ISOYEAR": lambda d, n: iso(d)[0],
    "DOW": lambda d, n: (d + 4) % 7 + 1,
    "ISODOW": lambda d, n: (d + 3) % 7 + 1,
    "DOY": lambda d, n: d - days_of(date_of(d)[0], 1, 1) + 1,
    "DECADE": lambda d, n: decade(date_of(d)[0]),
    "CENTURY": lambda d, n: (date_of(d)[0] + 99) // 100,
    "MILLENNIUM": lambda d, n: (date_of(d)[0] + 999) // 1000,
}
CLOCK_FIELDS = {
    "HOUR": lambda d, n: n // (3600 * 10**9),
    "MINUTE": lambda d, n: n // (60 * 10**9) % 60,
    "SECOND": lambda d, n: n // 10**9 % 60,
    "MILLISECOND": lambda d, n: n // 10**6 % 60000,
}
NAMED = {"YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH", "WEEK": "WEEK", "DAYOFYEAR": "DOY", "DAYOFMONTH": "DAY",
         "DAYOFWEEK": "DOW"}


@producer(TABLE, "int", weight=4)
def field_node(g, depth, k):
    source = g.random.choice(("date", "ts", "ltz", "time"))
    x = g.any(source, depth)
    t = x.type
    fields = CLOCK_FIELDS if source == "time" else FIELDS if source == "date" else {**FIELDS, **CLOCK_FIELDS}
    unit = g.random.choice(list(fields))
    f = fields[unit]
    form = f"EXTRACT({unit} FROM {{0}})"
    if source != "time" and unit in NAMED.values() and g.random.random() < 0.5:
        form = next(n for n, u in NAMED.items() if u == unit) + "({0})"
    elif unit in ("HOUR", "MINUTE", "SECOND") and g.random.random() < 0.5:
        form = unit + "({0})"

    def field(v):
        days, ns = local_parts(v, t)
        return f(check_days(days), ns)
    return call(form, BIGINT, field, x)


@producer(TABLE, "int")
def epoch_node(g, depth, k):
    x = g.any(g.random.choice(("date", "ts", "ltz")), depth)
    t = x.type

    def epoch(v):
        return v * 86400 if t.id == "DATE" else v // 10**9
    return call("EXTRACT(EPOCH FROM {0})", BIGINT, epoch, x)


# ---- units ----------------------------------------------------------------------------------------------


def floor_days(days, unit):
    y, m, _ = date_of(days)
    if unit == "WEEK":
        return days - (days + 4) % 7
    if unit in ("DECADE", "CENTURY", "MILLENNIUM"):
        n = {"DECADE": 10, "CENTURY": 100, "MILLENNIUM": 1000}[unit]
        first = y // n * n if unit == "DECADE" else (y - 1) // n * n + 1
        return days_of(first, 1, 1)
    if unit == "DAY":
        return days
    return days_of(y, {"YEAR": 1, "QUARTER": (m - 1) // 3 * 3 + 1, "MONTH": m}[unit], 1)


UNIT_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12, "DECADE": 120, "CENTURY": 1200, "MILLENNIUM": 12000}
UNIT_NS = {"HOUR": 3600 * 10**9, "MINUTE": 60 * 10**9, "SECOND": 10**9, "MILLISECOND": 10**6}


def floor_of(days, ns, unit, up):
    """Both as (days, ns)."""
    if unit in UNIT_NS:
        total = days * DAY_NS + ns
        n = UNIT_NS[unit]
        total = (-(-total // n) if up else total // n) * n
        return divmod(total, DAY_NS)
    first = floor_days(days, unit)
    if up and (first, 0) != (days, ns):
        first = first + {"WEEK": 7, "DAY": 1}[unit] if unit in ("WEEK", "DAY") else add_months(first, UNIT_MONTHS[unit])
    return first, 0


@producer(TABLE, "date", "ts", "ltz", "time", weight=2)
def floor_node(g, depth, k):
    x, up = g.any(k, depth), g.random.random() < 0.5
    t = x.type
    units = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DECADE", "CENTURY", "MILLENNIUM"]
    if k in ("ts", "ltz"):
        units += list(UNIT_NS)
    if k == "time":
        units = ["HOUR", "MINUTE", "SECOND"]
    unit = g.random.choice(units)

    def floored(v):
        days, ns = local_parts(v, t)
        days, ns = floor_of(check_days(days), ns, unit, up)
        if t.id == "DATE":
            return check_days(days)
        if t.id == "TIME":
            return (days * DAY_NS + ns) // 10**6 % DAY_MS
        at = check_days(days) * DAY_NS + ns
        return cut(instant_of(at) if t.id == "TIMESTAMP_LTZ" else at, t.p)
    return call(f"{'CEIL' if up else 'FLOOR'}({{0}} TO {unit})", t, floored, x)


# ---- arithmetic -----------------------------------------------------------------------------------------


def moved(v, t, by, is_months):
    if t.id == "DATE":
        return check_days(add_months(v, by) if is_months else v + divide_cut(by, DAY_MS))
    if t.id == "TIME":
        return v if is_months else cut((v + by) % DAY_MS * 10**6, t.p) // 10**6
    days, ns = divmod(v, DAY_NS)
    if is_months:
        return check_days(add_months(days, by)) * DAY_NS + ns
    v += by * 10**6
    check_days(v // DAY_NS)
    return cut(v, t.p)


@producer(TABLE, "date", "ts", "ltz", "time", weight=3)
def moved_node(g, depth, k):
    x = g.any(k, depth)
    by = g.any("millis" if k == "time" or g.random.random() < 0.5 else "months", depth)
    t, is_months = x.type, by.type == MONTHS
    if g.random.random() < 0.5:
        return call("({0} - {1})", t, lambda v, n: moved(v, t, -n, is_months), x, by)
    return call("({0} + {1})", t, lambda v, n: moved(v, t, n, is_months), x, by)


@producer(TABLE, "months", "millis", weight=3)
def interval_node(g, depth, k):
    t, bits = (MONTHS, 32) if k == "months" else (MILLIS, 64)
    x = g.any(k, depth)
    choice = g.random.random()
    if choice < 0.5:
        y, plus = g.any(k, depth), choice < 0.25
        return call("({0} + {1})" if plus else "({0} - {1})", t, lambda a, b: wrap(a + b if plus else a - b, bits), x, y)
    if choice < 0.7:
        return call("(- {0})", t, lambda a: wrap(-a, bits), x)

    def scaled(a, n):
        return wrap(a * n, bits)
    return call("({0} * {1})", t, scaled, x, g.int32(depth))


def months_between(a, b):
    """Full months from a to b, nanoseconds both."""
    if a > b:
        return -months_between(b, a)
    (y1, m1, _), (y2, m2, _) = date_of(a // DAY_NS), date_of(b // DAY_NS)
    n = (y2 - y1) * 12 + m2 - m1
    while add_months(a // DAY_NS, n) * DAY_NS + a % DAY_NS > b:
        n -= 1
    return n


@producer(TABLE, "int", weight=2)
def difference_node(g, depth, k):
    source = g.random.choice(("ts", "date", "ltz"))
    a, b = g.any(source, depth), g.any(source, depth)
    ta, tb = a.type, b.type
    unit = g.random.choice(("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"))

    def difference(x, y):
        x, y = (v * DAY_NS if t.id == "DATE" else v for v, t in ((x, ta), (y, tb)))
        x, y = x // 10**6 * 10**6, y // 10**6 * 10**6
        if unit in UNIT_MONTHS:
            return divide_cut(months_between(x, y), UNIT_MONTHS[unit])
        seconds = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}[unit]
        return wrap(divide_cut(y - x, seconds * 10**9), 32)
    return call(f"TIMESTAMPDIFF({unit}, {{0}}, {{1}})", INT, difference, a, b)


@producer(TABLE, "date", "ts", weight=1)
def add_node(g, depth, k):
    unit = g.random.choice(("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR") if k == "ts" else
                           ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"))
    x = g.any(k, depth)
    t = x.type
    if k == "ts" and t.p > 6:
        return None

    def added(n, v):
        if abs(n) > 100000:
            raise Unknown
        if unit in UNIT_MONTHS:
            return moved(v, t, n * UNIT_MONTHS[unit], True)
        seconds = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}[unit]
        return moved(v, t, n * seconds * 1000, False)
    return call(f"TIMESTAMPADD({unit}, {{0}}, {{1}})", t, added, g.int32(depth, -40, 40), x)


# ---- as text --------------------------------------------------------------------------------------------


@producer(TABLE, "str")
def format_node(g, depth, k):
    from sql_types import STRING
    x = g.any(g.random.choice(("ts", "ltz")), depth)
    t = x.type
    pattern = g.random.choice(("yyyy-MM-dd HH:mm:ss", "yyyyMMdd", "HH:mm:ss.SSS", "dd/MM/yyyy"))

    def formatted(v):
        days, ns = local_parts(v, t)
        y, m, d = date_of(check_days(days))
        if y < 1:
            raise Unknown
        s, ms = ns // 10**9, ns // 10**6 % 1000
        parts = {"yyyy": f"{y:04d}", "MM": f"{m:02d}", "dd": f"{d:02d}", "HH": f"{s // 3600:02d}", "mm": f"{s // 60 % 60:02d}",
                 "ss": f"{s % 60:02d}", "SSS": f"{ms:03d}"}
        out = pattern
        for letters, value in parts.items():
            out = out.replace(letters, value)
        return out
    return call(f"DATE_FORMAT({{0}}, '{pattern}')", STRING, formatted, x)


__all__ = ["TABLE", "DATE", "time", "timestamp", "kind", "fail", "date_text", "timestamp_text"]
