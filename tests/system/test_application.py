"""Application mode: which bundle is run, exit codes, what stays until the end."""

import os
import shutil

import pytest


@pytest.fixture
def application(cluster, tmp_path):
    """application(*args, usrlib=[bundles], taskmanagers=1) starts a job manager for one job."""

    def start(*args, usrlib=(), taskmanagers=1, slots=1, config=None):
        folder = tmp_path / "usrlib"
        folder.mkdir(exist_ok=True)
        for path in usrlib:
            shutil.copy(path, folder)
        c = cluster(taskmanagers=None, slots=slots, config=config)
        c.start_job_manager("--application", *args, environment={"FLINK_USR_LIB_DIR": str(folder)})
        for _ in range(taskmanagers):
            c.start_task_manager()
        return c

    return start


def ends_with(c, code):
    c.jobmanager.expected_exit = code
    assert c.jobmanager.wait() == code, c.jobmanager.text()
    return c.jobmanager.text()


# ---- which bundle -----------------------------------------------------------------------------------


def test_no_bundle(application):
    c = application(taskmanagers=0)
    assert "There is no job bundle in" in ends_with(c, 1)


def test_several_bundles(application, bundle, flinc):
    c = application(usrlib=[bundle("endless"), flinc.example("wordcount")], taskmanagers=0)
    text = ends_with(c, 1)
    assert "more than one bundle" in text and "endless.so, wordcount.so" in text


@pytest.mark.parametrize("name", ["nothing", "org.example.WordCount"])
def test_unknown_bundle(application, bundle, name):
    c = application("--job-classname", name, usrlib=[bundle("endless")], taskmanagers=0)
    text = ends_with(c, 1)
    assert f"There is no bundle '{name}'" in text
    assert ("Java classes cannot be run" in text) == ("." in name)


def test_main_fails(application, bundle):
    c = application(usrlib=[bundle("mains", "-DDO_FAIL")], taskmanagers=0)
    assert "the moon is not full enough" in ends_with(c, 2)


def test_main_crashes(application, bundle):
    c = application(usrlib=[bundle("mains", "-DDO_CRASH")], taskmanagers=0)
    text = ends_with(c, 2)
    assert "Application failed unexpectedly" in text and "was ended by signal 11" in text


def test_a_failed_main_may_be_shown_as_a_job(application, bundle):
    c = application("--job-id", "34" * 16, usrlib=[bundle("mains", "-DDO_FAIL")], taskmanagers=0,
                    config={"execution.submit-failed-job-on-application-error": "true",
                            "execution.shutdown-on-application-finish": "false"})
    c.wait(lambda: c.try_get("/jobs/" + "34" * 16))
    assert c.get("/jobs/" + "34" * 16)["state"] == "FAILED"
    assert "the moon is not full enough" in c.get("/jobs/" + "34" * 16 + "/exceptions")["root-exception"]
    c = application(usrlib=[bundle("mains", "-DDO_FAIL")], taskmanagers=0,
                    config={"execution.submit-failed-job-on-application-error": "true"})
    ends_with(c, 163)


def test_stopped_while_its_main_runs(application, bundle):
    c = application(usrlib=[bundle("main_waits")], taskmanagers=0)
    c.wait(lambda: c.try_get("/overview"))
    assert c.jobmanager.stop(20) == 0


# ---- to the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["file", "file.so", "entry", "path", "only"])
def test_finds_its_bundle_and_finishes(application, flinc, how, tmp_path, bundle):
    (tmp_path / "text").write_text("a b a\n")
    path = flinc.example("wordcount")
    named = {
        "file": ["--job-classname", "wordcount"],
        "file.so": ["-j", "wordcount.so"],
        "entry": ["--job-classname=wordcount"],
        "path": ["--job-classname", path],
        "only": [],
    }[how]
    if how == "entry":
        renamed = tmp_path / "renamed.so"
        shutil.copy(path, renamed)
        path = str(renamed)
    usrlib = [path] if how in ("only", "path") else [path, bundle("endless")]
    c = application(*named, "--input", tmp_path / "text", "--output", tmp_path / "out", usrlib=usrlib)
    ends_with(c, 0)
    assert "".join(open(tmp_path / "out" / part).read() for part in os.listdir(tmp_path / "out")).count("\n") == 3


def test_its_job_fails(application, bundle):
    c = application("fail", usrlib=[bundle("task_fails")])
    assert "The application has ended: FAILED." in ends_with(c, 163)


def test_cancelled(application, bundle):
    c = application("--job-id", "12" * 16, usrlib=[bundle("endless")])
    c.wait(lambda: c.try_get("/jobs/" + "12" * 16) and c.all_running("12" * 16))
    status, _ = c.request("GET", "/jars")
    assert status == 404
    assert c.get("/config")["features"]["web-submit"] is False
    c.cancel("12" * 16)
    ends_with(c, 0)


def test_stays_when_told_so(application, bundle):
    c = application(usrlib=[bundle("endless")], config={"execution.shutdown-on-application-finish": "false"})
    job = "0" * 32  # Flink's fixed id
    c.wait(lambda: c.try_get(f"/jobs/{job}") and c.all_running(job))
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")
    assert c.get("/overview")["jobs-cancelled"] == 1


# ---- reactive mode ------------------------------------------------------------------------------------

REACTIVE = {
    "scheduler-mode": "reactive",
    "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling": "0 ms",
    "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout": "0 ms",
}


def test_reactive_mode_uses_all_slots(application, bundle):
    """It waits for the first task manager, and takes the second."""
    c = application(usrlib=[bundle("endless")], taskmanagers=0, config=REACTIVE)
    job = c.wait(lambda: (c.try_get("/jobs") or {}).get("jobs"))[0]["id"]

    def runs_with(n):
        vertices = c.get(f"/jobs/{job}")["vertices"]
        return {v["parallelism"] for v in vertices} == {n} and all(v["tasks"]["RUNNING"] == n for v in vertices)

    c.start_task_manager()
    c.wait(lambda: runs_with(1))
    c.start_task_manager()
    c.wait(lambda: runs_with(2))
    status, answer = c.request("PUT", f"/jobs/{job}/resource-requirements", {})
    assert status == 409 and "reactive mode" in str(answer)
    c.cancel(job)
    c.jobmanager.expected_exit = None
    c.jobmanager.wait()


def test_reactive_mode_is_not_for_sessions(cluster):
    c = cluster(taskmanagers=None, config=REACTIVE)
    c.start_job_manager()
    assert "only supported by standalone application clusters" in ends_with(c, 1)
