"""What must be true of the output of checker.c, of what a cluster keeps after its jobs, and of its memory."""

import os
import statistics

# checker.c: the records of a session, records per rule, kinds of rules, items of list state per first subtask.
SESSION, RECORDS_PER_RULE, RULE_KINDS, TOKENS = 40, 160, 192, 97


class Violation(AssertionError):
    """The job, its output, or what it leaves behind is wrong."""


class Output:
    """The finished files of one workload.  `loose`: lines may come more than once, as with AT_LEAST_ONCE."""

    def __init__(self, folder, records, keys, first, loose, light):
        self.folder, self.records, self.keys, self.loose = folder, records, keys, loose
        self.first = first  # parallelism of the first run
        per_key = records // keys
        self.seen = {"R": [bytearray(per_key) for _ in range(keys)]}
        for kind in "TW" if light else "TWV":
            self.seen[kind] = [bytearray(per_key // SESSION) for _ in range(keys)]
        self.tokens, self.shares, self.rules = {}, {}, {}
        self.runs = set()  # of the job, with their parallelism, that have told of their end

    def lines(self):
        for name in visible(self.folder):
            with open(os.path.join(self.folder, name), encoding="ascii") as f:
                yield from f

    def check(self):
        told = []
        for line in self.lines():
            kind, *fields = line.split()
            if kind in self.seen:
                self.take(line, kind, *map(int, fields))
            else:
                self.runs.add(fields.pop())
                told.append((kind, line, *map(int, fields)))
        self.check_complete()
        if len(self.runs) == 1:
            for item in told:
                self.take_told(*item)
            run, parallelism = map(int, self.runs.pop().split("."))
            self.check_subtasks(parallelism)

    def take(self, line, kind, key, number, count=SESSION):
        if count != SESSION and not (self.loose and kind in "WV"):
            raise Violation(f"{line.strip()}: a session has {SESSION} records")
        if count < SESSION:
            return  # of records that came again: it stands for nothing
        if self.seen[kind][key][number] and not self.loose:
            raise Violation(f"{line.strip()}: twice in the output")
        self.seen[kind][key][number] = 1

    def take_told(self, kind, line, *fields):
        table = {"L": self.tokens, "U": self.shares, "B": self.rules}[kind]
        self.put(table, fields[:-1] if kind == "B" else fields[0], fields[-1], line)

    def put(self, table, key, value, line):
        if key in table and not self.loose:
            raise Violation(f"{line.strip()}: twice in the output")
        table[key] = max(value, table.get(key, 0))

    def check_complete(self):
        names = {"R": "record", "T": "timer", "W": "session", "V": "window"}
        for kind, table in self.seen.items():
            what = names[kind]
            for key, row in enumerate(table):
                if 0 in row:
                    raise Violation(f"{what} {row.index(0)} of key {key} is missing ({row.count(0)} of this key)")

    def check_subtasks(self, last):
        """List, union list and broadcast state, as each of the `last` subtasks says them at its end.  (Cut between the
        ends of its subtasks by another run, or another parallelism, some of what there is was told before and some
        after: then nothing is said about it.)"""
        wanted = {"list state": (self.tokens, range(self.first * TOKENS), self.records),
                  "union list state": (self.shares, range(last), self.records)}
        for what, (table, keys, total) in wanted.items():
            if set(table) != set(keys):
                raise Violation(f"{what}: {sorted(set(keys) ^ set(table))[:5]} of {len(keys)} items are wrong")
            counted = sum(table.values())
            if counted != total and not (self.loose and counted > total):
                raise Violation(f"{what} counted {counted} of {total} records")
        each = self.records // RECORDS_PER_RULE // RULE_KINDS
        if len(self.rules) != last * RULE_KINDS:
            raise Violation(f"broadcast state: {len(self.rules)} values in {last} subtasks of {RULE_KINDS}")
        for (subtask, kind), count in self.rules.items():
            if count != each:
                raise Violation(f"broadcast state: {count} of {each} rules of kind {kind} in subtask {subtask}")


def visible(folder):
    """Names of finished files."""
    return sorted(n for n in os.listdir(folder) if n[0] not in "._") if os.path.isdir(folder) else []


# ---- what is left behind ------------------------------------------------------------------------------------


def files_below(folder):
    return {os.path.join(at, n) for at, _, names in os.walk(folder) for n in names}


def unnamed(folder, first_live_attempt):
    """Files below `folder` that no _metadata there names; but those of tasks that were killed (of attempts below
    `first_live_attempt`), which may stay: nobody heard of them."""
    files = files_below(folder)
    metadata = {n for n in files if os.path.basename(n) == "_metadata"}
    named = b"".join(message_of(read(n)) for n in metadata)

    def is_excused(path):  # vertex-subtask-attempt-checkpoint-random
        parts = os.path.basename(path).split("-")
        return len(parts) == 5 and int(parts[2]) < first_live_attempt

    return [n for n in files - metadata if os.path.basename(n).encode() not in named and not is_excused(n)]


def message_of(metadata):
    """The message in a _metadata file, without the check sums between its blocks (engine/snapshot/metadata_format.h)."""
    head, checksum, block = 32, 4, 64 * 1024
    return b"".join(metadata[at + checksum:at + checksum + block] for at in range(head, len(metadata), checksum + block))


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""  # it is being deleted


# ---- processes that survive ---------------------------------------------------------------------------------

# Pools that grow, up to their limit, with what is asked for at the same time; all but the first are gRPC's.
POOLS = ("http-handler", "default-executo", "event_engine", "grpc_global_tim", "resolver-execut", "timer_manager")


def thread_names(pid):
    names = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as f:
            names.append(f.read().strip())
    return [n for n in names if n not in POOLS]


def sample(pid):
    """What a process holds."""
    anonymous = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Anonymous:"):
                anonymous = int(line.split()[1])
    return {"memory": anonymous, "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": len(thread_names(pid))}


def growth_kb(samples):
    """KB per sample: the median of the slopes between all pairs of them (Theil and Sen), which one step of the
    allocator does not move."""
    kb = [s["memory"] for s in samples]
    slopes = [(kb[j] - kb[i]) / (j - i) for i in range(len(kb)) for j in range(i + 1, len(kb))]
    return statistics.median(slopes) if slopes else 0.0
