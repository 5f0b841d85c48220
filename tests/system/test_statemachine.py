"""examples/statemachine: every wrong event that the generator made is an alert, and nothing else is."""

import re

import pytest

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
