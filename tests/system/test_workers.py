"""Worker processes: one per job and task manager, which user code takes down alone, and what is told of it."""

import re

from rest_client import Rest

ALL = 400000  # records: enough that all batches do not end before the bad one comes


def run_bad(c, jar, tmp_path, how, *args, config=None):
    return c.run_jar(jar, ["--records", ALL, "--misbehave", how, "--at", 1000, "--output", tmp_path / how, *args],
                     config=config)


def root_exception(c, job):
    entry = c.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"][0]
    return entry, entry["stacktrace"]


def attempts(c, job):
    return {(v["name"], s["attempt"], s["status"]) for v in c.get(f"/jobs/{job}")["vertices"]
            for s in c.get(f"/jobs/{job}/vertices/{v['id']}")["subtasks"]}


def test_bad_functions_take_down_their_job_alone(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=2, slots=2)
    bystander = c.run_jar(c.upload(bundle("endless")), parallelism=3)  # on both, and one slot is left
    c.wait(lambda: c.all_running(bystander))
    its_workers = c.workers()
    assert len(its_workers) == 2 and all(len(c.workers(tm)) == 1 for tm in c.taskmanagers)
    jar = c.upload(bundle("counted"))
    for how, says in (
        ("null", "signal SIGSEGV"),
        ("abort", "signal SIGABRT"),
        ("exit", "exit status 3"),
    ):
        job = run_bad(c, jar, tmp_path, how)
        c.wait_for_state(job, "FAILED")
        entry, text = root_exception(c, job)
        assert says in text, text
        for part in ("worker process of job 'counted'", "job: ", "task: ", "operator: Map", "native stack:",
                     "counted.so(", "it had said: "):
            assert part in text.replace("  ", " "), (part, text)
        assert entry["taskManagerId"] and entry["taskName"], entry
        c.wait_for_slots(1)
        c.wait(lambda: sorted(c.workers()) == sorted(its_workers))
    assert c.state(bystander) == "RUNNING"
    assert {(attempt, status) for _, attempt, status in attempts(c, bystander)} == {(0, "RUNNING")}


def test_one_worker_per_job_and_task_manager(cluster, bundle):
    c = cluster(taskmanagers=2, slots=2)
    jar = c.upload(bundle("endless"))
    wide = c.run_jar(jar, ["wide"], parallelism=3)
    c.wait(lambda: c.all_running(wide))
    narrow = c.run_jar(jar, ["narrow"])
    c.wait(lambda: c.all_running(narrow))
    assert sorted(len(c.workers(tm)) for tm in c.taskmanagers) == [1, 2]

    # The threads of tasks are named by them, and stand in the dump of their task manager; so does a log for each job.
    names, logs = [], []
    for tm in c.get("/taskmanagers")["taskmanagers"]:
        threads = c.get(f"/taskmanagers/{tm['id']}/thread-dump")["threadInfos"]
        names += [t["threadName"] for t in threads if t["threadName"].startswith("worker ")]
        assert any(t["threadName"] == "taskmanager" for t in threads)
        logs += [f["name"] for f in c.get(f"/taskmanagers/{tm['id']}/logs")["logs"]]
    for number in (1, 2, 3):
        assert f"worker {wide[:8]} / Slow -> Sink: Discarding ({number}/3)" in names, names
    assert any(n.startswith(f"worker {narrow[:8]} / ") for n in names), names
    for job in (wide, narrow):
        assert any(re.search(f"taskworker.*{job}", name) for name in logs), logs

    c.cancel(narrow)
    c.wait_for_state(narrow, "CANCELED")
    c.wait(lambda: [len(c.workers(tm)) for tm in c.taskmanagers] == [1, 1])
    assert c.all_running(wide)


def log_of(c, job):
    """The worker's log of that job, over REST."""
    rest = Rest("localhost", c.port)
    for tm in c.get("/taskmanagers")["taskmanagers"]:
        for f in c.get(f"/taskmanagers/{tm['id']}/logs")["logs"]:
            if job in f["name"]:
                return rest.ask("GET", f"/taskmanagers/{tm['id']}/logs/{f['name']}").text
    return ""


def test_an_endless_function_ends_with_its_process(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=1, slots=2, config={"task.cancellation.interval": "200 ms", "task.cancellation.timeout": "500 ms"})
    bystander = c.run_jar(c.upload(bundle("endless")))
    c.wait(lambda: c.all_running(bystander))
    job = run_bad(c, c.upload(bundle("counted")), tmp_path, "loop")
    c.wait(lambda: c.all_running(job))
    before = len(c.workers())
    c.cancel(job)
    c.wait_for_state(job, "CANCELED", seconds=20)
    c.wait(lambda: len(c.workers()) == before - 1)
    said = c.taskmanagers[0].text()
    assert "task.cancellation.timeout" in said and "in operator Map" in said, said[-3000:]
    why = c.get(f"/jobs/{job}/exceptions")["root-exception"]
    assert "task.cancellation.timeout" in why and "Stack of task Map" in why and "counted.so(" in why, why
    assert "Stack of task Map" in log_of(c, job)
    assert {(attempt, status) for _, attempt, status in attempts(c, bystander)} == {(0, "RUNNING")}


def test_memory_of_functions_has_a_limit(cluster, bundle):
    c = cluster(taskmanagers=1, slots=1)
    job = c.run_jar(c.upload(bundle("hoards")))
    c.wait_for_state(job, "FAILED")
    _, text = root_exception(c, job)
    assert "taskmanager.memory.task.heap.size" in text and "taskmanager.memory.process.size" in text, text
    assert "job 'hoards'" in text and "SIGKILL" not in text, text
    c.wait_for_slots(1)
    assert c.workers() == []
