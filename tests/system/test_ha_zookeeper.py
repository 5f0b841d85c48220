"""Two job managers and a real ZooKeeper server: the leader is killed and frozen, the server is away and comes back."""

import contextlib
import os
import subprocess
import sys
import time

import pytest
from cluster import TOP
from ha import CountingJob, HaCluster, ZooKeeperCluster, freeze_leader, kill_leaders, stop_leader
from running import free_port

TOLERANT = {"high-availability.zookeeper.client.tolerate-suspended-connections": "true"}
OUTAGE = float(os.environ.get("FLINC_TEST_OUTAGE", "8"))  # seconds; longer than a session

sys.path.insert(0, os.path.join(TOP, "tests", "services"))
import zookeeper  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = zookeeper.Server(tmp_path_factory.mktemp("zookeeper"), free_port()).start()
    yield one
    one.stop()


@contextlib.contextmanager
def two(home, folder, server, **options):
    c = ZooKeeperCluster(home, folder, server, **options)
    try:
        yield c.start(1)
        c.stop()
    finally:
        c.kill_all()


def test_leader_is_killed(flinc, bundle, tmp_path, server):
    with two(flinc.home, tmp_path / "cluster", server) as c:
        job = CountingJob(c, bundle, tmp_path)
        kill_leaders(c, job)
        job.wait_for_end()


def test_leader_is_frozen(flinc, bundle, tmp_path, server):
    with two(flinc.home, tmp_path / "cluster", server, session="1 s") as c:
        job = CountingJob(c, bundle, tmp_path)
        freeze_leader(c, job)
        job.wait_for_end()


def test_orderly_stop_hands_over(flinc, bundle, tmp_path, server):
    with two(flinc.home, tmp_path / "cluster", server, session="60 s") as c:
        job = CountingJob(c, bundle, tmp_path)
        stop_leader(c, job)
        job.wait_for_end()


@pytest.mark.parametrize("tolerates", ["true", "false"])
def test_server_is_restarted(flinc, bundle, tmp_path, tolerates):
    """Shorter than the session: with tolerate-suspended-connections the leader leads on, else it stands by, and leads again."""
    own = zookeeper.Server(tmp_path / "zookeeper", free_port()).start()
    try:
        config = {"high-availability.zookeeper.client.tolerate-suspended-connections": tolerates}
        with two(flinc.home, tmp_path / "cluster", own, session="40 s", config=config) as c:
            job = CountingJob(c, bundle, tmp_path)
            job.wait_for_checkpoints()
            own.stop()
            c.wait(lambda: all("is not reached" in p.text() for p in c.job_managers.values()))
            own.start()
            revoked = sum(p.text().count("leadership was revoked") for p in c.job_managers.values())
            assert revoked == (0 if tolerates == "true" else 1)
            c.wait(lambda: c.leader() is not None and c.try_get(f"/jobs/{job.id}"))
            job.wait_for_end()
    finally:
        own.stop()


@pytest.fixture
def ensemble(tmp_path):
    three = zookeeper.Ensemble(tmp_path / "ensemble", free_port)
    try:
        yield three.start()
    finally:
        three.stop()


def never_noticed(c, job):
    """No leader changed, and the job was not restarted; cancelled, it leaves nothing."""
    assert not any("leadership was revoked" in p.text() for p in c.job_managers.values())
    assert c.get(f"/jobs/{job.id}")["state"] == "RUNNING"
    assert c.get(f"/jobs/{job.id}/checkpoints")["counts"]["restored"] == 0
    c.cancel(job.id)
    c.wait_for_state(job.id, "CANCELED")
    c.wait(lambda: c.kept() == [])


def test_servers_of_an_ensemble_are_killed(flinc, bundle, tmp_path, ensemble):
    """A follower, the leader, and then each in turn: jobs and leaders go on, checkpoints complete after each."""
    with two(flinc.home, tmp_path / "cluster", ensemble, session="30 s", config=TOLERANT) as c:
        job = CountingJob(c, bundle, tmp_path, delay_us=20000)
        job.wait_for_checkpoints()
        for mode in ("follower", "leader"):
            one = ensemble.one(mode)
            one.stop()
            job.wait_for_checkpoints()
            one.start()
        for server in ensemble.servers:
            server.stop()
            server.start()
            job.wait_for_checkpoints()
        never_noticed(c, job)


