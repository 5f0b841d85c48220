"""Examples that have no test file of their own, run as their first comment says."""

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
