"""Savepoints of real jobs by the command line: taken, stopped with, disposed of; and what the next version of a job makes of
them: operators added, removed and chained differently, types that have changed."""

import json
import os
import re
import shutil
import time

import pytest
from checkpoints import check_records, counts_of, files_below, jobs_of, local, restoring, settings

NONE = "0" * 31 + "1"


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("savepoints") / "cluster", slots=4) as found:
        yield found


@pytest.fixture
def flink(flinc, jobs):
    """flink("savepoint", job, ...) must succeed; returns the lines of its output."""
    def run(*args, code=0):
        result = flinc.run(*args, env=jobs.cluster.environment)
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout.splitlines() if code == 0 else result.stderr

    return run


@pytest.fixture
def run(jobs, bundle, tmp_path):
    """run(flags of stateful.c, ..., config={...}) starts the job; its output is in tmp_path/out."""
    def start(*flags, config=None, parallelism=2, output="out"):
        return jobs.start(bundle("stateful", *flags), ["--rate", 20000, "--output", tmp_path / output],
                          {**settings(tmp_path, interval="100 ms"), **(config or {})}, parallelism)

    return start


@pytest.fixture
def taken(jobs, run, tmp_path):
    """A job of version 1 that was stopped: the path of its savepoint."""
    def take(*flags, **more):
        job = run(*flags, **more)
        jobs.wait_for_checkpoints(job)
        return jobs.stop(job, tmp_path / "savepoints")

    return take


def goes_on(jobs, job, tmp_path):
    """The restored job counts on from where the other was, and each record once."""
    before = check_records(tmp_path / "out")
    jobs.wait_for_checkpoints(job)
    jobs.stop(job, tmp_path / "more")
    assert check_records(tmp_path / "out") > before


@pytest.mark.parametrize("kind", ["canonical", "native"])
def test_trigger_and_dispose(flink, flinc, jobs, run, tmp_path, kind):
    job = run()
    jobs.wait_for_checkpoints(job)
    lines = flink("savepoint", "--type", kind, job, tmp_path / "savepoints")
    assert lines[:2] == [f"Triggering savepoint for job {job}.", "Waiting for response..."]
    path = re.fullmatch(r"Savepoint completed\. Path: (.*)", lines[2])[1]
    assert lines[3:] == ["You can resume your program from this savepoint with the run command."]
    folder = local(path)
    assert re.fullmatch(re.escape(str(tmp_path)) + f"/savepoints/savepoint-{job[:6]}-[0-9a-f]{{12}}", folder)
    assert jobs.cluster.state(job) == "RUNNING"
    latest = jobs.statistics(job)["latest"]["savepoint"]
    assert latest["external_path"] == path and latest["savepointFormat"] == kind.upper() and latest["is_savepoint"]
    before = jobs.statistics(job)["latest"]["completed"]["id"]
    jobs.wait_for_checkpoints(job)
    assert jobs.statistics(job)["latest"]["completed"]["id"] > max(before, latest["id"]) - 1
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")
    assert "savepoint" in flinc.run("state", "info", folder).stdout
    # It needs no file of another folder: it can be moved.
    shutil.move(folder, tmp_path / "moved")
    shutil.rmtree(tmp_path / "checkpoints")
    job = run(config=restoring(tmp_path / "moved"), output="second")
    jobs.wait_for_checkpoints(job)
    jobs.stop(job, tmp_path / "more")
    first = {}
    for key, numbers in counts_of(tmp_path / "second")["R"].items():
        first[key] = min(numbers)
        assert sorted(numbers) == list(range(first[key], first[key] + len(numbers))), key
    assert max(first.values()) > 1
    lines = flink("savepoint", "-d", tmp_path / "moved")
    assert lines == [f"Disposing savepoint '{tmp_path}/moved'.", "Waiting for response...",
                     f"Savepoint '{tmp_path}/moved' disposed."]
    assert not (tmp_path / "moved").exists()


def test_detached(flink, jobs, run, tmp_path):
    job = run()
    jobs.wait_for_checkpoints(job)
    lines = flink("savepoint", "-detached", job, tmp_path / "savepoints")
    trigger = re.fullmatch("Successfully trigger manual savepoint, triggerId: ([0-9a-f]{32})", lines[-1])[1]
    jobs.cluster.wait(lambda: jobs.cluster.get(f"/jobs/{job}/savepoints/{trigger}")["status"]["id"] == "COMPLETED")
    lines = flink("stop", "-detached", "-p", tmp_path / "savepoints", job)
    trigger = re.fullmatch("Successfully trigger stop-with-savepoint, triggerId: ([0-9a-f]{32})", lines[-1])[1]
    jobs.wait_for_end(job)
    assert "location" in jobs.cluster.get(f"/jobs/{job}/savepoints/{trigger}")["operation"]
    assert len(os.listdir(tmp_path / "savepoints")) == 2


