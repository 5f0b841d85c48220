"""Two job managers: the leader is killed, frozen, stopped; jobs go on from their checkpoints, and ended ones stay ended."""

import http.client
import os
import random
import signal
import subprocess

import pytest
from running import free_port
from ha import (JOB, CountingJob, HaCluster, all_running, freeze_leader, ha_cluster, kill_leaders, stop_leader,
                wait_for_running)
from test_recovery import check_output, completed, write_input

@pytest.fixture
def home(flinc):
    return flinc.home


def test_leader_is_killed(home, bundle, tmp_path):
    with ha_cluster(home, tmp_path / "cluster") as c:
        job = CountingJob(c, bundle, tmp_path)
        kill_leaders(c, job)
        job.wait_for_end()
        c.wait(lambda: os.listdir(tmp_path / "checkpoints") == [])


def test_leader_is_frozen(home, bundle, tmp_path):
    with ha_cluster(home, tmp_path / "cluster") as c:
        job = CountingJob(c, bundle, tmp_path)
        freeze_leader(c, job)
        job.wait_for_end()


def test_standby_forwards(home, bundle, tmp_path):
    """Uploads, submissions and questions by the standby's port; without a leader it says 503."""
    with ha_cluster(home, tmp_path / "cluster") as c:
        c.port = c.ports[1]
        job = CountingJob(c, bundle, tmp_path)
        job.wait_for_checkpoints(1)
        c.port = c.ports[0]
        assert c.state(job.id) == "RUNNING"
        c.port = c.ports[1]
        c.cancel(job.id)
        c.wait_for_state(job.id, "CANCELED")
        c.wait(lambda: c.kept() == [])
        c.job_managers[0].signal(signal.SIGSTOP)
        c.job_managers[1].kill()
        c.start_candidate(1)
        assert c.wait_for_other_leader(0) == 1
        c.job_managers[0].signal(signal.SIGCONT)


def test_no_leader(home, tmp_path):
    """A candidate that cannot lead answers 503."""
    c = HaCluster(home, tmp_path / "cluster")
    try:
        c.start(0, candidates=1)
        c.job_managers[0].signal(signal.SIGSTOP)
        c.start_candidate(1, "-D", "high-availability.cluster-id=/other-that-nobody-leads",
                          environment={"FLINC_FAILPOINTS": "ha.file.before_close=error"})
        c.port = c.ports[1]

        def answers_503():
            try:
                return c.request("GET", "/overview")[0] == 503
            except OSError:
                return False

        c.wait(answers_503)
        c.job_managers[0].signal(signal.SIGCONT)
        c.stop()
    finally:
        c.kill_all()


def test_finished_job_is_not_run_again(home, bundle, tmp_path):
    """A submission of its id is refused while its result is kept; a new leader knows nothing of it."""
    with ha_cluster(home, tmp_path / "cluster", config={"job-result-store.delete-on-commit": "false"}) as c:
        job = CountingJob(c, bundle, tmp_path, delay_us=0)
        job.wait_for_end()
        c.job_managers[0].kill()
        assert c.wait_for_other_leader(0) == 1
        assert c.get("/jobs/overview")["jobs"] == []
        again = ["--input", tmp_path / "in", "--output", tmp_path / "again"]
        status, body = c.request("POST", f"/jars/{os.path.basename(c.upload(bundle('recovery')))}/run",
                                 {"programArgsList": [str(a) for a in again], "jobId": job.id})
        assert status >= 400 and "ended already" in str(body), (status, body)
        check_output(job.output, job.counts)


def test_all_job_managers_are_killed(home, bundle, tmp_path):
    with ha_cluster(home, tmp_path / "cluster") as c:
        job = CountingJob(c, bundle, tmp_path)
        job.wait_for_checkpoints()
        for number in (0, 1):
            c.job_managers[number].kill()
        for number in (0, 1):
            c.start_candidate(number)
        c.wait_for_leader()
        wait_for_running(c, job.id)
        job.wait_for_end()


