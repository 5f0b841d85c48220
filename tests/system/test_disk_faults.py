"""Disks under the rocksdb backend, its checkpoints and its restore that are full, broken, damaged or slow: the job fails over or
declines the checkpoint, says why, and ends with the right output."""

import os
import random
import sys
import time

import pytest
from cluster import Cluster
from test_recovery import check_output, completed

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "faults"))
import disk as faults  # noqa: E402

KEYS, FILES, LINES = 60_000, 4, 15_000  # more keys than the smallest cache has room for


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    return faults.Disk(str(tmp_path_factory.mktemp("disk")))


@pytest.fixture(scope="module")
def jobs(flinc, disk, tmp_path_factory):
    c = Cluster(flinc.home, tmp_path_factory.mktemp("disk") / "cluster", slots=2)
    c.environment.update(disk.environment)
    c.start(1)
    try:
        yield c
        disk.mend()
        c.stop()
    finally:
        c.kill_all()


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder, rng, counts = tmp_path_factory.mktemp("lines") / "in", random.Random(11), {}
    folder.mkdir()
    for i in range(FILES):
        keys = [f"key {rng.randrange(KEYS)}" for _ in range(LINES)]
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
        (folder / f"file-{i}.txt").write_text("".join(key + "\n" for key in keys))
    return folder, counts


class Run:
    """A job whose state is larger than its cache, with a checkpoint behind it."""

    def __init__(self, c, bundle, lines, tmp_path, delay_us=20, **config):
        self.c, self.lines, self.out = c, lines, tmp_path / "out"
        self.checkpoints = tmp_path / "checkpoints"
        self.job = c.run_jar(c.upload(bundle("recovery")),
                             ["--input", lines[0], "--output", self.out, "--delay-us", delay_us], parallelism=2, config={
            "state.backend.type": "rocksdb",
            "state.backend.rocksdb.memory.fixed-per-tm": "256 kb",
            "execution.checkpointing.interval": "100 ms",
            "execution.checkpointing.dir": str(self.checkpoints),
            "execution.checkpointing.data-inline-threshold": "0",
            "execution.checkpointing.tolerable-failed-checkpoints": "1000",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "1000",
            "restart-strategy.fixed-delay.delay": "100 ms", **config})
        c.wait(lambda: completed(c, self.job) >= 1)

    def restored(self):
        return self.c.get(f"/jobs/{self.job}/checkpoints")["counts"]["restored"]

    def failures(self):
        history = self.c.get(f"/jobs/{self.job}/exceptions?maxExceptions=100")["exceptionHistory"]["entries"]
        return [e["stacktrace"] for entry in history for e in [entry, *entry.get("concurrentExceptions", [])]]

    def declined(self):
        return self.c.get(f"/jobs/{self.job}/checkpoints")["latest"]["failed"] or {}

    def wait_for_failure(self, *wanted):
        def found():
            texts = self.failures()
            assert self.c.state(self.job) != "FINISHED", f"it ended without {wanted}: {texts}"
            return any(all(w in t for w in wanted) for t in texts)

        try:
            self.c.wait(found)
        except AssertionError as e:
            raise AssertionError(f"{wanted}: {self.failures()[:3]}") from e

    def check_end(self):
        self.c.wait_for_state(self.job, "FINISHED")
        check_output(self.out, self.lines[1])


@pytest.mark.parametrize("rule, cause", [
    ("write,make {tmp} ENOSPC", "No space left on device"),
    ("write,sync {tmp} EIO one_in=5", "nput/output error"),
    ("read {tmp} EIO suffix=.sst", "nput/output error"),
    ("read {tmp} flip suffix=.sst", "Corruption"),
    ("write {tmp} short", None),
], ids=["full", "write-errors", "read-errors", "damaged", "short-writes"])
def test_the_disk_of_the_state(jobs, disk, bundle, lines, tmp_path, rule, cause):
    """The task fails over, says which file and why, and goes on from the checkpoint when the disk is well again."""
    run = Run(jobs, bundle, lines, tmp_path)
    disk.fail(rule.format(tmp=jobs.tmp))
    try:
        if cause is not None:
            run.wait_for_failure(cause, jobs.tmp)
        else:
            before = completed(jobs, run.job)
            jobs.wait(lambda: completed(jobs, run.job) > before)
    finally:
        disk.mend()
    run.check_end()
    assert (run.restored() > 0) == (cause is not None)


