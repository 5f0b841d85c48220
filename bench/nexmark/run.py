#!/usr/bin/env python3
"""Nexmark's queries as SQL, in one process of the shell with its embedded cluster: events per CPU second.

usage: bench/nexmark/run.py [--home DIR] [--queries q0,q1] [--events N] [--rate N] [--rounds N] [--checkpoints 10s]

CPU seconds are those of the whole process: start, planning, generator, query, sink, checkpoints.  Prints a JSON line per query,
and the bar of docs/performance.md beside it.  q10, which writes its events to files in a temporary folder, runs when it is named.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUERIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "queries")
BARS = {"q0": 15, "q1": 15, "q2": 25, "q14": 15, "q21": 10, "q22": 10}  # M events per CPU second


def script(query, args, folder):
    texts = []
    for name in ("tables", query):
        with open(os.path.join(QUERIES, name + ".sql"), encoding="utf-8") as file:
            texts.append(file.read())
    before = ["SET 'table.dml-sync' = 'true';"]
    udf = os.path.join(args.home, "examples", "udf.so")
    if "count_char" in texts[1]:
        before.append(f"CREATE TEMPORARY FUNCTION count_char AS 'count_char' LANGUAGE C USING JAR '{udf}';")
    text = "\n".join(before + texts)
    return text.replace("${RATE}", str(args.rate)).replace("${EVENTS}", str(args.events)).replace("${FOLDER}", folder)


def run(query, args, folder):
    """(seconds, CPU seconds, peak MB) of one run."""
    path = os.path.join(folder, query + ".sql")
    with open(path, "w", encoding="utf-8") as file:
        file.write(script(query, args, folder))
    command = [os.path.join(args.home, "bin", "flink"), "sql", "-f", path, "-Dparallelism.default=1"]
    if args.checkpoints:
        command += [f"-Dexecution.checkpointing.interval={args.checkpoints}",
                    f"-Dexecution.checkpointing.dir=file://{folder}/checkpoints"]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or b"[ERROR]" in done.stdout:
        sys.exit(f"bench: {query} failed:\n{done.stdout.decode(errors='replace')}")
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, after.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--queries", default=",".join(BARS))
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--rate", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--checkpoints", default="10s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for query in args.queries.split(","):
            seconds, cpu, peak = min((run(query, args, folder) for _ in range(args.rounds)), key=lambda r: r[1])
            print(json.dumps({"query": query, "events": args.events, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2),
                              "million_events_per_cpu_second": round(args.events / cpu / 1e6, 2), "bar": BARS.get(query),
                              "peak_mb": round(peak)}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
