"""A job with state of every kind is stopped and restored with more and with fewer subtasks: 1, 5, 2."""

import pytest
from checkpoints import KEYS, counts_of, jobs_of, restoring, settings

RULES, TIMER_EACH = 7, 5  # of rescale.c


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("rescale") / "cluster", slots=3, task_managers=2) as found:
        yield found


def snapshot_of(jobs, job, how, tmp_path):
    """Ends the job; what it is restored from."""
    if how == "checkpoint":
        return jobs.cancel(job)
    return jobs.stop(job, tmp_path / "savepoints", kind=how)


@pytest.mark.parametrize("how", ["CANONICAL", "NATIVE", "checkpoint"])
def test_more_and_fewer_subtasks(jobs, bundle, tmp_path, how):
    out = tmp_path / "out"
    path, records, before = None, 40 * KEYS, []
    for parallelism, last in ((1, False), (5, False), (2, True)):
        folder = out / str(parallelism)
        args = ["--records", records, "--rate", 0 if last else 4000, "--output", folder]
        config = {**settings(tmp_path, incremental="true"), **(restoring(path) if path else {})}
        job = jobs.start(bundle("rescale"), args, config, parallelism)
        if last:
            jobs.wait_for_end(job)
        else:
            jobs.cluster.wait(lambda job=job, p=parallelism, folder=folder: has_started(jobs, job, folder, p))
            path = snapshot_of(jobs, job, how, tmp_path)
        # What a restored sink found finished it has made visible: all that was counted before is there.
        total = len(numbers_of(before, "R"))
        assert sum(numbers_of([folder], "L")) == total, "list state is dealt out"
        assert numbers_of([folder], "U") == [total] * parallelism, "union state goes to all"
        if before:
            assert numbers_of([folder], "B") == [RULES] * parallelism
        before.append(folder)
    assert len(numbers_of(before, "R")) == records
    found = merged(before)
    assert found["R"] == {key: list(range(1, 41)) for key in range(KEYS)}
    assert found["T"] == {key: list(range(1, 40 // TIMER_EACH + 1)) for key in range(KEYS)}


def has_started(jobs, job, folder, parallelism):
    """Each subtask has said what it was given, and the source of the rules, which ends, has ended."""
    jobs.wait_for_checkpoints(job)
    rules = next(v for v in jobs.cluster.get(f"/jobs/{job}")["vertices"] if "Collection" in v["name"])
    return len(numbers_of([folder], "B")) == parallelism and rules["status"] == "FINISHED"


def numbers_of(folders, kind):
    return [n for folder in folders for numbers in counts_of(folder)[kind].values() for n in numbers]


def merged(folders):
    found = {"R": {}, "T": {}}
    for folder in folders:
        for kind, table in found.items():
            for key, numbers in counts_of(folder)[kind].items():
                table.setdefault(key, []).extend(numbers)
    return {kind: {key: sorted(numbers) for key, numbers in table.items()} for kind, table in found.items()}
