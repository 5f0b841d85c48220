#!/usr/bin/env python3
"""WordCount of 1 GB of licence texts: bin/flink run -t local against the hand-written limit program.

usage: bench/wordcount/run.py [--home DIR] [--limit PROGRAM] [--gigabytes N] [--rounds N] [--mode MODE] [--folder DIR]

"Per core" is per CPU second of all threads of the process.  Parallelism 1 is pinned to one core, parallelism
2 to two.  Prints a JSON line per figure and a table with bar and limit; the results of all runs are compared.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import table  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LICENSES = "/usr/share/common-licenses"


def make_corpus(path, size):
    texts = b""
    for name in sorted(glob.glob(os.path.join(LICENSES, "*"))):
        if os.path.isfile(name) and not os.path.islink(name):
            with open(name, "rb") as f:
                texts += f.read()
    with open(path, "wb") as f:
        written = 0
        while written < size:
            piece = texts[: size - written]
            f.write(piece)
            written += len(piece)


def measure(command, cores):
    """Runs the command pinned to the cores: wall and CPU seconds."""
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode()}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def read_counts(path):
    files = [path] if os.path.isfile(path) else glob.glob(os.path.join(path, "part-*"))
    lines = []
    for name in files:
        with open(name, "rb") as f:
            lines += f.read().splitlines()
    return sorted(lines)


def best(runs):
    return min(runs, key=lambda r: r["cpu"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--limit", default=os.path.join(TOP, "build", "release", "bench", "bench_wordcount_limit"))
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", default="BATCH")
    parser.add_argument("--folder", help="where the corpus and the results go (default: a temporary one)")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    folder = args.folder or tempfile.mkdtemp(prefix="flinc-wordcount-")
    os.makedirs(folder, exist_ok=True)
    corpus = os.path.join(folder, "corpus.txt")
    size = int(args.gigabytes * 1e9)
    if not os.path.exists(corpus) or os.path.getsize(corpus) != size:
        make_corpus(corpus, size)
    with open(corpus, "rb") as f:  # into the page cache
        while f.read(1 << 24):
            pass

    def flink(parallelism, out):
        shutil.rmtree(out, ignore_errors=True)
        return [os.path.join(args.home, "bin", "flink"), "run", "-t", "local", "-p", str(parallelism),
                os.path.join(args.home, "examples", "wordcount.so"),
                "--input", corpus, "--output", out, "--execution-mode", args.mode]

    limit, one, two, free = [], [], [], []
    for _ in range(args.rounds):
        limit.append(measure([args.limit, corpus, os.path.join(folder, "limit")], cores[:1]))
        one.append(measure(flink(1, os.path.join(folder, "one")), cores[:1]))
        two.append(measure(flink(2, os.path.join(folder, "two")), cores[:2]))
        free.append(measure(flink(1, os.path.join(folder, "free")), cores[:2]))
    expected = read_counts(os.path.join(folder, "limit"))
    if args.mode == "BATCH":
        for name in ("one", "two", "free"):
            if read_counts(os.path.join(folder, name)) != expected:
                sys.exit(f"the counts of run '{name}' differ from the limit program's")
    l, a, b, c = best(limit), best(one), min(two, key=lambda r: r["wall"]), best(free)
    mb = size / 1e6
    speed = mb / l["cpu"]
    wall = b["wall"] / min(r["wall"] for r in one)
    rows = [
        ("wordcount: limit program, per core", speed, "MB/s", 0, 0, "more"),
        ("wordcount: parallelism 1 on one core, per core", mb / a["cpu"], "MB/s", 0.5 * speed, speed, "more"),
        ("wordcount: the same, share of the limit's speed", l["cpu"] / a["cpu"], "", 0.5, 1.0, "more"),
        ("wordcount: parallelism 1 on two cores, per core", mb / c["cpu"], "MB/s", 0, speed, "more"),
        ("wordcount: parallelism 2 on two cores, per core", mb / b["cpu"], "MB/s", 0, speed, "more"),
        ("wordcount: wall time of 2 on two cores by 1 on one", wall, "", 0.6, 0.5, "less"),
    ]
    lines = [dict(zip(("bench", "figure", "unit", "bar", "limit", "better"), row)) for row in rows]
    for line in lines:
        print(json.dumps(line))
    table.show(lines)
    if not args.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
