"""Timers and sessions that need five times the managed memory, with the rocksdb backend: workers are killed, the job goes on from a
checkpoint, and all of them fire once, with what belongs to them."""

import os

from cluster import PATIENCE
from test_memory import MB, OVERHEAD, anonymous_bytes
from test_recovery import CHECKPOINTED, completed
from texts import lines_of

KEYS = 400_000  # of jobs/deadlines.c
MANAGED = 16 * MB
BYTES_PER_KEY = 2 * 70 + 90  # a timer in memory, of the user and of the session; a session with its key


def test_timers_and_sessions_beyond_memory(cluster, bundle, tmp_path):
    assert KEYS * BYTES_PER_KEY > 5 * MANAGED
    c = cluster(taskmanagers=1, slots=2, config={"taskmanager.memory.managed.size": f"{MANAGED // MB}m"})
    c.leaves_files = True
    job = c.run_jar(c.upload(bundle("deadlines")),
                    ["--rate", 100_000, "--output", tmp_path / "out"], parallelism=2,
                    config={**CHECKPOINTED, "execution.checkpointing.interval": "1 s",
                            "execution.checkpointing.dir": str(tmp_path / "checkpoints"),
                            "execution.checkpointing.tolerable-failed-checkpoints": "1000",
                            "restart-strategy.fixed-delay.attempts": "2", "state.backend.type": "rocksdb"})
    network = c.get("/taskmanagers/metrics?get=Status.Shuffle.Netty.TotalMemory&agg=min")[0]["min"]
    most, killed = 0, 0

    def ended():
        nonlocal most, killed
        workers = c.workers()
        try:
            most = max(most, *map(anonymous_bytes, workers), 0)
            if len(workers) == 1 and killed < 2 and completed(c, job) >= 3 + 4 * killed:
                os.kill(workers[0], 9)
                killed += 1
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            pass
        state = c.state(job)
        assert state != "FAILED", c.get(f"/jobs/{job}/exceptions")
        return state == "FINISHED"

    c.wait(ended, 3 * PATIENCE)
    assert killed == 2 and c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] >= 2
    # What RocksDB holds beside the budget is far from what timers and sessions would take in memory.
    print(f"at most {most / MB:.0f} MB")
    assert most <= network + OVERHEAD + MANAGED + 64 * MB
    lines = [line.split() for line in lines_of(tmp_path / "out" / "timers")]
    timers = {int(key): int(at) for _, key, at in lines}
    assert len(lines) == len(timers) == KEYS
    for key, at in timers.items():
        assert at == 1000000 + (KEYS + key) // 1000 + key * 7919 % 10007
    lines = [line.split() for line in lines_of(tmp_path / "out" / "sessions")]
    sessions = {int(line[1]): tuple(map(int, line[2:])) for line in lines}
    assert len(lines) == len(sessions) == KEYS
    for key, session in sessions.items():
        assert session == (key // 1000, (KEYS + key) // 1000 + 1000000, 2, 2 * key + KEYS)
