"""Jobs under the adaptive scheduler: they run with the slots that there are, and are rescaled in flight, by task managers
that come and go, by REST and by the command line.  Nothing is lost and nothing comes twice."""

import subprocess

import pytest
from checkpoints import KEYS, counts_of, jobs_of, settings

TIMER_EACH = 5  # of rescale.c
ADAPTIVE = {
    "jobmanager.scheduler": "adaptive",
    "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout": "200 ms",
    "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout": "200 ms",
    "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling": "0 ms",
    "web.adaptive-scheduler.rescale-history.size": 10,
}


@pytest.fixture
def jobs(flinc, tmp_path):
    with jobs_of(flinc.home, tmp_path / "cluster", config=ADAPTIVE) as found:
        yield found


def parallelism(jobs, job):
    """Of the widest vertex, when all tasks run."""
    details = jobs.cluster.get(f"/jobs/{job}")
    runs = details["state"] == "RUNNING" and all(v["tasks"]["RUNNING"] + v["tasks"]["FINISHED"] == v["parallelism"]
                                                 for v in details["vertices"])
    return max(v["parallelism"] for v in details["vertices"]) if runs else None


def wait_for_parallelism(jobs, job, n):
    jobs.cluster.wait(lambda: parallelism(jobs, job) == n)
    jobs.wait_for_checkpoints(job)


def start(jobs, bundle, folder, out, n=4, records=20 * KEYS, rate=2000, **config):
    job = jobs.start(bundle("rescale"), ["--records", records, "--rate", rate, "--output", out],
                     {**settings(folder, incremental="true"), **config}, n)
    return job, records


def sort(found):
    return {kind: {key: sorted(numbers) for key, numbers in keys.items()} for kind, keys in found.items()}


