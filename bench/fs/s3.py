#!/usr/bin/env python3
"""Bytes to and from S3, beside curl on the same server in the same run: a versitygw of its own on this machine.

usage: bench/fs/s3.py [--mb N] [--rounds N]

"Per core" are bytes per CPU second of all threads of the process; of rounds the best counts.  Prints a JSON line per figure.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position

TOOL = os.path.join(TOP, "build", "release", "bench", "bench_fs_tool")
NEEDED = 4  # times the bytes, in the folder


def folder(size):
    """In memory when there is room: what a disk does is not measured."""
    in_memory = "/dev/shm"
    if os.path.isdir(in_memory) and shutil.disk_usage(in_memory).free > NEEDED * size:
        return tempfile.mkdtemp(prefix="flinc-bench-s3-", dir=in_memory)
    return tempfile.mkdtemp(prefix="flinc-bench-s3-")


def run(*command):
    """(seconds, CPU seconds) of a command."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    took, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Bench:
    def __init__(self, server, size, rounds):
        self.server, self.size, self.rounds = server, size, rounds
        self.file = os.path.join(server.folder, "bytes")
        self.options = [f"-D{key}={value}" for key, value in server.config().items()]
        with open(self.file, "wb") as f:
            block = os.urandom(1 << 20)
            for _ in range(size >> 20):
                f.write(block)

    def ours(self, *args):
        return lambda: run(TOOL, *self.options, *args)

    def curl(self, *args):
        return lambda: run("curl", "-sS", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", f"{s3.ACCESS_KEY}:{s3.SECRET_KEY}",
                           "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *args)

    def best(self, commands):
        """The best (seconds, CPU seconds) of each, in turns, so that what else the machine does meets all of them."""
        found = {}
        for _ in range(self.rounds):
            for name, command in commands.items():
                took, cpu = command()
                best = found.get(name, (took, cpu))
                found[name] = min(took, best[0]), min(cpu, best[1])
        return found

    def row(self, name, figure, unit, bar=0, limit=0, better="more"):
        line = {"bench": "s3: " + name, "figure": figure, "unit": unit, "bar": bar, "limit": limit, "better": better}
        print(json.dumps(line), flush=True)

    def run(self):
        mb = self.size / 1e6
        url = self.server.endpoint + "/bench/curl"
        found = self.best({
            "put": self.ours("put", self.file, "s3://bench/put"),
            "curl put": self.curl("-T", self.file, url),
            "write": self.ours("write", self.size, "s3://bench/write"),
            "read": self.ours("read", "s3://bench/put"),
            "curl get": self.curl("-o", "/dev/null", url),
        })
        for name, limit in (("write", "curl put"), ("read", "curl get")):
            done = "written" if name == "write" else "read"
            self.row(f"{done} per core", mb / found[name][1], "MB/s", 400, mb / found[limit][1])
            self.row(done, mb / found[name][0], "MB/s", 0, mb / found[limit][0])
        self.row(f"a file of {mb:.0f} MB is put, times of curl -T", found["put"][0] / found["curl put"][0], "", 1.3, 1, "less")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    size = args.mb << 20
    top = folder(size)
    try:
        server = s3.Versitygw(top).start()
    except s3.Unavailable as why:
        sys.exit(f"bench: no S3 server: {why}")
    try:
        server.make_bucket("bench")
        Bench(server, size, args.rounds).run()
    finally:
        server.stop()
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