def test_ensemble_is_away(flinc, bundle, tmp_path, ensemble):
    """Longer than a session: what the servers count starts again with them; the job does not notice."""
    with two(flinc.home, tmp_path / "cluster", ensemble, session="4 s", config=TOLERANT) as c:
        job = CountingJob(c, bundle, tmp_path, delay_us=20000)
        job.wait_for_checkpoints()
        ensemble.stop()
        until = time.monotonic() + OUTAGE
        c.wait(lambda: time.monotonic() > until, OUTAGE + 10)
        assert c.kept() != []
        ensemble.start()
        job.wait_for_checkpoints()
        never_noticed(c, job)


def test_scripts(flinc, tmp_path):
    """start-zookeeper-quorum.sh, a cluster on it, a client that finds the leader there, and everything stopped again."""
    ports = [free_port() for _ in range(3)]
    c = HaCluster(flinc.home, tmp_path / "cluster", config={"high-availability.type": "zookeeper",
                                                            "high-availability.zookeeper.quorum": f"localhost:{ports[0]}"})
    with open(os.path.join(c.conf_dir, "zoo.cfg"), "w", encoding="utf-8") as f:
        f.write(f"tickTime=500\ninitLimit=10\nsyncLimit=5\ndataDir={tmp_path}/zookeeper\nclientPort={ports[0]}\n"
                f"server.1=localhost:{ports[1]}:{ports[2]}\n")
    environment = {**os.environ, **c.environment, "ZOOKEEPER_HOME": zookeeper.jars()}

    def run(*command, code=0):
        done = subprocess.run([flinc.path("bin", command[0]), *command[1:]], env=environment, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "there is no server.2" in run("zookeeper.sh", "start", "2", code=1)
    assert "Usage: zookeeper.sh" in run("zookeeper.sh", "start", code=1)
    assert "Starting zookeeper daemon" in run("start-zookeeper-quorum.sh")
    try:
        with open(os.path.join(c.conf_dir, "masters"), "w", encoding="utf-8") as f:
            f.write(f"localhost:{free_port()}\nlocalhost:{free_port()}\n")
        with open(os.path.join(c.conf_dir, "workers"), "w", encoding="utf-8") as f:
            f.write("localhost\n")
        run("start-cluster.sh")
        assert "No running jobs." in run("flink", "list")
    finally:
        run("stop-cluster.sh")
        assert "Stopping zookeeper daemon" in run("stop-zookeeper-quorum.sh")
    assert "no job manager leads" in run("flink", "list", "-Drest.await-leader-timeout=1s", code=1)


def test_server_comes_later(flinc, tmp_path):
    """Candidates wait for it, and say so."""
    own = zookeeper.Server(tmp_path / "zookeeper", free_port())
    c = ZooKeeperCluster(flinc.home, tmp_path / "cluster", own)
    try:
        c.start_candidate(0)
        c.port = c.ports[0]
        c.start_task_manager()
        c.wait(lambda: "is not reached" in c.job_managers[0].text())
        assert f"ZooKeeper at {own.quorum}" in c.job_managers[0].text()
        own.start()
        c.wait_for_leader(0)
        c.wait_for_slots(c.slots)
        c.stop()
    finally:
        c.kill_all()
        own.stop()


def test_unit_tests_with_a_server(server):
    """Those of common/ha that need one: among them 40 frozen writers."""
    program = os.path.join(TOP, "build", "release", "tests", "unit", "common_ha_zookeeper")
    if not os.path.exists(program):
        pytest.skip("the unit tests are not built (build/release)")
    done = subprocess.run([program], env={**os.environ, "FLINC_TEST_ZOOKEEPER": server.quorum}, capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0 and "SKIPPED" not in done.stdout + done.stderr, done.stdout + done.stderr
