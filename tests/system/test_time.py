"""Event time through whole jobs: watermarks across exchanges, timers and state of keyed process functions."""

from collections import Counter

import pytest
from rest_client import Rest
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


def visit_sessions(count):
    """Lines of jobs/visits.c."""
    visits = sorted((i * 7 % 50, i + i * 37 % 101, i) for i in range(count))
    sessions = []
    for key, time, i in visits:
        end = time + 20 + i % 53
        if sessions and sessions[-1][0] == key and time <= sessions[-1][2]:
            last = sessions[-1]
            last[2], last[3], last[4] = max(last[2], end), last[3] + 1, last[4] + i
        else:
            sessions.append([key, time, end, 1, i])
    return Counter(" ".join(map(str, s)) for s in sessions)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_sessions_of_functions(flinc, bundle, parallelism, tmp_path):
    """Sessions whose records bring their gaps are merged by the aggregate, in whatever order records come."""
    out = tmp_path / "out"
    flinc.run_local("-p", parallelism, bundle("visits"), "--events", 100000, "--output", out)
    assert Counter(lines_of(out)) == visit_sessions(100000)


def metrics_of(rest, base, ids):
    return {m["id"]: m["value"] for m in rest.get(f"{base}?get={','.join(ids)}")}


@pytest.mark.parametrize("granularity", ["single", "operator", "subtask"])
def test_watermarks_and_latency_over_rest(cluster, bundle, tmp_path, granularity):
    """A running job shows how far event time is at each of its places, and how old records are there."""
    c = cluster(
        taskmanagers=2, slots=1,
        config={"metrics.latency.interval": "100 ms", "metrics.latency.granularity": granularity},
    )  # fmt: skip
    rest = Rest("localhost", c.port)
    job = c.run_jar(
        c.upload(bundle("timers")), ["--events", 100000000, "--rate", 20000, "--output", tmp_path / "out"], parallelism=2
    )
    c.wait(lambda: c.all_running(job))
    source, counts = rest.get(f"/jobs/{job}")["vertices"]
    path = f"/jobs/{job}/vertices/{counts['id']}/watermarks"

    def watermarks():
        found = {m["id"]: int(m["value"]) for m in rest.get(path)}
        return found if len(found) == 2 and min(found.values()) > 0 else None

    first = c.wait(watermarks)
    assert set(first) == {"0.currentInputWatermark", "1.currentInputWatermark"}
    c.wait(lambda: all(n > first[id] + 1000 for id, n in watermarks().items()))

    # Operators: timestamps send on what counts get, at the same time or later.
    def operator_ids(vertex, metric):
        base = f"/jobs/{job}/vertices/{vertex['id']}/subtasks/0/metrics"
        return base, [m["id"] for m in rest.get(base) if m["id"].endswith("." + metric)]

    base, sent = operator_ids(source, "currentOutputWatermark")
    assert len(sent) == 2  # the source, and timestamps
    assert max(int(n) for n in metrics_of(rest, base, sent).values()) > 0
    base, came = operator_ids(counts, "currentInputWatermark")
    assert came and all(int(n) > 0 for n in metrics_of(rest, base, came).values())
    # Latency.
    count = {"single": 0, "operator": 1, "subtask": 2}[granularity]

    def latencies():
        ids = [m["id"] for m in rest.get(f"/jobs/{job}/metrics") if m["id"].startswith("latency.")]
        return [id for id in ids if id.endswith(".latency_p99")]

    # Three operators behind the source, at two subtasks; the two of other tasks from both subtasks of the source.
    want = 2 + 4 * (2 if granularity == "subtask" else 1)
    names = c.wait(lambda: latencies() if len(latencies()) == want else None)
    for name in names:
        parts = name.split(".")
        assert parts[1 : 1 + 2 * count : 2] == ["source_id", "source_subtask_index"][:count]
        assert parts[1 + 2 * count :: 2] == ["operator_id", "operator_subtask_index", "latency_p99"]
    values = metrics_of(rest, f"/jobs/{job}/metrics", names)
    assert len(values) == want and all(0 <= float(n) < 600000 for n in values.values())
