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
        if workers:
            os.kill(rng.choice(workers), 9)
            kills += 1
    c.wait_for_state(job, "FINISHED")
    assert kills >= 2
    assert c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] >= 2
    check_output(tmp_path / "out", counts)
