"""The REST interface as clients use it: statuses and texts that they match, cancelling, failures, logs, submission."""

import base64
import json

import pytest
from rest_client import Rest


@pytest.fixture
def idle(cluster):
    """A job manager alone."""
    c = cluster(taskmanagers=0)
    return c, Rest("localhost", c.port)


NONE = "0" * 32


def test_cluster_and_static(idle):
    c, rest = idle
    assert rest.get("/v1/overview") == rest.get("/overview")
    config = rest.get("/config")
    assert config["refresh-interval"] == 3000 and config["features"]["web-submit"] and config["features"]["web-cancel"]
    page = rest.ask("GET", "/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html") and b"<h1>Flinc" in page.body
    assert "Unable to load requested file" in rest.ask("GET", "/none.js").error
    missing = rest.ask("DELETE", "/overview")
    assert missing.status == 404 and missing.error == "Not found: /overview"
    assert {e["key"]: e["value"] for e in rest.get("/jobmanager/config")}["rest.port"] == str(c.port)


def test_delete_cluster(idle):
    c, rest = idle
    assert rest.ask("DELETE", "/v1/cluster").json == {}
    assert c.jobmanager.wait() == 0


@pytest.mark.parametrize(
    "method, path, body, status, text",
    [
        ("GET", f"/jobs/{NONE}", None, 404, f"Job {NONE} not found"),
        ("GET", f"/jobs/{NONE}/checkpoints", None, 404, "not found"),
        ("PATCH", f"/jobs/{NONE}?mode=cancel", None, 404, "Job could not be found."),
        ("GET", f"/jobs/{NONE}/yarn-cancel", None, 404, "Job could not be found."),
        ("GET", "/jobs/abc", None, 400, "Bad request, could not parse parameters"),
        ("GET", "/taskmanagers/none/log", None, 404, "not registered"),
        ("POST", "/jars/none.so/run", {}, 400, "Jar file none.so does not exist"),
        ("POST", "/jobs", None, 400, "request"),
        ("POST", "/savepoint-disposal", {}, 400, "Field savepoint-path must not be omitted or be null."),
        ("POST", f"/jobs/{NONE}/savepoints", {"target-directory": "/tmp"}, 404, "not found"),
        ("POST", f"/jobs/{NONE}/stop", {"targetDirectory": "/tmp"}, 404, "not found"),
        ("POST", f"/jobs/{NONE}/checkpoints", {}, 404, "not found"),
        ("PATCH", f"/jobs/{NONE}/rescaling?parallelism=2", None, 503, "FLINK-12312"),
        ("GET", "/jobmanager/logs/none", None, 404, "This file does not exist in JobManager log dir."),
        ("GET", "/jobmanager/profiler", None, 404, "rest.profiling.enabled"),
    ],
)
def test_texts_that_clients_match(idle, method, path, body, status, text):
    answer = idle[1].ask(method, path, body)
    assert answer.status == status and text in answer.error


def test_request_bodies_are_read_as_java_clients_send_them(idle):
    rest = idle[1]
    assert rest.ask("GET", "/overview", "{}").status == 200
    assert rest.ask("POST", "/jars/x.so/run", "{}", {"Content-Type": "text/plain"}).status == 400  # x.so, not the type
    assert rest.raw(b"GET /overview HTTP/1.1\r\nHost: x\r\n\r\nGET /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").count(b"200 OK") == 2


# ---- submission ------------------------------------------------------------------------------------------------


def test_submission_that_is_none(idle):
    rest = idle[1]
    request = ("request", None, json.dumps({"jobGraphFileName": "g", "jobJarFileNames": [], "jobArtifactFileNames": []}).encode())
    java = rest.upload("/jobs", [request, ("file_0", "g", b"\xac\xed\x00\x05sr\x00")])
    assert java.status == 400 and "Java-serialized Flink job graph" in java.error
    assert rest.upload("/jobs", [request, ("file_0", "g", b"garbage")]).status == 400
    assert "did not come" in rest.upload("/jobs", [request, ("file_0", "h", b"x")]).error
    assert "Received unknown attribute other." in rest.upload("/jobs", [("other", None, b"x")]).error
    assert "File upload not allowed" in rest.upload("/jars/x.so/run", [("f", "x.so", b"x")]).error
    assert rest.get("/jobs")["jobs"] == []


def test_submission_switched_off(cluster):
    c = cluster(taskmanagers=0, config={"web.submit.enable": "false", "web.cancel.enable": "false"})
    rest = Rest("localhost", c.port)
    features = rest.get("/config")["features"]
    assert not features["web-submit"] and not features["web-cancel"]
    assert rest.ask("GET", "/jars").status == 404
    assert rest.upload("/jars/upload", [("f", "x.so", b"x")]).status == 404
    assert rest.upload("/jobs", [("request", None, b"{}")]).status == 403
    assert rest.ask("PATCH", f"/jobs/{NONE}?mode=cancel").status == 403


def test_submission_by_the_client(idle, flinc):
    """`flink run -d` posts a graph with its bundle; without slots the job waits."""
    c, rest = idle
    done = flinc.run("run", "-d", "-m", f"localhost:{c.port}", "-p", 2, flinc.example("wordcount"), "--input", "/etc/hostname")
    assert done.returncode == 0, done.stderr
    job = rest.get("/jobs")["jobs"][0]["id"]
    assert f"Job has been submitted with JobID {job}" in done.stdout
    assert [v["parallelism"] for v in rest.get(f"/jobs/{job}")["vertices"]] == [2, 2]
    assert rest.ask("PATCH", f"/jobs/{job}").status == 202
    c.wait_for_state(job, "CANCELED")


