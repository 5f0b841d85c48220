"""Clusters with several job managers: which of them leads, what the next one finds, and jobs that outlive leaders."""

import contextlib
import os
import random
import signal
import time

from cluster import PATIENCE, Cluster, state_of
from running import free_port
from test_recovery import check_output, completed, write_input

SESSION = "2 s"  # until a silent leader is replaced
JOB = {
    "execution.checkpointing.interval": "100ms",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "50ms",
}


class HaCluster(Cluster):
    """Job managers by their numbers, each with a REST port of its own; requests go to `port`."""

    def __init__(self, home, folder, slots=2, config=None):
        self.storage = os.path.join(str(folder), "ha")
        super().__init__(home, folder, slots=slots, config={
            "high-availability.type": "file",
            "high-availability.storageDir": self.storage,
            "high-availability.cluster-id": "/test",
            "high-availability.file.session-timeout": SESSION,
            "high-availability.jobmanager.port": "0",
            **(config or {}),
        })
        self.ports, self.job_managers = {}, {}
        self.leaves_files = True  # killed processes leave theirs

    def start_candidate(self, number, *args, environment=None):
        """A job manager, or the successor of the one that had this number."""
        port = self.ports.setdefault(number, free_port())
        self.job_managers[number] = self.start_job_manager("-D", f"rest.port={port}", *args, environment=environment)
        return self.job_managers[number]

    def start(self, taskmanagers=2, candidates=2):  # pylint: disable=arguments-differ
        for number in range(candidates):
            self.start_candidate(number)
            self.port = self.ports[number]
            if number == 0:
                self.wait_for_leader(0)
        self.port = self.ports[0]
        for _ in range(taskmanagers):
            self.start_task_manager()
        self.wait_for_slots(taskmanagers * self.slots)
        return self

    def ha_files(self):
        try:
            return sorted(os.listdir(os.path.join(self.storage, "test", "ha")))
        except FileNotFoundError:
            return []

    def published(self):
        """The REST address of the leader as it is published; None."""
        files = [name for name in self.ha_files() if name.startswith("leader-")]
        try:
            with open(os.path.join(self.storage, "test", "ha", files[-1]), encoding="utf-8") as f:
                return f.read().splitlines()[2]
        except (IndexError, OSError):
            return None

    def leader(self):
        """The number of the leader; None."""
        url = self.published()
        return next((n for n, port in self.ports.items() if url == f"{'https' if self.tls else 'http'}://localhost:{port}"), None)

    def wait_for_leader(self, number=None):
        """Until this one leads, or any; returns its number."""
        self.wait(lambda: self.leader() is not None and (number is None or self.leader() == number) and self.try_get("/overview"))
        return self.leader()

    def wait_for_other_leader(self, number):
        self.port = next(port for n, port in self.ports.items() if n != number)
        self.wait(lambda: self.leader() not in (None, number) and self.try_get("/overview"))
        return self.leader()

    def kept(self):
        """Files that a new leader would look for, beside the records."""
        root = os.path.join(self.storage, "test")
        return sorted(os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root)
                      for name in names if not folder.startswith(os.path.join(root, "ha")))


@contextlib.contextmanager
def ha_cluster(home, folder, taskmanagers=1, candidates=2, **options):
    c = HaCluster(home, folder, **options)
    try:
        yield c.start(taskmanagers, candidates)
        c.stop()
    finally:
        c.kill_all()


def all_running(c, job):
    found = c.try_get(f"/jobs/{job}")
    return bool(found) and all(v["status"] == "RUNNING" for v in found["vertices"])


def wait_for_running(c, job, seconds=PATIENCE):
    start = time.monotonic()
    c.wait(lambda: all_running(c, job), seconds)
    return time.monotonic() - start


class ZooKeeperCluster(HaCluster):
    """The same with ZooKeeper; who leads say the logs of those that run."""

    def __init__(self, home, folder, server, session="4 s", **options):
        config = {
            "high-availability.type": "zookeeper",
            "high-availability.zookeeper.quorum": server.quorum,
            "high-availability.zookeeper.client.session-timeout": session,
            "high-availability.zookeeper.client.connection-timeout": "1 s",
            "high-availability.zookeeper.client.retry-wait": "1 s",
            "high-availability.cluster-id": "/" + os.path.basename(str(folder)) + f"-{os.getpid()}-{time.monotonic_ns()}",
            **options.pop("config", {}),
        }
        super().__init__(home, folder, config=config, **options)
        self.server = server

    def leader(self):
        for number, process in self.job_managers.items():
            text = process.text()
            if (process.runs() and state_of(process.pid) != "T" and
                    text.count("This job manager leads:") > text.count("leadership was revoked")):
                return number
        return None

    def kept(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.storage) for folder, _, names in os.walk(self.storage)
                      for name in names)


# ---- jobs that outlive leaders ---------------------------------------------------------------------


class CountingJob:
    """It counts lines, and lasts some seconds, or with `delay_us` longer."""

    def __init__(self, c, bundle, tmp_path, delay_us=100, **config):
        self.c, self.output = c, tmp_path / "out"
        self.counts = write_input(tmp_path / "in", random.Random(3))
        self.id = c.run_jar(c.upload(bundle("recovery")),
                            ["--input", tmp_path / "in", "--output", self.output, "--delay-us", str(delay_us)],
                            parallelism=2, config={**JOB, "execution.checkpointing.dir": str(tmp_path / "checkpoints"), **config})

    def wait_for_checkpoints(self, more=2):
        """Of those that complete from now on."""
        before = completed(self.c, self.id)
        self.c.wait(lambda: completed(self.c, self.id) >= before + more)

    def wait_for_end(self):
        """Every line counts once, and nothing is left of the job."""
        self.c.wait_for_state(self.id, "FINISHED")
        check_output(self.output, self.counts)
        self.c.wait(lambda: self.c.kept() == [])


def kill_leaders(c, job):
    """Twice, in the middle of the job; it goes on from its checkpoints."""
    for old in (0, 1):
        job.wait_for_checkpoints()
        c.job_managers[old].kill()
        assert c.wait_for_other_leader(old) == 1 - old
        wait_for_running(c, job.id)
        assert c.get(f"/jobs/{job.id}/checkpoints")["latest"]["restored"]["id"] > 0
        c.start_candidate(old)


def freeze_leader(c, job):
    """Longer than its session: another one leads; thawed, it stands by and disturbs nothing."""
    job.wait_for_checkpoints()
    frozen = c.job_managers[0]
    frozen.signal(signal.SIGSTOP)
    assert c.wait_for_other_leader(0) == 1
    wait_for_running(c, job.id)
    frozen.signal(signal.SIGCONT)
    c.wait(lambda: "leadership was revoked" in frozen.text())
    assert c.leader() == 1
    # It answers through the leader.
    c.port = c.ports[0]
    c.wait(lambda: (c.try_get("/jobs/overview") or {}).get("jobs"))
    assert c.state(job.id) in ("RUNNING", "FINISHED")


def stop_leader(c, job):
    """In order: its jobs are suspended, the standby goes on at once, whatever the time-out is."""
    job.wait_for_checkpoints()
    assert c.job_managers[0].stop() == 0
    assert c.wait_for_other_leader(0) == 1
    wait_for_running(c, job.id)
