"""Routes of checkpoints and savepoints with real values: statistics, details down to subtasks, configuration, operations and
their trigger ids, and what is refused.  Their shapes: rest_shapes.py."""

import time

import pytest
from checkpoints import LITERAL, jobs_of, local, settings
from rest_client import Rest
from rest_shapes import CHECKPOINTS, OPERATIONS, check

NONE = "0" * 31 + "2"


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("rest") / "cluster", slots=4) as found:
        yield found


@pytest.fixture
def rest(jobs):
    return Rest("localhost", jobs.cluster.port)


@pytest.fixture
def job(jobs, bundle, tmp_path):
    """One that runs, with a completed checkpoint."""
    started = jobs.start(bundle("stateful"), ["--rate", 20000],
                         settings(tmp_path, min_pause="10 ms", timeout="2 min", tolerable_failed_checkpoints="3"), parallelism=2)
    jobs.wait_for_checkpoints(started, 2)
    yield started
    if jobs.cluster.state(started) == "RUNNING":
        jobs.cluster.cancel(started)
        jobs.cluster.wait_for_state(started, "CANCELED")


def good(path, answer, shapes=CHECKPOINTS):
    assert check(shapes[path], answer) == []
    return answer


def test_statistics(rest, jobs, job):
    found = good("/jobs/:jobid/checkpoints", rest.get(f"/jobs/{job}/checkpoints"))
    counts, latest, history = found["counts"], found["latest"], found["history"]
    assert counts["failed"] == counts["restored"] == 0 and 2 <= counts["completed"] <= counts["total"]
    assert counts["total"] == counts["completed"] + counts["in_progress"]
    assert latest["savepoint"] is None and latest["failed"] is None and latest["restored"] is None
    assert [c["id"] for c in history] == sorted((c["id"] for c in history), reverse=True) and len(history) <= 10
    done = latest["completed"]
    assert done["className"] == "completed" and done["status"] == "COMPLETED" and done["checkpoint_type"] == "CHECKPOINT"
    assert done["num_subtasks"] == done["num_acknowledged_subtasks"] > 4 and done["tasks"] == {}
    assert not done["is_savepoint"] and done["discarded"] is False
    now = time.time() * 1000
    assert now - 120_000 < done["trigger_timestamp"] <= done["latest_ack_timestamp"] <= now
    assert done["end_to_end_duration"] >= done["latest_ack_timestamp"] - done["trigger_timestamp"]
    size = found["summary"]["state_size"]
    assert 0 < size["min"] <= size["avg"] <= size["max"] and size["min"] <= size["p50"] <= size["p99"] <= size["max"]
    assert all(c["discarded"] for c in history if c["status"] == "COMPLETED" and c["id"] < done["id"] - 1)


def test_details(rest, jobs, job):
    vertices = rest.get(f"/jobs/{job}")["vertices"]
    rest.ask("PATCH", f"/jobs/{job}?mode=cancel")  # so that nothing changes any more
    jobs.cluster.wait_for_state(job, "CANCELED")
    number = rest.get(f"/jobs/{job}/checkpoints")["latest"]["completed"]["id"]
    base = f"/jobs/{job}/checkpoints/details/{number}"
    found = good("/jobs/:jobid/checkpoints/details/:checkpointid", rest.get(base))
    assert found["id"] == number and set(found["tasks"]) == {v["id"] for v in vertices}
    for field in ("checkpointed_size", "state_size", "num_subtasks", "num_acknowledged_subtasks"):
        assert sum(t[field] for t in found["tasks"].values()) == found[field], field
    for vertex in vertices:
        path = "/jobs/:jobid/checkpoints/details/:checkpointid/subtasks/:vertexid"
        task = good(path, rest.get(f"{base}/subtasks/{vertex['id']}"))
        assert {k: task[k] for k in found["tasks"][vertex["id"]]} == found["tasks"][vertex["id"]]
        assert [s["index"] for s in task["subtasks"]] == list(range(vertex["parallelism"])) and task["status"] == "COMPLETED"
        assert sum(s["state_size"] for s in task["subtasks"]) == task["state_size"]
        assert max(s["ack_timestamp"] for s in task["subtasks"]) == task["latest_ack_timestamp"]
        assert all(s["end_to_end_duration"] >= 0 and s["start_delay"] >= 0 and not s["aborted"] for s in task["subtasks"])
        assert task["summary"]["state_size"]["max"] == max(s["state_size"] for s in task["subtasks"])
    assert next(t["state_size"] for v in vertices for t in [found["tasks"][v["id"]]] if "Count" in v["name"]) > 5000
    for path in (f"/jobs/{job}/checkpoints/details/4711", f"{base}/subtasks/{NONE}", f"/jobs/{NONE}/checkpoints/details/1"):
        assert rest.ask("GET", path).status == 404, path
    assert rest.ask("GET", f"/jobs/{job}/checkpoints/details/x").status == 400


