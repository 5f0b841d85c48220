"""Arrays, maps and rows in streams, state, windows and joins of a real job (jobs/nested.c, which checks what it keeps): over
restores at other parallelisms, with other fields, and as JSON."""

import json

import pytest
from checkpoints import counts_of, jobs_of, restoring, settings

KEYS = 60


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("nested") / "cluster", slots=3) as found:
        yield found


@pytest.fixture
def run(jobs, bundle, tmp_path):
    """run(folder, flags of nested.c, ...) starts the job; its output is in tmp_path/folder."""
    def start(folder, *flags, parallelism=2, records=-1, rate=4000, path=None):
        config = {**settings(tmp_path, incremental="true"), **(restoring(path) if path else {})}
        args = ["--records", records, "--rate", rate, "--keys", KEYS, "--output", tmp_path / folder]
        return jobs.start(bundle("nested", *flags), args, config, parallelism)

    return start


def started(jobs, job, folder, parallelism):
    """Each subtask of the state has said what it was given."""
    jobs.wait_for_checkpoints(job, 2)
    return len(counts_of(folder)["L"]) == parallelism


def end(jobs, job, how, tmp_path):
    return jobs.cancel(job) if how == "checkpoint" else jobs.stop(job, tmp_path / "savepoints", kind=how)


@pytest.mark.parametrize("how", ["CANONICAL", "NATIVE", "checkpoint"])
def test_restored_at_other_parallelisms(jobs, run, tmp_path, how):
    path, records, folders = None, 60 * KEYS, []
    for parallelism, last in ((1, False), (3, False), (2, True)):
        folder = tmp_path / f"out-{parallelism}"
        job = run(folder.name, parallelism=parallelism, records=records, rate=0 if last else 1500, path=path)
        if last:
            jobs.wait_for_end(job)
        else:
            jobs.cluster.wait(lambda job=job, p=parallelism, f=folder: started(jobs, job, f, p))
            path = end(jobs, job, how, tmp_path)
        before = sum(len(n) for f in folders for n in counts_of(f)["R"].values())
        assert sum(sum(n) for n in counts_of(folder)["L"].values()) == before
        folders.append(folder)
    found = {kind: {key: sorted(n for f in folders for n in counts_of(f)[kind][key]) for key in range(KEYS)}
             for kind in "RWEJCM"}
    every = list(range(1, 61))
    for key in range(KEYS):
        assert found["R"][key] == every and found["J"][key] == every
        assert len(found["M"][key]) == 60 and found["M"][key][-1] == 60
        assert found["W"][key] == [60] and found["E"][key] == [5] and found["C"][key] == [120]


@pytest.fixture
def stopped(jobs, run, tmp_path):
    job = run("out")
    jobs.wait_for_checkpoints(job, 2)
    return jobs.stop(job, tmp_path / "savepoints")


def test_fields_inside_of_rows_change(jobs, run, stopped, tmp_path):
    job = run("next", "-DVERSION=2", parallelism=3, path=stopped)
    jobs.wait_for_checkpoints(job, 2)
    again = jobs.stop(job, tmp_path / "savepoints")
    job = run("last", "-DVERSION=2", parallelism=1, path=again)
    jobs.wait_for_checkpoints(job)
    jobs.stop(job, tmp_path / "savepoints")
    for key in range(KEYS):
        numbers = sorted(n for folder in ("out", "next", "last") for n in counts_of(tmp_path / folder)["R"][key])
        assert numbers == list(range(1, len(numbers) + 1))


def test_what_does_not_fit_is_named_by_its_path(jobs, run, stopped):
    message = jobs.fails(run("next", "-DVERSION=3", "-Wno-unused-function", path=stopped))
    assert "field 'last.items[].pieces.value' was INT and is STRING now" in message, message


def rows(flinc, *arguments):
    result = flinc.run("state", *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def items_of(n):
    """As nested.c makes them."""
    if n % 7 == 0:
        return None
    return [{"name": f"item of order {n}",
             "pieces": sorted([{"key": f"piece of order {k}", "value": n % 1000 + k} for k in range(i)],
                              key=lambda entry: entry["key"]),
             "notes": [None, f"note of order {n}"] if i % 2 == 0 else None}
            for i in range(n % 5)]


def test_dump_and_diff(flinc, jobs, run, stopped, tmp_path):
    totals = {row["key"]["key"]: row["value"] for row in rows(flinc, "dump", stopped, "--state", "total")}
    assert len(totals) == KEYS
    for value in totals.values():
        last = value["last"]
        assert last["items"] == items_of(last["n"])
        assert value["history"][-1] == last["n"] and len(value["history"]) == min(value["count"], 5)
    seen = rows(flinc, "dump", stopped, "--state", "seen")
    assert len(seen) == 2 and all(
        sum(entry["value"] for entry in row["value"]["by_size"]) == row["value"]["total"] for row in seen)
    sizes = rows(flinc, "dump", stopped, "--state", "sizes")
    assert sizes and all(len(row["value"]["orders"]) == row["value"]["times"] for row in sizes)
    job = run("next", path=stopped)
    jobs.wait_for_checkpoints(job, 2)
    changes = rows(flinc, "diff", stopped, jobs.stop(job, tmp_path / "savepoints"), "--state", "total")
    assert len(changes) == KEYS and {row["change"] for row in changes} == {"changed"}
    for row in changes:
        assert row["was"] == totals[row["key"]["key"]] and row["value"]["count"] > row["was"]["count"]
