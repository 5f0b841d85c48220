"""File merging: many small state files in few, over kills, restores, other parallelisms, savepoints and both backends;
and what is left of them."""

import os
import random
import shutil

import pytest
from checkpoints import KEYS, counts_of, files_below, jobs_of, restoring, settings
from test_rescale import has_started, merged, numbers_of

MERGING = {"execution.checkpointing.file-merging.enabled": "true"}
ACROSS = {**MERGING, "execution.checkpointing.file-merging.across-checkpoint-boundary": "true",
          "execution.checkpointing.file-merging.max-file-size": "200 kb"}
RESTARTS = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50 ms"}


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("merging") / "cluster", slots=8) as found:
        yield found


def start(jobs, bundle, folder, parallelism, config, records=40 * KEYS, rate=0):
    args = ["--records", records, "--rate", rate, "--output", folder]
    return jobs.start(bundle("rescale"), args, config, parallelism)


def state_files(tmp_path):
    return {n for n in files_below(tmp_path / "checkpoints") if os.path.basename(n) != "_metadata"}


def is_settled(jobs, job):
    """The source of the rules, which ends, has ended: no checkpoint fails for that."""
    return all(v["status"] == ("FINISHED" if "Collection" in v["name"] else "RUNNING")
               for v in jobs.cluster.get(f"/jobs/{job}")["vertices"])


def test_number_of_files(jobs, bundle, tmp_path):
    """The same job, eight subtasks with several states each, with files of their own and with merged ones."""
    n_files, took_ms = {}, {}
    for name, merging in (("own", {}), ("merged", MERGING),
                          ("blocking", {**MERGING, "execution.checkpointing.file-merging.pool-blocking": "true"})):
        folder = tmp_path / name
        config = {**settings(folder, interval="100 ms", data_inline_threshold="0 kb"), **merging}
        job = start(jobs, bundle, folder / "out", 8, config, 4000 * KEYS, 4000)
        jobs.cluster.wait(lambda job=job: is_settled(jobs, job))
        jobs.wait_for_checkpoints(job, 5)
        took_ms[name] = jobs.statistics(job)["summary"]["end_to_end_duration"]["p50"]
        with open(os.path.join(jobs.cancel(job), "_metadata"), "rb") as f:
            metadata = f.read()
        named = [n for n in state_files(folder) if os.path.basename(n).encode() in metadata]
        n_files[name] = len(named)
        assert not merging or all(n.split("/")[1] == "taskowned" for n in named), named
    print(f"files of a checkpoint: {n_files}; ms: {took_ms}")
    assert n_files["merged"] * 2 <= n_files["own"], n_files
    assert n_files["blocking"] <= 4, n_files  # 8 subtasks of 2 vertices with state, 4 to a file


def of_killed(name):
    """Of the first attempt, which was killed: what nobody heard of may stay."""
    return os.path.basename(name).split("-")[2] == "0"


@pytest.mark.parametrize("backend", ["hashmap", "rocksdb"])
def test_kills_restores_and_ends(jobs, bundle, tmp_path, backend):
    """A worker is killed; the job is restored from its checkpoint, claimed, with fewer subtasks, and from a savepoint
    that was moved, with more; nothing is counted twice or missing, and nothing is left."""
    c = jobs.cluster
    common = {**settings(tmp_path, incremental="true", data_inline_threshold="0 kb"), **RESTARTS, **ACROSS,
              "state.backend.type": backend, "execution.checkpointing.local-backup.enabled": "true",
              "execution.state-recovery.from-local": "true"}
    records = 40 * KEYS
    first = start(jobs, bundle, tmp_path / "out" / "1", 4, common, records, 4000)
    c.wait(lambda: has_started(jobs, first, tmp_path / "out" / "1", 4))
    jobs.wait_for_checkpoints(first, 3)
    os.kill(random.choice(c.workers()), 9)
    jobs.wait_for_checkpoints(first, 2)
    assert any("/taskowned/" in n for n in state_files(tmp_path)) and any("/shared/" in n for n in state_files(tmp_path))
    path = jobs.cancel(first)

    config = {**common, **restoring(path, claim="CLAIM")}
    second = start(jobs, bundle, tmp_path / "out" / "2", 2, config, records, 4000)
    c.wait(lambda: has_started(jobs, second, tmp_path / "out" / "2", 2))
    jobs.wait_for_checkpoints(second, 2)
    savepoint = jobs.stop(second, tmp_path / "savepoints", kind="NATIVE")
    c.wait(lambda: not [n for n in state_files(tmp_path) if not of_killed(n)])
    moved = tmp_path / "moved"
    shutil.move(savepoint, moved)
    assert not any("taskowned" in n for n in files_below(moved))

    third = start(jobs, bundle, tmp_path / "out" / "3", 5, {**common, **restoring(moved)}, records)
    jobs.wait_for_end(third)
    # In the background.
    c.wait(lambda: not {n for n in files_below(tmp_path / "checkpoints") if n.startswith(third)})
    folders = [tmp_path / "out" / n for n in "123"]
    assert len(numbers_of(folders, "R")) == records
    assert merged(folders)["R"] == {key: list(range(1, 41)) for key in range(KEYS)}
    assert counts_of(folders[2])["B"]
