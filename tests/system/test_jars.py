"""Bundles over REST: upload, list, plan, run, remove, in all the spellings of Flink's clients."""

import json
import os

import pytest
from rest_client import Rest


@pytest.fixture
def rest(cluster):
    c = cluster(taskmanagers=0)
    return Rest("localhost", c.port)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def put(rest, path, name=None):
    answer = rest.upload("/jars/upload", [("jarfile", name or os.path.basename(path), read(path))])
    assert answer.status == 200, answer.text
    assert answer.json["status"] == "success"
    return answer.json["filename"].rsplit("/", 1)[1]


def test_upload_list_remove(rest, flinc):
    assert rest.get("/jars")["files"] == []
    first = put(rest, flinc.example("wordcount"))
    second = put(rest, flinc.example("wordcount"), "second.so")
    listed = rest.get("/jars")
    assert [f["id"] for f in listed["files"]] == [second, first]  # newest first
    assert [f["name"] for f in listed["files"]] == ["second.so", "wordcount.so"]
    assert listed["files"][1]["entry"][0]["name"] == "wordcount"
    assert listed["address"].startswith("http://")
    assert rest.ask("DELETE", f"/jars/{first}").json == {}
    assert [f["id"] for f in rest.get("/jars")["files"]] == [second]
    gone = rest.ask("DELETE", f"/jars/{first}")
    assert gone.status == 400 and gone.error == f"Jar file {first} does not exist"


@pytest.mark.parametrize(
    "parts, text",
    [
        ([], "Exactly 1 file must be sent, received 0."),
        ([("a", "a.so", b"x"), ("b", "b.so", b"x")], "Exactly 1 file must be sent, received 2."),
        ([("jarfile", "WordCount.jar", b"PK\x03\x04")], "Java archive"),
        ([("file_0", "renamed.so", b"PK\x03\x04" + b"\0" * 100)], "jar"),
        ([("file_0", "text.so", b"hello")], "not a shared object"),
        ([("file_0", "x.txt", b"hello")], ".so"),
        ([("file_0", "empty.so", b"")], "empty"),
    ],
)
def test_uploads_that_are_no_bundles(rest, parts, text):
    answer = rest.upload("/jars/upload", parts)
    assert answer.status == 400 and text in answer.error
    assert rest.get("/jars")["files"] == []


def test_plan(rest, flinc):
    jar = put(rest, flinc.example("wordcount"))
    by_query = rest.get(f"/jars/{jar}/plan?entry-class=&parallelism=3&program-args=--input%20%2Fetc%2Fhostname")["plan"]
    by_body = rest.ask("POST", f"/jars/{jar}/plan", {"parallelism": 3, "programArgsList": ["--input", "/etc/hostname"]}).json["plan"]
    assert [n["parallelism"] for n in by_query["nodes"]] == [n["parallelism"] for n in by_body["nodes"]] == [3, 3]
    assert by_query["name"] == "WordCount" and by_query["nodes"][0]["inputs"][0]["ship_strategy"] == "HASH"
    assert rest.get("/jobs")["jobs"] == []  # nothing ran


def test_run_as_the_dashboard_does(rest, flinc):
    """All fields, empty ones too; the parallelism is a text; savepointPath in the query holds the arguments."""
    jar = put(rest, flinc.example("wordcount"))
    query = "?entry-class=&parallelism=2&program-args=--input%20/etc/hostname&savepointPath=--input%20/etc/hostname&allowNonRestoredState=false"
    body = {"entryClass": "", "parallelism": "2", "programArgs": "--input '/etc/hostname'", "savepointPath": "", "allowNonRestoredState": None}
    answer = rest.ask("POST", f"/v1/jars/{jar}/run{query}", body)
    assert answer.status == 200, answer.text
    details = rest.get(f"/jobs/{answer.json['jobid']}")
    assert [v["parallelism"] for v in details["vertices"]] == [2, 2]
    rest.ask("PATCH", f"/jobs/{answer.json['jobid']}")


def test_run_as_the_operator_does(rest, flinc):
    """With an id of its own, which must be kept, and the whole configuration."""
    jar = put(rest, flinc.example("wordcount"))
    job = "0123456789abcdef0123456789abcdef"
    body = {
        "entryClass": None, "programArgsList": ["--input", "/etc/hostname"], "parallelism": 1, "jobId": job,
        "allowNonRestoredState": None, "savepointPath": None, "claimMode": None,
        "flinkConfiguration": {"restart-strategy.type": "fixed-delay", "kubernetes.cluster-id": "x", "s3.secret-key": "planted"},
    }  # fmt: skip
    answer = rest.ask("POST", f"/jars/{jar}/run", json.dumps(body))
    assert answer.status == 200 and answer.json["jobid"] == job
    assert rest.ask("POST", f"/jars/{jar}/run", json.dumps(body)).json["jobid"] == job  # again: it is the same job
    other = rest.ask("POST", f"/jars/{jar}/run", json.dumps({**body, "parallelism": 2}))
    assert other.status == 409, other.text
    config = rest.ask("GET", f"/jobs/{job}/config")
    assert "ixed delay" in config.json["execution-config"]["restart-strategy"] and "planted" not in config.text
    rest.ask("DELETE", f"/jars/{jar}")
    assert rest.get(f"/jobs/{job}/status")["status"] in ("CREATED", "RUNNING")  # the bundle is in the blob store
    rest.ask("PATCH", f"/jobs/{job}")


@pytest.mark.parametrize(
    "body, text",
    [
        ({"programArgs": "--nonsense"}, "--nonsense"),
        ({"parallelism": 0}, "from 1 on"),
        ({"flinkConfiguration": {"parallelism.default": "many"}}, "parallelism.default"),
        ({"claimMode": "LEGACY"}, "CLAIM or NO_CLAIM"),
        ({"jobId": "x"}, "32 hexadecimal digits"),
        ("{", "Request did not match expected format"),
        ("[]", "Request did not match expected format"),
    ],
)
def test_runs_that_cannot_be(rest, flinc, body, text):
    jar = put(rest, flinc.example("wordcount"))
    answer = rest.ask("POST", f"/jars/{jar}/run", body)
    assert answer.status == 400 and text in answer.error
    assert rest.get("/jobs")["jobs"] == []


def test_a_bundle_without_a_job(rest, bundle):
    jar = put(rest, bundle("no_entry"))
    assert rest.get("/jars")["files"][0]["entry"] == []
    answer = rest.ask("POST", f"/jars/{jar}/run", {})
    assert answer.status == 400 and "Could not execute application." in answer.error
