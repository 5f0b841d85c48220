"""A job of files, keyed sums and part files whose workers are killed while it runs: every line counts once."""

import collections
import gzip
import os
import random
import re

KEYS, FILES, LINES = 50, 6, 6000

CHECKPOINTED = {
    "execution.checkpointing.interval": "100ms",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "50ms",
}


def write_input(folder, rng):
    """Files of keys, one of them packed.  Returns how often each key is in them."""
    counts = collections.Counter()
    os.makedirs(folder)
    for i in range(FILES):
        keys = [f"key {rng.randrange(KEYS)}" for _ in range(LINES)]
        counts.update(keys)
        text = "".join(key + "\n" for key in keys).encode()
        if i == 0:
            with gzip.open(folder / "packed.gz", "wb") as packed:
                packed.write(text)
        else:
            (folder / f"file-{i}.txt").write_bytes(text)
    return counts


def read_output(folder):
    """The counts of each key, in what is visible; and the names of what is hidden."""
    seen = collections.defaultdict(list)
    hidden = []
    for name in os.listdir(folder):
        if name.startswith("."):
            hidden.append(name)
            continue
        for line in (folder / name).read_text().splitlines():
            key, count = re.fullmatch(r"\((key \d+),(\d+)\)", line).groups()
            seen[key].append(int(count))
    return seen, hidden


def check_output(folder, counts):
    seen, hidden = read_output(folder)
    for key, n in counts.items():
        assert sorted(seen[key]) == list(range(1, n + 1)), key
    assert set(seen) == set(counts)
    assert hidden == []


def completed(c, job):
    return c.get(f"/jobs/{job}/checkpoints")["counts"]["completed"]


def start(c, bundle, tmp_path, rng, parallelism=2):
    counts = write_input(tmp_path / "in", rng)
    job = c.run_jar(c.upload(bundle("recovery")),
                    ["--input", tmp_path / "in", "--output", tmp_path / "out", "--delay-us", "100"],
                    parallelism=parallelism, config=CHECKPOINTED)
    return job, counts


def test_checkpoints_without_failures(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=1, slots=2)
    job, counts = start(c, bundle, tmp_path, random.Random(1))
    c.wait(lambda: completed(c, job) >= 2)
    c.wait_for_state(job, "FINISHED")
    check_output(tmp_path / "out", counts)


def test_workers_are_killed(cluster, bundle, tmp_path):
    rng = random.Random(7)
    c = cluster(taskmanagers=2, slots=2)
    c.leaves_files = True
    job, counts = start(c, bundle, tmp_path, rng)
    kills = 0
    for wanted in range(1, 6):
        c.wait(lambda: completed(c, job) >= wanted or c.state(job) == "FINISHED")  # pylint: disable=cell-var-from-loop
        workers = c.workers()
        if c.state(job) == "FINISHED":
            break
        try:
            os.kill(rng.choice(workers), 9)
            kills += 1
        except (IndexError, ProcessLookupError):  # none there, or it ended meanwhile
            pass
    c.wait_for_state(job, "FINISHED")
    assert kills >= 2
    assert c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] >= 2
    check_output(tmp_path / "out", counts)


# ---- regions: pipelines that have nothing to do with each other --------------------------------------


def subtasks(c, job, vertices):
    return [s for v in sorted(vertices) for s in c.get(f"/jobs/{job}/vertices/{v}")["subtasks"]]


def start_times(c, job, vertices):
    """When each subtask began, when all have."""
    return c.wait(lambda: min(found := [s["start-time"] for s in subtasks(c, job, vertices)]) > 0 and found)


def sides(c, job):
    """The ids of the vertices of the left pipeline, and of the right one, in the order of the job."""
    ids = [v["id"] for v in c.get(f"/jobs/{job}")["vertices"]]
    edges = {(i["id"], n["id"]) for n in c.get(f"/jobs/{job}/plan")["plan"]["nodes"] for i in n.get("inputs", [])}
    found = [{s} | {t for f, t in edges if f == s} for s in ids if s not in {t for _, t in edges}]
    assert [len(side) for side in found] == [2, 2], found
    return found


