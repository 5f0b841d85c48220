"""What is wrong with what a cluster is given: it says what, and what to do."""

import os
import subprocess
import sys
import zipfile

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402

BOUNDARY = "----flinc"


@pytest.fixture(scope="module")
def cluster(flinc):
    c = running.Cluster(flinc.home, workers=1, slots=1, config={"slot.request.timeout": "1500 ms"})
    try:
        c.start()
        yield c
    finally:
        c.stop()


def post(cluster, path, *parts):
    """Multipart: (name, filename or None, content)."""
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return cluster.request("POST", path, body + f"--{BOUNDARY}--\r\n".encode(),
                           {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


@pytest.fixture
def java_jar(tmp_path):
    path = tmp_path / "TopSpeed.jar"
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Main-Class: org.example.Job\n")
    return path


def test_java_jar(flinc, cluster, java_jar, tmp_path):
    status, answer = post(cluster, "/jars/upload", ("jarfile", "TopSpeed.jar", java_jar.read_bytes()))
    assert status == 400 and "Java" in answer["errors"][-1] and "bundle" in answer["errors"][-1]
    # Renamed, it is what it was.
    status, answer = post(cluster, "/jars/upload", ("jarfile", "topspeed.so", java_jar.read_bytes()))
    assert status == 400 and "Java" in answer["errors"][-1], answer
    result = flinc.run("run", java_jar, env=cluster.environment)
    assert result.returncode == 1 and "Java" in result.stderr and "bundle" in result.stderr
    assert cluster.get("/jars")["files"] == []


def test_serialized_java_graph(cluster):
    graph = b"\xac\xed\x00\x05sr\x00)org.apache.flink.runtime.jobgraph.JobGraph" + b"\0" * 64
    status, answer = post(cluster, "/jobs", ("request", None, b'{"jobGraphFileName":"flink-jobgraph.bin","jobJarFileNames":[]}'),
                          ("file_0", "flink-jobgraph.bin", graph))
    assert status == 400 and "Java" in answer["errors"][-1], answer


def test_flink_savepoint(flinc, cluster, tmp_path):
    (tmp_path / "savepoint-1").mkdir()
    (tmp_path / "savepoint-1" / "_metadata").write_bytes(b"\x49\x60\x67\x2d\0\0\0\x05" + b"\0" * 32)
    result = flinc.run("run", "-s", tmp_path / "savepoint-1", flinc.example("wordcount"), env=cluster.environment)
    assert result.returncode == 1 and "savepoint of Apache Flink" in result.stderr
    jar = cluster.upload(flinc.example("wordcount"))
    # Over REST the job is taken, reads it, and fails, as with any other savepoint that does not fit.
    status, answer = cluster.request("POST", f"/jars/{jar}/run", {"savepointPath": str(tmp_path / "savepoint-1"),
                                                                  "programArgsList": ["--input", str(tmp_path)]})
    assert status == 200, answer
    running.wait_until(lambda: cluster.state(answer["jobid"]) == "FAILED")
    text = cluster.get(f"/jobs/{answer['jobid']}/exceptions")["root-exception"]
    assert "is a savepoint or checkpoint of Apache Flink" in text and str(tmp_path / "savepoint-1") in text
    running.wait_until(lambda: cluster.get("/overview")["slots-available"] == 1)


def test_more_parallelism_than_slots(flinc, cluster, tmp_path):
    jar = cluster.upload(flinc.example("wordcount"))
    job = cluster.run_jar(jar, ["--input", str(tmp_path), "--discovery-interval", "1h"], parallelism=3)
    assert cluster.state(job) in ("INITIALIZING", "CREATED", "RUNNING")  # it waits
    running.wait_until(lambda: cluster.state(job) == "FAILED")
    text = cluster.get(f"/jobs/{job}/exceptions")["root-exception"]
    assert "Could not acquire the minimum required resources" in text
    running.wait_until(lambda: cluster.get("/overview")["slots-available"] == 1)


def start(flinc, program, conf, *args):
    done = subprocess.run([flinc.path("libexec", program), "--configDir", conf, *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_port_in_use(flinc, cluster):
    """A second job manager on the same address."""
    code, text = start(flinc, "flinc-jobmanager", cluster.environment["FLINK_CONF_DIR"])
    assert code != 0 and "in use" in text and ("rest.port" in text or "jobmanager.rpc.port" in text), text
    code, text = start(flinc, "flinc-jobmanager", cluster.environment["FLINK_CONF_DIR"], "-D", f"rest.port={running.free_port()}",
                       "-D", f"rest.bind-port={running.free_port()}")
    assert code != 0 and "in use" in text and "jobmanager.rpc.port" in text, text


def test_wrong_address(flinc, cluster):
    code, text = start(flinc, "flinc-taskmanager", cluster.environment["FLINK_CONF_DIR"], "-D", "jobmanager.rpc.port=1",
                       "-D", "taskmanager.registration.timeout=1 s")
    assert code != 0 and "localhost:1" in text and "jobmanager.rpc" in text, text


def test_wrong_configuration(flinc, cluster):
    for program in ("flinc-jobmanager", "flinc-taskmanager"):
        code, text = start(flinc, program, cluster.environment["FLINK_CONF_DIR"], "-D", "heartbeat.interval=soon")
        assert code != 0 and "heartbeat.interval" in text and "soon" in text, text
    code, text = start(flinc, "flinc-taskmanager", cluster.environment["FLINK_CONF_DIR"],
                       "-D", "taskmanager.memory.process.size=100m")
    assert code != 0 and "taskmanager.memory" in text, text


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is a small file system that only root may mount")
def test_disk_full(flinc, tmp_path):
    """No room for blobs and logs: an upload is refused, the process lives and works when there is room again."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], check=True)
    c = running.Cluster(flinc.home, workers=1)
    try:
        (small / "tmp").mkdir()
        c.environment["FLINK_LOG_DIR"] = str(small / "log")
        conf = os.path.join(c.environment["FLINK_CONF_DIR"], "config.yaml")
        with open(conf, "a", encoding="utf-8") as f:
            f.write(f"web.upload.dir: {small}/web\nblob.storage.directory: {small}/blobs\n")
        c.start()
        filler = small / "filler"
        with open(filler, "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        status, answer = post(c, "/jars/upload", ("jarfile", "wordcount.so", b"x" * 200_000))
        assert status >= 400 and "space" in answer["errors"][-1].lower(), (status, answer)
        assert c.get("/overview")["taskmanagers"] == 1
        filler.unlink()
        jar = c.upload(flinc.example("wordcount"))
        job = c.run_jar(jar, ["--input", flinc.path("LICENSE"), "--output", str(tmp_path / "counts"), "--execution-mode", "BATCH"])
        running.wait_until(lambda: c.state(job) == "FINISHED")
    finally:
        c.stop()
        subprocess.run(["umount", small], check=False)