@pytest.mark.parametrize("rule, cause", [
    ("write,make {checkpoints} ENOSPC", "No space left on device"),
    ("sync {checkpoints} EIO", "nput/output error"),
], ids=["full", "sync-errors"])
def test_the_disk_of_checkpoints(jobs, disk, bundle, lines, tmp_path, rule, cause):
    """Checkpoints are declined with the cause, and the job goes on without a restart; the next ones are whole."""
    run = Run(jobs, bundle, lines, tmp_path)
    disk.fail(rule.format(checkpoints=run.checkpoints))
    try:
        jobs.wait(lambda: cause in run.declined().get("failure_message", ""))
    finally:
        disk.mend()
    before = completed(jobs, run.job)
    jobs.wait(lambda: completed(jobs, run.job) > before or jobs.state(run.job) == "FINISHED")
    assert run.failures() == [] and run.restored() == 0
    run.check_end()


@pytest.mark.parametrize("rule, causes", [
    ("read {checkpoints}/{job}/shared EIO", ("nput/output error", "/shared/")),
    ("read {checkpoints}/{job}/shared flip", ("is damaged", "block", "/shared/")),
    ("write {tmp} ENOSPC", ("No space left on device", "/restored-")),
], ids=["read-errors", "damaged", "full"])
def test_the_disks_of_a_restore(jobs, disk, bundle, lines, tmp_path, rule, causes):
    """It is tried again, always from the newest checkpoint, until the disk is well."""
    run = Run(jobs, bundle, lines, tmp_path)
    disk.fail(f"read {jobs.tmp} EIO suffix=.sst")
    run.wait_for_failure("nput/output error", ".sst")
    disk.fail(rule.format(tmp=jobs.tmp, checkpoints=run.checkpoints, job=run.job))
    try:
        run.wait_for_failure("restor", *causes)
        newest = jobs.get(f"/jobs/{run.job}/checkpoints")["latest"]["completed"]["id"]
        assert jobs.get(f"/jobs/{run.job}/checkpoints")["latest"]["restored"]["id"] == newest
    finally:
        disk.mend()
    run.check_end()


def test_a_slow_disk(jobs, disk, bundle, lines, tmp_path):
    """Checkpoints take long or run into their time-out, and nothing else."""
    run = Run(jobs, bundle, lines, tmp_path, **{"execution.checkpointing.timeout": "2 s"})
    disk.fail(f"write,sync,make {jobs.tmp} 50ms", f"write,sync {run.checkpoints} 50ms")
    try:
        before = completed(jobs, run.job)
        jobs.wait(lambda: completed(jobs, run.job) > before or "expired" in str(run.declined()))
    finally:
        disk.mend()
    assert run.failures() == []
    run.check_end()


def test_a_disk_that_hangs(jobs, disk, bundle, lines, tmp_path):
    """A job is cancelled nevertheless: the watchdog ends its worker, which waits for the disk."""
    run = Run(jobs, bundle, lines, tmp_path, **{"task.cancellation.interval": "100 ms", "task.cancellation.timeout": "1 s"})
    disk.fail(f"write,sync {jobs.tmp}/flinc-taskmanager- 600000ms")

    def hangs():
        newest = jobs.get(f"/jobs/{run.job}/checkpoints")["history"][0]
        return newest["status"] == "IN_PROGRESS" and newest["trigger_timestamp"] + 1000 < time.time() * 1000

    jobs.wait(hangs)
    jobs.cancel(run.job)
    jobs.wait_for_state(run.job, "CANCELED")
    disk.mend()
    jobs.wait_for_slots(2)
