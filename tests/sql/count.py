#!/usr/bin/env python3
"""Counts the golden statements by kind.

usage: tests/sql/count.py [--least N]

What counts: statements with something expected of them (those that only prepare do not), each text once in its kind; of lines of expressions at
most five per function, of casts at most five per pair of types. With --least the total must not be less.
"""

import argparse
import collections
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
EXPRESSIONS = {"functions", "casts"}
PER_FUNCTION = 5


def statements(path):
    """The texts of a file that have an expectation."""
    text, is_expected = [], False
    with open(path, encoding="utf-8") as f:
        for line in f.read().split("\n") + [""]:
            if is_expected:
                is_expected = line.strip() != ""
            elif line.startswith("----"):
                yield "\n".join(text)
                text, is_expected = [], True
            elif not text and (not line.strip() or line[0] in "#@"):
                continue
            elif not line.strip() and text[-1].endswith(";"):
                text = []
            elif line.startswith("#") and text[-1].endswith(";"):
                text = []
            else:
                text.append(line)


def expressions(path):
    """(what it is about, text) of each line."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.strip() or line[0] == "#":
                continue
            text = re.split(r" (?:--|!!) ", line)[0]
            if os.path.basename(os.path.dirname(path)) == "casts":
                source = os.path.splitext(os.path.basename(path))[0]
                yield f"{source} as {text.rsplit(' AS ', 1)[-1]}", text
                continue
            plain = re.sub(r"'[^']*'", "''", text)
            name = re.search(r"\b([A-Z][A-Z0-9_]*)(?= ?\(| TO | IS |\b)", plain)
            yield name[1] if name else re.sub(r"[\w\s.'()]+", "", plain)[:2], text


def count():
    kinds = collections.Counter()
    for folder in sorted(glob.glob(f"{HERE}/*/")):
        kind, seen, about = os.path.basename(folder[:-1]), set(), collections.Counter()
        for path in sorted(glob.glob(f"{folder}*.test")):
            if kind in EXPRESSIONS:
                for what, text in expressions(path):
                    if text not in seen and about[what] < PER_FUNCTION:
                        about[what] += 1
                        kinds[kind] += 1
                    seen.add(text)
                continue
            for text in statements(path):
                key = (path if kind != "generated" else "", text)
                kinds[kind] += key not in seen
                seen.add(key)
    return kinds


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--least", type=int, default=0)
    args = args.parse_args()
    kinds = count()
    for kind, n in kinds.items():
        print(f"{kind:12} {n:5}")
    print(f"{'together':12} {sum(kinds.values()):5}")
    if sum(kinds.values()) < args.least:
        sys.exit(f"fewer than {args.least}")


if __name__ == "__main__":
    main()