def test_orderly_stop_hands_over(home, bundle, tmp_path):
    with ha_cluster(home, tmp_path / "cluster", config={"high-availability.file.session-timeout": "10 min"}) as c:
        job = CountingJob(c, bundle, tmp_path)
        stop_leader(c, job)
        job.wait_for_end()


@pytest.mark.parametrize("failpoint", [
    "recovery.put.before_graph", "recovery.put.after_graph", "recovery.end.before_result", "recovery.end.after_result",
    "recovery.remove.before", "recovery.remove.before_result", "checkpoint.complete.before_pointer",
    "checkpoint.complete.after_pointer", "checkpoint.subsume.before_delete", "checkpoint.end.before_delete",
    "ha.file.before_record", "ha.file.after_record",
])
def test_leader_is_killed_at(home, bundle, tmp_path, failpoint):
    """At a step of the protocol: the job ends once, with every line once, or was never accepted."""
    c = HaCluster(home, tmp_path / "cluster")
    nth = 5 if failpoint.startswith(("checkpoint.complete", "checkpoint.subsume", "ha.file")) else 1
    try:
        c.start_candidate(0, environment={"FLINC_FAILPOINTS": f"{failpoint}=kill,nth={nth}"})
        c.job_managers[0].expected_exit = None
        c.port = c.ports[0]
        c.wait_for_leader(0)
        c.start_candidate(1)
        c.start_task_manager()
        c.wait_for_slots(2)
        try:
            CountingJob(c, bundle, tmp_path, delay_us=20)
        except (OSError, AssertionError, ValueError):  # it dies before it answers
            pass
        c.wait(lambda: not c.job_managers[0].runs())
        assert c.wait_for_other_leader(0) == 1
        jobs = c.get("/jobs/overview")["jobs"]
        counts = write_input(tmp_path / "in2", random.Random(3))
        if failpoint == "recovery.put.before_graph":
            assert jobs == []
        else:
            for job in jobs:
                c.wait_for_state(job["jid"], "FINISHED")
            check_output(tmp_path / "out", counts)
            c.wait(lambda: c.kept() == [])
            c.wait(lambda: not list(tmp_path.glob("checkpoints/*/chk-*/_metadata")))  # they went with the job
        c.stop()
    finally:
        c.kill_all()


ELASTIC = {
    "jobmanager.scheduler": "adaptive",
    "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout": "200 ms",
    "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout": "200 ms",
    "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling": "0 ms",
}


class ElasticJob(CountingJob):
    """It may be asked for other bounds of its parallelism."""

    def bounds(self):
        return self.c.try_get(f"/jobs/{self.id}/resource-requirements")

    def ask(self, upper):
        wanted = {v: {"parallelism": {"lowerBound": 1, "upperBound": upper}} for v in self.c.wait(self.bounds)}
        return wanted, lambda: self.c.request("PUT", f"/jobs/{self.id}/resource-requirements", wanted)

    def widest(self):
        """Of its vertices, when all tasks run."""
        found = self.c.try_get(f"/jobs/{self.id}")
        runs = found and all(v["status"] == "RUNNING" for v in found["vertices"])
        return max(v["parallelism"] for v in found["vertices"]) if runs else None

    def finish(self):
        self.c.cancel(self.id)
        self.c.wait_for_state(self.id, "CANCELED")
        self.c.wait(lambda: self.c.kept() == [])


def test_bounds_outlive_leaders(home, bundle, tmp_path):
    """What was acknowledged of other bounds of the parallelism holds under each later leader."""
    with ha_cluster(home, tmp_path / "cluster", config=ELASTIC) as c:
        job = ElasticJob(c, bundle, tmp_path, delay_us=20000)
        c.wait(lambda: job.widest() == 2)
        for old, upper in ((0, 1), (1, 5)):
            wanted, put = job.ask(upper)
            assert put()[0] == 200
            c.job_managers[old].kill()
            assert c.wait_for_other_leader(old) == 1 - old
            assert c.wait(job.bounds) == wanted
            c.wait(lambda upper=upper: job.widest() == min(upper, 2))
            c.start_candidate(old)
        c.job_managers[0].stop()
        assert c.wait_for_other_leader(0) == 1
        assert c.wait(job.bounds) == wanted
        job.finish()


