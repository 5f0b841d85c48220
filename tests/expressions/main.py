#!/usr/bin/env python3
"""Random expressions and rows: what the engine's programs compute against the reference interpreter.

    main.py --runner build/release/tests/expressions/expression_runner [--rounds N] [--seed S] [--jobs N]

Each seed is one case: a few rows of values that hurt, and expressions over them.  The runner computes every row alone and
in all other forms of programs; the rows alone are compared with the interpreter.  A case that differs is made smaller and
printed with its seed, rows, SQL and both results; --seed S --rounds 1 repeats it.
"""

import argparse
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import arrays
import numbers_and_logic
import strings
import times
from generator import Generator, Node
from sql_types import normal, text
from sql_values import SqlError, Unknown, cell

PRODUCERS = {}
for table in (numbers_and_logic.TABLE, strings.TABLE, times.TABLE, arrays.TABLE):
    for k, (functions, weights) in table.items():
        all_functions, all_weights = PRODUCERS.setdefault(k, ([], []))
        all_functions.extend(functions)
        all_weights.extend(weights)

CHUNK = 250
UNKNOWN = "?"


class Case:
    """Columns (type, may be NULL, values) and expressions over them."""

    def __init__(self, seed, columns, nodes, n_rows):
        self.seed, self.columns, self.nodes, self.n_rows = seed, columns, nodes, n_rows

    def rows(self):
        return [[c[2][i] for c in self.columns] for i in range(self.n_rows)]

    def text(self, name):
        lines = [f"case {name} {self.seed}"]
        for i, (t, has_nulls, _) in enumerate(self.columns):
            lines.append(f"column c{i} {text(t)}{'' if has_nulls else ' NOT NULL'}")
        for row in self.rows():
            lines.append("row " + "\t".join(cell(v, c[0]) for v, c in zip(row, self.columns)))
        lines += [f"expr {n.sql}" for n in self.nodes]
        return "\n".join(lines + ["end", ""])

    def expected(self, node):
        out = []
        for row in self.rows():
            try:
                out.append(cell(node.ev(row), node.type))
            except SqlError:
                out.append("!")
            except Unknown:
                out.append(UNKNOWN)
            except Exception as e:
                raise RuntimeError(f"seed {self.seed}: {node.sql} of {row}") from e
        return out


def make_case(seed):
    r = random.Random(seed)
    n_rows = r.choice((1, 2, 5, 5, 9))
    g = Generator(r, n_rows, PRODUCERS, arrays.array_node)
    kinds = list(PRODUCERS)
    nodes = [g.any(r.choice(kinds), r.choice((1, 2, 3, 3, 4))) for _ in range(2)]
    return Case(seed, g.columns, nodes, n_rows)


# ---- the engine -----------------------------------------------------------------------------------------


def run(runner, cases):
    """Answers per case: (list of (type or None, refusal, rows), list of differences), or None when the runner broke off."""
    done = subprocess.run([runner], input="".join(c.text(i) for i, c in enumerate(cases)), capture_output=True, text=True,
                          check=False, errors="replace")
    answers, lines, at = [None] * len(cases), done.stdout.split("\n"), 0
    while at < len(lines) and lines[at].startswith("case "):
        i = int(lines[at].split()[1])
        at += 1
        exprs, differences = [], []
        for _ in cases[i].nodes:
            if at < len(lines) and lines[at].startswith("refused "):
                exprs.append((None, lines[at][8:], []))
                at += 1
            elif at < len(lines) and lines[at].startswith("type "):
                exprs.append((lines[at][5:], None, lines[at + 1:at + 1 + cases[i].n_rows]))
                at += 1 + cases[i].n_rows
        while at < len(lines) and lines[at].startswith("differs "):
            differences.append(lines[at][8:])
            at += 1
        if at < len(lines) and lines[at] == "end" and len(exprs) == len(cases[i].nodes):
            answers[i] = (exprs, differences)
            at += 1
        else:
            break
    return answers, done


def is_nan(text_):
    return (len(text_) == 17 and text_[1:4] in ("7ff", "fff") and text_[4:] != "0" * 13) or (
        len(text_) == 9 and text_[1:4] in ("7fc", "ffc", "7fe", "ffe", "7f8", "ff8", "7fa") and text_[1:] not in ("7f800000", "ff800000"))


def equal(expected, got):
    if expected == UNKNOWN or expected == got:
        return True
    if expected == "!":
        return got.startswith("!")
    return expected[:1] == got[:1] == "x" and is_nan(expected) and is_nan(got)


def problem(case, answer):
    """What is wrong with the answer, or None; and the index of the expression."""
    if answer is None:
        return "the runner broke off", 0
    exprs, differences = answer
    for i, (node, (shown, refusal, rows)) in enumerate(zip(case.nodes, exprs)):
        if refusal is not None:
            return f"refused: {refusal}", i
        if normal(shown) != normal(text(node.type)):
            return f"its type is {shown}, expected {text(node.type)}", i
        for row, (expected, got) in enumerate(zip(case.expected(node), rows)):
            if not equal(expected, got):
                return f"row {row}: expected {readable(expected)}, got {readable(got)}", i
    if differences:
        return "a form differs: " + differences[0], 0
    return None, 0


