"""examples/statemachine: every wrong event that the generator made is an alert, and nothing else is."""

import os
import re

import pytest
from checkpoints import Jobs, lines_of, restoring

ALLOWED = {"Initial": "ac", "W": "b", "X": "bd", "Y": "e", "Z": "g"}


def alerts_of(stdout):
    """(session, state, event) of the printed alerts."""
    return re.findall(r"^(?:\d+> )?\((\d+),(\w+),([a-g])\)$", stdout, re.M)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_alerts(flinc, parallelism):
    result = flinc.run_local(
        "-p", parallelism, flinc.example("statemachine"),
        "--events", 200000, "--wrong-per-million", 20000,
    )  # fmt: skip
    alerts = alerts_of(result.stdout)
    wrong = re.search(r"^- wrong \(java.lang.Long\): (\d+)$", result.stdout, re.M)
    assert len(alerts) == int(wrong.group(1))
    assert 500 < len(alerts) < 1500  # 50,000 sessions, 2 %
    assert len({session for session, _, _ in alerts}) == len(alerts)
    assert all(event not in ALLOWED[state] for _, state, event in alerts)


def test_nothing_wrong(flinc):
    result = flinc.run_local(
        "-p", 2, flinc.example("statemachine"), "--events", 50000, "--wrong-per-million", 0
    )
    assert alerts_of(result.stdout) == []


def test_error_rate(flinc):
    """A share of all events, and several may be of one session."""
    result = flinc.run_local("-p", 2, flinc.example("statemachine"), "--events", 100000, "--error-rate", 0.02)
    alerts = alerts_of(result.stdout)
    wrong = re.search(r"^- wrong \(java.lang.Long\): (\d+)$", result.stdout, re.M)
    assert len(alerts) == int(wrong.group(1))
    assert 1500 < len(alerts) < 2500
    assert len({session for session, _, _ in alerts}) < len(alerts)
    assert all(event not in ALLOWED[state] for _, state, event in alerts)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--error-rate", "1.5"], "'1.5' is not a number from 0 to 1"),
        (["--rps", 10, "--sleep", 1], "give either '--rps' or '--sleep'"),
        (["--backend", "paper"], "paper"),
        (["--incremental-checkpoints", "perhaps"], "perhaps"),
    ],
)
def test_bad_options(flinc, options, message):
    assert message in flinc.fail_local(flinc.example("statemachine"), *options)


@pytest.mark.parametrize("incremental", ["true", "false"])
def test_stopped_in_the_middle(flinc, cluster, tmp_path, incremental):
    """Stopped with a savepoint and restored with other parallelisms: the alerts of all runs together are those of
    one that nobody disturbed."""
    events = ["--events", 200000, "--error-rate", 0.01]
    flinc.run_local("-p", 2, flinc.example("statemachine"), *events, "--output", tmp_path / "undisturbed")
    expected = sorted(lines_of(tmp_path / "undisturbed"))
    assert 1500 < len(expected) < 2500

    c = cluster(taskmanagers=2, slots=2)
    jobs, path, found = Jobs(c), None, []
    state = ["--backend", "hashmap", "--checkpoint-dir", tmp_path / "checkpoints", "--checkpoint-interval", "50 ms",
             "--incremental-checkpoints", incremental]
    for parallelism, pace in ((2, ["--rps", 20000]), (4, ["--rps", 20000]), (1, [])):
        out = tmp_path / f"out-{parallelism}"
        job = jobs.start(flinc.example("statemachine"), [*events, *state, *pace, "--output", out],
                         restoring(path) if path else {}, parallelism)
        if pace:
            c.wait(lambda out=out: os.path.isdir(out) and any(lines_of(out)))  # of a checkpoint that is complete
            path = jobs.stop(job, tmp_path / "savepoints")
            assert len(found) + len(list(lines_of(out))) < len(expected), "it was stopped in the middle"
        else:
            jobs.wait_for_end(job)
        found += lines_of(out)
    assert sorted(found) == expected
