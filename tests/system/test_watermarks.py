"""Watermarks of several sources in real processes: alignment, and inputs that are idle for a while."""

import contextlib
import os
import socket
from collections import Counter

import checkpoints
import pytest
from checkpoints import Jobs, settings

STEP_MS = 10


def lines_of(folder):
    return [line.rstrip("\n") for line in checkpoints.lines_of(folder)]


class Sources:
    """Metrics of the two sources of jobs/aligned.c, of which each is one subtask."""

    def __init__(self, c, job):
        self.c = c
        self.bases = []
        for vertex in c.get(f"/jobs/{job}")["vertices"]:
            if vertex["name"].startswith("Source"):
                self.bases.append(f"/jobs/{job}/vertices/{vertex['id']}/subtasks/0/metrics")

    def values(self, metric):
        """Of the watermark strategy of each source, the fast one first."""
        found = []
        for base in self.bases:
            names = [m["id"] for m in self.c.get(base) if m["id"].endswith("." + metric)]
            names = [n for n in names if "Timestamps" in n]
            found += [int(m["value"]) for n in names for m in self.c.get(f"{base}?get={n}")]
        return found


def start(c, jobs, bundle, tmp_path, fast, slow, rate, drift, fast_rate=0, **config):
    job = jobs.start(bundle("aligned"), ["--fast", fast, "--slow", slow, "--rate", rate, "--drift", drift,
                                         "--fast-rate", fast_rate, "--output", tmp_path / "out"],
                     {**settings(tmp_path, "100 ms"), **config})  # fmt: skip
    c.wait(lambda: c.all_running(job) or c.state(job) == "FINISHED")
    return job


def all_lines(fast, slow):
    return Counter([f"0 {i * STEP_MS}" for i in range(fast)] + [f"1 {i * STEP_MS}" for i in range(slow)])


def test_the_fast_source_waits(cluster, bundle, tmp_path):
    """The drift is bounded by what is allowed and one poll of the source; checkpoints, a drain and records pass
    while it waits."""
    c = cluster(taskmanagers=1, slots=2)
    jobs = Jobs(c)
    job = start(c, jobs, bundle, tmp_path, -1, -1, rate=500, drift=1000)
    sources = Sources(c, job)

    def drifts():
        marks = sources.values("currentOutputWatermark")
        return marks if len(marks) == 2 and min(marks) > 10000 else None

    bound = 1000 + 60000  # some thousand records of one poll
    seen = []
    while len(seen) < 5:
        fast, slow = c.wait(drifts)
        assert fast - slow <= bound
        assert max(sources.values("watermarkAlignmentDrift")) <= bound
        seen.append(slow)
        jobs.wait_for_checkpoints(job)
    assert seen == sorted(seen)
    assert c.wait(lambda: sources.values("watermark.accumulatedPausedTimeMs"))[0] > 0
    jobs.stop(job, tmp_path / "savepoint", drain=True)
    counts = Counter(line.split()[0] for line in lines_of(tmp_path / "out"))
    assert 0 < counts["0"] <= counts["1"] + bound // STEP_MS


def test_without_alignment_it_does_not(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=1, slots=2)
    jobs = Jobs(c)
    job = start(c, jobs, bundle, tmp_path, -1, -1, rate=100, drift=0, fast_rate=100000)
    sources = Sources(c, job)
    c.wait(lambda: max(sources.values("currentOutputWatermark"), default=0) > 1000000)
    assert sources.values("watermarkAlignmentDrift") == []
    c.cancel(job)
    jobs.wait_for_end(job, "CANCELED")


@pytest.mark.parametrize("parallelism", [1, 2])
def test_bounded_sources_end(flinc, bundle, tmp_path, parallelism):
    """Who has finished is not waited for, and everything comes once."""
    flinc.run_local("-p", parallelism, bundle("aligned"), "--fast", 20000, "--slow", 500, "--rate", 1000,
                    "--drift", 100, "--output", tmp_path / "out",
                    "-Dpipeline.operator-chaining.enabled=false")  # fmt: skip
    assert Counter(lines_of(tmp_path / "out")) == all_lines(20000, 500)


RESTARTS = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "50ms",
}


def test_alignment_goes_on_after_failures(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    jobs = Jobs(c)
    job = start(c, jobs, bundle, tmp_path, 40000, 2000, rate=500, drift=500, **RESTARTS)
    for _ in range(3):
        jobs.wait_for_checkpoints(job, 2)
        os.kill(c.workers()[0], 9)
        c.wait(lambda: c.all_running(job) or c.state(job) == "FINISHED")
    jobs.wait_for_end(job)
    assert Counter(lines_of(tmp_path / "out")) == all_lines(40000, 2000)


def test_nobody_waits_for_a_source_of_an_earlier_life(cluster, bundle, tmp_path):
    """It had finished before the checkpoint that is restored."""
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    jobs = Jobs(c)
    job = start(c, jobs, bundle, tmp_path, 10000, 100, rate=1000, drift=500, fast_rate=1000, **RESTARTS)

    def states():
        return [v["status"] for v in c.get(f"/jobs/{job}")["vertices"] if v["name"].startswith("Source")]

    c.wait(lambda: "FINISHED" in states())
    jobs.wait_for_checkpoints(job, 2)
    os.kill(c.workers()[0], 9)
    jobs.wait_for_end(job)
    assert c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] == 1
    assert Counter(lines_of(tmp_path / "out")) == all_lines(10000, 100)


def test_an_idle_input_holds_nobody(cluster, bundle):
    """An input of a union that is silent is waited for no longer than its time-out; when it speaks again it holds
    the others, and the watermark never goes back (jobs/idle.c fails then)."""
    c = cluster(taskmanagers=2, slots=1)
    with socket.create_server(("localhost", 0)) as server, contextlib.ExitStack() as open_files:
        job = c.run_jar(c.upload(bundle("idle")),
                        ["--port", server.getsockname()[1], "--idle", 2000, "--rate", 2000], parallelism=2)  # fmt: skip
        server.settimeout(60)
        line = open_files.enter_context(server.accept()[0])
        c.wait(lambda: c.all_running(job))
        check = [v for v in c.get(f"/jobs/{job}")["vertices"] if "check" in v["name"]][0]
        seen = []

        def watermark():
            """The lowest of the subtasks; never lower than the one before."""
            found = [int(m["value"]) for m in c.get(f"/jobs/{job}/vertices/{check['id']}/watermarks")]
            if len(found) < 2 or min(found) < 0:
                return None
            assert not seen or min(found) >= seen[-1]
            seen.append(min(found))
            return seen[-1]

        first = c.wait(watermark)  # the silent one never said anything
        c.wait(lambda: watermark() > first + 5000)
        # It speaks, and goes on saying the same time: everybody waits for it.
        at = watermark() + 60000

        def held():
            line.sendall(f"{at}\n".encode())
            return watermark() == at - 1

        c.wait(held)
        for _ in range(10):
            line.sendall(f"{at}\n".encode())
            assert watermark() == at - 1
        line.sendall(b"0\n")  # late: nothing goes back
        assert watermark() >= at - 1
        c.wait(lambda: watermark() > at + 5000)  # silent again
        assert c.state(job) == "RUNNING"
        c.cancel(job)
        c.wait_for_state(job, "CANCELED")
