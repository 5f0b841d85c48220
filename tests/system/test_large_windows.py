"""Windows whose keys need many times the memory of their cache (rocksdb): a job with checkpoints whose worker is killed gives
every window exactly, once."""

import collections
import os

import pytest
from test_recovery import completed

KEYS, EVENTS, WINDOW = 150_000, 450_000, 150_000


def key_of(i):
    return i * 2654435761 % 4294967291 % KEYS


def windows_of(by):
    """What the job of crowds.c writes: number and sum of ids, or 1 and the last id, by kind, key and start."""
    found = collections.defaultdict(lambda: [0, 0])
    for i in range(EVENTS):
        key, start = key_of(i), i // WINDOW * WINDOW
        for name in (("t", key, start), ("s", key, start), ("s", key, start - WINDOW)):
            entry = found[name]
            entry[0] += 1
            entry[1] += i
            if by == "function":
                entry[:] = 1, i
    return {name: tuple(entry) for name, entry in found.items()}


def read(folder):
    found = {}
    for name in os.listdir(folder):
        assert not name.startswith("."), name
        with open(os.path.join(folder, name), encoding="ascii") as lines:
            for line in lines:
                kind, *numbers = line.split()
                key, start, number, total = map(int, numbers)
                assert (kind, key, start) not in found, line
                found[kind, key, start] = number, total
    return found


@pytest.mark.parametrize("by", ["columns", "function"])
def test_windows_larger_than_memory(cluster, bundle, tmp_path, by):
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    job = c.run_jar(c.upload(bundle("crowds")),
                    ["--events", EVENTS, "--window", WINDOW, "--rate", 60_000, "--by", by, "--output", tmp_path / "out"],
                    parallelism=2, config={
        "state.backend.type": "rocksdb",
        "state.backend.rocksdb.memory.fixed-per-tm": "256 kb",
        "execution.checkpointing.interval": "500 ms",
        "execution.checkpointing.dir": str(tmp_path / "checkpoints"),
        "execution.checkpointing.incremental": "true",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "10",
        "restart-strategy.fixed-delay.delay": "100 ms"})
    c.wait(lambda: completed(c, job) >= 3)
    os.kill(c.workers()[0], 9)
    c.wait_for_state(job, "FINISHED", "FAILED")
    assert c.state(job) == "FINISHED", c.get(f"/jobs/{job}/exceptions")
    assert c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] >= 1
    expected, found = windows_of(by), read(tmp_path / "out")
    assert len(found) == len(expected)
    assert found == expected