def test_configuration(rest, job):
    found = good("/jobs/:jobid/checkpoints/config", rest.get(f"/jobs/{job}/checkpoints/config"))
    expected = {
        "mode": "exactly_once", "interval": 50, "timeout": 120_000, "min_pause": 10, "max_concurrent": 1,
        "externalization": {"enabled": True, "delete_on_cancellation": False}, "state_backend": "hashmap",
        "checkpoint_storage": "FileSystemCheckpointStorage", "unaligned_checkpoints": False, "tolerable_failed_checkpoints": 3,
        "checkpoints_after_tasks_finish": True, "state_changelog_enabled": False,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected


def polled(rest, jobs, path, trigger):
    pattern = "/savepoint-disposal/:triggerid" if "disposal" in path else f"/jobs/:jobid/{path.rsplit('/', 1)[1]}/:triggerid"
    jobs.cluster.wait(lambda: rest.get(f"{path}/{trigger}")["status"]["id"] == "COMPLETED")
    return good(pattern, rest.get(f"{path}/{trigger}"), OPERATIONS)["operation"]


def test_operations_by_the_clients_own_id(rest, jobs, job, tmp_path):
    """The same id again is the same operation, under way or ended."""
    path, trigger = f"/jobs/{job}/savepoints", "0123456789abcdef" * 2
    body = {"target-directory": str(tmp_path / "s"), "cancel-job": False, "formatType": None, "triggerId": trigger}
    for _ in range(3):
        answer = rest.ask("POST", path, body)
        assert answer.status == 202 and answer.json == {"request-id": trigger}
    location = polled(rest, jobs, path, trigger)["location"]
    assert rest.ask("POST", path, body).json == {"request-id": trigger}
    assert polled(rest, jobs, path, trigger)["location"] == location
    assert len(list((tmp_path / "s").iterdir())) == 1
    latest = rest.get(f"/jobs/{job}/checkpoints")["latest"]["savepoint"]
    assert latest["external_path"] == location and latest["checkpoint_type"] == "SAVEPOINT"
    # An id of savepoints is none of checkpoints.
    for other in (f"/jobs/{job}/checkpoints/{trigger}", f"/savepoint-disposal/{trigger}", f"{path}/{NONE}"):
        answer = rest.ask("GET", other)
        assert answer.status == 404 and "not found" in answer.error.lower(), answer.text
    assert rest.ask("POST", path, {**body, "triggerId": "12"}).status == 400
    # Disposal.
    answer = rest.ask("POST", "/savepoint-disposal", {"savepoint-path": location})
    assert answer.status == 200
    assert "failure-cause" not in polled(rest, jobs, "/savepoint-disposal", answer.json["request-id"])
    assert list((tmp_path / "s").iterdir()) == []
    answer = rest.ask("POST", "/savepoint-disposal", {"savepoint-path": location})
    failed = polled(rest, jobs, "/savepoint-disposal", answer.json["request-id"])["failure-cause"]
    assert local(location) in failed["stack-trace"] and failed["serialized-throwable"]


@pytest.mark.parametrize("kind", [None, "CONFIGURED", "FULL", "full"])
def test_checkpoint(rest, jobs, job, kind):
    path = f"/jobs/{job}/checkpoints"
    answer = rest.ask("POST", path, {"checkpointType": kind} if kind else {})
    assert answer.status == 202, answer.text
    number = polled(rest, jobs, path, answer.json["request-id"])["checkpointId"]
    assert rest.get(f"{path}/details/{number}")["status"] == "COMPLETED"


def test_an_increment_cannot_be_asked_for(rest, job):
    answer = rest.ask("POST", f"/jobs/{job}/checkpoints", {"checkpointType": "INCREMENTAL"})
    assert answer.status == 400 and "execution.checkpointing.incremental" in answer.text


@pytest.mark.parametrize("drain", [False, True, "true"])
def test_stop(rest, jobs, job, tmp_path, drain):
    answer = rest.ask("POST", f"/jobs/{job}/stop", {"targetDirectory": str(tmp_path / "s"), "drain": drain})
    assert answer.status == 202
    path = f"/jobs/{job}/savepoints"
    location = polled(rest, jobs, path, answer.json["request-id"])["location"]
    assert jobs.cluster.state(job) == "FINISHED"
    latest = rest.get(f"/jobs/{job}/checkpoints")["latest"]["savepoint"]
    assert latest["external_path"] == location and latest["checkpoint_type"] == "SYNC_SAVEPOINT"
    answer = rest.ask("POST", path, {"target-directory": str(tmp_path)})
    assert answer.status == 409 and "FINISHED" in answer.error


def test_cancel_with_savepoint(rest, jobs, job, tmp_path):
    answer = rest.ask("POST", f"/jobs/{job}/savepoints", {"target-directory": str(tmp_path / "s"), "cancel-job": True})
    assert polled(rest, jobs, f"/jobs/{job}/savepoints", answer.json["request-id"])["location"]
    jobs.wait_for_end(job, "CANCELED")


def test_refused(rest, job):
    base = f"/jobs/{job}"
    for path, body, text in (
        ("/savepoints", {}, "Config key [execution.checkpointing.savepoint-dir] is not set. Property [target-directory] must"),
        ("/stop", {}, "Property [targetDirectory] must be provided."),
        ("/savepoints", {"target-directory": "/tmp", "formatType": "ZIP"}, "formatType"),
        ("/savepoints", {"target-directory": 7}, "target-directory"),
        ("/stop", {"targetDirectory": "/tmp", "drain": "maybe"}, "drain"),
        ("/checkpoints", {"checkpointType": "HALF"}, "checkpointType"),
    ):
        answer = rest.ask("POST", base + path, body)
        assert answer.status == 400 and text in answer.error, (path, body, answer.text)
    assert rest.get(base + "/status")["status"] == "RUNNING"


def test_restored(rest, jobs, bundle, tmp_path):
    """What a job was restored from, and the literal where there is no path."""
    first = jobs.start(bundle("stateful"), ["--rate", 20000], {"execution.checkpointing.interval": "50 ms"})
    jobs.wait_for_checkpoints(first)
    assert rest.get(f"/jobs/{first}/checkpoints")["latest"]["completed"]["external_path"] == LITERAL
    path = jobs.stop(first, tmp_path)
    job = jobs.start(bundle("stateful"), ["--rate", 20000], {"execution.checkpointing.interval": "50 ms",
                                                             "execution.state-recovery.path": path})
    jobs.wait_for_checkpoints(job)
    found = good("/jobs/:jobid/checkpoints", rest.get(f"/jobs/{job}/checkpoints"))
    restored = found["latest"]["restored"]
    assert restored["is_savepoint"] and local(restored["external_path"]) == path and found["counts"]["restored"] == 1
    assert found["latest"]["completed"]["id"] > restored["id"]
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")