def readable(shown):
    if shown.startswith("=") and len(shown) % 2 == 1:
        try:
            return f"{shown} {bytes.fromhex(shown[1:]).decode(errors='replace')!r}"
        except ValueError:
            return shown
    return shown


# ---- making it smaller ----------------------------------------------------------------------------------


def descendants(node):
    for child in node.children:
        yield child
        yield from descendants(child)


def with_column(case, node):
    """The case with a column for the node's values; None when there are none."""
    values = []
    for row in case.rows():
        try:
            values.append(node.ev(row))
        except (SqlError, Unknown):
            return None
    if node.type.of:
        return None
    return Case(case.seed, case.columns + [(node.type, True, values)], case.nodes, case.n_rows)


def replaced(node, path, other):
    if not path:
        return other
    children = list(node.children)
    children[path[0]] = replaced(children[path[0]], path[1:], other)
    return node.make(children)


def paths(node, path=()):
    yield path, node
    for i, child in enumerate(node.children):
        yield from paths(child, path + (i,))


def smaller(case):
    """Cases that might fail as well, the smallest first."""
    if len(case.nodes) > 1:
        for node in case.nodes:
            yield Case(case.seed, case.columns, [node], case.n_rows)
        return
    node = case.nodes[0]
    for row in range(case.n_rows if case.n_rows > 1 else 0):
        yield Case(case.seed, [(t, n, [v[row]]) for t, n, v in case.columns], case.nodes, 1)
    for child in sorted(descendants(node), key=lambda n: len(n.sql)):
        yield Case(case.seed, case.columns, [child], case.n_rows)
    for path, part in sorted(paths(node), key=lambda p: -len(p[1].sql)):
        if path and part.name != "column" and len(case.columns) < 30:
            wider = with_column(case, part)
            if wider is not None:
                i, t = len(case.columns), part.type
                leaf = Node(f"c{i}", t, lambda row, i=i: row[i], name="column")
                yield Case(case.seed, wider.columns, [replaced(node, path, leaf)], case.n_rows)


def minimised(runner, case, most=40):
    """Smaller and smaller, at most so many times."""
    for _ in range(most):
        candidates = [c for c in smaller(case) if len(c.text("x")) < 20000][:200]
        answers, _ = run(runner, candidates)
        found = next((c for c, a in zip(candidates, answers) if problem(c, a)[0] is not None), None)
        if found is None:
            break
        case = found
    return case


def report(runner, case, shrink):
    small = minimised(runner, case) if shrink else case
    answers, done = run(runner, [small])
    what, i = problem(small, answers[0])
    print(f"seed {case.seed}: {what or 'not again'}")
    node = small.nodes[min(i, len(small.nodes) - 1)]
    print(f"  SQL  {node.sql}")
    for k, (t, has_nulls, values) in enumerate(small.columns):
        if f"c{k}" in node.sql:
            print(f"  c{k}   {text(t)}{'' if has_nulls else ' NOT NULL'}: {values!r}")
    if answers[0] is None:
        print("  " + done.stderr[-2000:].replace("\n", "\n  "))
    else:
        for row, expected in enumerate(small.expected(node)):
            got = answers[0][0][i][2][row] if answers[0][0][i][2] else "-"
            print(f"  row {row}: expected {readable(expected)}, got {readable(got)}")
        for line in answers[0][1]:
            print(f"  form: {line}")
    print(flush=True)


# ---- all of it ------------------------------------------------------------------------------------------


def run_chunk(runner, seeds):
    """(failing cases, rows compared, rows that are not modelled)"""
    cases = [make_case(s) for s in seeds]
    failed, n_rows, n_unknown, at = [], 0, 0, 0
    while at < len(cases):
        answers, _ = run(runner, cases[at:])
        n = next((i for i, a in enumerate(answers) if a is None), len(answers))
        for case, answer in zip(cases[at:at + n], answers):
            if problem(case, answer)[0] is not None:
                failed.append(case)
            for node in case.nodes:
                expected = case.expected(node)
                n_rows += len(expected)
                n_unknown += expected.count(UNKNOWN)
        if n < len(answers):
            failed.append(cases[at + n])
            n += 1
        at += n
    return failed, n_rows, n_unknown


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runner", required=True)
    parser.add_argument("--rounds", type=int, default=10000, help="cases, of two expressions each")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--most", type=int, default=10, help="failing cases that are shown")
    parser.add_argument("--whole", action="store_true", help="failing cases are not made smaller")
    parser.add_argument("--print", action="store_true", help="shows the cases instead of running them")
    o = parser.parse_args()
    if o.print:
        for seed in range(o.seed, o.seed + o.rounds):
            print(make_case(seed).text(seed), end="")
        return 0
    chunks = [range(s, min(s + CHUNK, o.seed + o.rounds)) for s in range(o.seed, o.seed + o.rounds, CHUNK)]
    n_failed = n_rows = n_unknown = 0
    with ThreadPoolExecutor(o.jobs) as pool:
        for failed, rows, unknown in pool.map(lambda c: run_chunk(o.runner, c), chunks):
            n_rows, n_unknown = n_rows + rows, n_unknown + unknown
            for case in failed:
                n_failed += 1
                if n_failed <= o.most:
                    report(o.runner, case, not o.whole)
    print(f"{o.rounds} cases from seed {o.seed}, {2 * o.rounds} expressions, {n_rows} rows "
          f"({n_unknown} of them not modelled): {n_failed} failed")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
