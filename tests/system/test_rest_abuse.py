"""Requests that nobody means (rest_abuse.py), to a cluster that works meanwhile and afterwards: no crash, no hang, no 5xx
but a documented 503, nothing read or written outside of the allowed folders.

$FLINC_ABUSE_ROUNDS requests (2,000), from $FLINC_ABUSE_SEED (1); scripts/abuse.sh sets them.
"""

import os
import resource
import socket
import threading
import time

import pytest
from rest_abuse import FILENAMES, Generator, multiparts, traversals, verdict
from rest_client import Rest, form

ROUNDS = int(os.environ.get("FLINC_ABUSE_ROUNDS", "2000"))
SEED = int(os.environ.get("FLINC_ABUSE_SEED", "1"))
SECRET = "planted-0f7c2a"
OUTSIDE = "a line outside of every allowed folder"


@pytest.fixture
def target(cluster, bundle):
    """A cluster with a running job: (cluster, rest, known values of path parameters)."""
    c = cluster(taskmanagers=1, slots=2, config={"s3.secret-key": SECRET, "security.ssl.rest.key-password": SECRET})
    rest = Rest("localhost", c.port, timeout=20)
    with open(os.path.join(c.folder, "outside.txt"), "w", encoding="ascii") as f:
        f.write(OUTSIDE)
    jar = c.upload(bundle("endless"))
    job = c.run_jar(jar, config={"execution.checkpointing.interval": "100 ms", "web.checkpoints.history": "1000"})
    c.wait(lambda: c.all_running(job))
    c.wait(lambda: rest.get(f"/jobs/{job}/checkpoints")["counts"]["completed"])
    trigger = rest.ask("POST", f"/jobs/{job}/checkpoints").json["request-id"]
    known = {
        "jobid": [job], "vertexid": [v["id"] for v in rest.get(f"/jobs/{job}")["vertices"]], "subtaskindex": ["0"],
        "attempt": ["0"], "taskmanagerid": [rest.get("/taskmanagers")["taskmanagers"][0]["id"]],
        "filename": ["jobmanager-0.log", "taskmanager-0.log"], "checkpointid": ["1"], "triggerid": [trigger],
    }  # fmt: skip
    yield c, rest, known
    assert rest.get(f"/jobs/{job}/status")["status"] in ("RUNNING", "CANCELED", "CANCELLING")
    assert c.jobmanager.runs() and c.taskmanagers[0].runs()
    assert SECRET not in c.jobmanager.text() + c.taskmanagers[0].text()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def files_below(folder):
    return {os.path.join(d, name) for d, _, names in os.walk(folder) for name in names}


def test_generated_requests(target):
    c, rest, known = target
    # The rest of the job's life is not what is tested: its cancellation is legal.
    generator = Generator(SEED, known, keep=("/jobs/:jobid/yarn-cancel", "/applications/:applicationid/cancel"))
    generator.routes = [r for r in generator.routes if r != ("PATCH", "/jobs/:jobid")]
    before, findings = descriptors(c.jobmanager.pid), []
    for number in range(ROUNDS):
        method, path, data = generator.request()
        wrong = verdict(method, path, rest.raw(data), [SECRET, OUTSIDE])
        if wrong:
            findings.append(f"request {number} of seed {SEED}, {method} {path[:200]}: {wrong}")
    assert not findings, "\n".join(findings[:20])
    c.wait(lambda: descriptors(c.jobmanager.pid) <= before + 10)
    assert rest.get("/overview")["taskmanagers"] == 1


def test_traversal(target):
    c, rest, known = target
    tm = known["taskmanagerid"][0]
    places = ["/jobmanager/logs/", f"/taskmanagers/{tm}/logs/", "/", "/jars/", "/v1/", "/jobmanager/profiler/"]
    findings = []
    for goal in ("etc/passwd", "outside.txt", "conf/config.yaml"):
        for way in traversals(goal):
            for place in places:
                got = rest.raw(f"GET {place}{way} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                if b"root:" in got or OUTSIDE.encode() in got or b"jobmanager.rpc" in got:
                    findings.append(f"{place}{way}: read")
                elif wrong := verdict("GET", place, got, [SECRET]):
                    findings.append(f"{place}{way}: {wrong}")
    assert not findings, "\n".join(findings[:20])


def test_multipart(target):
    c, rest, _ = target
    before = files_below(c.folder)
    for path in ("/jars/upload", "/jobs", "/overview", "/none"):
        for kind, body in multiparts():
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            got = rest.raw(head.encode() + body)
            assert verdict("POST", path, got) is None and got[9:10] == b"4", (path, kind, body[:60], got[:200])
    for name in FILENAMES:
        kind, body = form([("jarfile", name, b"\x7fELF garbage")])
        answer = rest.ask("POST", "/jars/upload", body, {"Content-Type": kind})
        assert answer.status == 400, (name, answer.text)
    allowed = os.path.join(c.folder, "log")
    c.wait(lambda: not {f for f in files_below(c.folder) - before if not f.startswith(allowed)})
    assert not os.path.exists("/tmp/out.so")


def test_slow_and_many_connections(target):
    c, rest, _ = target
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
    slow, many = [], []
    try:
        for i in range(200):
            s = socket.create_connection(("localhost", c.port), timeout=30)
            s.sendall([b"GET /over", b"POST /jars/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"][i % 2])
            slow.append(s)
        for _ in range(2000):
            many.append(socket.create_connection(("localhost", c.port), timeout=30))
        for s in many:
            s.sendall(b"GET /jobs/overview HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert rest.get("/overview")["taskmanagers"] == 1
        for s in many:
            got = b""
            while piece := s.recv(65536):
                got += piece
            assert got.startswith(b"HTTP/1.1 200 ")
    finally:
        for s in slow + many:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    c.wait(lambda: descriptors(c.jobmanager.pid) < 300)


def test_large_uploads_beside_other_requests(target):
    c, rest, _ = target
    answers, slowest = [], 0.0
    big = b"\x00" * (95 * 1024 * 1024)

    def upload():
        answers.append(rest.upload("/jars/upload", [("jarfile", "big.so", big)]))

    threads = [threading.Thread(target=upload) for _ in range(2)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        start = time.monotonic()
        assert rest.get("/overview")["taskmanagers"] == 1
        slowest = max(slowest, time.monotonic() - start)
    assert [a.status for a in answers] == [400, 400]  # no shared object
    assert slowest < 5
    over = f"POST /jars/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {200 << 20}\r\nConnection: close\r\n\r\n"
    got = rest.raw(over.encode())
    assert got.startswith(b"HTTP/1.1 413 ") and b'{"errors":[' in got
