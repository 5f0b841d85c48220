"""Rows of a SELECT come back to a client over REST, every one once: from a job that runs, that is restarted, that is over."""

import os
import re
import signal
import subprocess

import pytest

from cluster import Cluster, PATIENCE

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLIENT = os.path.join(TOP, "build", "release", "tests", "system", "query_client")


class Client:
    """A program that runs a query and counts what comes."""

    def __init__(self, cluster, rows, pause_at=0, **options):
        if not os.path.exists(CLIENT):
            pytest.skip("the tests' programs are not built (build/release)")
        settings = [part for key, value in options.items() for part in ("-D", f"{key.replace('__', '.')}={value}")]
        self.process = subprocess.Popen([CLIENT, str(rows), str(pause_at), *settings], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, **cluster.environment})
        self.job = re.fullmatch("job ([0-9a-f]{32})\n", self.line())[1]

    def line(self):
        return self.process.stdout.readline()

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        out, _ = self.process.communicate(timeout=5 * PATIENCE)
        return out


@pytest.fixture
def cluster(flinc, tmp_path):
    c = Cluster(flinc.home, tmp_path / "cluster")
    try:
        c.start(taskmanagers=1)
        yield c
        c.stop()
    finally:
        c.kill_all()


def test_all_rows(cluster):
    client = Client(cluster, 1000000)
    assert client.end() == "rows 1000000 repeated 0 missing 0 restarts 0\n"
    cluster.wait_for_state(client.job, "FINISHED")


def test_few_rows_of_a_job_that_is_over(cluster):
    client = Client(cluster, 100)
    assert client.end() == "rows 100 repeated 0 missing 0 restarts 0\n"


def test_killed_worker_with_checkpoints(cluster):
    cluster.leaves_files = True
    rows = 3000000
    client = Client(cluster, rows, pause_at=200000, **{
        "execution__checkpointing__interval": "100 ms",
        "restart-strategy__type": "fixed-delay",
        "restart-strategy__fixed-delay__delay": "100 ms"})
    assert client.line() == "paused\n"
    for pid in cluster.workers():
        os.kill(pid, signal.SIGKILL)
    client.go_on()
    assert client.end() == f"rows {rows} repeated 0 missing 0 restarts 1\n"
    assert cluster.state(client.job) == "FINISHED"


def test_killed_worker_without_checkpoints(cluster):
    cluster.leaves_files = True
    client = Client(cluster, 3000000, pause_at=100000, **{
        "restart-strategy__type": "fixed-delay",
        "restart-strategy__fixed-delay__delay": "100 ms"})
    assert client.line() == "paused\n"
    for pid in cluster.workers():
        os.kill(pid, signal.SIGKILL)
    client.go_on()
    out = client.end()
    assert "execution.checkpointing.interval" in out and "repeated 0" in out
    cluster.wait_for_state(client.job, "CANCELED")  # by the client


def test_failed_job(cluster):
    cluster.leaves_files = True
    client = Client(cluster, 3000000, pause_at=100000, **{"restart-strategy__type": "none"})
    assert client.line() == "paused\n"
    for pid in cluster.workers():
        os.kill(pid, signal.SIGKILL)
    cluster.wait_for_state(client.job, "FAILED")
    client.go_on()
    assert "error the job has failed: " in client.end()


def test_cancelled_job(cluster):
    client = Client(cluster, 3000000, pause_at=100000)
    assert client.line() == "paused\n"
    cluster.cancel(client.job)
    cluster.wait_for_state(client.job, "CANCELED")
    client.go_on()
    assert "error the job was cancelled" in client.end()


def test_bad_requests(cluster):
    client = Client(cluster, 3000000, pause_at=1)
    assert client.line() == "paused\n"
    path = f"/jobs/{client.job}/coordinators/2_collect"

    def post(where, body):
        return cluster.request("POST", where, body)

    for where, body, status in ((path, b"{}", 400), (path, b"", 400), (path, b"\xff\xff", 400),
                                (f"/jobs/{client.job}/coordinators/nobody", b"\x08\x01", 404),
                                (f"/jobs/{'0' * 32}/coordinators/2_collect", b"\x08\x01", 404)):
        assert post(where, body)[0] == status, (where, body)
    cluster.cancel(client.job)
    client.go_on()
    client.end()
