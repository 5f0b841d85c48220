"""The workloads of a round: what is run, with which arguments, and what must be in the output."""

import os
import re
import subprocess
import sys
import threading

import bed  # noqa: F401  # it sets the path
import oracle
from oracle import Violation

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = 3072  # a multiple of the strides of all parallelisms: a key is in one progression for ever
WORDS = "the quick brown fox jumps over the lazy dog"


def build(home, folder, name):
    config = os.path.join(home, "bin", "flinc-config")
    bundle = os.path.join(folder, name + ".so")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(f'cc -O2 -g -shared $("{config}" --cflags) "{os.path.join(HERE, name + ".c")}" -o "{bundle}" $("{config}" --libs)',
                   shell=True, check=True)
    return bundle


class Tailer:
    """I2: looks at the finished files all the time, as those who use the output do: none is gone again, none changes, and no
    line is there twice."""

    def __init__(self, folder, number_of):
        self.folder, self.number_of = folder, number_of
        self.sizes, self.seen, self.flaws = {}, set(), []
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def names(self):
        found = []
        for directory, folders, names in os.walk(self.folder):
            folders[:] = [n for n in folders if n[0] not in "._"]
            found += [os.path.join(directory, n) for n in names if n[0] not in "._"]
        return found

    def take(self, path):
        with open(path, encoding="ascii", errors="replace") as f:
            text = f.read()
        self.sizes[path] = len(text)
        if not text.endswith("\n"):
            self.flaws.append(f"{path} ends in a line")
        for line in text.splitlines():
            try:
                number = self.number_of(line)
            except (ValueError, IndexError):
                self.flaws.append(f"{path}: {line!r} was never written")
                continue
            if number in self.seen:
                self.flaws.append(f"{path}: {line!r} is there twice")
            self.seen.add(number)

    def look(self):
        names = self.names()
        for path, size in self.sizes.items():
            if not os.path.exists(path) or os.path.getsize(path) != size:
                self.flaws.append(f"{path} has changed or is gone")
        for path in names:
            if path not in self.sizes:
                self.take(path)

    def run(self):
        while not self.ends.wait(0.05) and not self.flaws:
            try:
                self.look()
            except OSError as e:
                self.flaws.append(f"reading the output: {e}")

    def check(self):
        if self.flaws:
            raise Violation(f"I2: {self.flaws[:3]}")

    def end(self):
        self.ends.set()
        self.thread.join()
        if not self.flaws:
            self.look()
        self.check()


class Counted:
    """W1: sequence, keyBy, count: per key the numbers 0, 1, 2, ..., each written once."""

    name, source, rate, parallelisms = "W1", "workloads", 25_000, (2, 4, 3)
    config = {}

    def __init__(self, draw, seconds):
        self.records = max(int(self.rate * seconds) // KEYS, 8) * KEYS
        self.draw = draw

    def arguments(self, output):
        return ["--job", "count", "--records", self.records, "--keys", KEYS, "--rate", self.rate, "--output", output]

    def number_of(self, line):
        key, number = map(int, line.split(" "))
        return number * KEYS + key

    def check(self, tailer):
        """I1."""
        missing = self.records - len(tailer.seen)
        if missing or max(tailer.seen) >= self.records:
            some = next((i for i in range(self.records) if i not in tailer.seen), None)
            raise Violation(f"I1: {missing} of {self.records} records are missing, number {some} is the first")


class Files(Counted):
    """W2: the file sink, with buckets, sizes, and compaction now and then; local or on S3."""

    name = "W2"

    def arguments(self, output):
        more = self.draw.choice((["--roll", "checkpoint"], ["--part-bytes", 20_000], ["--part-bytes", 400_000], ["--compact", 3]))
        return ["--job", "files", "--records", self.records, "--keys", KEYS, "--rate", self.rate, "--output", output, *more]

    def number_of(self, line):
        number, key, payload = line.split(",", 2)
        index = int(number)
        if int(key) != index % KEYS or payload.strip('"') != f"{index}:{WORDS[:index % 40]}":
            raise ValueError(line)
        return index


class Slow(Counted):
    """W5: what comes behind the source is slow; unaligned checkpoints of full channels."""

    name, rate = "W5", 12_000
    config = {"execution.checkpointing.unaligned.enabled": "true"}

    def arguments(self, output):
        # The source makes more than is taken, with four tasks as with two.
        return ["--job", "count", "--records", self.records, "--keys", KEYS, "--rate", 0, "--slow-us", 150, "--output", output]


class Rescaled(Counted):
    """W6: savepoint, stop, and on at another parallelism, again and again."""

    name, parallelisms = "W6", (1, 2, 3, 4, 6, 8)


class Checked(Counted):
    """W3: timers, session windows, broadcast and union state: checker.c, which checks itself."""

    name, source, rate = "W3", "checker", 60_000

    def __init__(self, draw, seconds):
        super().__init__(draw, seconds)
        self.records = max(int(self.rate * seconds) // (KEYS * oracle.SESSION), 2) * KEYS * oracle.SESSION

    def arguments(self, output):
        return ["--records", self.records, "--keys", KEYS, "--rate", self.rate, "--output", output, "--light", 1, "--run", 1]

    def number_of(self, line):
        if not re.fullmatch(r"[RTWVLUB] [0-9. ]+", line):
            raise ValueError(line)
        return line

    def check(self, tailer):
        """I1: each record, timer and session once."""
        seen = {kind: 0 for kind in "RTW"}
        for line in tailer.seen:
            if line[0] in seen:
                seen[line[0]] += 1
        per_session = self.records // oracle.SESSION
        wanted = {"R": self.records, "T": per_session, "W": per_session}
        if seen != wanted:
            raise Violation(f"I1: {seen} records, timers and sessions of {wanted}")


WORKLOADS = {w.name: w for w in (Counted, Files, Checked, Slow, Rescaled)}


if __name__ == "__main__":
    sys.exit("workloads.py is a part of scripts/chaos.sh")
