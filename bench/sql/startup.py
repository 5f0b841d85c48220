#!/usr/bin/env python3
"""How soon the SQL shell answers: process start to the first row of SELECT 1, and statement to running job.

    bench/sql/startup.py [--home DISTRIBUTION] [--rounds N] [--limit-ms N]

Prints a JSON line per figure: the best and the median of the rounds, wall clock, with CPU milliseconds of the process beside
them; ends with 1 when even the best first row comes later than the limit (50 ms).  Beside it stands what `true` takes, started
the same way: on a busy machine that tells how busy it is.
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
    """Medians and, of the times of the first row and the end, the best."""
    columns = list(zip(*(measured(command) for _ in range(n))))
    return *map(statistics.median, columns), min(columns[0]), min(columns[1])


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
    _, end, _, _, best = rounds(["true"], args.rounds)
    report("true", end_ms=end * 1e3, best_end_ms=best * 1e3)
    first, end, cpu, best_first, best_end = rounds([flink, "sql", "-e", "SELECT 1"], args.rounds)
    report("select_1", first_row_ms=first * 1e3, best_first_row_ms=best_first * 1e3, end_ms=end * 1e3,
           best_end_ms=best_end * 1e3, cpu_ms=cpu * 1e3, limit_ms=args.limit_ms)
    batch = [flink, "sql", "-D", "execution.runtime-mode=BATCH", "-e"]
    # Planning alone, and with the job: the shell ends when its job has.
    _, _, none_cpu, _, none = rounds([*batch, joins("SHOW TABLES; --")], args.rounds)
    _, _, plan_cpu, _, planned = rounds([*batch, joins("EXPLAIN")], args.rounds)
    _, _, run_cpu, _, run = rounds([*batch, joins("INSERT INTO s")], args.rounds)
    report("ten_joins", best_plan_ms=(planned - none) * 1e3, best_plan_and_run_ms=(run - none) * 1e3,
           plan_cpu_ms=(plan_cpu - none_cpu) * 1e3, plan_and_run_cpu_ms=(run_cpu - none_cpu) * 1e3)
    return 1 if best_first * 1e3 > args.limit_ms else 0


if __name__ == "__main__":
    sys.exit(main())
