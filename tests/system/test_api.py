"""The DataStream API, piece by piece, through `flink run`: jobs/api.c against what each job must print."""

import json
import os
import re
import socket
import subprocess
import threading
from collections import Counter

import pytest
from texts import pairs_of, printed


@pytest.fixture
def api(flinc, bundle):
    """api("job", ...) runs a job of jobs/api.c and returns the lines that it printed."""

    def run(job, *args, options=()):
        result = flinc.run_local(*options, bundle("api"), "--job", job, *args)
        lines = result.stdout.splitlines()
        return lines[1 : lines.index("Program execution finished")]

    return run


def spots(lines):
    """{value: [subtasks]} of lines "(value,subtask)"."""
    found = {}
    for line in lines:
        value, subtask = re.fullmatch(r"\((\d+),(\d+)\)", line).groups()
        found.setdefault(int(value), []).append(int(subtask))
    return found


# ---- aggregates ---------------------------------------------------------------------------------

READINGS = [("roof", 1, 20.0), ("oven", 2, 180.0), ("roof", 3, 25.0), ("oven", 4, 90.0), ("roof", 5, 25.0),
            ("a name of some length", 6, 0.5)]  # fmt: skip

COMBINE = {
    "min": lambda a, b: (a[0], a[1], min(a[2], b[2])),
    "max": lambda a, b: (a[0], a[1], max(a[2], b[2])),
    "minBy": lambda a, b: b if b[2] < a[2] else a,
    "maxBy": lambda a, b: b if b[2] > a[2] else a,
    "sum": lambda a, b: (a[0], a[1] + b[1], a[2]),
    "reduce": lambda a, b: (a[0], a[1] * 100 + b[1], a[2] + b[2]),
}


def rolling(name):
    """Flink's rolling aggregates: a result per record."""
    state, lines = {}, []
    for reading in READINGS:
        key = reading[0]
        state[key] = COMBINE[name](state[key], reading) if key in state else reading
        lines.append(f"{name}> ({state[key][0]},{state[key][1]},{state[key][2]})")
    return state, lines


def test_rolling_aggregates(api):
    lines = api("aggregates")
    for name in COMBINE:
        assert [line for line in lines if line.startswith(name + ">")] == rolling(name)[1]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_final_aggregates(api, parallelism):
    lines = api("aggregates", options=["-p", parallelism, "-Dexecution.runtime-mode=BATCH"])
    lines = [re.sub(r"^(\w+):\d+>", r"\1>", line) for line in lines]
    expected = [f"{name}> ({a},{b},{c})" for name in COMBINE for a, b, c in rolling(name)[0].values()]
    assert sorted(lines) == sorted(expected)


# ---- records ------------------------------------------------------------------------------------


def test_kinds_of_fields(api):
    """Every kind, as Java prints it; NULLs; through structs and an exchange."""
    first, second = sorted(api("kinds"), key=len, reverse=True)
    assert first == (
        "(true,-1,-300,70000,-9223372036854775808,0.5,1.0E100,a, b,[1, -1],2022-01-08,01:02:03.004,"
        "2023-11-14T22:13:20.123,2023-11-14T22:13:20.123Z,7,here)"
    )
    assert second == (
        "(false,0,0,0,0,0.0,0.0,a string that does not fit into a view,[],1970-01-01,00:00,"
        "1970-01-01T00:00,1970-01-01T00:00:00Z,null,null)"
    )


def test_batch_callbacks(api):
    count = 10000
    expected = [f"({n},{n * n})" for n in range(2, count + 1, 2)]
    assert api("batches", "--count", count) == expected


def test_datagen(api):
    assert api("datagen", "--count", 1000) == [f"({n},{n * n})" for n in range(1000)]
    lines = [line.split("> ")[1] for line in api("datagen", "--count", 1000, options=["-p", 3])]
    assert sorted(lines) == sorted(f"({n},{n * n})" for n in range(1000))


def test_datagen_with_a_rate(api):
    assert len(api("datagen", "--count", 50, "--rate", 1000)) == 50


def test_datagen_of_random_fields(api):
    lines = api("datagen", "--count", 100, "--random", 7)
    assert len(set(lines)) == 100
    assert all(re.fullmatch(r"\([0-9a-f]+,-?\d+,.*\)", line) for line in lines), lines[:3]
    assert api("datagen", "--count", 100, "--random", 7) == lines
    assert api("datagen", "--count", 100, "--random", 8) != lines


# ---- edges --------------------------------------------------------------------------------------


def where(api, how, count=1000, from_=3, to=4):
    return spots(api("partition", "--how", how, "--count", count, "--from", from_, "--to", to))


@pytest.mark.parametrize("how", ["rebalance", "rescale", "shuffle", "custom", "global"])
def test_every_record_arrives_once(api, how):
    found = where(api, how)
    assert sorted(found) == list(range(1, 1001))
    assert all(len(subtasks) == 1 for subtasks in found.values())
    load = Counter(subtasks[0] for subtasks in found.values())
    if how == "global":
        assert load == {0: 1000}
    elif how == "custom":
        assert all(subtasks == [value % 4] for value, subtasks in found.items())
    elif how == "rebalance":
        assert max(load.values()) - min(load.values()) <= 3  # each of three goes round
    else:
        assert sorted(load) == [0, 1, 2, 3]