def finish(jobs, job, out, records):
    jobs.wait_for_end(job)
    found = sort(counts_of(out))
    each = records // KEYS
    assert found["R"] == {key: list(range(1, each + 1)) for key in range(KEYS)}
    assert found["T"] == {key: list(range(1, each // TIMER_EACH + 1)) for key in range(KEYS)}


def test_task_managers_come_and_go(jobs, bundle, tmp_path):
    """2 slots for a parallelism of 4; 2 more come; the first 2 are killed."""
    cluster, out = jobs.cluster, tmp_path / "out"
    job, records = start(jobs, bundle, tmp_path, out, **{"restart-strategy.type": "fixed-delay",
                                                         "restart-strategy.fixed-delay.attempts": 1,
                                                         "restart-strategy.fixed-delay.delay": "0 s"})
    wait_for_parallelism(jobs, job, 2)
    cluster.start_task_manager()
    wait_for_parallelism(jobs, job, 4)
    assert cluster.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"] == []  # it was planned
    cluster.leaves_files = True
    cluster.taskmanagers[0].kill()
    wait_for_parallelism(jobs, job, 2)
    finish(jobs, job, out, records)
    causes = [r["triggerCause"] for r in cluster.get(f"/jobs/{job}/rescales/history")]
    assert causes == ["RECOVERABLE_FAILOVER", "NEW_RESOURCE_AVAILABLE", "INITIAL_SCHEDULE"]


def flink(jobs, *args):
    return subprocess.run([f"{jobs.cluster.home}/bin/flink", *map(str, args)], capture_output=True, text=True, timeout=60,
                          check=False, env={**jobs.cluster.environment, "PATH": "/usr/bin:/bin"})


def test_requirements(jobs, bundle, tmp_path):
    """Down by the command line, up by REST; what is wrong is said; the history tells."""
    cluster, out = jobs.cluster, tmp_path / "out"
    cluster.start_task_manager()
    cluster.wait_for_slots(4)
    job, records = start(jobs, bundle, tmp_path, out)
    wait_for_parallelism(jobs, job, 4)
    path = f"/jobs/{job}/resource-requirements"
    bounds = cluster.get(path)
    assert {b["parallelism"]["upperBound"] for b in bounds.values()} == {1, 4}  # the rules come from one collection

    done = flink(jobs, "modify", job, "-p", 2)
    assert done.returncode == 0, done.stderr
    wait_for_parallelism(jobs, job, 2)
    cluster.wait_for_slots(2)  # the others were given back

    wide = {v: {"parallelism": {"lowerBound": 1, "upperBound": 3}} for v in bounds}
    assert cluster.request("PUT", path, wide)[0] == 200
    assert cluster.request("PUT", path, wide)[0] == 200
    assert cluster.get(path) == wide
    wait_for_parallelism(jobs, job, 3)

    one = next(iter(bounds))
    for body, text in (({one: wide[one]}, "The request is incomplete, missing job vertex ["),
                       ({**wide, one: {"parallelism": {"lowerBound": 3, "upperBound": 2}}}, "is higher than the upper bound"),
                       ({**wide, one: {"parallelism": {"lowerBound": 1, "upperBound": 40000}}}, "exceeds its maximum"),
                       ({**wide, "0" * 32: wide[one]}, "was not found in the JobGraph"),
                       ({one: {"parallelism": 3}}, "lowerBound")):
        status, answer = cluster.request("PUT", path, body)
        assert status == 400 and text in str(answer), answer
    missing = flink(jobs, "modify", job, "-p", 2, "-v", "Nobody")
    assert missing.returncode == 1 and "has no vertex 'Nobody'" in missing.stderr

    history = cluster.get(f"/jobs/{job}/rescales/history")
    assert [(r["triggerCause"], r["terminalState"], r["terminatedReason"]) for r in history] == [
        ("UPDATE_REQUIREMENT", "COMPLETED", "SUCCEEDED")] * 2 + [("INITIAL_SCHEDULE", "COMPLETED", "SUCCEEDED")]
    newest = cluster.get(f"/jobs/{job}/rescales/details/{history[0]['rescaleUuid']}")
    assert newest == history[0]
    widest = max(newest["vertices"].values(), key=lambda v: v["desiredParallelism"])
    assert [widest[k] for k in ("desiredParallelism", "sufficientParallelism", "preRescaleParallelism",
                                "postRescaleParallelism")] == [3, 1, 2, 3]
    assert [s["state"] for s in newest["schedulerStates"]] == ["Executing", "Restarting", "CreatingExecutionGraph", "Executing"]
    config = cluster.get(f"/jobs/{job}/rescales/config")
    assert config["rescaleHistoryMax"] == 10 and config["schedulerExecutionMode"] is None
    assert cluster.get(f"/jobs/{job}")["schedulerType"] == "Adaptive"
    assert cluster.get("/config")["features"]["web-rescale"] is True
    finish(jobs, job, out, records)


def test_the_default_scheduler_says_what_to_do(jobs, bundle, tmp_path):
    job, _ = start(jobs, bundle, tmp_path, tmp_path / "out", n=1, **{"jobmanager.scheduler": "Default"})
    jobs.wait_for_checkpoints(job)
    said = flink(jobs, "modify", job, "-p", 2)
    assert said.returncode == 1 and "jobmanager.scheduler=adaptive" in said.stderr
    assert jobs.cluster.request("PUT", f"/jobs/{job}/resource-requirements", {})[0] == 409
    jobs.cancel(job)


def test_savepoint_stop_and_cancel(jobs, bundle, tmp_path):
    job, _ = start(jobs, bundle, tmp_path, tmp_path / "out")
    wait_for_parallelism(jobs, job, 2)
    jobs.savepoint(job, tmp_path / "savepoints")
    path = jobs.stop(job, tmp_path / "savepoints")
    job, _ = start(jobs, bundle, tmp_path, tmp_path / "out2", n=3, **{"execution.state-recovery.path": path})
    wait_for_parallelism(jobs, job, 2)
    jobs.cancel(job)


def test_what_an_autoscaler_reads(jobs, bundle, tmp_path):
    """The Kubernetes operator's: which vertices there are, how busy they are, what they take in and give out."""
    cluster = jobs.cluster
    job, _ = start(jobs, bundle, tmp_path, tmp_path / "out", n=2, records=400 * KEYS)
    wait_for_parallelism(jobs, job, 2)
    details = cluster.get(f"/jobs/{job}")
    assert details["timestamps"]["RUNNING"] > 0
    assert all(n["inputs"] for n in details["plan"]["nodes"][:1]) and all(v["maxParallelism"] > 0 for v in details["vertices"])
    wanted = {"busyTimeMsPerSecond", "idleTimeMsPerSecond", "backPressuredTimeMsPerSecond", "numRecordsInPerSecond",
              "numRecordsOutPerSecond", "numRecordsIn", "numRecordsOut"}
    for vertex in [v for v in details["vertices"] if v["parallelism"] == 2]:  # the rules end at once
        path = f"/jobs/{job}/vertices/{vertex['id']}"
        assert isinstance(cluster.get(path + "/watermarks"), list)

        def found(path=path):
            got = cluster.get(f"{path}/subtasks/metrics?get={','.join(sorted(wanted))}&agg=min,max,avg,sum")
            return got if {m["id"] for m in got} == wanted else None

        for metric in cluster.wait(found):
            assert set(metric) >= {"min", "max", "avg", "sum"}
    source = next(v["id"] for v in details["vertices"] if v["parallelism"] == 2 and v["name"].startswith("Source"))
    names = {m["id"] for m in cluster.get(f"/jobs/{job}/vertices/{source}/subtasks/metrics")}
    assert any(n.startswith("Source__") and n.endswith(".numRecordsOut") for n in names), sorted(names)
    assert "execution-config" in cluster.get(f"/jobs/{job}/config")
    manager = cluster.get("/taskmanagers")["taskmanagers"][0]
    assert manager["totalResource"]["cpuCores"] > 0 and manager["memoryConfiguration"]["totalProcessMemory"] > 0
    gauges = cluster.get(f"/jobs/{job}/metrics?get=numRescales,numRestarts")
    assert {m["id"] for m in gauges} == {"numRescales", "numRestarts"}
    jobs.cancel(job)
