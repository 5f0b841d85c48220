"""Bundles by their addresses: on S3 and by HTTP, fetched by flink and by job managers of applications; what is refused and what is said; with
high availability bundles lie in the storage folder on S3."""

import functools
import http.server
import os
import re
import signal
import sys
import threading

import pytest
from cluster import TOP, Cluster
from ha import CountingJob, ZooKeeperCluster
from running import free_port

sys.path.insert(0, os.path.join(TOP, "tests", "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position
import zookeeper  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = s3.server(tmp_path_factory.mktemp("s3")).start()
    found.make_bucket("bundles")
    yield found
    found.stop()


def put(server, path, source):
    with open(source, "rb") as f:
        server.put("bundles/" + path, f.read())
    return "s3://bundles/" + path


def options(config):
    return [f"-D{key}={value}" for key, value in config.items()]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("one two two\n")
    return path


@pytest.fixture
def places(tmp_path, server):
    """The configuration of a command, with a folder of its own for temporary files, where nothing may be left."""
    (tmp_path / "tmp").mkdir()
    yield {**server.config(), "io.tmp.dirs": tmp_path / "tmp"}
    assert os.listdir(tmp_path / "tmp") == []


def test_flink_run(flinc, server, places, text):
    """In this process, and its plan; the temporary copy goes."""
    address = put(server, "jobs/words.so", flinc.example("wordcount"))
    said = flinc.run_local(*options(places), address, "--input", text).stdout
    assert "two,2" in said or "two 2" in said, said
    said = flinc.run("info", *options(places), address, "--input", text)
    assert said.returncode == 0 and "Execution Plan" in said.stdout, said.stderr


def test_flink_run_on_a_cluster(flinc, cluster, server, places, text):
    """The cluster knows nothing of S3: the client fetches the bundle and uploads it."""
    address = put(server, "jobs/words.so", flinc.example("wordcount"))
    c = cluster(1, 2)
    said = flinc.run("run", "-m", f"localhost:{c.port}", *options(places), address, "--input", text)
    assert said.returncode == 0, said.stdout + said.stderr
    job = re.search(r"JobID ([0-9a-f]{32})", said.stdout)[1]
    assert c.state(job) == "FINISHED"


def test_base_dir(flinc, server, places, text, tmp_path):
    """user.artifacts.base-dir keeps what was fetched, and the files of the list beside it."""
    address = put(server, "jobs/words.so", flinc.example("wordcount"))
    server.put("bundles/data/table.csv", b"1,2\n")
    config = {**places, "user.artifacts.base-dir": tmp_path / "a" / "b", "user.artifacts.artifact-list": "s3://bundles/data/table.csv"}
    flinc.run_local(*options(config), address, "--input", text)
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["table.csv", "words.so"]


def test_what_is_refused(flinc, server, places, bundle, text):
    """Missing, forbidden, no bundle, of another version, a scheme that is not there: the message has the address and the reason."""
    server.put("bundles/job.jar", b"PK\x03\x04" + b"x" * 1000)
    server.put("bundles/text.so", b"#!/bin/sh\n")
    server.put("bundles/empty.so", b"")
    other = put(server, "other.so", bundle("other_abi"))
    for address, *parts in (("s3://bundles/missing.so", "missing.so"), ("s3://nowhere/job.so", "nowhere"),
                            ("s3://bundles/job.jar", "is no job bundle", "jar"), ("s3://bundles/text.so", "is no job bundle"),
                            ("s3://bundles/empty.so", "is empty"), (other, "ABI"),
                            ("gopher://a/job.so", "no file system for scheme 'gopher'")):
        said = flinc.fail_local(*options(places), address, "--input", text)
        assert address in said and all(part in said for part in parts), (address, said)
    wrong = {**places, "s3.secret-key": "wrong"}
    said = flinc.fail_local(*options(wrong), "s3://bundles/other.so", "--input", text)
    assert "s3://bundles/other.so" in said and "key" in said, said


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked = []

    def do_GET(self):  # pylint: disable=invalid-name
        Quiet.asked.append(self.headers.get("X-Token"))
        if self.headers.get("X-Token") != "open":
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def test_http(flinc, places, text, tmp_path):
    """Off without TLS; then with the headers of the configuration."""
    served = tmp_path / "served"
    served.mkdir()
    with open(flinc.example("wordcount"), "rb") as f:
        (served / "words.so").write_bytes(f.read())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/words.so"
        said = flinc.fail_local(*options(places), address, "--input", text)
        assert "user.artifacts.raw-http-enabled" in said and Quiet.asked == [], said
        config = {**places, "user.artifacts.raw-http-enabled": "true"}
        said = flinc.fail_local(*options(config), address, "--input", text)
        assert "403" in said and "user.artifacts.http-headers" in said, said
        config["user.artifacts.http-headers"] = "X-Token:open"
        said = flinc.run_local(*options(config), address, "--input", text).stdout
        assert "two,2" in said or "two 2" in said, said
    finally:
        server.shutdown()
        server.server_close()


def test_application(flinc, server, tmp_path, text):
    """A job manager of an application fetches its bundle; where it cannot, it says so and ends."""
    address = put(server, "jobs/words.so", flinc.example("wordcount"))
    for number, (jars, code, said) in enumerate(((address, 0, "Fetched s3://bundles/jobs/words.so"),
                                                 ("s3://bundles/missing.so", 2, "s3://bundles/missing.so"))):
        c = Cluster(flinc.home, tmp_path / f"cluster-{number}", 2, {**server.config()})
        try:
            process = c.start_job_manager("--application", "--jars", jars, "--input", text)
            process.expected_exit = code
            if code == 0:
                c.start_task_manager()
            assert process.wait() == code, process.text()
            assert said in process.text()
            c.stop()
        finally:
            c.kill_all()


def test_high_availability_on_s3(flinc, bundle, tmp_path, server):
    """Graphs and bundles lie in the bucket; the next leader, which has never seen the bundle, runs the job on; nothing is left of it."""
    server.make_bucket("storage")
    keeper = zookeeper.Server(tmp_path / "zookeeper", free_port()).start()
    config = {**server.config(), "high-availability.storageDir": "s3://storage/ha"}
    c = ZooKeeperCluster(flinc.home, tmp_path / "cluster", keeper, config=config)
    try:
        c.start(1)
        job = CountingJob(c, bundle, tmp_path)
        job.wait_for_checkpoints(1)
        assert [n for n in server.names("storage/ha") if "/blob/" in n and job.id in n], server.names("storage/ha")
        c.job_managers[0].signal(signal.SIGKILL)
        c.job_managers[0].expected_exit = -signal.SIGKILL
        assert c.wait_for_other_leader(0) == 1
        job.wait_for_end()
        c.wait(lambda: not [n for n in server.names("storage/ha") if job.id in n])
        c.stop()
    finally:
        c.kill_all()
        keeper.stop()
