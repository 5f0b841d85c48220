"""Examples that have no test file of their own, run as their first comment says."""

import random
import re
import socket
from collections import Counter

import pytest
from texts import lines_of


def rows_of(stdout):
    """The printed rows, without the subtask in front."""
    return re.findall(r"^(?:\d+> )?\((.*)\)$", stdout, re.M)


# ---- sessions

SESSIONS = ["a,1,1", "a,10,1", "b,1,3", "c,11,1", "c,6,1"]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_sessions(flinc, parallelism):
    result = flinc.run_local("-p", parallelism, flinc.example("sessions"))
    assert sorted(rows_of(result.stdout)) == SESSIONS


def test_sessions_into_files(flinc, tmp_path):
    out = tmp_path / "out"
    flinc.run_local("-p", 2, flinc.example("sessions"), "--output", out)
    assert sorted(lines_of(out)) == [f"({row})" for row in SESSIONS]


# ---- socketwindow


@pytest.fixture
def text_server():
    """A server of text: (socket that listens, its port)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server, server.getsockname()[1]


@pytest.mark.parametrize("parallelism", [1, 2])
def test_socketwindow(flinc, text_server, parallelism):
    """The counts of all windows together are those of the words, and every window is on its own."""
    server, port = text_server
    job = flinc.start(
        "run", "-t", "local", "-p", parallelism, flinc.example("socketwindow"),
        "--hostname", "127.0.0.1", "--port", port, "--window", "200 ms",
    )  # fmt: skip
    client, _ = server.accept()
    seen = Counter()

    def wait_for(expected):
        def is_complete(line):
            row = re.fullmatch(r"\((\S+),(\d+)\)", line)
            if row:
                seen[row.group(1)] += int(row.group(2))
            return seen == expected

        job.wait_for(is_complete)

    with client:
        client.sendall(b"to be or\tnot to be\n\n  that is\r\n")
        wait_for(Counter("to be or not to be that is".split()))
        seen.clear()
        client.sendall("be caf\u00e9 be\n".encode() * 50)  # what has fired is not counted again
        wait_for(Counter({"be": 100, "caf\u00e9": 50}))
    assert job.end() == 0


def test_socketwindow_needs_a_port(flinc):
    assert "--port" in flinc.fail_local(flinc.example("socketwindow"))


# ---- topspeed


def top_speeds(events):
    """The rows of examples/topspeed for (car, speed, distance, timestamp) in order of arrival."""
    rows, kept, fired_at = [], {}, {}
    for event in events:
        car = event[0]
        window = kept.setdefault(car, [])
        window.append(event)
        if car not in fired_at:
            fired_at[car] = event[2]
        elif event[2] - fired_at[car] > 50:
            fired_at[car] = event[2]
            latest = max(e[3] for e in window)
            window[:] = [e for e in window if e[3] > latest - 10000]
            rows.append(max(window, key=lambda e: e[1]))  # the first of equals
    return rows


def cars_of(lines):
    """(car, speed, distance, timestamp) of result lines."""
    rows = [re.fullmatch(r"(?:\d+> )?\((\d+),(\d+),([\d.E]+),(\d+)\)", line) for line in lines]
    return [(int(m[1]), int(m[2]), float(m[3]), int(m[4])) for m in rows if m]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_topspeed_of_a_file(flinc, parallelism, tmp_path):
    dice, cars, events = random.Random(7), {}, []
    for i in range(20000):
        car = dice.randrange(20)
        speed, distance = cars.get(car, (50, 0.0))
        speed = max(0, min(100, speed + dice.choice((-5, 5))))
        distance += speed / 3.6
        cars[car] = speed, distance
        events.append((car, speed, distance, i * 100 + dice.randrange(50)))
    (tmp_path / "cars").write_text("".join(f"({c},{s},{d!r},{t})\n" for c, s, d, t in events))
    flinc.run_local(
        "-p", parallelism, flinc.example("topspeed"), "--input", tmp_path / "cars", "--output", tmp_path / "out"
    )  # fmt: skip
    rows = cars_of(lines_of(tmp_path / "out"))
    assert len(rows) > 2000
    assert sorted(rows) == sorted(top_speeds(events))


def test_topspeed_of_its_own_cars(flinc):
    result = flinc.run_local("-p", 2, flinc.example("topspeed"), "--events", 2000, "--rate", 0)
    rows = cars_of(result.stdout.splitlines())
    assert {car for car, _, _, _ in rows} == {0, 1}
    assert len(rows) > 300  # 1,000 seconds at 50 km/h, 50 m each
    assert max(speed for _, speed, _, _ in rows) == 100


def test_topspeed_refuses_other_lines(flinc, tmp_path):
    (tmp_path / "cars").write_text("(1,2,3.5,4)\nnonsense\n")
    errors = flinc.fail_local(flinc.example("topspeed"), "--input", tmp_path / "cars")
    assert "'nonsense' is not (car,speed,distance,timestamp)" in errors
