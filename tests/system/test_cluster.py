"""The processes of a cluster together: jobs over two task managers, from upload to their end."""

import os
import signal
import threading

import pytest

from texts import LICENCES, count_words, licences, lines_of, pairs_of


def test_word_count_over_two_task_managers(cluster, flinc, tmp_path):
    c = cluster(taskmanagers=2, slots=1)
    jar = c.upload(flinc.example("wordcount"))
    job = c.run_jar(jar, ["--input", LICENCES, "--output", tmp_path / "out", "--execution-mode", "BATCH"], parallelism=2)
    assert c.wait_for_state(job, "FINISHED", "FAILED") == "FINISHED", c.get(f"/jobs/{job}/exceptions")
    assert dict(pairs_of(lines_of(tmp_path / "out"))) == count_words(licences())
    details = c.get(f"/jobs/{job}")
    assert details["state"] == "FINISHED" and details["name"] == "WordCount"
    assert {v["status"] for v in details["vertices"]} == {"FINISHED"}
    c.wait_for_slots(2)
    assert c.workers() == []
    overview = c.get("/overview")
    assert (overview["jobs-finished"], overview["jobs-running"]) == (1, 0)


def test_a_session_ends_with_jobs_running(cluster, bundle):
    """The fixture looks at what is left."""
    c = cluster(taskmanagers=2, slots=2)
    jar = c.upload(bundle("endless"))
    jobs = [c.run_jar(jar, [], parallelism=2) for _ in range(2)]
    for job in jobs:
        c.wait(lambda job=job: c.all_running(job))


def test_cancel(cluster, bundle):
    c = cluster(taskmanagers=1, slots=1)
    job = c.run_jar(c.upload(bundle("endless")))
    c.wait(lambda: c.all_running(job))
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")
    c.wait_for_slots(1)
    assert c.workers() == []


def test_cancel_in_the_middle_of_a_batch(cluster, bundle):
    """A row takes 100 ms, the rest of its batch minutes: longer than anything here waits."""
    c = cluster(taskmanagers=1, slots=1)
    job = c.run_jar(c.upload(bundle("slow_rows")))
    c.wait(lambda: c.all_running(job))
    vertex = c.get(f"/jobs/{job}")["vertices"][-1]["id"]
    c.wait(lambda: c.get(f"/jobs/{job}/accumulators?includeSerializedValue=false")["user-task-accumulators"])
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")
    states = {s["status"] for s in c.get(f"/jobs/{job}/vertices/{vertex}")["subtasks"]}
    assert states == {"CANCELED"}
    c.wait_for_slots(1)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_workers_of_two_task_managers_have_two_logs(cluster, bundle, monkeypatch, level):
    """In one folder; the level of the daemons holds for them, and REST shows them."""
    monkeypatch.setenv("ROOT_LOG_LEVEL", level)
    c = cluster(taskmanagers=2, slots=1)
    job = c.run_jar(c.upload(bundle("endless")), parallelism=2)
    c.wait(lambda: c.all_running(job))
    manager = c.get("/taskmanagers")["taskmanagers"][0]["id"]
    logs = [f["name"] for f in c.get(f"/taskmanagers/{manager}/logs")["logs"] if "-taskworker-" in f["name"]]
    assert len(logs) == 2 and all(name.endswith(f"-{job}.log") for name in logs)
    for name in logs:
        path = os.path.join(c.folder, "log", name)
        if level == "INFO":
            c.wait(lambda path=path: " switched to RUNNING" in read(path))  # logs are written behind what is done
        else:
            assert " switched to RUNNING" not in read(path)
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")


def test_two_job_managers_on_one_address(cluster):
    c = cluster(taskmanagers=0)
    other = c.start_job_manager("-D", "rest.port=0")
    other.expected_exit = 1
    assert other.wait() == 1
    assert "Address already in use" in other.text()
    assert "jobmanager.rpc.port" in other.text()
    assert c.get("/overview")["taskmanagers"] == 0  # the first one does not notice


def test_rest_port_in_use(cluster):
    c = cluster(taskmanagers=0)
    other = c.start_job_manager("-D", "jobmanager.rpc.port=0")
    other.expected_exit = 1
    assert other.wait() == 1
    assert f"port {c.port} is in use" in other.text()
    assert "rest.port" in other.text()