def metric(c, job, name):
    found = c.get(f"/jobs/{job}/metrics?get={name}")
    return int(found[0]["value"]) if found else None


def start_regions(c, bundle, tmp_path, rng, *args, parallelism=1, **config):
    counts = [write_input(tmp_path / side, rng) for side in ("left", "right")]
    job = c.run_jar(c.upload(bundle("regions")),
                    ["--left", tmp_path / "left", "--left-out", tmp_path / "left-out", "--right", tmp_path / "right",
                     "--right-out", tmp_path / "right-out", *([] if "--delay-us" in args else ["--delay-us", "100"]), *args],
                    parallelism=parallelism, config={**CHECKPOINTED, **config})
    return job, counts


def check_sides(tmp_path, counts):
    for side, n in zip(("left-out", "right-out"), counts):
        check_output(tmp_path / side, n)


def test_a_failed_region_restarts_alone(cluster, bundle, tmp_path):
    """Both pipelines in one worker; the left one fails three times."""
    c = cluster(taskmanagers=1, slots=4)
    job, counts = start_regions(c, bundle, tmp_path, random.Random(3), "--failures", "3", parallelism=2)
    left, right = sides(c, job)
    before = start_times(c, job, right)
    c.wait(lambda: metric(c, job, "numRestarts") == 3)
    restored = c.get(f"/jobs/{job}/checkpoints")["latest"]["restored"]
    assert metric(c, job, "fullRestarts") == 3
    assert (metric(c, job, "lastCheckpointRestoreTimestamp") > 0) == (restored is not None)
    c.wait_for_state(job, "FINISHED")
    assert start_times(c, job, right) == before
    assert {s["attempt"] for s in subtasks(c, job, right)} == {0}
    assert {s["attempt"] for s in subtasks(c, job, left)} == {3}
    history = c.get(f"/jobs/{job}/exceptions?maxExceptions=20")["exceptionHistory"]["entries"]
    assert len(history) >= 3 and all(e["taskName"] and e["taskManagerId"] for e in history), history
    check_sides(tmp_path, counts)


def test_the_worker_of_a_region_is_killed(cluster, bundle, tmp_path):
    """Each pipeline has a task manager of its own: the one whose worker is killed goes back to its checkpoint."""
    rng = random.Random(5)
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    job, counts = start_regions(c, bundle, tmp_path, rng)
    ids = sides(c, job)
    c.wait(lambda: completed(c, job) >= 2)
    before = [start_times(c, job, side) for side in ids]
    os.kill(rng.choice(c.workers()), 9)
    c.wait_for_state(job, "FINISHED")
    after = [start_times(c, job, side) for side in ids]
    attempt = [{s["attempt"] for s in subtasks(c, job, side)} for side in ids]
    assert sorted(map(sorted, attempt)) == [[0], [1]]
    untouched = attempt.index({0})
    assert after[untouched] == before[untouched]
    said = c.get(f"/jobs/{job}/checkpoints")
    assert said["counts"]["restored"] == 1 and said["latest"]["restored"]["id"] >= 2
    check_sides(tmp_path, counts)


def test_a_subtask_of_a_forward_chain_restarts_alone(cluster, bundle, tmp_path):
    """A chain of parallelism 2 is two regions: what the dead one had read since the checkpoint is read again, once."""
    rng = random.Random(9)
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    job, counts = start_regions(c, bundle, tmp_path, rng, "--forward", "1", parallelism=2)
    vertex = c.get(f"/jobs/{job}")["vertices"][0]["id"]
    c.wait(lambda: completed(c, job) >= 2)
    os.kill(rng.choice(c.workers()), 9)
    c.wait_for_state(job, "FINISHED")
    assert sorted(s["attempt"] for s in c.get(f"/jobs/{job}/vertices/{vertex}")["subtasks"]) == [0, 1]
    seen = collections.Counter()
    for name in os.listdir(tmp_path / "left-out"):
        assert not name.startswith("."), "hidden files are left"
        for line in (tmp_path / "left-out" / name).read_text().splitlines():
            seen[re.fullmatch(r"\((key \d+),1\)", line)[1]] += 1
    assert seen == counts[0]