def test_rescale_stays_in_its_group(api):
    """Two to four: each of two, which has half of the numbers, goes to two of its own."""
    found = where(api, "rescale", from_=2, to=4)
    for half, values in enumerate((range(1, 501), range(501, 1001))):
        load = Counter(found[value][0] for value in values)
        assert load == {2 * half: 250, 2 * half + 1: 250}


def test_broadcast(api):
    found = where(api, "broadcast", count=100)
    assert sorted(found) == list(range(1, 101))
    assert all(sorted(subtasks) == [0, 1, 2, 3] for subtasks in found.values())


def test_forward(api):
    assert len(where(api, "forward", from_=3, to=3)) == 1000


def test_forward_between_different_parallelisms(flinc, bundle):
    message = flinc.fail_local(bundle("api"), "--job", "partition", "--how", "forward", "--from", 3, "--to", 4)
    assert "forward" in message.lower() and "parallelism" in message


def test_equal_keys_meet(api):
    found = where(api, "hash")
    assert sorted(found) == list(range(10))
    assert all(len(subtasks) == 100 and len(set(subtasks)) == 1 for subtasks in found.values())


def test_equal_keys_of_two_streams_meet(api):
    found = spots(api("co_keyed", options=["-p", 3]))
    assert sorted(found) == list(range(10))
    assert all(len(subtasks) == 10 and len(set(subtasks)) == 1 for subtasks in found.values())


def test_a_partitioner_that_names_no_channel(flinc, bundle):
    message = flinc.fail_local(bundle("api"), "--job", "partition", "--how", "nowhere")
    assert "nowhere" in message and "4" in message


def test_co_process(api):
    lines = Counter(api("co_process"))
    expected = [f"main> (1,{n})" for n in range(1, 21) if n % 5] + [f"main> (2,{n})" for n in range(101, 106)]
    assert lines == Counter(expected + [f"fives> {n}" for n in (5, 10, 15, 20)])


# ---- settings -----------------------------------------------------------------------------------


def test_settings_of_operators(flinc, bundle, api):
    assert api("settings") == ["5", "6", "7"]
    plan = flinc.run("info", bundle("api"), "--job", "settings").stdout
    nodes = json.loads(plan[plan.index("{") : plan.rindex("}") + 1])["nodes"]
    contents = [node["contents"] for node in nodes]
    assert any("First" in c for c in contents) and any("Fourth" in c for c in contents)
    log = {"FLINK_LOG_DIR": str(os.path.dirname(bundle("api"))), "USER": "settings"}
    flinc.run_local(bundle("api"), "--job", "settings", env=log)
    name = next(name for name in os.listdir(log["FLINK_LOG_DIR"]) if name.startswith("flink-settings"))
    with open(os.path.join(log["FLINK_LOG_DIR"], name), encoding="utf-8") as f:
        text = f.read()
    for task in ("Source: Sequence Source -> First (1/1)", " Second (1/1)", " Third (1/1)",
                 " Fourth -> Sink: Print to Std. Out (1/1)"):  # fmt: skip
        assert f"{task} (" in text, task


# ---- files and sockets --------------------------------------------------------------------------


def test_text_sink(api, tmp_path):
    """Prefix, suffix, format, rolling."""
    out = tmp_path / "out"
    api("files", "--count", 100000, "--output", out, "--rolling", 200000)
    names = sorted(os.listdir(out))
    assert len(names) > 3
    assert all(re.fullmatch(r"numbers-\w+-0-\d+\.txt", name) for name in names), names
    lines = []
    for name in sorted(names, key=lambda name: int(name.split("-")[-1][:-4])):
        lines += (out / name).read_text().splitlines()
    assert lines == [f"{n} and {n}" for n in range(1, 100001)]


class Server(threading.Thread):
    """Sends one text to each of its clients, then is gone."""

    def __init__(self, *texts):
        super().__init__()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.texts = texts
        self.start()

    def run(self):
        for text in self.texts:
            client, _ = self.socket.accept()
            with client:
                client.sendall(text)
        self.socket.close()


def test_socket(api):
    server = Server(b"one\ntwo\r\nthree")
    assert api("socket", "--port", server.port) == ["one", "two", "three"]
    server.join()


def test_socket_connects_again(api):
    server = Server(b"one\ntw", b"o\nthree\n", b"four\n")
    lines = api("socket", "--port", server.port, "--retries", 2)
    server.join()
    assert lines[0].endswith("one")
    assert "four" in lines[-1]


def test_socket_without_a_server(flinc, bundle):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    message = flinc.fail_local(bundle("api"), "--job", "socket", "--port", port)
    assert f"127.0.0.1:{port}" in message and "refused" in message


# ---- C++ ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_bundle_in_cpp(flinc, top, compiler, tmp_path):
    config = flinc.path("bin", "flinc-config")
    source = os.path.join(top, "tests", "system", "jobs", "cpp.cc")
    build = f'{compiler} -std=gnu++17 -shared $("{config}" --cflags) "{source}" -o cpp.so $("{config}" --libs)'
    subprocess.run(["sh", "-ec", build], cwd=tmp_path, check=True)
    (tmp_path / "text").write_text("to be or not to be that is\nthat\n")
    result = flinc.run_local("-Dexecution.runtime-mode=BATCH", tmp_path / "cpp.so", tmp_path / "text")
    assert dict(pairs_of(printed(result.stdout))) == {"not": 1, "that": 2}
