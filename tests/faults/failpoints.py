#!/usr/bin/env python3
"""Which failpoints a run came to, and which never: adds up the reports of its processes.

usage: tests/faults/failpoints.py FOLDER [--home DIR]

FOLDER is what FLINC_FAILPOINT_REPORT named: each process wrote there what it came to (common/base/failpoint.h)."""

import argparse
import collections
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def table(home):
    """{name: (process, protocol, where)} as the distribution lists them."""
    text = subprocess.run([os.path.join(home, "libexec", "flinc-jobmanager"), "--list-failpoints"], capture_output=True,
                          text=True, check=True).stdout
    head, *lines = text.splitlines()
    starts = [head.index(word) for word in ("FAILPOINT", "ROLE", "PROTOCOL", "WHERE")]
    found = {}
    for line in lines:
        name, *rest = (line[a:b].strip() for a, b in zip(starts, [*starts[1:], None]))
        found[name] = tuple(rest)
    return found


class Hits:
    """How many processes came to each place, and how often each made something go wrong."""

    def __init__(self):
        self.reached, self.fired, self.processes = collections.Counter(), collections.Counter(), 0

    def add(self, folder):
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".hits"):
                continue
            self.processes += 1
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as f:
                places = [line.split() for line in f if line.endswith("\n")]
            self.reached.update({p[1] for p in places if p[0] == "reached"})
            self.fired.update(p[1] for p in places if p[0] == "fired")
        return self

    def lines(self, rows):
        """A sentence, and what was never reached."""
        never = [n for n in rows if n not in self.reached]
        fired = [n for n in rows if self.fired[n]]
        planted = sum(n.startswith("planted.") for n in self.fired)
        yield (f"{len(rows) - len(never)} of {len(rows)} failpoints were reached by {self.processes} processes; {len(fired)} of them made "
               f"something go wrong, {sum(self.fired[n] for n in fired)} times" + (f"; {planted} planted bugs" if planted else ""))
        by_protocol = collections.defaultdict(list)
        for name in never:
            by_protocol[rows[name][1]].append(name)
        for protocol, names in by_protocol.items():
            yield f"never, {protocol}: {', '.join(names)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    args = parser.parse_args()
    for line in Hits().add(args.folder).lines(table(args.home)):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