def test_restart_strategies_give_up(cluster, bundle, tmp_path):
    """Each lets the job fail as often as it is told, and is named when it gives up."""
    strategies = {
        "fixed-delay": {"attempts": "2", "delay": "10 ms"},
        "failure-rate": {"max-failures-per-interval": "3", "failure-rate-interval": "1 h", "delay": "10 ms"},
        "exponential-delay": {"attempts-before-reset-backoff": "2", "initial-backoff": "10 ms", "max-backoff": "20 ms"},
        "none": {},
    }
    wanted = {"fixed-delay": 2, "failure-rate": 3, "exponential-delay": 2, "none": 0}
    c = cluster(taskmanagers=1, slots=8)
    jobs = {}
    for name, options in strategies.items():
        (tmp_path / name).mkdir()
        jobs[name], _ = start_regions(
            c, bundle, tmp_path / name, random.Random(1), "--failures", "100",
            **{"restart-strategy.type": name}, **{f"restart-strategy.{name}.{key}": value for key, value in options.items()})
    for name, job in jobs.items():
        c.wait_for_state(job, "FAILED")
        said = c.get(f"/jobs/{job}/exceptions?maxExceptions=20")
        history = said["exceptionHistory"]["entries"]
        assert len(history) == wanted[name] + 1, (name, history)
        assert all("Map" in e["taskName"] and e["taskManagerId"] and e["endpoint"] for e in history), history
        assert "told to fail" in said["root-exception"], said
        assert name == "none" or f"given up by restart strategy {name}" in said["root-exception"], said
        left, right = sides(c, job)
        assert {s["attempt"] for s in subtasks(c, job, left)} == {wanted[name]}
        assert {s["attempt"] for s in subtasks(c, job, right)} == {0}
    c.leaves_files = True


def test_the_disk_is_full_while_a_region_restarts(cluster, bundle, small, tmp_path):
    """No checkpoint completes; the region goes back to the newest that did, the other one goes on, and nothing is lost."""
    rng = random.Random(11)
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    job, counts = start_regions(c, bundle, tmp_path, rng, **{
        "execution.checkpointing.dir": str(small), "execution.checkpointing.data-inline-threshold": "0 kb",
        "execution.checkpointing.tolerable-failed-checkpoints": "100000"})
    c.wait(lambda: completed(c, job) >= 2)
    with open(small / "filler", "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    newest = completed(c, job)
    failed = c.get(f"/jobs/{job}/checkpoints")["counts"]["failed"]
    c.wait(lambda: c.get(f"/jobs/{job}/checkpoints")["counts"]["failed"] >= failed + 2)
    os.kill(rng.choice(c.workers()), 9)
    c.wait(lambda: c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] == 1)
    os.unlink(small / "filler")
    c.wait(lambda: completed(c, job) > newest + 1 or c.state(job) == "FINISHED")
    c.wait_for_state(job, "FINISHED")
    attempt = sorted(sorted({s["attempt"] for s in subtasks(c, job, side)}) for side in sides(c, job))
    assert attempt == [[0], [1]]
    check_sides(tmp_path, counts)


def test_a_killed_job_manager_takes_its_jobs_along(cluster, bundle, tmp_path):
    """Without high availability: workers of its jobs end, the task managers wait for the next one with free slots."""
    c = cluster(taskmanagers=2, slots=1)
    c.leaves_files = True
    job, _ = start_regions(c, bundle, tmp_path, random.Random(13))
    c.wait(lambda: completed(c, job) >= 1)
    workers = c.workers()
    assert len(workers) == 2
    c.jobmanager.kill()
    c.start_job_manager()
    c.wait(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))
    c.wait_for_slots(2)
    assert c.get("/jobs")["jobs"] == []
    (tmp_path / "again").mkdir()
    job, counts = start_regions(c, bundle, tmp_path / "again", random.Random(14), "--delay-us", "0")
    c.wait_for_state(job, "FINISHED")
    check_sides(tmp_path / "again", counts)
