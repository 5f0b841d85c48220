"""Everything that can be said to the three ports of a cluster by those who do not belong there: a job that runs beside it
does not notice, all processes live, slots stay right."""

import os
import random
import shutil
import socket
import struct
import subprocess

import pytest
from check_sums import crc32c

SILENT = 100
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HTTP = b"POST /jobs HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody"


def connect(port):
    return socket.create_connection(("localhost", port), timeout=30)


def say(port, *pieces):
    """Says the pieces and hangs up; whatever the answer is."""
    with connect(port) as s:
        try:
            for piece in pieces:
                s.sendall(piece)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(0.2)
            while s.recv(65536):
                pass
        except OSError:
            pass  # hung up, or still waiting for more


def hello(magic=b"FLNCDATA", version=1, job=None, incarnation=None):
    return magic + struct.pack("<II", version, 0) + (job or os.urandom(16)) + (incarnation or os.urandom(16))


def field(number, value):
    """One field of a protobuf message: a number, or bytes."""
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def registration(version, **other):
    """A TaskManagerToMaster with a Register: see proto/cluster.proto."""
    f = {"resource": "forged", "instance": b"i" * 16, "protocol": 1, "host": "h", "address": "h:1", "data_port": 1, "slots": 1, **other}
    body = (field(1, f["resource"]) + field(2, f["instance"]) + field(3, version) + field(4, f["protocol"]) + field(5, f["host"]) +
            field(6, f["address"]) + field(7, f["data_port"]) + field(8, f["address"]) + field(9, f["slots"]))
    return field(1, 1) + field(3, body)


def register(c, message, expected=None):
    """Says it on the stream /flinc.Cluster/Connect, over real HTTP/2, until the job manager has logged its answer."""
    with subprocess.Popen(
            ["curl", "-sN", "--http2-prior-knowledge", "--max-time", "20", "-X", "POST", "-H", "content-type: application/grpc",
             "-H", "te: trailers", "-T", ".", f"http://localhost:{c.rpc_port}/flinc.Cluster/Connect"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as curl:
        seen = len(c.jobmanager.text())
        message += struct.pack("<I", crc32c(message))  # of the stream's first one
        curl.stdin.write(b"\0" + struct.pack(">I", len(message)) + message)
        curl.stdin.flush()
        try:
            if expected:
                c.wait(lambda: any("is refused" in line and expected in line for line in c.jobmanager.text()[seen:].splitlines()))
        finally:
            curl.kill()
    return c.jobmanager.text()[seen:]


def attempts(c, job):
    return sorted((v["id"], s["subtask"], s["attempt"], s["status"]) for v in c.get(f"/jobs/{job}")["vertices"]
                  for s in c.get(f"/jobs/{job}/vertices/{v['id']}")["subtasks"])


@pytest.fixture
def busy(cluster, bundle):
    """A cluster with a job over two task managers; afterwards it is as it was."""
    c = cluster(taskmanagers=2, slots=2)
    job = c.run_jar(c.upload(bundle("endless")), [], parallelism=3)
    c.wait(lambda: c.all_running(job))
    c.wait_for_slots(1)
    c.wait(lambda: all(a[-1] == "RUNNING" for a in attempts(c, job)))
    before = attempts(c, job), sorted(c.workers())
    yield c
    assert c.state(job) == "RUNNING"
    assert (attempts(c, job), sorted(c.workers())) == before
    assert all(p.runs() for p in c.all)
    overview = c.get("/overview")
    assert (overview["taskmanagers"], overview["slots-total"], overview["slots-available"]) == (2, 4, 1)


def ports(c):
    return [c.rpc_port, c.port] + [t["dataPort"] for t in c.get("/taskmanagers")["taskmanagers"]]


def test_garbage(busy):
    source = random.Random(4)
    noise = [source.randbytes(n) for n in (1, 7, 24, 48, 300, 70_000)]
    for port in ports(busy):
        for said in (b"", HTTP, PREFACE, PREFACE + SETTINGS, PREFACE[:9], b"\0" * 4096, *noise):
            say(port, said)
        say(port, PREFACE + SETTINGS, struct.pack(">I", 0xFFFFFF)[1:] + b"\1\4\0\0\0\1")  # headers that never come


def test_forged_hello(busy):
    job = bytes.fromhex(busy.get("/jobs")["jobs"][0]["id"])
    for port in ports(busy)[2:]:
        say(port, hello())  # right in form, of nobody
        say(port, hello(job=job))  # of the job, of no worker
        say(port, hello(job=job) + os.urandom(4096))
        say(port, hello(version=99))
        say(port, hello(magic=b"FLNCDATE"))
        for cut in (4, 8, 20, 47):
            say(port, hello(job=job)[:cut])


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_forged_registration(busy, flinc):
    with open(flinc.path("VERSION"), encoding="ascii") as f:
        version = f.read().strip()
    said = register(busy, registration("0.0.1"), "'0.0.1'")
    assert f"'{version}'" in said and "same distribution" in said
    for absurd, named in (({"slots": 0}, "slots"), ({"slots": 4_000_000_000}, "slots"), ({"resource": ""}, "resource id"),
                          ({"resource": "a/../b"}, "resource id"), ({"resource": "x" * 100_000}, "resource id"),
                          ({"instance": b"short"}, "instance id"), ({"host": ""}, "host"), ({"data_port": 70_000}, "port"),
                          ({"protocol": 99}, "version 99")):
        register(busy, registration(version, **absurd), named)
    register(busy, os.urandom(64))
    register(busy, registration(version)[:20])


def test_a_refused_task_manager_is_told(cluster):
    c = cluster(taskmanagers=None, slots=2, config={"slotmanager.number-of-slots.max": 1})
    c.start_job_manager()
    process = c.start_task_manager()
    c.wait(lambda: "slotmanager.number-of-slots.max" in process.text().split("refused:")[-1] and "refused:" in process.text())
    overview = c.wait(lambda: c.try_get("/overview"))  # REST may come up behind the port of task managers
    assert overview["taskmanagers"] == 0


def test_connections_that_say_nothing(busy):
    for port in ports(busy):
        silent = [connect(port) for _ in range(SILENT)]
        try:
            assert busy.get("/overview")["taskmanagers"] == 2
        finally:
            for s in silent:
                s.close()