@pytest.mark.parametrize("kind", ["canonical", "native"])
def test_stop_suspends(flink, jobs, run, tmp_path, kind):
    """No window fires; what was written is committed."""
    job = run()
    jobs.wait_for_checkpoints(job)
    lines = flink("stop", "--type", kind, "--savepointPath", tmp_path / "savepoints", job)
    assert lines[:3] == [f'Suspending job "{job}" with a {kind.upper()} savepoint.',
                         f"Triggering stop-with-savepoint for job {job}.", "Waiting for response..."]
    path = local(re.fullmatch(r"Savepoint completed\. Path: (.*)", lines[3])[1])
    jobs.wait_for_end(job)
    found = counts_of(tmp_path / "out")
    assert found["R"] and not found["W"]
    hidden = [name for name in os.listdir(tmp_path / "out") if name[0] == "."]
    assert [name for name in hidden if not name.endswith(".savepoint")] == []  # those are marks, without content
    goes_on(jobs, run(config=restoring(path), parallelism=1), tmp_path)


def test_stop_drains(flink, jobs, run, tmp_path):
    """Every window fires: it has what was counted."""
    job = run()
    jobs.wait_for_checkpoints(job)
    lines = flink("stop", "--drain", "-p", tmp_path / "savepoints", job)
    assert lines[0] == f'Draining job "{job}" with a CANONICAL savepoint.'
    jobs.wait_for_end(job)
    found = counts_of(tmp_path / "out")
    assert check_records(tmp_path / "out")
    assert {key: [len(numbers)] for key, numbers in found["R"].items()} == found["W"]


def test_cancel_with_savepoint(flink, jobs, run, tmp_path):
    job = run()
    jobs.wait_for_checkpoints(job)
    lines = flink("cancel", "-s", tmp_path / "savepoints", job)
    assert lines[0] == f"Cancelling job {job} with CANONICAL savepoint to {tmp_path}/savepoints."
    path = re.fullmatch(f"Cancelled job {job}\\. Savepoint stored in (.*)\\.", lines[1])[1]
    jobs.wait_for_end(job, "CANCELED")
    goes_on(jobs, run(config=restoring(path)), tmp_path)


def test_checkpoint(flink, jobs, run):
    """Also of a job that takes none by itself."""
    job = run(config={"execution.checkpointing.interval": "0 ms", "execution.checkpointing.incremental": "true"})
    jobs.cluster.wait(lambda: jobs.cluster.all_running(job))
    for number, more in ((1, []), (2, ["--full"])):
        assert flink("checkpoint", job, *more) == [f"Triggering checkpoint for job {job}.", "Waiting for response...",
                                                   f"Checkpoint {number} for job {job} completed."]
    full = jobs.statistics(job)["history"][0]
    assert full["checkpointed_size"] == full["state_size"]
    jobs.cancel(job)


