"""Checkpoints of real jobs: when they are taken, where they lie, what is kept of them, and what REST and metrics say."""

import os

import pytest
from checkpoints import LITERAL, check_records, counts_of, files_below, jobs_of, local, restoring, settings


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("checkpoints") / "cluster", slots=4) as found:
        yield found


@pytest.fixture
def stateful(bundle):
    return bundle("stateful")


def folder_of(jobs, job, tmp_path):
    return tmp_path / "checkpoints" / job


def snapshots_in(folder):
    return sorted(name for name in os.listdir(folder) if name.startswith("chk-"))


def test_storage_jobmanager(jobs, stateful):
    """Nothing is written; the path is the literal that Flink's clients know."""
    job = jobs.start(stateful, ["--rate", 20000], {"execution.checkpointing.interval": "50 ms"}, parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    latest = jobs.statistics(job)["latest"]["completed"]
    assert latest["external_path"] == LITERAL
    assert latest["state_size"] > 0 and latest["checkpoint_type"] == "CHECKPOINT"
    config = jobs.cluster.get(f"/jobs/{job}/checkpoints/config")
    assert config["checkpoint_storage"] == "JobManagerCheckpointStorage"
    assert config["interval"] == 50 and config["mode"] == "exactly_once"
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")


def test_storage_jobmanager_is_full(jobs, stateful):
    """5 MiB for a state are Flink's limit: the checkpoint is declined with the remedy."""
    job = jobs.start(stateful, ["--payload", 20000], {"execution.checkpointing.interval": "100 ms",
                                                      "restart-strategy.type": "none"})
    message = jobs.fails(job)
    assert "tolerable" in message and "execution.checkpointing.storage" in message and "execution.checkpointing.dir" in message


def test_storage_filesystem(jobs, stateful, tmp_path):
    job = jobs.start(stateful, ["--rate", 20000], settings(tmp_path, data_inline_threshold="0 kb"), parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    latest = jobs.statistics(job)["latest"]["completed"]
    folder = folder_of(jobs, job, tmp_path)
    assert os.path.dirname(local(latest["external_path"])) == str(folder)
    assert sorted(os.listdir(folder))[-2:] == ["shared", "taskowned"]
    path = jobs.cancel(job)
    jobs.cluster.wait(lambda: snapshots_in(folder) == [os.path.basename(path)])  # num-retained is 1
    assert "_metadata" in os.listdir(path) and len(os.listdir(path)) > 1
    assert jobs.cluster.get(f"/jobs/{job}/checkpoints/config")["externalization"] == {
        "enabled": True, "delete_on_cancellation": False}


@pytest.mark.parametrize("kept", [1, 3])
def test_incremental(jobs, stateful, tmp_path, kept):
    """State files are shared between checkpoints; those that none of the kept ones needs vanish."""
    job = jobs.start(stateful, ["--rate", 50000, "--payload", 2000],
                     settings(tmp_path, data_inline_threshold="0 kb", incremental="true", num_retained=str(kept)), parallelism=2)
    jobs.wait_for_checkpoints(job, 12)
    history = [c for c in jobs.statistics(job)["history"] if c["status"] == "COMPLETED"]
    assert any(c["checkpointed_size"] < c["state_size"] for c in history)
    path = jobs.cancel(job)
    folder = folder_of(jobs, job, tmp_path)
    jobs.cluster.wait(lambda: len(snapshots_in(folder)) == kept)
    assert os.path.basename(path) in snapshots_in(folder)
    assert os.listdir(folder / "shared")
    known = b"".join((folder / name / "_metadata").read_bytes() for name in snapshots_in(folder))
    jobs.cluster.wait(lambda: all(os.path.basename(name).encode() in known for name in os.listdir(folder / "shared")))
    restored = jobs.start(stateful, ["--rate", 50000, "--payload", 2000], {**settings(tmp_path), **restoring(path)})
    jobs.wait_for_checkpoints(restored)
    jobs.cancel(restored)


@pytest.mark.parametrize("retention", ["DELETE_ON_CANCELLATION", "RETAIN_ON_CANCELLATION"])
@pytest.mark.parametrize("end", ["cancelled", "finished"])
def test_what_is_left_at_the_end(jobs, stateful, tmp_path, retention, end):
    args = ["--rate", 20000] + (["--records", 10000] if end == "finished" else [])
    job = jobs.start(stateful, args, settings(tmp_path, data_inline_threshold="0 kb",
                                              externalized_checkpoint_retention=retention), parallelism=2)
    if end == "cancelled":
        jobs.wait_for_checkpoints(job, 2)
        jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED" if end == "cancelled" else "FINISHED")
    retained = retention == "RETAIN_ON_CANCELLATION" and end == "cancelled"
    folder = folder_of(jobs, job, tmp_path)
    jobs.cluster.wait(lambda: bool(files_below(folder)) == retained)
    assert bool(files_below(folder)) == retained


def test_the_final_checkpoint(jobs, stateful, tmp_path):
    """A bounded job with an interval of an hour ends soon, and all of its output is there."""
    args = ["--records", 40000, "--output", tmp_path / "out"]
    job = jobs.start(stateful, args, settings(tmp_path, interval="1 h"), parallelism=2)
    jobs.wait_for_end(job)
    assert check_records(tmp_path / "out") == 40000
    assert sum(n for numbers in counts_of(tmp_path / "out")["W"].values() for n in numbers) == 40000
    assert jobs.completed(job) == 1


def test_a_source_that_ends_beside_one_that_does_not(jobs, stateful, tmp_path):
    job = jobs.start(stateful, ["--rate", 20000, "--beside", 1, "--output", tmp_path / "out"], settings(tmp_path), parallelism=2)
    few = next(v["id"] for v in jobs.cluster.get(f"/jobs/{job}")["vertices"] if "Collection" in v["name"])
    jobs.cluster.wait(lambda: jobs.cluster.get(f"/jobs/{job}/vertices/{few}")["subtasks"][0]["status"] == "FINISHED")
    jobs.wait_for_checkpoints(job, 3)
    path = jobs.cancel(job)
    # Restored, the source that had ended does not begin again.
    job = jobs.start(stateful, ["--rate", 20000, "--beside", 1, "--output", tmp_path / "out"],
                     {**settings(tmp_path), **restoring(path)}, parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    jobs.stop(job, tmp_path / "savepoints")
    check_records(tmp_path / "out")
    found = counts_of(tmp_path / "out")["R"]
    assert {key: numbers for key, numbers in found.items() if key < 0} == {-1: [1], -2: [1], -3: [1]}


def test_min_pause(jobs, stateful, tmp_path):
    job = jobs.start(stateful, ["--rate", 20000], settings(tmp_path, interval="20 ms", min_pause="200 ms"), parallelism=2)
    jobs.wait_for_checkpoints(job, 4)
    jobs.cancel(job)
    history = [c for c in reversed(jobs.statistics(job)["history"]) if c["status"] == "COMPLETED"]
    for first, second in zip(history, history[1:]):
        assert second["trigger_timestamp"] - (first["trigger_timestamp"] + first["end_to_end_duration"]) >= 199


def overlap(history):
    """True when one began before the one before it had ended."""
    done = sorted((c for c in history if c["status"] == "COMPLETED"), key=lambda c: c["id"])
    return any(b["trigger_timestamp"] < a["trigger_timestamp"] + a["end_to_end_duration"] for a, b in zip(done, done[1:]))


@pytest.mark.parametrize("mode", ["EXACTLY_ONCE", "AT_LEAST_ONCE"])
def test_several_at_a_time(jobs, stateful, tmp_path, mode):
    """Checkpoints and savepoints that begin while others are written: none is declined, and the last one is right."""
    args = ["--rate", 50000, "--payload", 2000, "--output", tmp_path / "out"]
    config = settings(tmp_path, interval="10 ms", max_concurrent_checkpoints="4", data_inline_threshold="0 kb",
                      incremental="true", mode=mode)
    job = jobs.start(stateful, args, config, parallelism=2)
    jobs.cluster.wait(lambda: overlap(jobs.statistics(job)["history"]))
    for kind in ("CANONICAL", "NATIVE"):
        found = jobs.operation(f"/jobs/{job}/savepoints", {"target-directory": str(tmp_path / "savepoints"), "formatType": kind})
        assert os.path.exists(local(found.get("location", ""))), found
    jobs.wait_for_checkpoints(job, 10)
    failed = [c["failure_message"] for c in jobs.statistics(job)["history"] if c["status"] == "FAILED"]
    assert all("newer" in message for message in failed), failed
    path = jobs.stop(job, tmp_path / "savepoints")
    job = jobs.start(stateful, args, {**config, **restoring(path)}, parallelism=1)
    jobs.wait_for_checkpoints(job, 3)
    jobs.stop(job, tmp_path / "savepoints")
    assert check_records(tmp_path / "out") > 0


def test_failures_are_tolerated_or_not(jobs, stateful, tmp_path):
    """The folder of checkpoints cannot be written."""
    (tmp_path / "file").write_text("not a folder")
    job = jobs.start(stateful, ["--rate", 20000], settings(tmp_path / "file", tolerable_failed_checkpoints="1000"))
    jobs.cluster.wait(lambda: jobs.statistics(job)["counts"]["failed"] >= 3)
    assert jobs.cluster.state(job) == "RUNNING"
    failed = jobs.statistics(job)["latest"]["failed"]
    assert failed["status"] == "FAILED" and str(tmp_path / "file") in failed["failure_message"]
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")
    job = jobs.start(stateful, ["--rate", 20000], settings(tmp_path / "file"))
    message = jobs.fails(job)
    assert "Exceeded checkpoint tolerable failure threshold" in message and str(tmp_path / "file") in message


def test_at_least_once(jobs, stateful, tmp_path):
    job = jobs.start(stateful, ["--rate", 20000], settings(tmp_path, mode="AT_LEAST_ONCE"), parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    assert jobs.cluster.get(f"/jobs/{job}/checkpoints/config")["mode"] == "at_least_once"
    path = jobs.cancel(job)
    job = jobs.start(stateful, ["--rate", 20000], {**settings(tmp_path, mode="AT_LEAST_ONCE"), **restoring(path)}, parallelism=2)
    jobs.wait_for_checkpoints(job, 1)
    jobs.cancel(job)


def test_metrics(jobs, stateful, tmp_path):
    job = jobs.start(stateful, ["--rate", 20000], settings(tmp_path), parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    jobs.cluster.wait(lambda: (jobs.metric(job, "numberOfCompletedCheckpoints") or 0) >= 3)
    for name in ("totalNumberOfCheckpoints", "lastCheckpointSize", "lastCheckpointFullSize", "lastCompletedCheckpointId",
                 "lastCheckpointMetadataSize"):
        assert jobs.metric(job, name) > 0, name
    path = jobs.cluster.get(f"/jobs/{job}/metrics?get=lastCheckpointExternalPath")[0]["value"]
    assert path.startswith(("file:", "/")) and os.path.dirname(local(path)) == str(folder_of(jobs, job, tmp_path))
    vertex = jobs.cluster.get(f"/jobs/{job}")["vertices"][-1]["id"]
    names = ("checkpointAlignmentTime", "checkpointStartDelayNanos")
    jobs.cluster.wait(lambda: len(jobs.cluster.get(
        f"/jobs/{job}/vertices/{vertex}/metrics?get=" + ",".join(f"0.{name}" for name in names))) == 2)
    assert jobs.metric(job, "numberOfFailedCheckpoints") == 0 and jobs.metric(job, "lastCheckpointDuration") >= 0
    jobs.cancel(job)


def test_names_are_never_used_again(jobs, stateful, tmp_path):
    """After a restart within the job, and in a job that is restored: numbers go on."""
    c = jobs.cluster
    config = {**settings(tmp_path), "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.delay": "10 ms"}
    job = jobs.start(stateful, ["--rate", 20000, "--output", tmp_path / "out"], config, parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    before = jobs.statistics(job)["latest"]["completed"]["id"]
    for pid in c.workers():
        os.kill(pid, 9)
    c.leaves_files = True
    c.wait(lambda: jobs.statistics(job)["counts"]["restored"] == 1)
    jobs.wait_for_checkpoints(job, 2)
    ids = [s["id"] for s in jobs.statistics(job)["history"]]
    assert ids == sorted(set(ids), reverse=True)
    restored = jobs.statistics(job)["latest"]["restored"]
    assert restored["id"] >= before and not restored["is_savepoint"]
    path = jobs.cancel(job)
    last = max(s["id"] for s in jobs.statistics(job)["history"])
    job = jobs.start(stateful, ["--rate", 20000, "--output", tmp_path / "out"], {**settings(tmp_path), **restoring(path)})
    jobs.wait_for_checkpoints(job, 2)
    newest = int(os.path.basename(path).removeprefix("chk-"))
    assert newest <= last and min(s["id"] for s in jobs.statistics(job)["history"]) > newest
    jobs.stop(job, tmp_path / "savepoints")
    assert check_records(tmp_path / "out") > 0
