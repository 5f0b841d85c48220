#!/usr/bin/env python3
"""Shows JSON lines of benchmarks, from standard input, as one table: figure, bar and limit.

A line has bench, figure, unit, bar (what must hold; 0: none), limit (what a plain program that does only
this reaches on the same machine; 0: none) and better ("more" or "less").  Exits with 1 when a bar is missed.
"""

import json
import sys


def number(value):
    return f"{value:.4g}" if value else "-"


def missed(line):
    if not line["bar"]:
        return False
    return line["figure"] < line["bar"] if line["better"] == "more" else line["figure"] > line["bar"]


def show(lines):
    """Prints the table; returns how many bars were missed."""
    print(f"\n{'measurement':<54} {'figure':>10} {'bar':>10} {'limit':>10}  unit")
    for line in lines:
        figures = " ".join(f"{number(line[key]):>10}" for key in ("figure", "bar", "limit"))
        print(f"{line['bench']:<54} {figures}  {line['unit']}{'  MISSED' if missed(line) else ''}")
    return sum(map(missed, lines))


if __name__ == "__main__":
    sys.exit(1 if show([json.loads(line) for line in sys.stdin if line.startswith("{")]) else 0)
