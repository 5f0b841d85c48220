"""Functions of strings, one at a time."""

import base64
import hashlib
import re
import urllib.parse

from generator import Node, call, eager, fail, producer
from sql_types import BIGINT, BOOLEAN, BYTES, INT, STRING, char, joined, kind, text, varchar, Type
from sql_values import SqlError, Unknown

TABLE = {}


def is_wide(*texts):
    """Characters of two UTF-16 units: functions that count units are not modelled."""
    return any(ord(c) > 0xFFFF for t in texts for c in t)


def sized_type(t):
    return varchar(t.p)


# ---- parts ----------------------------------------------------------------------------------------------


def substring(s, start, length=None):
    if length is not None and length < 0:
        return None
    if start == 0:
        at = 0
    elif start > 0:
        at = start - 1
    else:
        at = len(s) + start
        if at < 0:
            return ""
    return s[at:] if length is None else s[at:at + length]


@producer(TABLE, "str", weight=2)
def substring_node(g, depth, k):
    s = g.any("str", depth)
    t = sized_type(s.type)
    name = g.random.choice(("SUBSTRING", "SUBSTR"))
    if g.random.random() < 0.5:
        return call(f"{name}({{0}}, {{1}})", t, substring, s, g.int32(depth, -4, 8))
    return call(f"{name}({{0}}, {{1}}, {{2}})", t, substring, s, g.int32(depth, -4, 8), g.int32(depth, -1, 8))


@producer(TABLE, "str")
def side_node(g, depth, k):
    s = g.any("str", depth)
    name, f = g.random.choice((
        ("LEFT", lambda v, n: v[:n] if n > 0 else ""), ("RIGHT", lambda v, n: v[max(0, len(v) - n):] if n > 0 else "")))
    return call(f"{name}({{0}}, {{1}})", sized_type(s.type), f, s, g.int32(depth))


@producer(TABLE, "str", weight=2)
def trim_node(g, depth, k):
    s = g.any("str", depth)
    where = g.random.choice(("BOTH", "LEADING", "TRAILING"))

    def trimmed(v, chars=" "):
        v = v.lstrip(chars) if where != "TRAILING" and chars else v
        return v.rstrip(chars) if where != "LEADING" and chars else v
    choice = g.random.random()
    if choice < 0.4:
        return call(f"TRIM({where} {{1}} FROM {{0}})", sized_type(s.type), trimmed, s, g.any("str", min(depth, 1)))
    if choice < 0.6:
        where = "BOTH"
        return call("TRIM({0})", sized_type(s.type), trimmed, s)
    name = {"BOTH": "BTRIM", "LEADING": "LTRIM", "TRAILING": "RTRIM"}[where]
    t = STRING if name == "BTRIM" else sized_type(s.type)
    if choice < 0.8:
        return call(f"{name}({{0}})", t, trimmed, s)
    return call(f"{name}({{0}}, {{1}})", t, trimmed, s, g.any("str", min(depth, 1)))


def split_index(s, separator, n):
    if n < 0 or not separator:
        if not separator:
            raise Unknown
        return None
    parts = s.split(separator) if s else []
    return parts[n] if n < len(parts) else None


@producer(TABLE, "str")
def split_node(g, depth, k):
    separator = g.random.choice(("','", "'b'", "'ab'", "' '"))
    return call(f"SPLIT_INDEX({{0}}, {separator}, {{1}})", STRING, lambda s, n: split_index(s, separator[1:-1], n),
                g.any("str", depth), g.int32(depth, -1, 4))


def overlay(s, r, start, n=None):
    if start <= 0 or start > len(s):
        return s
    n = len(r) if n is None else n
    if n < 0:
        raise Unknown
    return s[:start - 1] + r + s[start - 1 + n:]


@producer(TABLE, "str")
def overlay_node(g, depth, k):
    s, r = g.any("str", depth), g.any("str", depth)
    t = varchar(s.type.p + r.type.p)
    if g.random.random() < 0.5:
        return call("OVERLAY({0} PLACING {1} FROM {2})", t, overlay, s, r, g.int32(depth))
    return call("OVERLAY({0} PLACING {1} FROM {2} FOR {3})", t, overlay, s, r, g.int32(depth), g.int32(depth, 0, 8))


# ---- strings made of strings ----------------------------------------------------------------------------


@producer(TABLE, "str", weight=3)
def joined_node(g, depth, k):
    a, b = g.any("str", depth), g.any("str", depth)
    return call("({0} || {1})", joined(a.type, b.type), lambda x, y: x + y, a, b)


@producer(TABLE, "str")
def concat_node(g, depth, k):
    nodes = [g.any("str", depth) for _ in range(g.random.randint(1, 3))]
    form = ", ".join("{%d}" % i for i in range(len(nodes)))
    if g.random.random() < 0.5:
        return call(f"CONCAT({form})", STRING, lambda *v: "".join(v), *nodes)

    def with_separator(separator, *values):
        return None if separator is None else separator.join(v for v in values if v is not None)
    return eager(f"CONCAT_WS({form}, {{{len(nodes)}}})", STRING, with_separator, *nodes, g.any("str", depth))