def test_relative_folders(flinc, jobs, run, tmp_path):
    """They are below the folder of who calls, not of the job manager."""
    def call(*args):
        result = flinc.run(*args, env=jobs.cluster.environment, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    job = run()
    jobs.wait_for_checkpoints(job)
    assert f"{tmp_path}/savepoints/savepoint-" in call("savepoint", job, "savepoints")
    path = local(re.search(r"Path: (.*)", call("stop", "-p", "./savepoints", job))[1])
    jobs.wait_for_end(job)
    assert os.path.dirname(path) == str(tmp_path / "savepoints")
    call("savepoint", "-d", os.path.relpath(path, tmp_path))
    assert not os.path.exists(path)


def submit(flink, bundle, tmp_path, *options, code=0):
    found = flink("run", "-d", "-p", 2, "-D", f"execution.checkpointing.dir={tmp_path}/checkpoints",
                  "-D", "execution.checkpointing.interval=50ms", "-D", "restart-strategy.type=none", *options,
                  bundle("stateful"), "--rate", 20000, "--output", tmp_path / "out", code=code)
    return re.search("^Job has been submitted with JobID ([0-9a-f]{32})$", "\n".join(found), re.M)[1] if code == 0 else found


def test_no_claim_never_touches(flink, jobs, bundle, taken, tmp_path):
    path = taken()
    before = {name: open(os.path.join(path, name), "rb").read() for name in files_below(path)}
    job = submit(flink, bundle, tmp_path, "-s", path, "-cm", "no_claim", "-D", "execution.checkpointing.incremental=true")
    jobs.wait_for_checkpoints(job, 3)
    jobs.stop(job, tmp_path / "more")
    assert {name: open(os.path.join(path, name), "rb").read() for name in files_below(path)} == before
    assert check_records(tmp_path / "out")


def test_claimed_is_deleted_when_subsumed(flink, jobs, bundle, taken, tmp_path):
    path = taken()
    job = submit(flink, bundle, tmp_path, "-s", path, "--claimMode", "claim")
    jobs.wait_for_checkpoints(job, 2)
    jobs.cluster.wait(lambda: not os.path.exists(path))
    jobs.stop(job, tmp_path / "more")
    assert check_records(tmp_path / "out")


def test_claimed_checkpoint(jobs, run, tmp_path):
    """A retained incremental checkpoint belongs to the new job: its shared files go when nothing needs them."""
    config = {"execution.checkpointing.incremental": "true", "execution.checkpointing.data-inline-threshold": "0 kb"}
    job = run(config=config)
    jobs.wait_for_checkpoints(job, 3)
    path = jobs.cancel(job)
    old = os.path.dirname(path)
    again = run(config={**config, **restoring(path, "CLAIM")})
    jobs.wait_for_checkpoints(again, 2)
    jobs.cluster.wait(lambda: not os.path.exists(path))
    path = jobs.cancel(again)
    goes_on(jobs, run(config=restoring(path)), tmp_path)
    known = open(os.path.join(path, "_metadata"), "rb").read()
    jobs.cluster.wait(lambda: all(os.path.basename(name).encode() in known for name in files_below(old)))


def test_an_operator_is_removed(flink, jobs, run, bundle, taken, tmp_path):
    path = taken("-DEXTRA")
    message = jobs.fails(run(config=restoring(path)))
    assert "--allowNonRestoredState" in message and "uid" in message and path in message
    job = submit(flink, bundle, tmp_path, "-s", path, "-n")
    jobs.wait_for_checkpoints(job)
    goes_on(jobs, job, tmp_path)


def test_an_operator_is_added(jobs, run, taken, tmp_path):
    goes_on(jobs, run("-DEXTRA", config=restoring(taken())), tmp_path)


@pytest.mark.parametrize("before, after", [((), ("-DUNCHAINED",)), (("-DUNCHAINED",), ())])
def test_chained_differently(jobs, run, taken, tmp_path, before, after):
    goes_on(jobs, run(*after, config=restoring(taken(*before))), tmp_path)


@pytest.mark.parametrize("kind", ["savepoint", "checkpoint"])
def test_fields_are_added_removed_and_widened(jobs, run, taken, tmp_path, kind):
    if kind == "savepoint":
        path = taken()
    else:
        job = run(config={"execution.checkpointing.incremental": "true"})
        jobs.wait_for_checkpoints(job, 3)
        path = jobs.cancel(job)
    goes_on(jobs, run("-DVERSION=2", config=restoring(path)), tmp_path)


def test_a_field_of_another_type_is_refused(jobs, run, taken):
    message = jobs.fails(run("-DVERSION=3", "-Wno-unused-function", config=restoring(taken())))
    for text in ("'n'", "BIGINT", "STRING", "total", "Count"):
        assert text in message, (text, message)


def test_another_number_of_key_groups_is_refused(jobs, run, taken):
    path = taken(config={"pipeline.max-parallelism": "128"})
    message = jobs.fails(run(config={**restoring(path), "pipeline.max-parallelism": "64"}))
    for text in ("maximum parallelism", "128", "64", "Count", path):
        assert text in message, (text, message)


def test_mistakes(flink, jobs, run, tmp_path):
    """Each says what is wrong and, where there is something, what to do."""
    message = flink("savepoint", NONE, tmp_path, code=1)
    assert NONE in message and "not found" in message
    assert NONE in flink("stop", "-p", tmp_path, NONE, code=1)
    assert NONE in flink("checkpoint", NONE, code=1)
    assert "JobID" in flink("savepoint", code=1) and "'abc'" in flink("stop", "-p", tmp_path, "abc", code=1)
    job = run(config={"execution.checkpointing.interval": "0 ms"})
    jobs.cluster.wait(lambda: jobs.cluster.all_running(job))
    message = flink("savepoint", job, code=1)  # no folder is known
    assert "execution.checkpointing.savepoint-dir" in message
    (tmp_path / "file").write_text("")
    message = flink("savepoint", job, tmp_path / "file" / "folder", code=1)
    assert str(tmp_path / "file") in message
    message = flink("stop", "-p", tmp_path / "file", job, code=1)
    assert str(tmp_path / "file") in message
    assert jobs.cluster.state(job) == "RUNNING"
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")
    for command in (("savepoint", job, tmp_path), ("stop", "-p", tmp_path, job), ("checkpoint", job)):
        assert "CANCELED" in flink(*command, code=1), command
    message = flink("savepoint", "-d", tmp_path / "none", code=1)
    assert str(tmp_path / "none") in message


def test_a_time_to_live_comes_and_goes(flinc, jobs, run, tmp_path):
    """A state gets a time to live: what it had counts as written at the restore, and `flink state dump` shows when.  It
    loses it: the values stay."""
    def stamps_of(path):
        dumped = flinc.run("state", "dump", path, "--state", "total")
        rows = [json.loads(line) for line in dumped.stdout.splitlines()]
        assert rows, dumped.stderr
        return [row["value"].get("$ttl") for row in rows]

    job = run()
    jobs.wait_for_checkpoints(job)
    path = jobs.stop(job, tmp_path / "savepoints")
    assert set(stamps_of(path)) == {None}
    began_ms = time.time() * 1000
    job = run("-DTTL_MS=3600000", config=restoring(path), parallelism=1)
    jobs.wait_for_checkpoints(job)
    path = jobs.stop(job, tmp_path / "savepoints")
    assert all(began_ms <= stamp <= time.time() * 1000 for stamp in stamps_of(path))
    goes_on(jobs, run(config=restoring(path)), tmp_path)
