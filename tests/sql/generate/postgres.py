"""A PostgreSQL of its own in a temporary folder: what it answers to statements of Flink's dialect."""

import csv
import glob
import io
import os
import re
import shutil
import subprocess
import tempfile

# SUM and AVG have the type of their argument and an average of integers is cut: found before pg_catalog's.
SETUP = r"""
CREATE SCHEMA flink;
CREATE FUNCTION flink.sum_int(s int8, x int4) RETURNS int8 LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN x IS NULL THEN s ELSE COALESCE(s, 0) + x END';
CREATE FUNCTION flink.sum_big(s int8, x int8) RETURNS int8 LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN x IS NULL THEN s ELSE COALESCE(s, 0) + x END';
CREATE FUNCTION flink.to_int(s int8) RETURNS int4 LANGUAGE sql IMMUTABLE AS 'SELECT s::int4';
CREATE AGGREGATE flink.sum(int4) (SFUNC = flink.sum_int, STYPE = int8, FINALFUNC = flink.to_int);
CREATE AGGREGATE flink.sum(int8) (SFUNC = flink.sum_big, STYPE = int8);
CREATE FUNCTION flink.avg_add_int(s int8[], x int4) RETURNS int8[] LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN x IS NULL THEN s ELSE ARRAY[s[1] + x, s[2] + 1] END';
CREATE FUNCTION flink.avg_add_big(s int8[], x int8) RETURNS int8[] LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN x IS NULL THEN s ELSE ARRAY[s[1] + x, s[2] + 1] END';
CREATE FUNCTION flink.avg_int(s int8[]) RETURNS int4 LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN s[2] = 0 THEN NULL ELSE (s[1] / s[2])::int4 END';
CREATE FUNCTION flink.avg_big(s int8[]) RETURNS int8 LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN s[2] = 0 THEN NULL ELSE s[1] / s[2] END';
CREATE AGGREGATE flink.avg(int4) (SFUNC = flink.avg_add_int, STYPE = int8[], FINALFUNC = flink.avg_int, INITCOND = '{0,0}');
CREATE AGGREGATE flink.avg(int8) (SFUNC = flink.avg_add_big, STYPE = int8[], FINALFUNC = flink.avg_big, INITCOND = '{0,0}');
CREATE FUNCTION flink.avg_add_decimal(s numeric[], x numeric) RETURNS numeric[] LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN x IS NULL THEN s ELSE ARRAY[s[1] + x, s[2] + 1] END';
CREATE FUNCTION flink.avg_decimal(s numeric[]) RETURNS numeric LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN s[2] = 0 THEN NULL ELSE round(s[1] / s[2], greatest(6, scale(s[1]))) END';
CREATE AGGREGATE flink.avg(numeric) (SFUNC = flink.avg_add_decimal, STYPE = numeric[], FINALFUNC = flink.avg_decimal, INITCOND = '{0,0}');
CREATE FUNCTION flink.char_length(t text) RETURNS int4 LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.char_length(t)';
SET search_path = flink, pg_catalog, public;
SET extra_float_digits = 1;
"""

END = "#end of a statement#"


def binaries():
    found = shutil.which("initdb")
    folders = [os.path.dirname(os.path.realpath(found))] if found else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not folders:
        raise SystemExit("there is no PostgreSQL here: install the package postgresql")
    return folders[-1]