@pytest.mark.parametrize("failpoint,kept", [("recovery.requirements.before_write", False),
                                            ("dispatcher.requirements.before_apply", True)])
def test_leader_is_killed_while_bounds_are_set(home, bundle, tmp_path, failpoint, kept):
    """Nobody is answered, and the next leader has the bounds if they were written down."""
    c = HaCluster(home, tmp_path / "cluster", config=ELASTIC)
    try:
        c.start_candidate(0, environment={"FLINC_FAILPOINTS": f"{failpoint}=kill,nth=2"})
        c.port = c.ports[0]
        c.wait_for_leader(0)
        c.start_candidate(1)
        c.start_task_manager()
        c.wait_for_slots(2)
        job = ElasticJob(c, bundle, tmp_path, delay_us=20000)
        first, put = job.ask(4)
        assert put()[0] == 200
        second, put = job.ask(3)
        c.job_managers[0].expected_exit = None
        with pytest.raises((OSError, http.client.HTTPException)):
            put()
        assert c.wait_for_other_leader(0) == 1
        assert c.wait(job.bounds) == (second if kept else first)
        job.finish()
        c.stop()
    finally:
        c.kill_all()


def test_masters_of_the_start_scripts(flinc, tmp_path):
    """Two lines, two job managers on this host; stop-cluster.sh ends both."""
    c = HaCluster(flinc.home, tmp_path / "cluster")
    ports = [free_port(), free_port()]
    with open(os.path.join(c.conf_dir, "masters"), "w", encoding="utf-8") as f:
        f.writelines(f"localhost:{port}\n" for port in ports)
    with open(os.path.join(c.conf_dir, "workers"), "w", encoding="utf-8") as f:
        f.write("localhost\n")
    environment = {**os.environ, **c.environment}
    done = subprocess.run([flinc.path("bin", "start-cluster.sh")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Starting HA cluster with 2 masters." in done.stdout, done.stdout + done.stderr
    try:
        for c.port in ports:
            c.wait(lambda: (c.try_get("/overview") or {}).get("slots-available") == c.slots)
        listed = subprocess.run([flinc.path("bin", "flink"), "list"], env=environment, capture_output=True, text=True, check=False)
        assert "No running jobs." in listed.stdout, listed.stdout + listed.stderr  # it was not told where
    finally:
        done = subprocess.run([flinc.path("bin", "stop-cluster.sh")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("Stopping standalonesession daemon") == 2, done.stdout + done.stderr
    c.wait(lambda: c.published() is None)


def test_application(home, bundle, tmp_path):
    """Its main runs once, whoever leads; both job managers end with the application."""
    counts = write_input(tmp_path / "in", random.Random(3))
    c = HaCluster(home, tmp_path / "cluster", config={**JOB, "execution.checkpointing.dir": str(tmp_path / "checkpoints"),
                                                      "parallelism.default": "2"})
    args = ["--application", "--job-classname", bundle("recovery"), "--input", tmp_path / "in", "--output", tmp_path / "out",
            "--delay-us", "100"]
    try:
        for number in (0, 1):
            c.start_candidate(number, *args)
            c.port = c.ports[0]
            c.wait_for_leader(0)
        c.start_task_manager()
        job = c.wait(lambda: (c.try_get("/jobs/overview") or {}).get("jobs"))[0]["jid"]
        c.wait(lambda: completed(c, job) >= 2)
        c.job_managers[0].kill()
        assert c.wait_for_other_leader(0) == 1
        assert [one["jid"] for one in c.get("/jobs/overview")["jobs"]] == [job]
        c.start_candidate(0, *args)
        assert c.job_managers[1].wait() == 0
        assert c.job_managers[0].wait() == 0
        check_output(tmp_path / "out", counts)
        assert "is not run again" in c.job_managers[0].text()
        c.stop()
    finally:
        c.kill_all()


def test_all_running_needs_a_job(home, tmp_path):
    """What the other tests wait for is not true of a job that nobody knows."""
    with ha_cluster(home, tmp_path / "cluster", taskmanagers=0, candidates=1) as c:
        assert not all_running(c, "0" * 32)
