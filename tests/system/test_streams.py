"""examples/streams: side outputs, union, connect, broadcast, rebalance, custom partitioning, accumulators;
every line of the result against what it must be."""

import math
from collections import Counter

import pytest
from texts import lines_of


def oracle(count, parallelism):
    """What the job writes for the numbers 1..count, as a multiset of lines."""
    lines = Counter()
    for v in range(1, count + 1):
        if v % 2 == 0:
            lines[f"even {v} {(v + 1) % parallelism}"] += 1
            lines[f"merged {v} -1"] += 1
        else:
            lines[f"odd {3 * v} {(3 * v + 1) % parallelism}"] += 1
        if math.isqrt(v) ** 2 == v:
            lines[f"square {v} -1"] += 1
    for subtask in range(parallelism):  # a broadcast stream reaches every one
        for number, text in enumerate(["one", "two", "three"], 1):
            lines[f"{text} {number} {subtask}"] += 1
    return lines


@pytest.mark.parametrize("parallelism", [1, 3, 4])
@pytest.mark.parametrize("count", [100, 20000])
def test_streams(flinc, count, parallelism, tmp_path):
    out = tmp_path / "out"
    result = flinc.run_local(
        "-p", parallelism, flinc.example("streams"), "--count", count, "--output", out
    )
    assert Counter(lines_of(out)) == oracle(count, parallelism)
    assert f"even {count // 2}, odd {count - count // 2}, labels {3 * parallelism}\n" in result.stdout
    assert f"- even (java.lang.Long): {count // 2}\n" in result.stdout


def test_streams_printed(flinc):
    result = flinc.run_local("-p", 2, flinc.example("streams"), "--count", 10)
    lines = [line.split("> ")[1] for line in result.stdout.splitlines() if line[1:3] == "> "]
    expected = {"(" + line.replace(" ", ",") + ")": n for line, n in oracle(10, 2).items()}
    assert Counter(lines) == expected


def test_without_chaining(flinc, tmp_path):
    """Every operator a task of its own: the same result."""
    out = tmp_path / "out"
    flinc.run_local(
        "-p", 2, "-Dpipeline.operator-chaining.enabled=false",
        flinc.example("streams"), "--count", 5000, "--output", out,
    )  # fmt: skip
    assert Counter(lines_of(out)) == oracle(5000, 2)
