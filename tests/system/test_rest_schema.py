"""Every GET route of the REST interface against a running and a finished job of two vertices: fields and types of both
1.20 and 2.x (rest_shapes.py), lists that hold what there is to list, and values that are known."""

import time

import pytest
from rest_abuse import routes
from rest_client import Rest
from rest_shapes import CHECKPOINTS, MAY_BE_EMPTY, OFF, SHAPES, check

# Routes that answer text, cancel, or are tested by name elsewhere.
OTHERS = {
    "/jobmanager/log", "/jobmanager/stdout", "/jobmanager/logs/:filename", "/taskmanagers/:taskmanagerid/log",
    "/taskmanagers/:taskmanagerid/stdout", "/taskmanagers/:taskmanagerid/logs/:filename", "/jobs/:jobid/yarn-cancel",
    "/jobs/:jobid/yarn-stop", "/jars/:jarid/plan",
}  # fmt: skip
# A job that has ended before anybody asked has no metrics of its tasks, and holds no slots.
EMPTY_WHEN_ENDED = {
    path + " " for path in SHAPES if path.startswith("/jobs/") and path.endswith("metrics")
} | {
    "/jobs/:jobid/vertices/:vertexid/backpressure subtasks", "/taskmanagers/:taskmanagerid allocatedSlots", "/jobs/metrics ",
}  # fmt: skip


def test_every_route_is_checked():
    paths = {path for method, path in routes() if method == "GET"}
    assert paths == set(SHAPES) | set(CHECKPOINTS) | set(OFF) | OTHERS


def fill(path, known):
    return "/".join(known[piece[1:]] if piece.startswith(":") else piece for piece in path.split("/"))


def walk(rest, known, may_be_empty, checkpoints=True):
    """Asks every route; {path: answer}."""
    findings, answers = [], {}
    off = OFF if checkpoints else {**OFF, **dict.fromkeys(CHECKPOINTS, 404)}
    for path, shape in {**SHAPES, **(CHECKPOINTS if checkpoints else {})}.items():
        answer = rest.ask("GET", fill(path, known))
        if answer.status != 200:
            findings.append(f"{path}: status {answer.status} {answer.text[:200]}")
            continue
        empty = set()
        answers[path] = answer.json
        findings += [f"{path}: {finding}" for finding in check(shape, answer.json, "", empty)]
        findings += [f"{path}: {place} is empty" for place in empty if f"{path} {place}" not in may_be_empty]
        assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    for path, status in off.items():
        answer = rest.ask("GET", fill(path, known))
        if answer.status != status or not answer.error:
            findings.append(f"{path}: status {answer.status} {answer.text[:200]}")
    assert not findings, "\n".join(findings)
    return answers


def known_of(rest, job):
    vertices = rest.get(f"/jobs/{job}")["vertices"]
    return {
        "jobid": job, "applicationid": job, "vertexid": vertices[0]["id"], "subtaskindex": "1", "attempt": "0",
        "taskmanagerid": rest.get("/taskmanagers")["taskmanagers"][0]["id"], "checkpointid": "1", "triggerid": "0" * 32,
        "rescaleuuid": "0" * 32, "filename": "x",
    }  # fmt: skip


def has_task_metrics(rest, job):
    return all(
        rest.get(f"/jobs/{job}/vertices/{v['id']}/subtasks/{i}/metrics?get=numRecordsOut")
        for v in rest.get(f"/jobs/{job}")["vertices"]
        for i in range(v["parallelism"])
    )