def upper(s):
    return s.upper()


def lower(s):
    return s.lower()


def initcap(s):
    out, inside = [], False
    for c in s:
        is_word = c.isascii() and c.isalnum()
        if is_word:
            c = c.lower() if inside else c.upper()
        inside = is_word
        out.append(c)
    return "".join(out)


@producer(TABLE, "str", weight=2)
def case_of_letters_node(g, depth, k):
    s = g.any("str", depth)
    name, f = g.random.choice((("UPPER", upper), ("LOWER", lower), ("INITCAP", initcap)))
    return call(f"{name}({{0}})", s.type, f, s)


def padded(s, n, pad, left):
    if is_wide(s, pad):
        raise Unknown
    if n < 0 or pad == "":
        return None
    if n <= len(s):
        return s[:n]
    fill = (pad * n)[:n - len(s)]
    return fill + s if left else s + fill


@producer(TABLE, "str")
def pad_node(g, depth, k):
    left, n = g.random.random() < 0.5, g.random.randint(-1, 20)
    return call(f"{'LPAD' if left else 'RPAD'}({{0}}, {n}, {{1}})", STRING, lambda s, p: padded(s, n, p, left),
                g.any("str", depth), g.any("str", min(depth, 1)))


@producer(TABLE, "str")
def repeat_node(g, depth, k):
    n = g.random.randint(-1, 4)
    if g.random.random() < 0.5:
        return call("REVERSE({0})", STRING, lambda v: v[::-1], g.any("str", depth))
    return call(f"REPEAT({{0}}, {n})", STRING, lambda v: v * max(n, 0), g.any("str", depth))


def translate(s, old, new):
    if s is None:
        return None
    if not old:
        return s
    if is_wide(s, old, new or ""):
        raise Unknown
    table = {}
    for i, c in enumerate(old):
        table.setdefault(c, (new or "")[i:i + 1])
    return "".join(table.get(c, c) for c in s)


@producer(TABLE, "str")
def replace_node(g, depth, k):
    def replaced(s, old, new):
        if old == "":
            raise Unknown
        return s.replace(old, new)
    a, b, c = g.any("str", depth), g.any("str", min(depth, 1)), g.any("str", min(depth, 1))
    if g.random.random() < 0.5:
        return call("REPLACE({0}, {1}, {2})", STRING, replaced, a, b, c)
    return eager("TRANSLATE({0}, {1}, {2})", STRING, translate, a, b, c)


def elt(n, *values):
    return values[n - 1] if n is not None and 1 <= n <= len(values) else None


@producer(TABLE, "str")
def elt_node(g, depth, k):
    values, t = g.alike("str", 2, depth)
    return eager("ELT({0}, {1}, {2})", t, elt, g.int32(depth, -1, 4), *values)


# ---- numbers and truths of strings ----------------------------------------------------------------------


@producer(TABLE, "int", weight=2)
def length_node(g, depth, k):
    s = g.any("str", depth)
    name, f = g.random.choice((
        ("CHAR_LENGTH", len), ("CHARACTER_LENGTH", len),
        ("ASCII", lambda v: (lambda b: b - 256 if b > 127 else b)(v.encode()[0]) if v else 0)))
    return call(f"{name}({{0}})", INT, f, s)


def instr(s, part, start=1, nth=1):
    if nth <= 0:
        fail("nth")
    if part == "" or is_wide(s, part):
        raise Unknown
    if start == 0:
        return 0
    if start < 0:
        at = instr(s[::-1], part[::-1], -start, nth)
        return 0 if at == 0 else len(s) + 1 - at - len(part) + 1
    at = start - 2
    for _ in range(nth):
        at = s.find(part, at + 1)
        if at < 0:
            return 0
    return at + 1


@producer(TABLE, "int", weight=2)
def position_node(g, depth, k):
    s, part = g.any("str", depth), g.any("str", min(depth, 1))
    choice = g.random.random()
    if choice < 0.3:
        return call("POSITION({1} IN {0})", INT, lambda v, p: v.find(p) + 1, s, part)
    if choice < 0.6:
        return call("LOCATE({1}, {0})", INT, lambda v, p: v.find(p) + 1, s, part)
    return call("INSTR({0}, {1}, {2})", INT, instr, s, part, g.int32(0, -4, 5))


@producer(TABLE, "bool")
def prefix_node(g, depth, k):
    name, f = g.random.choice((("STARTSWITH", str.startswith), ("ENDSWITH", str.endswith)))
    return call(f"{name}({{0}}, {{1}})", BOOLEAN, f, g.any("str", depth), g.any("str", min(depth, 1)))


def like_pattern(pattern, escape):
    out, i = [], 0
    while i < len(pattern):
        c = pattern[i]
        if c == escape:
            i += 1
            if i >= len(pattern) or pattern[i] not in ("%", "_", escape):
                fail("Invalid escape")
            out.append(re.escape(pattern[i]))
        else:
            out.append({"%": "(?s:.*)", "_": r"[^\n\r\x85\u2028\u2029]"}.get(c, re.escape(c)))
        i += 1
    return re.compile("".join(out))


