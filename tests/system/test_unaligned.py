"""Unaligned checkpoints of a job under back pressure, with channels inside workers and between them: they end while nothing
else moves, hold what is in flight, and the job goes on from them at any parallelism without losing or repeating a record."""

import os
import signal

import pytest
from checkpoints import check_records, counts_of, jobs_of, restoring, settings

RECORDS = 400000
SLOW = ["--records", RECORDS, "--slow", 40]  # some 10,000 records per second and task; the source makes millions


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    """Two task managers: half of the channels of a hash edge are local, half remote."""
    with jobs_of(flinc.home, tmp_path_factory.mktemp("unaligned") / "cluster", task_managers=2) as found:
        yield found


@pytest.fixture
def stateful(bundle):
    return bundle("stateful")


def unaligned(tmp_path, **more):
    return settings(tmp_path, interval="100 ms", **{"unaligned.enabled": "true", **more})


@pytest.mark.parametrize("timeout", ["0 ms", "20 ms"])
def test_rescaled_with_records_in_flight(jobs, stateful, tmp_path, timeout):
    """4 -> 2 -> 3 tasks: each record is counted once."""
    config = unaligned(tmp_path, aligned_checkpoint_timeout=timeout)
    output = ["--output", tmp_path / "out"]
    path = None
    for parallelism in (4, 2):
        job = jobs.start(stateful, SLOW + output, {**config, **(restoring(path) if path else {})}, parallelism)
        jobs.wait_for_checkpoints(job, 4)
        latest = jobs.statistics(job)["latest"]["completed"]
        assert latest["checkpoint_type"] == "UNALIGNED_CHECKPOINT"
        assert latest["persisted_data"] > 0
        assert latest["checkpointed_size"] >= latest["persisted_data"]
        shown = jobs.cluster.get(f"/jobs/{job}/checkpoints/config")
        assert shown["unaligned_checkpoints"] and shown["aligned_checkpoint_timeout"] == int(timeout.split()[0])
        path = jobs.cancel(job)
    job = jobs.start(stateful, ["--records", RECORDS] + output, {**config, **restoring(path)}, parallelism=3)
    jobs.wait_for_end(job)
    assert check_records(tmp_path / "out") == RECORDS
    assert sum(n for numbers in counts_of(tmp_path / "out")["W"].values() for n in numbers) == RECORDS


def small_channels(flinc, tmp_path, failpoints=""):
    """A cluster in which little is in flight, so that what is not overtaken comes soon."""
    return jobs_of(flinc.home, tmp_path / "cluster", task_managers=2, config={"taskmanager.memory.segment-size": "4 kb"},
                   failpoints=failpoints)


def test_custom_partitioners_stay_aligned(flinc, stateful, tmp_path):
    """No job is refused for its edges, and none can be made to overtake what cannot be dealt anew: `forced` changes nothing,
    and a warning says so.  The edges behind a custom one are overtaken as ever."""
    more = ["--custom", 1, "--output", tmp_path / "out"]
    with small_channels(flinc, tmp_path) as jobs:
        cluster = jobs.cluster

        def warnings():
            return cluster.jobmanager.text().count("unaligned.forced changes nothing: edges of custom partitioners stay aligned")

        before = warnings()
        job = jobs.start(stateful, SLOW + more, unaligned(tmp_path), 4)

        def newest():
            latest = jobs.statistics(job)["latest"]["completed"]
            return latest if latest and latest["persisted_data"] > 0 else None

        path = f"/jobs/{job}/checkpoints/details/{cluster.wait(newest)['id']}/subtasks"
        persisted = {v["name"]: cluster.get(f"{path}/{v['id']}")["persisted_data"] for v in cluster.get(f"/jobs/{job}")["vertices"]}
        assert persisted["Timestamps/Watermarks"] == 0 and persisted["Count"] > 0, persisted
        path = jobs.cancel(job)
        assert warnings() == before
        config = {**unaligned(tmp_path, **{"unaligned.forced": "true"}), **restoring(path)}
        job = jobs.start(stateful, ["--records", RECORDS] + more, config, parallelism=3)
        jobs.wait_for_end(job)
        assert warnings() == before + 1
        assert check_records(tmp_path / "out") == RECORDS


# Where workers kill themselves: while something in flight is written, before it is read, in the middle of its processing.
DEATHS = ("task.checkpoint.record=kill,one_in=400", "task.restore.channel_state=kill,one_in=12", "task.restore.replay=kill,one_in=200")


@pytest.mark.parametrize("death", DEATHS, ids=lambda d: d.split("=")[0])
def test_deaths_with_records_in_flight(flinc, stateful, tmp_path, death):
    """Each attempt may end where what is in flight is recorded or restored: the next one begins anew, and each record is
    counted once."""
    records = 5 * RECORDS  # the job must not end before an attempt has died by itself
    with small_channels(flinc, tmp_path, death) as jobs:
        cluster = jobs.cluster
        cluster.leaves_files = True  # of who is killed
        config = {**unaligned(tmp_path), "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 1000,
                  "restart-strategy.fixed-delay.delay": "0 s", "execution.checkpointing.tolerable-failed-checkpoints": 1000}
        output = ["--output", tmp_path / "out"]
        job = jobs.start(stateful, ["--records", records, "--slow", 40] + output, config, 4)
        kills = 0
        while jobs.metric(job, "numRestarts") <= kills:  # none of its own yet
            if "restore" in death:
                jobs.wait_for_checkpoints(job, 2)
                for pid in cluster.workers()[:1]:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                cluster.wait(lambda n=kills: jobs.metric(job, "numRestarts") >= n)
            jobs.wait_for_checkpoints(job)
        path = jobs.cancel(job)
        job = jobs.start(stateful, ["--records", records] + output, {**config, **restoring(path)}, parallelism=3)
        jobs.wait_for_end(job)
        assert check_records(tmp_path / "out") == records
