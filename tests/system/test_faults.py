"""Named faults of clusters: a few rounds (scripts/chaos.sh --workload all --faults all has more), damaged links, and what the faults are made by."""

import os
import socket
import subprocess
import sys
import threading
import time
import types
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "faults"))
import bed  # noqa: E402
import campaign  # noqa: E402
import clock  # noqa: E402
import fault_list  # noqa: E402
import failpoints  # noqa: E402
import workloads  # noqa: E402
from http_faults import HttpProxy  # noqa: E402
from proxy import DOWN, UP, Proxy  # noqa: E402


@pytest.fixture(scope="module")
def bundles(flinc, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("workloads"))
    return {n: workloads.build(flinc.home, folder, n) for n in ("workloads", "checker")}


def run_round(flinc, bundles, workload, faults, seed, **options):
    """One round; returns it and what the processes said.  A fault is a name, or a name and which of its kinds."""
    the_bed = bed.Bed(flinc.home, **options)
    try:
        the_bed.start()
        jars = {n: the_bed.upload(path) for n, path in bundles.items()}
        the_bed.check_survivors()
        one = campaign.Round(the_bed, jars, 0, fault_list.random_for(seed), workloads.WORKLOADS[workload], faults, len(faults), 6)
        one.start()
        for fault in faults:
            one.strike(*([fault] if isinstance(fault, str) else fault))
        one.finish()
        said = "\n".join(the_bed.log(n) for n in the_bed.children)
        assert not the_bed.stop()
    except BaseException:
        the_bed.stop()
        print("\n".join(one.history) if "one" in locals() else "", the_bed.folder, file=sys.stderr)
        raise
    the_bed.remove()
    return one, said


@pytest.mark.parametrize("workload, faults, seed, options", [
    ("W1", ["F2"], 1, {"ha": "file"}),
    ("W2", ["F11"], 2, {"storage": "s3"}),
    ("W1", ["F12"], 4, {"storage": "s3"}),
    ("W1", [("F8", "leader")], 5, {"ha": "ensemble"}),
], ids=["leader", "s3", "savepoint on s3", "ensemble"])
def test_round(flinc, bundles, workload, faults, seed, options):
    one, _ = run_round(flinc, bundles, workload, faults, seed, **options)
    assert len(one.results) == len(faults), one.history


@pytest.mark.parametrize("link", ["data", "control"])
def test_a_flipped_bit_is_noticed(flinc, bundles, link, monkeypatch):
    """On the way between task managers, and between job manager and task manager: whoever receives it says so, and the job ends right."""
    def flip(r):
        proxies = r.bed.proxies if link == "data" else r.bed.control

        def is_damaged():
            for proxy in proxies.values():
                proxy.flip(1, DOWN if link == "data" else UP)
            return r.ended() or "check sum" in "".join(r.bed.log(n) for n in r.bed.children) or r.failure()

        r.bed.wait(is_damaged, 30, 0.2)
        r.may_leave += 1

    monkeypatch.setitem(fault_list.FAULTS, "F7", (flip, ""))
    one, said = run_round(flinc, bundles, "W1", ["F7"], 3)
    assert one.results and ("check sum" in said or "CRC" in said or "broke" in said), one.history


def test_failpoints_of_faults_are_in_the_table(flinc):
    rows = failpoints.table(flinc.home)
    assert len(rows) >= 60
    assert rows["checkpoint.complete.after_pointer"][:2] == ("job manager", "checkpoint completion")
    for name in fault_list.FINALISATION + fault_list.COMMIT + fault_list.COMMIT_LOCAL + fault_list.COMMIT_S3:
        assert name in rows, name


def test_report_of_failpoints(tmp_path):
    (tmp_path / "flinc-jobmanage-7.hits").write_text("reached a.b\nreached a.c\nfired a.b\nfired a.b\nreached a.")
    (tmp_path / "flinc-taskmanag-8.hits").write_text("reached a.b\n")
    rows = {"a.b": ("worker", "slots", ""), "a.c": ("worker", "slots", ""), "a.d": ("worker", "restore", "")}
    assert list(failpoints.Hits().add(tmp_path).lines(rows)) == [
        "2 of 3 failpoints were reached by 2 processes; 1 of them made something go wrong, 2 times", "never, restore: a.d"]


# ---- links ---------------------------------------------------------------------------------------------


