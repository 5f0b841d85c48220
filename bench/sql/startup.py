#!/usr/bin/env python3
"""How soon the SQL shell answers: process start to the first row of SELECT 1, and statement to running job.

    bench/sql/startup.py [--home DISTRIBUTION] [--rounds N] [--limit-ms N]

Prints a JSON line per figure: medians over the rounds, wall clock, with CPU seconds of the process beside them; ends with 1
when the first row comes later than the limit (50 ms).  Beside it stands what `true` takes, started the same way.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLES = 11  # of the query of ten joins


def measured(command):
    """Seconds until the first row (NaN: none), until the end, and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    first = float("nan")
    for line in process.stdout:
        if line.startswith(b"| +I") and first != first:
            first = time.perf_counter() - start
    assert process.wait() == 0, command
    end = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return first, end, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounds(command, n):
    return [statistics.median(column) for column in zip(*(measured(command) for _ in range(n)))]


def report(name, **figures):
    print(json.dumps({"bench": "sql_startup", "name": name, **{k: round(v, 2) for k, v in figures.items()}}), flush=True)


def joins(sink):
    tables = "".join(f"CREATE TABLE t{i} (a INT, b{i} INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');"
                     for i in range(TABLES))
    query = "SELECT t0.a FROM t0 " + " ".join(f"JOIN t{i} ON t{i - 1}.a = t{i}.a" for i in range(1, TABLES))
    return tables + f"CREATE TABLE s (a INT) WITH ('connector' = 'blackhole'); {sink} {query}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--limit-ms", type=float, default=50)
    args = parser.parse_args()
    flink = os.path.join(args.home, "bin", "flink")
    _, end, _ = rounds(["true"], args.rounds)
    report("true", end_ms=end * 1e3)
    first, end, cpu = rounds([flink, "sql", "-e", "SELECT 1"], args.rounds)
    report("select_1", first_row_ms=first * 1e3, end_ms=end * 1e3, cpu_ms=cpu * 1e3, limit_ms=args.limit_ms)
    batch = [flink, "sql", "-D", "execution.runtime-mode=BATCH", "-e"]
    # Planning alone, and with the job: the shell ends when its job has.
    _, empty, _ = rounds([*batch, joins("INSERT INTO s SELECT 1 AS a; --")], args.rounds)
    _, explained, _ = rounds([*batch, joins("EXPLAIN")], args.rounds)
    _, run, _ = rounds([*batch, joins("INSERT INTO s")], args.rounds)
    report("ten_joins", plan_ms=(explained - empty) * 1e3, plan_and_run_ms=(run - empty) * 1e3)
    return 1 if first * 1e3 > args.limit_ms else 0


if __name__ == "__main__":
    sys.exit(main())
