"""What the queries must give: SQLite over the same files, and a comparison that knows decimals from doubles.

SQLite computes with doubles and has dates as text, so that numbers are compared with a tolerance and the queries are
rewritten a little; nothing of Flinc takes part."""

import os
import re
import sqlite3

import tpch_tables as tables

HERE = os.path.dirname(os.path.abspath(__file__))
REWRITES = (
    (r"DATE ('[^']*') ([+-]) INTERVAL '(\d+)' (DAY|MONTH|YEAR)", r"date(\1, '\2\3 \4')"),
    (r"DATE ('[^']*')", r"\1"),
    (r"EXTRACT\(YEAR FROM (\w+)\)", r"CAST(strftime('%Y', \1) AS INTEGER)"),
    # decimals of two digits: as doubles they would not meet
    (r"BETWEEN 0\.06 - 0\.01 AND 0\.06 \+ 0\.01", "BETWEEN 0.045 AND 0.075"),
)


def query_names():
    return sorted(name[:-4] for name in os.listdir(os.path.join(HERE, "queries")))


def query(name, scale):
    """The query's text as Flink's dialect has it, without comments."""
    with open(os.path.join(HERE, "queries", name + ".sql"), encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("--")).strip()
    return text.replace("$FRACTION", f"{0.0001 / scale:.10f}".rstrip("0"))


def affinity(sql_type):
    return "INTEGER" if "INT" in sql_type else "REAL" if "DECIMAL" in sql_type else "TEXT"


class Oracle:
    """A database in memory with tpch_generate.py's files."""

    def __init__(self, folder, scale):
        self.scale = scale
        self.db = sqlite3.connect(":memory:")
        self.db.execute("PRAGMA case_sensitive_like = ON")
        for name, columns in tables.TABLES.items():
            columns = [c.split(" ", 1) for c in re.split(r", (?=[a-z])", columns)]
            self.db.execute(f"CREATE TABLE {name} ({', '.join(f'{c} {affinity(t)}' for c, t in columns)})")
            with open(os.path.join(folder, name, name + ".csv"), encoding="utf-8") as file:
                rows = (line.rstrip("\n").split("|") for line in file)
                self.db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", rows)
            for i, index in enumerate(tables.INDEXES.get(name, [])):
                self.db.execute(f"CREATE INDEX {name}_{i} ON {name} ({index})")
        self.db.execute("ANALYZE")

    def rows(self, name):
        text = query(name, self.scale)
        for pattern, by in REWRITES:
            text = re.sub(pattern, by, text)
        return [list(row) for row in self.db.execute(text)]


def same_cell(expected, actual):
    """actual is text as it was printed; None: NULL."""
    if expected is None or actual is None:
        return expected is None and actual is None
    if isinstance(expected, str):
        return expected == actual
    try:
        actual = float(actual)
    except ValueError:
        return False
    return abs(expected - actual) <= 1e-5 + 1e-9 * abs(expected)


def difference(expected, actual):
    """None, or the first row in which the two differ.  Rows are in the order of the query; where its ORDER BY leaves ties, rows may
    change places, so that each expected row is looked for among those that are left near it."""
    if len(expected) != len(actual):
        return f"{len(expected)} rows expected, {len(actual)} came"
    left = list(actual)
    for i, row in enumerate(expected):
        at = next((k for k, other in enumerate(left[:64]) if all(map(same_cell, row, other)) and len(row) == len(other)), None)
        if at is None:
            return f"row {i + 1}: expected {row}, came {left[0]}"
        del left[at]
    return None