class Postgres:
    """with Postgres() as p: p.run(statements)"""

    def __init__(self):
        self.bin = binaries()
        self.folder = tempfile.mkdtemp(prefix="flinc-postgres-")
        self.as_user = []
        if os.geteuid() == 0:  # it refuses to be run by root
            shutil.chown(self.folder, "nobody", "nogroup")
            self.as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    def __enter__(self):
        data = f"{self.folder}/data"
        self.call("initdb", "-D", data, "-E", "UTF8", "--locale=C", "-A", "trust", "-U", "flinc", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.call("pg_ctl", "-D", data, "-o", options, "-l", f"{self.folder}/log", "-w", "start")
        return self

    def __exit__(self, *_):
        self.call("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, program, *args):
        command = [*self.as_user, f"{self.bin}/{program}", *args]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)

    def run(self, setup, queries):
        """For each query (columns, rows) with None for NULL, or the text of its error."""
        script = io.StringIO()
        script.write(f"\\set QUIET 1\n\\pset null '\\\\N'\n{SETUP}\n{setup}\n")
        for q in queries:
            script.write(f"\\echo {END}\n{q}\n;\n")
        done = subprocess.run(
            [f"{self.bin}/psql", "-X", "-q", "--csv", "-h", self.folder, "-U", "flinc", "-d", "postgres"],
            input=script.getvalue() + "\\echo " + END + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
        parts = done.stdout.split(END + "\n")[1:-1]
        assert len(parts) == len(queries), (len(parts), len(queries), done.stderr[-2000:])
        return [read(p) for p in parts], done.stderr


def read(text):
    rows = list(csv.reader(io.StringIO(text)))
    if not rows:
        return None, None
    return rows[0], [[None if c == "\\N" else {"t": "TRUE", "f": "FALSE"}.get(c, c) for c in r or [""]] for r in rows[1:]]


# ---- Flink's dialect in PostgreSQL's ------------------------------------------------------------------


def order_items(text):
    """The end of a list of ORDER BY at the start of text, and its items."""
    depth, start, items = 0, 0, []
    for i, c in enumerate(text):
        if c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
        word = depth == 0 and re.match(r"\b(ROWS|RANGE|LIMIT|OFFSET|FETCH|UNION|EXCEPT|INTERSECT)\b", text[i:])
        if depth < 0 or (word and (i == 0 or not text[i - 1].isalnum())):
            items.append(text[start:i])
            return i, items
        if c == "," and depth == 0:
            items.append(text[start:i])
            start = i + 1
    items.append(text[start:])
    return len(text), items


def with_nulls(item):
    """NULLs are the smallest in Flink, the largest in PostgreSQL."""
    item = item.rstrip()
    if " NULLS " in item:
        return item + " "
    return item + (" NULLS LAST " if item.endswith(" DESC") else " NULLS FIRST ")


def end_of_group(text):
    """Where the list of GROUP BY at the start of text ends."""
    depth = 0
    for i, c in enumerate(text):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if depth < 0 or (depth == 0 and re.match(r" (HAVING|ORDER BY|LIMIT|OFFSET|FETCH|UNION|EXCEPT|INTERSECT|WINDOW) ", text[i:])):
            return i
    return len(text)


def no_total_of_nothing(text):
    """Grouping sets are made by expanding rows in Flink: without rows there is no group, not even that of ()."""
    at = 0
    while (at := text.find(" GROUP BY ", at)) >= 0:
        at += len(" GROUP BY ")
        end = at + end_of_group(text[at:])
        if re.search(r"ROLLUP|CUBE|GROUPING SETS \((?!\(\)\))", text[at:end]):
            rest = text[end:]
            more = rest.replace(" HAVING ", " HAVING COUNT(*) > 0 AND ", 1) if rest.startswith(" HAVING ") else " HAVING COUNT(*) > 0" + rest
            text = text[:end] + more
    return text


def rows_of_values(m):
    """VALUES 1, 2"""
    return "VALUES " + ", ".join(f"({v})" for v in m[1].split(", ")) + ")"


def translate(text):
    text = no_total_of_nothing(text)
    text = re.sub(r"\bSTRING\b", "text", text)
    text = re.sub(r"\bDOUBLE\b(?! PRECISION)", "double precision", text)
    text = re.sub(r"\bTINYINT\b", "smallint", text)
    text = re.sub(r"\bGROUPING_ID\(", "GROUPING(", text)
    text = re.sub(r"\bLISTAGG\(([a-z.]+)\)", r"string_agg(\1, ',')", text)
    text = re.sub(r"\b(DAY|MONTH|HOUR|YEAR)\(\d\)", r"\1", text)
    text = re.sub(r"\bVALUES ([^()]+)\)", rows_of_values, text)
    text = text.replace("`", '"')
    out, at = [], 0
    for m in re.finditer(r"\bORDER BY ", text):
        if m.end() <= at:  # inside of the one before
            continue
        end, items = order_items(text[m.end() :])
        items = [with_nulls(translate(i) if "ORDER BY" in i else i) for i in items]
        out.append(text[at : m.end()] + ", ".join(items))
        at = m.end() + end
    out.append(text[at:])
    return "".join(out)