def like(s, pattern, escape=None):
    return like_pattern(pattern, escape).fullmatch(s) is not None


PATTERNS = ["%", "_", "a%", "%a", "%a%", "a_c", "__", "a%c", "%b%b%", "", "abc", "%日%", "_%_", "%,%", "é", "a\\%b", "%%", "%o_b%"]


@producer(TABLE, "bool", weight=2)
def like_node(g, depth, k):
    s, is_not = g.any("str", depth), g.random.random() < 0.3
    word = "NOT LIKE" if is_not else "LIKE"
    if g.random.random() < 0.25:
        pattern, escape = g.random.choice((("a!%b", "!"), ("!_%", "!"), ("%!!%", "!"), ("a#_b%", "#"), ("aXXb", "X")))
        return call(f"({{0}} {word} '{pattern}' ESCAPE '{escape}')", BOOLEAN, lambda v: like(v, pattern, escape) != is_not, s)
    if g.random.random() < 0.4:
        return call(f"({{0}} {word} {{1}})", BOOLEAN, lambda v, p: like(v, p) != is_not, s, g.any("str", min(depth, 1)))
    pattern = g.random.choice(PATTERNS)
    return call(f"({{0}} {word} '{pattern}')", BOOLEAN, lambda v: like(v, pattern) != is_not, s)


REGULAR = ["a+", "b|c", "^a", "[0-9]+", "oo?b", "(a)(b)?", "x*$", "[^a-z]", "\\d-\\d", "a.c", "(?:ab)+"]


@producer(TABLE, "bool", "int", "str")
def regular_node(g, depth, k):
    pattern, s = g.random.choice(REGULAR), g.any("str", depth)
    regex = re.compile(pattern, re.A)
    if k == "bool":
        return call(f"REGEXP({{0}}, '{pattern}')", BOOLEAN, lambda v: regex.search(v) is not None, s)
    if k == "int":
        def place(v):
            m = regex.search(v)
            return m.start() + 1 if m else 0
        if g.random.random() < 0.5:
            return call(f"REGEXP_COUNT({{0}}, '{pattern}')", INT, lambda v: len(regex.findall(v)), s)
        return call(f"REGEXP_INSTR({{0}}, '{pattern}')", INT, lambda v: fail_wide(v) or place(v), s)
    if g.random.random() < 0.5:
        return call(f"REGEXP_REPLACE({{0}}, '{pattern}', '<$1>')", STRING, lambda v: regex.sub(lambda m: "<$1>", v), s)

    def found(v):
        m = regex.search(v)
        return m[0] if m else None
    return call(f"REGEXP_EXTRACT({{0}}, '{pattern}')", STRING, found, s)


def fail_wide(*texts):
    if is_wide(*texts):
        raise Unknown


# ---- codes ----------------------------------------------------------------------------------------------


@producer(TABLE, "str")
def digest_node(g, depth, k):
    name, bits = g.random.choice((("MD5", 0), ("SHA1", 0), ("SHA224", 0), ("SHA256", 0), ("SHA384", 0), ("SHA512", 0)))
    n = hashlib.new(name.lower()).digest_size * 2
    return call(f"{name}({{0}})", char(n), lambda v: hashlib.new(name.lower(), v.encode()).hexdigest(), g.any("str", depth))


@producer(TABLE, "str", weight=2)
def code_node(g, depth, k):
    s = g.any("str", depth)
    name, f = g.random.choice((
        ("TO_BASE64", lambda v: base64.b64encode(v.encode()).decode()),
        ("HEX", lambda v: v.encode().hex().upper()),
        ("URL_ENCODE", lambda v: urllib.parse.quote_plus(v, safe="*-._").replace("~", "%7E")),
    ))
    return call(f"{name}({{0}})", STRING, f, s)


@producer(TABLE, "str")
def chr_node(g, depth, k):
    return call("CHR({0})", STRING, lambda n: "" if n < 0 else chr(n & 255), g.int32(depth, -2, 300))


@producer(TABLE, "str", "bin")
def charset_node(g, depth, k):
    if k == "bin":
        name, codec = g.random.choice((("UTF-8", "utf-8"), ("UTF-16BE", "utf-16-be"), ("UTF-16LE", "utf-16-le")))
        return call(f"ENCODE({{0}}, '{name}')", BYTES, lambda v: v.encode(codec), g.any("str", depth))

    def decoded(v):
        try:
            return v.decode()
        except UnicodeDecodeError:
            raise Unknown from None
    return call("DECODE({0}, 'UTF-8')", STRING, decoded, g.any("bin", depth))


@producer(TABLE, "bin")
def bytes_joined_node(g, depth, k):
    a, b = g.any("bin", depth), g.any("bin", depth)
    return call("({0} || {1})", joined(a.type, b.type), lambda x, y: x + y, a, b)


__all__ = ["TABLE", "Node", "BIGINT", "SqlError", "Type", "kind", "text"]