def check_running(rest, job, answers):
    """Values of a job that runs with parallelism 2 on two task managers of two slots."""
    now = time.time() * 1000
    details = answers["/jobs/:jobid"]
    assert details["state"] == "RUNNING" and details["jid"] == job and details["name"] == "endless"
    assert 0 < details["start-time"] <= now and details["end-time"] == -1 and 0 <= details["duration"] < 600_000
    assert [v["parallelism"] for v in details["vertices"]] == [2, 2]
    assert details["vertices"][0]["name"].startswith("Source: ")
    assert "Slow" in details["vertices"][1]["name"]
    assert details["status-counts"]["RUNNING"] == 2
    assert all(v["tasks"]["RUNNING"] == 2 and v["status"] == "RUNNING" for v in details["vertices"])
    assert details["vertices"][0]["metrics"]["read-records"] == 0
    assert details["vertices"][0]["metrics"]["write-records"] > 0
    assert details["vertices"][1]["metrics"]["read-records"] > 0
    nodes = details["plan"]["nodes"]
    assert [n["id"] for n in nodes] == [v["id"] for v in reversed(details["vertices"])]  # sinks first
    assert nodes[0]["inputs"][0]["id"] == nodes[1]["id"] and nodes[0]["inputs"][0]["ship_strategy"] == "REBALANCE"
    assert answers["/jobs/:jobid/plan"]["plan"] == details["plan"]
    assert answers["/jobs/:jobid/config"]["execution-config"]["job-parallelism"] == 2

    overview = answers["/overview"]
    assert (overview["taskmanagers"], overview["slots-total"], overview["slots-available"]) == (2, 4, 2)
    assert overview["jobs-running"] == 1 and overview["flink-version"].startswith("2.2")
    item = next(j for j in answers["/jobs/overview"]["jobs"] if j["jid"] == job)
    assert item["tasks"]["total"] == 4 and item["tasks"]["running"] == 4 and item["start-time"] == details["start-time"]
    assert {"id": job, "status": "RUNNING"} in answers["/jobs"]["jobs"]

    taskmanagers = {t["id"]: t for t in answers["/taskmanagers"]["taskmanagers"]}
    assert len(taskmanagers) == 2 and all(t["slotsNumber"] == 2 for t in taskmanagers.values())
    assert sum(t["freeSlots"] for t in taskmanagers.values()) == 2
    assert all(abs(t["timeSinceLastHeartbeat"] - now) < 120_000 for t in taskmanagers.values())
    slots = [s for t in taskmanagers for s in rest.get(f"/taskmanagers/{t}")["allocatedSlots"]]
    assert [s["jobId"] for s in slots] == [job, job]

    vertex = answers["/jobs/:jobid/vertices/:vertexid"]
    assert [s["subtask"] for s in vertex["subtasks"]] == [0, 1] and vertex["maxParallelism"] == 128
    for s in vertex["subtasks"]:
        assert s["taskmanager-id"] in taskmanagers and s["attempt"] == 0 and s["status"] == "RUNNING"
        assert s["endpoint"].split(":")[0] == s["host"] and int(s["endpoint"].split(":")[1]) > 0
        assert s["status-duration"]["RUNNING"] >= 0 and s["start-time"] == s["start_time"] > 0
    assert answers["/jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex"]["subtask"] == 1
    assert answers["/jobs/:jobid/vertices/:vertexid/backpressure"]["status"] == "ok"
    assert len(answers["/jobs/:jobid/vertices/:vertexid/backpressure"]["subtasks"]) == 2
    used = answers["/jobs/:jobid/vertices/:vertexid/taskmanagers"]["taskmanagers"]
    assert sum(t["status-counts"]["RUNNING"] for t in used) == 2 and {t["taskmanager-id"] for t in used} <= set(taskmanagers)
    assert answers["/jobs/:jobid/execution-result"]["status"]["id"] == "IN_PROGRESS"
    assert answers["/applications/:applicationid"]["jobs"][0]["jid"] == job


def test_a_running_job(cluster, bundle):
    c = cluster(taskmanagers=2, slots=2)
    rest = Rest("localhost", c.port)
    job = c.run_jar(c.upload(bundle("endless")), parallelism=2, config={"execution.checkpointing.interval": "100 ms"})
    c.wait(lambda: c.all_running(job))
    c.wait(lambda: has_task_metrics(rest, job))
    c.wait(lambda: rest.get(f"/jobs/{job}/checkpoints")["counts"]["completed"])
    source, sink = rest.get(f"/jobs/{job}")["vertices"]
    c.wait(lambda: rest.get(f"/jobs/{job}")["vertices"][1]["metrics"]["read-records"] > 0)
    known = known_of(rest, job)
    check_running(rest, job, walk(rest, known, MAY_BE_EMPTY))
    walk(rest, {**known, "vertexid": sink["id"], "subtaskindex": "0"}, MAY_BE_EMPTY)
    assert source["id"] != sink["id"]
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")


@pytest.mark.parametrize("asked", [False, True], ids=["", "asked before"])
def test_a_finished_job(cluster, flinc, tmp_path, asked):
    text = tmp_path / "words.txt"
    text.write_text("a b c\n" * 1000)
    c = cluster(taskmanagers=2, slots=1)
    rest = Rest("localhost", c.port)
    args = ["--input", text, "--output", tmp_path / "out", "--execution-mode", "BATCH"]
    job = c.run_jar(c.upload(flinc.example("wordcount")), args, parallelism=2)
    if asked:
        rest.get(f"/jobs/{job}/metrics")
    assert c.wait_for_state(job, "FINISHED", "FAILED") == "FINISHED", rest.get(f"/jobs/{job}/exceptions")
    answers = walk(rest, known_of(rest, job), MAY_BE_EMPTY | EMPTY_WHEN_ENDED, checkpoints=False)  # BATCH takes none
    details = answers["/jobs/:jobid"]
    assert details["state"] == "FINISHED" and details["end-time"] >= details["start-time"] > 0
    assert details["duration"] == details["end-time"] - details["start-time"]
    assert all(v["status"] == "FINISHED" and v["tasks"]["FINISHED"] == 2 for v in details["vertices"])
    source, sink = details["vertices"]
    assert source["metrics"]["write-records-complete"] and sink["metrics"]["read-records-complete"]
    assert sink["metrics"]["read-records"] == source["metrics"]["write-records"] > 0
    result = answers["/jobs/:jobid/execution-result"]["job-execution-result"]
    assert result["application-status"] == "SUCCEEDED" and result["id"] == job and result["name"] == details["name"]
    assert result["net-runtime"] == details["duration"]
    c.wait_for_slots(2)
    assert rest.get("/overview")["jobs-finished"] == 1
