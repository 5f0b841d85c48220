"""Sliding windows of process functions, which share panes, with records of several times the managed memory (rocksdb): a worker is killed, and
every window has all of its records, once."""

import collections
import os

from cluster import PATIENCE
from test_memory import MB, OVERHEAD, anonymous_bytes
from test_recovery import completed

KEYS, TEXT_BYTES = 5000, 300  # of jobs/shelves.c
EVENTS, SLIDE = 200_000, 40_000
MANAGED = 16 * MB


def windows():
    found = collections.defaultdict(lambda: [0, 0])
    for i in range(EVENTS):
        key, start = i * 2654435761 % 4294967291 % KEYS, i // SLIDE * SLIDE
        for k in range(4):
            entry = found[key, start - k * SLIDE]
            entry[0] += 1
            entry[1] += i
    return {name: tuple(entry) for name, entry in found.items()}


def read(folder):
    found = {}
    for name in os.listdir(folder):
        assert not name.startswith("."), name
        with open(os.path.join(folder, name), encoding="ascii") as lines:
            for line in lines:
                key, start, number, total = map(int, line.split())
                assert (key, start) not in found, line
                found[key, start] = number, total
    return found


def test_records_of_panes_beyond_memory(cluster, bundle, tmp_path):
    assert 4 * SLIDE * TEXT_BYTES > 2.8 * MANAGED and EVENTS > 4 * SLIDE
    c = cluster(taskmanagers=1, slots=2, config={"taskmanager.memory.managed.size": f"{MANAGED // MB}m"})
    c.leaves_files = True
    job = c.run_jar(c.upload(bundle("shelves")),
                    ["--events", EVENTS, "--slide", SLIDE, "--rate", 25_000, "--output", tmp_path / "out"], parallelism=2,
                    config={"state.backend.type": "rocksdb",
                            "execution.checkpointing.interval": "1 s",
                            "execution.checkpointing.dir": str(tmp_path / "checkpoints"),
                            "execution.checkpointing.incremental": "true",
                            "execution.checkpointing.tolerable-failed-checkpoints": "1000",
                            "restart-strategy.type": "fixed-delay",
                            "restart-strategy.fixed-delay.attempts": "1",
                            "restart-strategy.fixed-delay.delay": "100 ms"})
    network = c.get("/taskmanagers/metrics?get=Status.Shuffle.Netty.TotalMemory&agg=min")[0]["min"]
    most, killed = 0, False

    def ended():
        nonlocal most, killed
        workers = c.workers()
        try:
            most = max(most, *map(anonymous_bytes, workers), 0)
            if len(workers) == 1 and not killed and completed(c, job) >= 3:
                os.kill(workers[0], 9)
                killed = True
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            pass
        state = c.state(job)
        assert state != "FAILED", c.get(f"/jobs/{job}/exceptions")
        return state == "FINISHED"

    c.wait(ended, 3 * PATIENCE)
    assert killed and c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] >= 1
    print(f"at most {most / MB:.0f} MB")
    assert most <= network + OVERHEAD + MANAGED + 64 * MB
    assert read(tmp_path / "out") == windows()
