"""State of user functions, of every kind, in jobs: locally and in a cluster's workers; and state that outgrows
its budget."""

from collections import Counter

import pytest
from texts import lines_of


def oracle(count, keys, parallelism):
    """What the job `kinds` writes: a line per key, and one per subtask of the broadcast branch."""
    lines = Counter()
    for key in range(keys):
        values = [v for v in range(1, count + 1) if v % keys == key]
        listed = sum(len("digit 0 of a number") if v // keys % 5 == 0 else v for v in values)
        nulls = sum(v // keys % 5 == 0 for v in values)
        lines[
            f"{key} {len(values)} {listed} {nulls} {len(values)} {max(values)} {sum(values) // len(values)} "
            "the same for each record"
        ] += 1
    rules = sum(len(f"rule number {n}") for n in range(1, 11))
    lines[f"rules 55 {rules}"] += parallelism
    return lines


@pytest.mark.parametrize("parallelism", [1, 3])
@pytest.mark.parametrize("count, keys", [(1000, 10), (40000, 2000)])
def test_every_kind(flinc, bundle, count, keys, parallelism, tmp_path):
    out = tmp_path / "out"
    flinc.run_local(
        "-p", parallelism, bundle("kinds"), "--count", count, "--keys", keys, "--output", out
    )
    assert Counter(lines_of(out)) == oracle(count, keys, parallelism)


def test_every_kind_in_a_cluster(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=2, slots=2)
    out = tmp_path / "out"
    arguments = ["--count", "20000", "--keys", "500", "--output", str(out)]
    job = c.run_jar(c.upload(bundle("kinds")), arguments, parallelism=4)
    c.wait_for_state(job, "FINISHED")
    assert Counter(lines_of(out)) == oracle(20000, 500, 4)


def test_state_over_the_budget_names_the_remedy(cluster, bundle):
    c = cluster(taskmanagers=1, slots=1, config={"taskmanager.memory.managed.size": "32m"})
    job = c.run_jar(c.upload(bundle("kinds")))
    c.wait_for_state(job, "FAILED")
    text = c.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"][0]["stacktrace"]
    assert "map state 'map'" in text and "taskmanager.memory.managed.size" in text, text
    assert "Fill" in text, text
    c.wait_for_slots(1)