@pytest.fixture
def echo():
    """A server that sends everything back, and a proxy before it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(s,), daemon=True).start()

    def answer(s):
        with s:
            try:
                while data := s.recv(4096):
                    s.sendall(data)
                s.sendall(b"bye")
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    proxy = Proxy(listener.getsockname()[1])
    yield proxy
    proxy.close()
    listener.close()


def dial(proxy):
    s = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
    s.sendall(b"hello")
    assert s.recv(100) == b"hello"
    return s


def test_links(echo):
    with dial(echo) as s:
        echo.flip(1, UP)
        s.sendall(b"\0" * 8)
        got = b""
        while len(got) < 8:
            got += s.recv(8)
        assert sum(bin(b).count("1") for b in got) == 1 and echo.flipped == 1
        echo.stall(DOWN)
        s.sendall(b"later")
        s.settimeout(0.3)
        with pytest.raises(TimeoutError):
            s.recv(100)
        echo.heal()
        s.settimeout(30)
        assert s.recv(100) == b"later"
        echo.delay(0.2)
        begin = time.monotonic()
        s.sendall(b"slow")
        assert s.recv(100) == b"slow" and time.monotonic() - begin >= 0.4
        echo.heal()
        echo.half_close()
        assert s.recv(100) == b"bye"
        assert s.recv(100) == b""
    with dial(echo) as s:
        echo.reset()
        with pytest.raises(ConnectionResetError):
            s.recv(100)
    echo.cut()
    with pytest.raises(OSError):
        dial(echo)
    echo.heal()
    dial(echo).close()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []

    def do_GET(self):
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "4000")
        self.end_headers()
        self.wfile.write(b"x" * 4000)

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


def test_http_faults():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy = HttpProxy(server.server_port)
    Answers.seen.clear()

    def ask(path, data=None):
        request = urllib.request.Request(f"http://127.0.0.1:{proxy.port}{path}", data=data, method="PUT" if data else "GET")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    assert len(ask("/whole")) == 4000
    for fault, wanted in (("503", 503), ("500", 500)):
        proxy.fail(fault)
        with pytest.raises(urllib.error.HTTPError) as e:
            ask("/refused")
        assert e.value.code == wanted
    assert Answers.seen == ["/whole"]
    proxy.fail("after")
    with pytest.raises(OSError):
        ask("/done", b"abc")
    assert Answers.seen == ["/whole", "/done"]
    proxy.fail("truncate")
    with pytest.raises(Exception, match="IncompleteRead"):
        ask("/half")
    proxy.fail("slow")
    begin = time.monotonic()
    assert len(ask("/slow")) == 4000 and time.monotonic() - begin > 0.05
    proxy.heal()
    assert len(ask("/again")) == 4000
    proxy.close()
    server.shutdown()


def test_clocks(tmp_path):
    one = clock.Clock(str(tmp_path))

    def off(rule):
        one.set(rule)
        said = subprocess.run(["date", "+%s.%N"], env={**os.environ, **one.environment}, capture_output=True, text=True, check=True).stdout
        return float(said) - time.time()

    assert abs(off("offset 3600000") - 3600) < 60
    assert abs(off("offset -3600000") + 3600) < 60
    one.mend()
    assert abs(off("offset 0")) < 60


def test_report_of_rounds(tmp_path):
    results, page = tmp_path / "r.jsonl", tmp_path / "page.md"
    results.write_text('{"fault": "F1", "back_s": 1.0, "workload": "W1"}\n{"fault": "F1", "back_s": 3.0, "workload": "W1"}\n'
                       '{"fault": "F1", "violation": "I1", "workload": "W1"}\n{"round": "7.0", "workload": "W1", "failed": true}\n')
    page.write_text("before\n" + "\n".join(campaign.MARKS) + "\nafter\n")
    campaign.write_report(str(results), str(page))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "| F1 | SIGKILL of workers, one task manager or all | 2 | 1 | 2.0 s | 3.0 s |" in text
    assert "| all | 1 rounds: 1 of W1" in text
    campaign.write_report(str(results), str(page))
    assert page.read_text() == text


def test_unknown_names():
    with pytest.raises(SystemExit, match="F99: one of F1"):
        campaign.choose("F1,F99", fault_list.FAULTS)
    a_bed = types.SimpleNamespace(ha="none", zookeeper=None, s3=None, storage="local")
    assert "F2" not in fault_list.applicable(list(fault_list.FAULTS), a_bed) and "F12" in fault_list.applicable(["F12"], a_bed)