# ---- jobs ------------------------------------------------------------------------------------------------------


def test_cancel(cluster, bundle):
    c = cluster(taskmanagers=1, slots=2)
    rest = Rest("localhost", c.port)
    jar = c.upload(bundle("endless"))
    for ask in [("PATCH", "/jobs/{}?mode=cancel"), ("GET", "/jobs/{}/yarn-cancel"), ("PATCH", "/v1/jobs/{}")]:
        job = c.run_jar(jar)
        c.wait(lambda job=job: c.all_running(job))
        answer = rest.ask(ask[0], ask[1].format(job))
        assert answer.status == 202 and answer.json == {}
        c.wait_for_state(job, "CANCELED")
        assert rest.ask("PATCH", f"/jobs/{job}?mode=cancel").status == 202  # again: it is what was asked for
        assert rest.get(f"/jobs/{job}/execution-result")["job-execution-result"]["application-status"] == "CANCELED"
    assert rest.ask("PATCH", f"/jobs/{job}?mode=stop").status == 308
    stop = rest.ask("POST", f"/jobs/{job}/stop", {"targetDirectory": "/x", "drain": False})
    assert stop.status == 409 and "CANCELED" in stop.error
    assert rest.get("/overview")["jobs-cancelled"] == 3


def test_failure(cluster, bundle):
    """What a failure shows: where, why, and the object that Java clients read."""
    c = cluster(taskmanagers=1, slots=1)
    rest = Rest("localhost", c.port)
    job = c.run_jar(c.upload(bundle("task_fails")))
    assert c.wait_for_state(job, "FAILED", "FINISHED") == "FAILED"
    shown = rest.get(f"/jobs/{job}/exceptions")
    newest = shown["exceptionHistory"]["entries"][0]
    assert newest["exceptionName"].startswith("flinc.") and newest["stacktrace"].startswith(newest["exceptionName"])
    assert newest["taskName"] and newest["taskManagerId"] == rest.get("/taskmanagers")["taskmanagers"][0]["id"]
    assert ":" in newest["endpoint"] and newest["timestamp"] > 0
    assert shown["root-exception"] == newest["stacktrace"] and shown["timestamp"] == newest["timestamp"]
    assert shown["all-exceptions"][0]["task"] == newest["taskName"]
    assert rest.get(f"/jobs/{job}/exceptions?maxExceptions=0")["exceptionHistory"] == {"entries": [], "truncated": True}
    assert rest.get(f"/jobs/{job}/exceptions?failureLabelFilter=a:b")["exceptionHistory"]["entries"] == []
    cause = rest.get(f"/jobs/{job}/execution-result")["job-execution-result"]["failure-cause"]
    java = base64.b64decode(cause["serialized-throwable"], validate=True)
    assert java.startswith(b"\xac\xed\x00\x05sr\x00)org.apache.flink.util.SerializedThrowable")
    assert cause["stack-trace"].encode() in java
    refused = rest.ask("PATCH", f"/jobs/{job}?mode=cancel")
    assert refused.status == 409 and "already reached another terminal state (FAILED)" in refused.error
    assert rest.get("/overview")["jobs-failed"] == 1


# ---- processes -------------------------------------------------------------------------------------------------


def test_logs_and_threads(cluster):
    c = cluster(taskmanagers=1, slots=1)
    rest = Rest("localhost", c.port)
    log = rest.ask("GET", "/jobmanager/log")
    assert log.status == 200 and log.headers["Content-Type"].startswith("text/plain") and "flinc.rest" in log.text
    names = [f["name"] for f in rest.get("/jobmanager/logs")["logs"]]
    assert "jobmanager-0.log" in names
    assert rest.ask("GET", "/jobmanager/logs/jobmanager-0.log").text.startswith(log.text[:100])
    threads = rest.get("/jobmanager/thread-dump")["threadInfos"]
    assert any("\tat " in t["stringifiedThreadInfo"] for t in threads)

    tm = rest.get("/taskmanagers")["taskmanagers"][0]["id"]
    log = rest.ask("GET", f"/taskmanagers/{tm}/log")
    assert log.status == 200 and "flinc." in log.text
    assert rest.ask("GET", f"/taskmanagers/{tm}/stdout").status == 200
    listed = {f["name"]: f for f in rest.get(f"/taskmanagers/{tm}/logs")["logs"]}
    assert listed["taskmanager-0.log"]["size"] > 0 and listed["taskmanager-0.log"]["mtime"] > 0
    for way in ["..%2f..%2fconf%2fconfig.yaml", "..%252fconfig.yaml", "%2fetc%2fpasswd"]:
        assert rest.ask("GET", f"/taskmanagers/{tm}/logs/{way}").status == 404
    threads = rest.get(f"/taskmanagers/{tm}/thread-dump")["threadInfos"]
    assert any("\tat " in t["stringifiedThreadInfo"] for t in threads)
    assert rest.ask("GET", f"/taskmanagers/{tm}/thread-dump").status == 200
    assert rest.ask("GET", "/taskmanagers/none/thread-dump").status == 404


def test_a_long_log_comes_in_parts(cluster):
    """Over 3 MB: the parts are put together in order."""
    c = cluster(taskmanagers=1, slots=1)
    rest = Rest("localhost", c.port)
    tm = rest.get("/taskmanagers")["taskmanagers"][0]["id"]
    text = b"".join(b"line %08d of a long file\n" % i for i in range(100_000))
    with open(f"{c.folder}/log/long.log", "wb") as f:
        f.write(text)
    assert rest.ask("GET", f"/taskmanagers/{tm}/logs/long.log").body == text
