"""Event time through whole jobs: watermarks across exchanges, timers and state of keyed process functions."""

from collections import Counter

import pytest
from texts import lines_of


def oracle(count):
    """Lines of jobs/timers.c for `count` events."""
    windows = Counter((i % 100, (i - i % 7) // 1000) for i in range(count))
    return Counter(f"{key} {window} {n}" for (key, window), n in windows.items())


@pytest.mark.parametrize("parallelism", [1, 3])
@pytest.mark.parametrize("chaining", ["true", "false"])
def test_counts_by_timers(flinc, bundle, parallelism, chaining, tmp_path):
    """Every timer fires once, at the end of input at the latest, and no record is behind its watermark."""
    out = tmp_path / "out"
    flinc.run_local(
        "-p", parallelism, f"-Dpipeline.operator-chaining.enabled={chaining}",
        bundle("timers"), "--events", 250000, "--output", out,
    )  # fmt: skip
    assert Counter(lines_of(out)) == oracle(250000)


def interval_pairs(count):
    """Lines of jobs/intervals.c."""
    lines = Counter()
    for click in range(count):
        key = click * 11 % 50
        for view in range(max(0, click - 49), min(count, click + 11)):
            if view * 7 % 50 == key:
                lines[f"{key} {view} {click}"] += 1
    return lines


@pytest.mark.parametrize("parallelism", [1, 3])
def test_interval_join(flinc, bundle, parallelism, tmp_path):
    """Every pair within the bounds, once, however far one stream is ahead of the other."""
    out = tmp_path / "out"
    flinc.run_local("-p", parallelism, bundle("intervals"), "--events", 30000, "--output", out)
    assert Counter(lines_of(out)) == interval_pairs(30000)