def test_bad_arguments(cluster):
    c = cluster(taskmanagers=None)
    for args, text in (
        (["--application", "--fromSavepoint"], "Missing argument"),
        (["what"], "Unrecognized argument 'what'"),
        (["-D", "rest.port=many"], "rest.port"),
        (["--application", "--job-id", "12"], "32 hexadecimal digits"),
    ):
        process = c.start_job_manager(*args)
        process.expected_exit = 1
        assert process.wait() == 1
        assert text in process.text()


def test_folders_of_a_killed_job_manager_are_cleared(cluster, flinc):
    c = cluster(taskmanagers=0)
    c.upload(flinc.example("wordcount"))
    c.jobmanager.kill()
    assert os.listdir(c.tmp)
    c.start_job_manager()
    c.wait(lambda: c.try_get("/overview"))
    assert c.get("/jars")["files"] == []


def test_the_second_signal_ends_at_once(cluster):
    c = cluster(taskmanagers=0)
    c.leaves_files = True
    c.jobmanager.expected_exit = None
    c.jobmanager.signal(signal.SIGTERM)
    c.jobmanager.signal(signal.SIGTERM)
    assert c.jobmanager.wait() in (0, 128 + signal.SIGTERM)


def test_parallel_submissions_of_one_id(cluster, bundle):
    c = cluster(taskmanagers=1, slots=1)
    jar = c.upload(bundle("endless"))
    answers = []

    def run(name):
        answers.append(c.request("POST", f"/jars/{jar}/run", {"jobId": "ab" * 16, "programArgsList": [name]}))

    threads = [threading.Thread(target=run, args=(f"name-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status == 200 for status, _ in answers) == [False, False, False, True], answers
    assert all("has already been submitted" in str(answer) for status, answer in answers if status != 200)
    assert len(c.get("/jobs")["jobs"]) == 1
    c.wait(lambda: c.all_running("ab" * 16))


def test_a_frozen_task_manager_holds_up_nobody(cluster, bundle):
    c = cluster(taskmanagers=2, slots=1)
    job = c.run_jar(c.upload(bundle("endless")), parallelism=2)
    c.wait(lambda: c.all_running(job))
    frozen = c.taskmanagers[0]
    frozen.signal(signal.SIGSTOP)
    assert c.jobmanager.stop(10) == 0
    frozen.signal(signal.SIGCONT)


def test_finished_jobs_are_kept_as_told(cluster, flinc, tmp_path):
    (tmp_path / "text").write_text("a b a\n")
    c = cluster(taskmanagers=1, slots=1, config={"jobstore.max-capacity": 2, "jobstore.cache-size": 0})
    jar = c.upload(flinc.example("wordcount"))
    jobs = []
    for _ in range(3):
        jobs.append(c.run_jar(jar, ["--input", tmp_path / "text"]))
        c.wait_for_state(jobs[-1], "FINISHED")
    c.wait(lambda: len(c.get("/jobs/overview")["jobs"]) == 2)
    assert [job["jid"] for job in c.get("/jobs/overview")["jobs"]] == jobs[:0:-1]
    assert c.get(f"/jobs/{jobs[2]}")["state"] == "FINISHED"  # read from its file
    assert c.request("GET", f"/jobs/{jobs[0]}")[0] == 404
    assert c.get("/overview")["jobs-finished"] == 3


def test_mains_are_told_apart(cluster, bundle):
    """Each main that is none gets an answer that says why; the job manager goes on."""
    c = cluster(taskmanagers=0, config={"web.job-builder.timeout": "1 s"})
    for flag, text in (
        ("-DDO_NOT_EXECUTE", "without executing a job"),
        ("-DDO_EXECUTE_TWICE", "twice"),
        ("-DDO_CRASH", "signal 11"),
        ("-DDO_EXIT", "called exit()"),
        ("-DDO_FAIL", "the moon is not full enough"),
    ):
        status, answer = c.request("POST", f"/jars/{c.upload(bundle('mains', flag))}/run", {})
        assert status == 400 and text in answer["errors"][0], (status, answer)
    status, answer = c.request("POST", f"/jars/{c.upload(bundle('main_waits'))}/run", {})
    assert status == 408 and "web.job-builder.timeout" in answer["errors"][0], (status, answer)
    assert c.get("/jobs")["jobs"] == []
