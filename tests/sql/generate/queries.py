#!/usr/bin/env python3
"""Makes the golden statements of tests/sql/generated: the expected rows are PostgreSQL's.

usage: tests/sql/generate/queries.py [--check] [--out FOLDER] [--only FILE]

Without an option the files are written anew; --check compares them with those that are there and changes nothing. A statement
that PostgreSQL refuses is an error of its family: what Flink's dialect has alone belongs into files that are written by hand.
"""

import argparse
import collections
import os
import sys

import aggregates
import joins
import order
import over
import postgres
import randoms
import tables

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = [joins, aggregates, over, order]
RANDOM = (("random_queries", 0, 260), ("random_queries_parallel", 260, 260))

# What is not there yet, by a part of its text; the message is expected instead of rows.
REFUSED = [
    ("UNION ALL SELECT 2 FROM dept AS d WHERE d.id = a.x * 10", "not supported yet: a correlated subquery with set operations"),
    ("AVG(b.x) + a.x FROM b", "not supported yet: a correlated subquery with columns of the query around beside an aggregate"),
    ("RANGE BETWEEN INTERVAL '1' MONTH", "not supported yet: RANGE of TIMESTAMP(0) by INTERVAL MONTH"),
    ("RANGE BETWEEN INTERVAL '2' YEAR", "not supported yet: RANGE of TIMESTAMP(0) by INTERVAL YEAR"),
]


def all_statements():
    """{file: [statement]}, each once."""
    found, seen = collections.OrderedDict(), set()
    for family in FAMILIES:
        for name, text in family.statements():
            if text not in seen:
                seen.add(text)
                found.setdefault(name, []).append(text)
    for name, first, n in RANDOM:
        found[name] = list(randoms.queries(first, n))
    return found


def is_ordered(text):
    """ORDER BY of the whole statement."""
    depth = 0
    for i, c in enumerate(text):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if depth == 0 and text.startswith(" ORDER BY ", i):
            return True
    return False


def cell(value):
    return "NULL" if value is None else value or "''"


def golden(text, columns, rows):
    for part, message in REFUSED:
        if part in text:
            return f"{text};\n----\n!! {message}\n"
    lines = [" | ".join(cell(c) for c in row) for row in rows]
    if not is_ordered(text):
        lines.sort(key=lambda line: line.encode())
    mode = "----" + ("" if is_ordered(text) else " sorted") + " untyped"
    return "\n".join([f"{text};", mode, " | ".join(columns), *lines]) + "\n"


def make_file(name, queries, answers):
    out = [f"# Made by tests/sql/generate/queries.py: {name}; the rows are PostgreSQL's.\nSET 'execution.runtime-mode' = 'batch';\n"]
    if name.endswith("_parallel"):
        out.append("SET 'parallelism.default' = '3';\n")
    out += [f"{v};\n" for v in tables.views()]
    for text, (columns, rows) in zip(queries, answers):
        out.append(golden(text, columns, rows))
    return "\n".join(out)


def make(found):
    found_random = {q for name, _, _ in RANDOM for q in found[name]}
    setup = "".join(postgres.translate(v) + ";\n" for v in tables.views())
    every = [q for queries in found.values() for q in queries]
    with postgres.Postgres() as p:
        answers, errors = p.run(setup, [postgres.translate(q) for q in every])
    refused = [q for q, (columns, _) in zip(every, answers) if columns is None and q not in found_random]
    if refused:
        sys.exit("\n".join(refused) + f"\nPostgreSQL refuses {len(refused)} statements:\n{errors}")
    answers, files = iter(answers), {}
    for name, queries in found.items():
        pairs = [(q, next(answers)) for q in queries]
        if name.startswith("random"):  # those that overflow, and long ones, tell little
            pairs = [(q, a) for q, a in pairs if a[0] is not None and len(a[1]) < 40 and len(q) < 600]
        found[name] = [q for q, _ in pairs]
        files[name] = make_file(name, found[name], [a for _, a in pairs])
    return files


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--check", action="store_true")
    args.add_argument("--out", default=os.path.join(HERE, "..", "generated"))
    args = args.parse_args()
    found, wrong = all_statements(), 0
    for name, text in make(found).items():
        path = os.path.join(args.out, f"{name}.test")
        if args.check:
            with open(path, encoding="utf-8") as f:
                is_same = f.read() == text
            wrong += not is_same
            print(f"{name}: {len(found[name])} statements{'' if is_same else ', not what is committed'}")
            continue
        os.makedirs(args.out, exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        print(f"{name}: {len(found[name])} statements")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
