"""Bytes to and from a server, ours beside curl's, in turns."""

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

TOOL = os.path.join(TOP, "build", "release", "bench", "bench_fs_tool")
NEEDED = 4  # times the bytes, in the folder


def folder(size):
    """In memory when there is room: what a disk does is not measured."""
    in_memory = "/dev/shm"
    if os.path.isdir(in_memory) and shutil.disk_usage(in_memory).free > NEEDED * size:
        return tempfile.mkdtemp(prefix="flinc-bench-", dir=in_memory)
    return tempfile.mkdtemp(prefix="flinc-bench-")


def cpu_of(pids):
    """The CPU seconds of those processes so far."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


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

    def ours(self, *args, more=()):
        return lambda: run(TOOL, *self.options, *more, *args)

    def curl(self, *args):
        return lambda: run("curl", "-sS", "--fail", *args)

    # What a server says of itself.
    name = ""

    def uri(self, name):
        raise NotImplementedError

    def pids(self):
        """Of the server."""
        raise NotImplementedError

    # Further ways to put the file: {name: options}.
    ways = {}

    def curl_put(self):
        """A file of the bytes, again and again."""
        raise NotImplementedError

    def curl_get(self):
        raise NotImplementedError

    def best(self, commands):
        """The best (seconds, CPU seconds, CPU seconds of the server) of each, in turns, so that what else the machine does meets
        all of them."""
        found = {}
        for _ in range(self.rounds):
            for name, command in commands.items():
                before = cpu_of(self.pids())
                figures = *command(), cpu_of(self.pids()) - before
                found[name] = tuple(map(min, figures, found.get(name, figures)))
        return found

    def row(self, name, figure, unit, bar=0, limit=0, better="more"):
        line = {"bench": self.name + ": " + name, "figure": figure, "unit": unit, "bar": bar, "limit": limit, "better": better}
        print(json.dumps(line), flush=True)

    def run(self):
        mb = self.size / 1e6
        put = self.ours("put", self.file, self.uri("put"))
        found = self.best({
            "put": put,
            "curl put": self.curl_put(),
            **{name: self.ours("put", self.file, self.uri("put"), more=more) for name, more in self.ways.items()},
            "write": self.ours("write", self.size, self.uri("write")),
            "read": self.ours("read", self.uri("put")),
            "curl get": self.curl_get(),
        })
        for name, limit in (("write", "curl put"), ("read", "curl get")):
            done = "written" if name == "write" else "read"
            self.row(f"{done} per core", mb / found[name][1], "MB/s", 400, mb / found[limit][1])
            self.row(done, mb / found[name][0], "MB/s", 0, mb / found[limit][0])
        for name in ("put", *self.ways):
            said = f"a file of {mb:.0f} MB is {name}"
            self.row(f"{said}, times of curl -T", found[name][0] / found["curl put"][0], "", 1.3, 1, "less")
            self.row(f"{said}, CPU of ours and the server's per GB", sum(found[name][1:]) / mb * 1e3, "s", 0,
                     sum(found["curl put"][1:]) / mb * 1e3, "less")
            self.row(f"{said}, CPU of ours alone", found[name][1] / mb * 1e3, "s", 0, found["curl put"][1] / mb * 1e3, "less")


def main(doc, prepare):
    """`prepare(folder, size, rounds)`: a Bench over a server that runs."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    size = args.mb << 20
    top = folder(size)
    bench = None
    try:
        bench = prepare(top, size, args.rounds)
        bench.run()
    finally:
        if bench is not None:
            bench.server.stop()
        shutil.rmtree(top)
